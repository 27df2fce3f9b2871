"""The delays of a circuit in look-up tables and carry chains, bit by bit, before any mapping.

Words that are added are carry chains, so chains that follow one another overlap; all else is a
look-up table for each bit. One figure stands for every net, and nothing is merged: an estimate
that says where registers go, not how fast the circuit is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flow.analysis.timing_graph import Edges, Roots, Source, TimingGraph, is_free
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
    for number, node in enumerate(roots.nodes):
        maker.operation(number, node)
    times = part.delays
    return TimingGraph(maker.edges, roots, times.clock, times.setup)


class _Maker:
    def __init__(self, roots: Roots, part: Part) -> None:
        self.roots, self.part, self.edges = roots, part, Edges()
        self.first: list[list[int]] = []
        times = part.delays
        outside = times.lut if "S" in times.local else 0.0
        self.enter = times.wire + outside + times.enter
        self.through = times.through / part.carry_bits
        self.leave = times.leave or times.lut
        self.sum = times.wire + (outside + times.sum or times.lut)

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

    def operation(self, number: int, node: Node) -> None:
        """The vertices of an operation and the edges to them."""
        width = node.range.width
        words = [self.roots.bits(x) for x in node.operands]
        match node:
            case Input():
                self._bits(number, [()] * width, 0.0)
            case Add(a, b) | Sub(a, b):
                inverted = isinstance(node, Sub)
                self._chain(number, self.roots.extended(a, width),
                            self.roots.extended(b, width), inverted)  # fmt: skip
            case Neg(x):
                self._chain(number, [None] * width, self.roots.extended(x, width), True)
            case Xor() | And() | Or():
                rows = zip(*(self.roots.extended(x, width) for x in node.operands), strict=True)
                free = isinstance(node, Xor) and is_free(node)
                self._bits(number, list(rows), 0.0 if free else self.table(2))
            case Relu(x):
                sign = self.roots.extended(x, x.range.width)[-1:]
                signed = [(s, *sign) for s in self.roots.extended(x, width)]
                self._bits(number, signed, self.table(2))
            case Select(condition, then, other):
                flag = self.roots.bits(condition)
                rows = zip(self.roots.extended(then, width), self.roots.extended(other, width),
                           strict=True)  # fmt: skip
                self._bits(number, [(*flag, *row) for row in rows], self.table(3))
            case Clamp():
                whole = [s for word in words for s in word]
                self._bits(number, [whole] * width, self.table(len(whole)) + self.table(2))
            case Compare():
                whole = [s for word in words for s in word]
                length = max(len(word) for word in words)
                chain = self.enter + self.through * length + self.leave
                self._bits(number, [whole] * width, min(chain, self.table(len(whole))))
            case Mul() | Linear():
                whole = [s for word in words for s in word]
                chain = self.enter + self.through * width + self.leave
                depth = max(1, (len(whole) - 1).bit_length() - 1)
                self._bits(number, [whole] * width, depth * chain)
            case FullAdder():
                self._bits(number, [[s for word in words for s in word]] * width, self.table(3))
            case _:
                whole = [s for word in words for s in word]
                self._bits(number, [whole] * width, self.table(len(set(whole))))

    def _bits(self, number: int, rows: Sequence[Iterable[Source]], delay: float) -> None:
        """One vertex for each bit, with the sources that it is a function of."""
        first, edges = self.first, self.edges
        same: dict[tuple[Source, ...], int] = {}
        own: list[int] = []
        for row in rows:
            # Bits of one function of the same sources settle together.
            key = tuple(row)
            vertex = same.get(key)
            if vertex is None:
                same[key] = vertex = edges.vertex(number)
                known = [first[s[0]][s[1]] for s in dict.fromkeys(key) if s is not None]
                edges.join(known, vertex, delay)
            own.append(vertex)
        first.append(own)

    def _chain(self, number: int, a: Sequence[Source], b: Sequence[Source], minus: bool) -> None:
        """A carry chain; below its first place a bit is that of the one operand."""
        first, edges = self.first, self.edges
        carry: int | None = None
        own: list[int] = []
        last = len(a) - 1
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            vertex = edges.vertex(number)
            own.append(vertex)
            known = [first[s[0]][s[1]] for s in (x, y) if s is not None]
            begun = carry is not None or len(known) == 2 or (minus and y is not None)
            edges.join(known, vertex, self.sum if begun else 0.0)
            if carry is not None:
                edges.add(carry, vertex, self.leave)
            if begun and i < last:
                following = edges.vertex(number)
                edges.join(known, following, self.enter)
                if carry is not None:
                    edges.add(carry, following, self.through)
                carry = following
        first.append(own)
