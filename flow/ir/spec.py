"""What a valid Circuit is; checked between passes."""

from __future__ import annotations

import re
from collections.abc import Container

from flow.errors import IRError
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import unsigned
from flow.ir.nodes import Clamp, Concat, Input, Linear, Node, Register, Shl, Shr

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names of circuits, ports and layers: what every tool below accepts as it stands."""


_BOUND = frozenset((Input, Shl, Shr, Linear, Concat, Clamp))
"""Operations whose fields keep to more than the interval that each node infers as it is made."""


def check(circuit: Circuit, sound: Container[Node] = ()) -> None:
    """Raise IRError unless the circuit is well formed; nodes in `sound` are known to be.

    Names match NAME and ports are distinct; input lanes are `Input` nodes of their port; shifts
    are not negative; all paths from the inputs to one node cross the same number of registers,
    and so do all paths to the outputs.
    """
    names = [port.name for port in (*circuit.inputs, *circuit.outputs)]
    for name in (circuit.name, *names):
        if not NAME.fullmatch(name):
            raise IRError(f"{name!r} is not a name of the form {NAME.pattern}")
    if len(set(names)) != len(names):
        raise IRError(f"two ports have one name: {', '.join(names)}")
    for port in circuit.outputs:
        if not port.lanes:
            raise IRError(f"output port {port.name!r} has no lanes")
    lanes = _input_lanes(circuit.inputs)
    for node in circuit.walk():
        if type(node) in _BOUND and (node not in sound or isinstance(node, Input)):
            _check_node(node, lanes)
    if Register in set(map(type, circuit.walk())):
        _check_latency(circuit)


def _check_latency(circuit: Circuit) -> None:
    delay: dict[Node, int | None] = {}
    for node in circuit.walk():
        delay[node] = _delay(node, delay)
    depths = {delay[lane] for port in circuit.outputs for lane in port.lanes} - {None}
    if len(depths) > 1:
        raise IRError(f"the outputs differ in latency: {sorted(d for d in depths if d)} registers")


def _input_lanes(ports: tuple[Port, ...]) -> set[Node]:
    lanes: set[Node] = set()
    for port in ports:
        for i, lane in enumerate(port.lanes):
            if not isinstance(lane, Input) or (lane.port, lane.index) != (port.name, i):
                raise IRError(f"lane {i} of input port {port.name!r} is {lane!r}")
            lanes.add(lane)
    return lanes


def _check_node(node: Node, lanes: set[Node]) -> None:
    match node:
        case Input():
            if node not in lanes:
                raise IRError(f"input {node.port}[{node.index}] is in no port")
        case Shl(_, amount) | Shr(_, amount) if amount < 0:
            raise IRError(f"{node.mnemonic} by {amount}")
        case Linear(terms, coefficients) if len(terms) != len(coefficients):
            raise IRError(f"linear with {len(terms)} terms, {len(coefficients)} coefficients")
        case Concat(parts, widths) if len(parts) != len(widths):
            raise IRError(f"concat with {len(parts)} parts, {len(widths)} widths")
        case Concat(parts, widths):
            if not all(unsigned(w).covers(p.range) for p, w in zip(parts, widths, strict=True)):
                raise IRError("concat with a part that does not fit its width")
        case Clamp(_, lo, hi) if lo > hi:
            raise IRError(f"clamp to [{lo}, {hi}]")


def _delay(node: Node, delay: dict[Node, int | None]) -> int | None:
    """Registers between the inputs and this node; None where it depends on no input."""
    if isinstance(node, Input):
        return 0
    depths = {d for x in node.operands if (d := delay[x]) is not None}
    if len(depths) > 1:
        raise IRError(f"{node.mnemonic} mixes values of {sorted(depths)} registers' delay")
    if not depths:
        return None
    return depths.pop() + isinstance(node, Register)
