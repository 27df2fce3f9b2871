"""Threshold netlists as and-inverter graphs: a tree of multiplexers for each gate.

Shannon expansion by the largest weight first, where equal remainders are one node (Lee and Jiang,
"Constraint Solving for Synthesis and Verification of Threshold Logic Circuits", 2021, section VI).
"""

from __future__ import annotations

from collections.abc import Sequence

from flow.errors import UsageError
from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder
from flow.ir.design import HELD, TAKEN
from flow.ir.threshold import ThresholdGate, ThresholdNetlist

MOST_INPUTS = 20
"""Gates of more inputs do not become trees: they may grow as the largest of all functions."""
MOST_STATES = 20_000
"""Nodes of one tree at most."""


def netlist_graph(netlist: ThresholdNetlist) -> Aig:
    """The graph of a netlist, its flip-flops cut as in a Design.

    UsageError where a gate has more than MOST_INPUTS inputs and its tree is too large.
    """
    held = [HELD + flipflop.name for flipflop in netlist.flipflops]
    taken = [TAKEN + flipflop.name for flipflop in netlist.flipflops]
    g = AigBuilder(netlist.name, [*netlist.inputs, *held])
    literals = [2 * k for k in range(1, netlist.first_gate + 1)]
    for placed in netlist.gates:
        literals.append(gate_literal(g, placed.gate, [literals[x] for x in placed.inputs]))
    ends = [literals[x] for x in netlist.ends]
    return g.finish(list(zip((*netlist.outputs, *taken), ends, strict=True)))


def gate_literal(g: AigBuilder, gate: ThresholdGate, inputs: Sequence[int]) -> int:
    """The literal of a gate on literals of its inputs."""
    positive, flips = gate.positive()
    order = sorted(range(gate.fan_in), key=lambda i: -positive.weights[i])
    weights = [positive.weights[i] for i in order]
    literals = [inputs[i] ^ flips[i] for i in order]
    rest = [sum(weights[k:]) for k in range(len(weights) + 1)]
    known: dict[tuple[int, int], int] = {}
    stack = [(0, positive.threshold)]
    while stack:
        k, need = stack[-1]
        if (k, need) in known or need <= 0 or need > rest[k]:
            stack.pop()
            continue
        branches = ((k + 1, need - weights[k]), (k + 1, need))
        missing = [at for at in branches if _leaf(known, rest, at) is None]
        if missing:
            stack += missing
            continue
        if len(known) > MOST_STATES and gate.fan_in > MOST_INPUTS:
            raise UsageError(f"the tree of a gate of {gate.fan_in} inputs grows too large")
        then, other = (_leaf(known, rest, at) or 0 for at in branches)
        known[k, need] = g.disj(g.conj(literals[k], then), other)
        stack.pop()
    return _leaf(known, rest, (0, positive.threshold)) or 0


def _leaf(
    known: dict[tuple[int, int], int], rest: Sequence[int], at: tuple[int, int]
) -> int | None:
    k, need = at
    if need <= 0:
        return TRUE
    return FALSE if need > rest[k] else known.get(at)
