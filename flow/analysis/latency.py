"""Clock cycles from the inputs of a circuit to each node and to its outputs."""

from __future__ import annotations

from flow.errors import IRError
from flow.ir.circuit import Circuit
from flow.ir.nodes import Input, Node, Register


def stages(circuit: Circuit) -> dict[Node, int | None]:
    """Registers between the inputs and each node; None where it depends on no input.

    Raises IRError where two paths to one node differ.
    """
    stage: dict[Node, int | None] = {}
    for node in circuit.walk():
        if isinstance(node, Input):
            stage[node] = 0
            continue
        below = {s for x in node.operands if (s := stage[x]) is not None}
        if len(below) > 1:
            raise IRError(f"{node.mnemonic} mixes values of {sorted(below)} registers' delay")
        stage[node] = below.pop() + isinstance(node, Register) if below else None
    return stage


def latency(circuit: Circuit) -> int:
    """Clock cycles from an input to the outputs that belong to it; 0 if combinational.

    Raises IRError where the outputs differ.
    """
    if not any(isinstance(node, Register) for node in circuit.walk()):
        return 0
    stage = stages(circuit)
    depths = {s for port in circuit.outputs for x in port.lanes if (s := stage[x]) is not None}
    if len(depths) > 1:
        raise IRError(f"the outputs differ in latency: {sorted(depths)} registers")
    return depths.pop() if depths else 0
