"""The pass `pack-bits`: single bits that a sum weighs are looked up together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from typing import ClassVar

from flow.errors import UsageError
from flow.ir.bit_nodes import Concat
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import Linear, Lookup, Node
from flow.passes.widen import fitted, on_wider

MOST = 12
"""A table of more bits has too many entries."""


@dataclass(frozen=True)
class PackBits:
    """Replace the single bits in each linear row by tables of their sums, `size` bits a table.

    A look-up table of that many inputs gives a bit of such a sum, where adders would take several
    levels. Bits of like weights go together, so that the tables are narrow. UsageError where the
    size is not from 2 to MOST.
    """

    name: ClassVar[str] = "pack-bits"
    exact: ClassVar[bool] = True

    size: int = 6

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with tables; rows with fewer than two single bits stay."""
        if not 2 <= self.size <= MOST:
            raise UsageError(
                f"pack-bits: {self.size} bits are no size of a table", hint=f"give 2 to {MOST}"
            )
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(moved, Linear):
                moved = intern(_packed(moved, self.size, intern))
            done[node] = intern(fitted(moved, node.range))
        return substitute(circuit, done)


def _packed(row: Linear, size: int, intern: Builder) -> Linear:
    pairs = list(zip(row.terms, row.coefficients, strict=True))
    single = [bool(c) and x.range == IntRange(0, 1) for x, c in pairs]
    bits = [pair for pair, alone in zip(pairs, single, strict=True) if alone]
    if len(bits) < 2:
        return row
    # Stable, so that equal rows of one layer pack the same bits.
    bits.sort(key=lambda pair: abs(pair[1]))
    terms = [pair for pair, alone in zip(pairs, single, strict=True) if not alone]
    bias = row.bias
    for group in _shares(bits, size):
        if len(group) == 1:
            terms += group
            continue
        word = intern(Concat(tuple(x for x, _ in group), (1,) * len(group)))
        low = min((c & -c).bit_length() - 1 for _, c in group)
        least = sum(min(c, 0) for _, c in group)
        # The first bit of the word is the one that changes fastest.
        weights = [c for _, c in reversed(group)]
        sums = [
            sum(c for c, bit in zip(weights, chosen, strict=True) if bit)
            for chosen in product((0, 1), repeat=len(weights))
        ]
        terms.append((intern(Lookup(word, 0, tuple((s - least) >> low for s in sums))), 1 << low))
        bias += least
    return Linear(tuple(x for x, _ in terms), tuple(c for _, c in terms), bias)


def _shares(bits: Sequence[tuple[Node, int]], size: int) -> list[list[tuple[Node, int]]]:
    """As few groups as there can be, as equal as can be."""
    count = -(-len(bits) // size)
    sizes = [len(bits) // count + (i < len(bits) % count) for i in range(count)]
    return [list(bits[a:b]) for a, b in pairwise([0, *accumulate(sizes)])]
