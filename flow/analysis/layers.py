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
    found: dict[Node, tuple[int, int]] = {}
    for i, node in enumerate(order):
        if node in circuit.origins:
            found[node] = (0, i)
    named = set(found)
    for node in reversed(order):  # Users first: each node hands its origin down.
        if node in found:
            distance, i = found[node]
            for x in node.operands:
                if x not in named:
                    found[x] = min(found.get(x, (len(order), 0)), (distance + 1, i))
    for node in order:  # What no named node uses takes the origin of what it uses.
        if node not in found:
            below = [found[x] for x in node.operands if x in found]
            if below:
                distance, i = min(below)
                found[node] = (distance + 1, i)
    return {
        node: circuit.origins[order[found[node][1]]] if node in found else None for node in order
    }
