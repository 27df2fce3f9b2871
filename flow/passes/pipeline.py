"""The pass `pipeline`: registers on every path from inputs to outputs, an equal number on each."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import ClassVar

from flow.analysis.cost import DelayModel, Delays, arrivals, node_delay
from flow.analysis.latency import latency
from flow.errors import UsageError
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import (
    Add,
    Compare,
    FullAdder,
    Input,
    Linear,
    Lookup,
    Mul,
    Neg,
    Node,
    Register,
    Shl,
    Sub,
)
from flow.passes.cuts import Profile, Span, cuts_for_period, cuts_for_stages

LEVELS: tuple[type[Node], ...] = (Add, Sub, Neg, Mul, Linear, Compare, Lookup, FullAdder)
"""Operations that count as one level for the option `every`."""


@dataclass(frozen=True)
class Pipeline:
    """Insert ranks of registers, one at the outputs; a new sample enters every clock cycle.

    `stages`: so many blocks of logic, each ending in registers, the slowest as fast as
    possible. `period`: blocks no slower than that, in full adder delays or in the unit of
    `delay`. `every`: at most so many levels of operations a block. Give one of the three.
    """

    name: ClassVar[str] = "pipeline"
    exact: ClassVar[bool] = True

    stages: int | None = None
    period: float | None = None
    every: int | None = None

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with registers."""
        return self.run_with(circuit, None)

    def run_with(self, circuit: Circuit, delay: DelayModel | None) -> Circuit:
        """The circuit with registers, by the delays of a technology.

        Raises UsageError unless one option is positive and the circuit has no registers yet,
        and where one operation takes longer than the period.
        """
        given = [v for v in (self.stages, self.period, self.every) if v is not None]
        if len(given) != 1 or given[0] <= 0:
            raise UsageError(
                "pipeline takes one of the options stages, period and every, and it is positive",
                hint="write pipeline{stages=2}, pipeline{period=20} or pipeline{every=4}",
            )
        if latency(circuit) or any(isinstance(x, Register) for x in circuit.walk()):
            raise UsageError("pipeline: the circuit has registers already")
        times = arrivals(circuit, _level if self.every is not None else delay)
        model = _level if self.every is not None else delay or _plain
        profile = Profile(_spans(circuit, times, model))
        if self.stages is not None:
            return _insert(circuit, times, cuts_for_stages(profile, self.stages))
        limit = float(given[0])
        cuts = cuts_for_period(profile, limit)
        if cuts is None:
            slowest = max(model(node) for node in times)
            raise UsageError(
                f"pipeline: an operation takes {slowest:g}, longer than the period {limit:g}",
                hint="choose a longer period, or expand the operation into smaller ones",
            )
        return _insert(circuit, times, cuts)


def _plain(node: Node) -> float:
    return node_delay(node, Delays())


def _level(node: Node) -> float:
    return float(isinstance(node, LEVELS))


def _spans(circuit: Circuit, times: dict[Node, float], model: DelayModel) -> list[Span]:
    """Every value that depends on an input. Shifts to the left are wires, laid after registers."""
    moving = _moving(circuit)
    end = max(times.values(), default=0.0)
    last = {node: times[node] for node in moving}
    for node in times:
        for x in node.operands:
            if x in last:
                source = _unshifted(x)
                last[source] = max(last[source], times[node])
    for port in circuit.outputs:
        for lane in port.lanes:
            if lane in last:
                last[_unshifted(lane)] = end + 1.0
    return [
        Span(times[node] - model(node), times[node], last[node], node.range.width)
        for node in times
        if node in moving and not isinstance(node, Shl)
    ]


def _moving(circuit: Circuit) -> set[Node]:
    """The nodes that depend on an input."""
    moving: set[Node] = set()
    for node in circuit.walk():
        if isinstance(node, Input) or any(x in moving for x in node.operands):
            moving.add(node)
    return moving


def _unshifted(node: Node) -> Node:
    while isinstance(node, Shl):
        node = node.x
    return node


@dataclass(slots=True)
class _Delayed:
    """Copies of nodes some registers later; users of one value share its registers."""

    intern: Builder
    moving: set[Node]
    made: dict[tuple[Node, int], Node] = field(default_factory=dict)

    def __call__(self, node: Node, count: int) -> Node:
        """The value of a rebuilt node `count` clock cycles later."""
        if count == 0 or node not in self.moving:
            return node
        shift, source = 0, node
        while isinstance(source, Shl):
            shift, source = shift + source.amount, source.x
        value = source
        for i in range(1, count + 1):
            value = self.made.setdefault((source, i), self.intern(Register(value)))
        return self.intern(Shl(value, shift)) if shift else value


def _insert(circuit: Circuit, times: dict[Node, float], cuts: list[float]) -> Circuit:
    """Registers on each value at each cut between it and its readers; the last cut is the end."""
    inner = cuts[:-1]
    moving = _moving(circuit)
    stage = {node: bisect_left(inner, times[node]) if node in moving else 0 for node in times}
    intern = Builder()
    done: dict[Node, Node] = {}
    later = _Delayed(intern, set())
    for node in times:
        operands = (
            later(done[x], stage[node] - stage[x]) if x in moving else done[x]
            for x in node.operands
        )
        done[node] = intern(node.with_operands(*operands))
        if node in moving:
            later.moving.add(done[node])
    plain = substitute(circuit, done)
    outputs = tuple(
        Port(port.name, tuple(later(done[x], len(cuts) - stage[x]) for x in port.lanes))
        for port in circuit.outputs
    )
    return replace(plain, outputs=outputs)
