"""Which layer, and which neuron, of the user's network each node belongs to."""

from __future__ import annotations

from flow.ir.circuit import Circuit, Origin
from flow.ir.nodes import Node


def layer_of(circuit: Circuit) -> dict[Node, str]:
    """The layer of the node's origin, in order of the walk; else the circuit's name."""
    return {node: o.layer if o else circuit.name for node, o in origin_of(circuit).items()}


def neuron_of(circuit: Circuit) -> dict[Node, str]:
    """The layer and the element of the node's origin as `layer index`; else the circuit's name."""
    return {
        node: f"{o.layer} {o.index}" if o and o.index >= 0 else o.layer if o else circuit.name
        for node, o in origin_of(circuit).items()
    }


def origin_of(circuit: Circuit) -> dict[Node, Origin | None]:
    """The origin of every node, in order of the walk.

    Its own; else that of the nearest node that uses it, however indirectly; else that of the
    nearest node that it uses; else None. The first in order of the walk wins among equally near
    ones.
    """
    order = list(circuit.walk())
    count = len(order)
    # How far the node with the name is, times the number of nodes, and its place: the least first.
    found = {node: i for i, node in enumerate(order) if node in circuit.origins}
    named = set(found)
    for node in reversed(order):  # Users first: each node hands its origin down.
        if node in found:
            further = found[node] + count
            for x in node.operands:
                if x not in named and further < found.get(x, further + 1):
                    found[x] = further
    for node in order:  # What no named node uses takes the origin of what it uses.
        if node not in found:
            below = [found[x] for x in node.operands if x in found]
            if below:
                found[node] = min(below) + count
    owners = {i: circuit.origins[order[i]] for i in {place % count for place in found.values()}}
    return {node: owners[found[node] % count] if node in found else None for node in order}
