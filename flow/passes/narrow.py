"""The pass `narrow`: wires no wider than their values, from intervals that see correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.analysis.ranges import tight_ranges
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange, twos_complement, unsigned
from flow.ir.nodes import Bits, Clamp, Const, Input, Node, Relu, Signed
from flow.passes.widen import fitted, on_wider


@dataclass(frozen=True)
class Narrow:
    """Drop high bits, signs, clamps and comparisons that true intervals show to be dead.

    A value that fits fewer bits than its operation infers is read through Bits or Signed, which
    keeps it as it is; wires never become wider.
    """

    name: ClassVar[str] = "narrow"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit on narrower wires."""
        tight = tight_ranges(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            better = moved if isinstance(node, Input) else _needless(node, moved, tight)
            interval = tight[node]
            fixed = interval.lo == interval.hi
            done[node] = intern(Const(interval.lo) if fixed else fitted(better, interval))
        return substitute(circuit, done)


def _needless(node: Node, moved: Node, tight: dict[Node, IntRange]) -> Node:
    """relu(x), clamp(x, lo, hi), bits(x, 0, w) or signed(x, w) -> x, where it changes nothing"""
    match node, moved:
        case Relu(x), Relu(y) if tight[x].lo >= 0:
            return y
        case Clamp(x, lo, hi), Clamp(y, _, _) if tight[x].hi <= hi:
            if lo <= tight[x].lo:
                return y
            if lo == 0:
                return Relu(y)
        case Bits(_, 0, width), Bits(y, _, _) if unsigned(width).covers(y.range):
            return y
        case Signed(_, width), Signed(y, _) if twos_complement(width).covers(y.range):
            return y
    return moved
