"""The delays of a circuit in look-up tables and carry chains, bit by bit, before any mapping.

Words that are added are carry chains, so chains that follow one another overlap; all else is a
look-up table for each bit. One figure stands for every net, and nothing is merged: an estimate
that says where registers go, not how fast the circuit is.
"""

from __future__ import annotations

from flow.analysis.bit_sources import Roots, Source
from flow.analysis.timing_graph import Carry, Operations, TimingGraph, is_free
from flow.ir.circuit import Circuit
from flow.ir.nodes import (
    Add,
    And,
    Clamp,
    Compare,
    FullAdder,
    Input,
    Linear,
    Mul,
    Neg,
    Node,
    Or,
    Relu,
    Select,
    Sub,
    Xor,
)
from flow.tech.part import Part


def lut_graph(circuit: Circuit, roots: Roots, part: Part) -> TimingGraph:
    """The timing graph of a circuit in a family."""
    maker = _Maker(roots, part)
    for node in roots.nodes:
        maker.operation(node)
    times = part.delays
    return TimingGraph(maker.found, maker.carry, times.clock, times.setup)


class _Maker:
    def __init__(self, roots: Roots, part: Part) -> None:
        self.roots, self.part, self.found = roots, part, Operations(roots)
        times = part.delays
        outside = times.lut if "S" in times.local else 0.0
        self.carry = Carry(
            times.wire + outside + times.enter,
            times.through / part.carry_bits,
            times.leave or times.lut,
            times.wire + (outside + times.sum or times.lut),
        )

    def table(self, count: int) -> float:
        """A function of so many bits: look-up tables, multiplexers behind them, more tables."""
        times, size = self.part.delays, self.part.inputs
        if count <= size or not times.mux:
            levels = 1 if count <= size else 1 + -(-(count - size) // (size - 1))
            return levels * (times.wire + times.lut)
        most = 2 if size == 6 else 3
        if count <= size + most:
            return times.wire + times.lut + (count - size) * times.mux
        return self.table(size + most) + self.table(max(1, count - size - most + 1))

    def operation(self, node: Node) -> None:
        """What the bits of an operation wait for."""
        width, found, carry = node.range.width, self.found, self.carry
        match node:
            case Input():
                found.together(0.0, ())
            case Add(a, b) | Sub(a, b):
                first, second = (self.roots.extended(x, width) for x in (a, b))
                found.carried(first, second, isinstance(node, Sub))
            case Neg(x):
                found.carried((), self.roots.extended(x, width), True)
            case Xor() | And() | Or():
                words = (self.roots.extended(x, width) for x in node.operands)
                free = isinstance(node, Xor) and is_free(node)
                found.apart(0.0 if free else self.table(2), *words)
            case Relu(x):
                sign = self.roots.bits(x)[-1:]
                found.apart(self.table(2), self.roots.extended(x, width), [*sign] * width)
            case Select(condition, then, other):
                flag = self.roots.extended(condition, 1)
                words = (self.roots.extended(x, width) for x in (then, other))
                found.apart(self.table(3), flag * width, *words)
            case Clamp():
                whole = self._whole(node)
                found.together(self.table(len(whole)) + self.table(2), whole)
            case Compare():
                whole = self._whole(node)
                length = max(len(self.roots.bits(x)) for x in node.operands)
                chain = carry.enter + carry.through * length + carry.leave
                found.together(min(chain, self.table(len(whole))), whole)
            case Mul() | Linear():
                whole = self._whole(node)
                chain = carry.enter + carry.through * width + carry.leave
                depth = max(1, (len(whole) - 1).bit_length() - 1)
                found.together(depth * chain, whole)
            case FullAdder():
                found.together(self.table(3), self._whole(node))
            case _:
                whole = self._whole(node)
                found.together(self.table(len(set(whole))), whole)

    def _whole(self, node: Node) -> list[Source]:
        return [s for x in node.operands for s in self.roots.bits(x)]
