"""Which layer of the user's network each node belongs to."""

from __future__ import annotations

from flow.ir.circuit import Circuit
from flow.ir.nodes import Node


def layer_of(circuit: Circuit) -> dict[Node, str]:
    """The name of a layer for every node, in order of the walk.

    Its own origin's; else that of the nearest node that uses it, however indirectly; else that
    of the nearest node that it uses; else the circuit's name. The first in order of the walk
    wins among equally near ones.
    """
    order = list(circuit.walk())
    found: dict[Node, tuple[int, int, str]] = {}
    for i, node in enumerate(order):
        if node in circuit.origins:
            found[node] = (0, i, circuit.origins[node].layer)
    named = set(found)
    for node in reversed(order):  # Users first: each node hands its layer down.
        if node in found:
            distance, i, layer = found[node]
            for x in node.operands:
                if x not in named:
                    found[x] = min(found.get(x, (len(order), 0, "")), (distance + 1, i, layer))
    for node in order:  # What no named node uses takes the layer of what it uses.
        if node not in found:
            below = [found[x] for x in node.operands if x in found]
            if below:
                distance, i, layer = min(below)
                found[node] = (distance + 1, i, layer)
    return {node: found[node][2] if node in found else circuit.name for node in order}
