"""The layer that is a graph of gates: what a network becomes when its gates are approximated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.aig import FALSE, TRUE, Aig, pack, unpack
from flow.ir.layer import Layer
from flow.ir.table_layers import Table
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions

WIDEST = 62
"""Bits of an element and of a word at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Gates(Layer):
    """An and-inverter graph over the bits of x; each output is an unsigned word of its signals.

    `widths` are the bits of the elements of x, two's complement, in row-major order. Literal 2*v
    is variable v and 2*v + 1 its opposite: variable 0 is false, then come the bits of x, the
    lowest of an element first, then the gates, each the conjunction of two literals before it.
    `words` has the literals of each output, the lowest bit first.
    """

    kind: ClassVar[str] = "gates"

    widths: Table
    gates: tuple[Table, ...]
    words: tuple[Table, ...]
    scale: FractionArray

    @property
    def decides(self) -> bool:
        """One word is a class: scores of which there is one alone can be negative."""
        return len(self.words) == 1

    def infer_type(self, *sources: TensorType) -> TensorType:
        """What the words can hold, constant bits known."""
        (x,) = sources
        ranges = x.ranges()
        fits = len(ranges) == len(self.widths) and all(
            r.width <= width <= WIDEST for r, width in zip(ranges, self.widths, strict=True)
        )
        if not fits:
            raise IRError(f"{self.name}: the widths do not fit a tensor {x.shape}")
        first = 1 + sum(self.widths)
        for k, pair in enumerate(self.gates):
            if len(pair) != 2 or not all(0 <= v < 2 * (first + k) for v in pair):
                raise IRError(f"{self.name}: gate {k} reads what does not come before it")
        last = 2 * (first + len(self.gates))
        if not self.words or not all(0 <= v < last for word in self.words for v in word):
            raise IRError(f"{self.name}: a word has a signal that is not there")
        if max(map(len, self.words)) > WIDEST:
            raise IRError(f"{self.name}: a word has more than {WIDEST} bits")
        sure = [sum(1 << i for i, v in enumerate(word) if v == TRUE) for word in self.words]
        most = [sum(1 << i for i, v in enumerate(word) if v != FALSE) for word in self.words]
        shape = (len(self.words),)
        lo, hi = (exact(np.array(ends), shape) for ends in (sure, most))
        return TensorType(shape, lo, hi, fractions(self.scale, shape))

    def graph(self) -> Aig:
        """The graph, one output for each bit of each word."""
        literals = tuple(v for word in self.words for v in word)
        return Aig(
            self.name,
            tuple(f"x{i}" for i in range(sum(self.widths))),
            tuple(f"y{i}" for i in range(len(literals))),
            literals,
            tuple(pair[0] for pair in self.gates),
            tuple(pair[1] for pair in self.gates),
        )

    def evaluate(self, *sources: IntArray) -> IntArray:
        """The words, 64 samples at a time."""
        (x,) = sources
        bits = bits_of_values(x.reshape(len(x), -1), self.widths)
        signals = unpack(self.graph().simulate(pack(bits)), len(x)).astype(np.int64)
        result: IntArray = np.zeros((len(x), len(self.words)), dtype=np.int64)
        at = 0
        for k, word in enumerate(self.words):
            for i in range(len(word)):
                result[:, k] |= signals[:, at] << i
                at += 1
        return result.astype(x.dtype)


def bits_of_values(values: IntArray, widths: Table) -> IntArray:
    """The low bits of each column (samples, columns), the lowest first, as 0 and 1."""
    columns = [
        (column >> i) & 1
        for column, width in zip(values.T, widths, strict=True)
        for i in range(width)
    ]
    empty = np.zeros((0, len(values)), dtype=np.uint8)
    return np.array(columns, dtype=np.uint8).T if columns else empty.T


def gates_layer(
    name: str, source: str, place: str, graph: Aig, widths: Table, words: Table
) -> Gates:
    """A layer from a graph whose outputs are words of so many bits side by side, the first first.

    The inputs of the graph are the bits of an input tensor with elements of these widths.
    """
    if len(graph.inputs) != sum(widths) or len(graph.outputs) != sum(words):
        raise IRError(f"{name}: the widths do not fit a graph")
    literals, parts = iter(graph.literals), []
    for width in words:
        parts.append(tuple(next(literals) for _ in range(width)))
    pairs = tuple(zip(graph.left, graph.right, strict=True))
    return Gates(name, (source,), place, widths, pairs, tuple(parts), fractions(1, (len(words),)))
