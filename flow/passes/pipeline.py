"""The pass `pipeline`: registers on every path from inputs to outputs, an equal number on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

from flow.analysis.bit_sources import Roots, nets
from flow.analysis.cost import DelayModel, Delays, node_delay
from flow.analysis.latency import latency
from flow.analysis.lut_delays import lut_graph
from flow.analysis.timing_graph import Stages, TimingGraph, word_graph
from flow.errors import UsageError
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import (
    Add,
    Bits,
    Compare,
    FullAdder,
    Linear,
    Lookup,
    Mul,
    Neg,
    Node,
    Register,
    Sub,
)
from flow.passes.retime import cheapest, earliest, shortest_period
from flow.tech.parts import load_part

LEVELS: tuple[type[Node], ...] = (Add, Sub, Neg, Mul, Linear, Compare, Lookup, FullAdder)
"""Operations that count as one level for the option `every`."""


@dataclass(frozen=True)
class Pipeline:
    """Insert ranks of registers, one at the outputs; a new sample enters every clock cycle.

    `stages`: so many blocks of logic, each ending in registers, the slowest as fast as
    possible. `period`: blocks no slower than that, in full adder delays or in the unit of
    `delay`. `every`: at most so many levels of operations a block. Give one of the three.
    `slack`: percent by which blocks may be slower where that saves registers. `family`: an FPGA
    family whose look-up tables and carry chains time the circuit, bit by bit, in ns.
    """

    name: ClassVar[str] = "pipeline"
    exact: ClassVar[bool] = True

    stages: int | None = None
    period: float | None = None
    every: int | None = None
    slack: float = 0.0
    family: str | None = None

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with registers."""
        return self.run_with(circuit, None)

    def run_with(self, circuit: Circuit, delay: DelayModel | None) -> Circuit:
        """The circuit with registers, by the delays of a technology.

        Raises UsageError unless one option is positive and the circuit has no registers yet,
        and where one operation takes longer than the period.
        """
        given = [v for v in (self.stages, self.period, self.every) if v is not None]
        if len(given) != 1 or given[0] <= 0 or self.slack < 0:
            raise UsageError(
                "pipeline takes one of the options stages, period and every, and it is positive",
                hint="write pipeline{stages=2}, pipeline{period=20} or pipeline{every=4}",
            )
        if latency(circuit) or any(isinstance(x, Register) for x in circuit.walk()):
            raise UsageError("pipeline: the circuit has registers already")
        roots = Roots(circuit)
        graph = self._graph(circuit, roots, delay)
        wires = nets(circuit, roots)
        if self.stages is not None:
            count = self.stages
            limit = shortest_period(graph, count)
        else:
            limit = float(given[0])
            slowest = graph.slowest
            if slowest > limit * (1 + 1e-9):
                raise UsageError(
                    f"pipeline: an operation takes {slowest:g}, longer than the period {limit:g}",
                    hint="choose a longer period, or expand the operation into smaller ones",
                )
            count = 1 + int(earliest(graph, limit).max(initial=0))
        stage = cheapest(graph, wires, limit * (1 + self.slack / 100), count)
        return _insert(circuit, roots, stage, count)

    def estimate(self, circuit: Circuit) -> Callable[[int], float]:
        """The shortest period of a number of stages before any mapping, in the delays' own unit."""
        graph = self._graph(circuit, Roots(circuit), None)
        return cache(lambda stages: shortest_period(graph, stages))

    def _graph(self, circuit: Circuit, roots: Roots, delay: DelayModel | None) -> TimingGraph:
        if self.every is not None:
            return word_graph(roots, _level)
        if self.family is not None:
            return lut_graph(circuit, roots, load_part(self.family))
        return word_graph(roots, delay or _plain)


def _plain(node: Node) -> float:
    return node_delay(node, Delays())


def _level(node: Node) -> float:
    return float(isinstance(node, LEVELS))


def _insert(circuit: Circuit, roots: Roots, stage: Stages, count: int) -> Circuit:
    """Registers on each value at each rank between it and its readers; the last at the outputs."""
    ranks = _Ranks(circuit, roots, stage, count)
    done: dict[Node, Node] = {}
    for node in circuit.walk():
        if node not in roots.moving:
            done[node] = ranks.intern(node.with_operands(*(done[x] for x in node.operands)))
            ranks.still[node] = done[node]
        elif node in roots.number:
            here = ranks.stage[roots.number[node]]
            operands = [ranks.at(x, here) for x in node.operands]
            done[node] = ranks.intern(node.with_operands(*operands))
            ranks.made[node, here] = done[node]
    outputs = tuple(
        Port(port.name, tuple(_output(ranks, lane, count) for lane in port.lanes))
        for port in circuit.outputs
    )
    return replace(substitute(replace(circuit, outputs=()), done), outputs=outputs)


def _output(ranks: _Ranks, lane: Node, count: int) -> Node:
    """A lane behind the last rank, which holds all of it."""
    if lane in ranks.still:
        return ranks.still[lane]
    return ranks.intern(Register(ranks.at(lane, count - 1)))


class _Ranks:
    """Values some ranks later; the readers of one value share its registers.

    Wires are laid anew in every stage that reads them. Where only fields of a value go on, no
    more than the bits from the lowest of them to the highest are stored.
    """

    def __init__(self, circuit: Circuit, roots: Roots, stage: Stages, count: int) -> None:
        self.roots = roots
        self.stage: list[int] = stage.tolist()
        self.intern = Builder()
        self.made: dict[tuple[Node, int], Node] = {}
        self.still: dict[Node, Node] = {}
        self._low: dict[tuple[Node, int], int] = {}
        self._users: dict[Node, list[Node]] = {}
        self._ends = {lane: count - 1 for port in circuit.outputs for lane in port.lanes}
        self._last = last = dict(self._ends)
        for node in reversed(tuple(circuit.walk())):
            number = roots.number.get(node)
            if number is not None:
                end = self.stage[number]
            else:
                end = last.get(node, -1) if node in roots.moving else -1
            for x in node.operands:
                if last.get(x, -1) < end:
                    last[x] = end
                if x in roots.number:
                    self._users.setdefault(x, []).append(node)

    def at(self, node: Node, stage: int) -> Node:
        """The rebuilt value of a node in a stage, not before its own."""
        found = self.still.get(node) or self.made.get((node, stage))
        if found is not None:
            return found
        stack = [node]
        while stack:
            top = stack[-1]
            if (top, stage) in self.made:
                stack.pop()
            elif top in self.roots.number:
                self._store(top, stage)
            elif below := [
                x for x in top.operands if (x, stage) not in self.made and x not in self.still
            ]:
                stack += below
            else:
                self.made[top, stage] = self.intern(self._wire(top, stage))
        return self.made[node, stage]

    def _wire(self, node: Node, stage: int) -> Node:
        if isinstance(node, Bits) and (low := self._low.get((node.x, stage), 0)):
            return Bits(self.made[node.x, stage], node.low - low, node.width)
        return node.with_operands(
            *(self.still.get(x) or self.made[x, stage] for x in node.operands)
        )

    def _store(self, node: Node, stage: int) -> None:
        """The registers of an operation up to a stage."""
        first = self.stage[self.roots.number[node]]
        value, low = self.made[node, first], 0
        for rank in range(first + 1, stage + 1):
            if (node, rank) not in self.made:
                begin, end = self._fields(node, rank)
                if end - begin < value.range.width:
                    value = self.intern(Bits(value, begin - low, end - begin))
                self.made[node, rank] = self.intern(Register(value))
                self._low[node, rank] = begin
            value, low = self.made[node, rank], self._low.get((node, rank), 0)

    def _fields(self, node: Node, rank: int) -> tuple[int, int]:
        """The lowest bit of a value that is read behind a rank, and the end of the highest."""
        width = node.range.width
        users = [u for u in self._users.get(node, ()) if self._last.get(u, -1) >= rank]
        fields = [u for u in users if isinstance(u, Bits)]
        if self._ends.get(node, -1) >= rank or len(fields) < len(users):
            return 0, width
        low = min(u.low for u in fields)
        for end in (min(width, max(u.low + u.width for u in fields)), width):
            if end <= low:  # A copy of the sign alone is read.
                continue
            part = Bits(node, low, end - low)
            if all(Bits(part, u.low - low, u.width).range == u.range for u in fields):
                return low, end
        return 0, width
