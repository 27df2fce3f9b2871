"""The pass `fold-tables`: signs and constants of a sum go into the tables that it adds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import Bits, Linear, Lookup, Node, Signed
from flow.passes.linear.flatten import uses
from flow.passes.widen import fitted, on_wider


@dataclass(frozen=True)
class FoldTables:
    """Make the tables that linear rows add start at zero, and add the constant of a row to one.

    Only tables that nothing else reads change. Where the constant would make the entries
    negative, they are taken modulo the width of the row, and so is the row.
    """

    name: ClassVar[str] = "fold-tables"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with other entries in some tables."""
        readers = uses(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(node, Linear):
                moved = intern(_folded(node, moved, readers))
            done[node] = intern(fitted(moved, node.range))
        return substitute(circuit, done)


def _folded(node: Linear, moved: Node, readers: Counter[Node]) -> Node:
    """The row with its tables from zero on; the last of its widest tables takes the constant."""
    assert isinstance(moved, Linear)
    own = [
        isinstance(x, Lookup) and isinstance(y, Lookup) and readers[x] == 1
        for x, y in zip(node.terms, moved.terms, strict=True)
    ]
    if not any(own):
        return moved
    terms, coefficients = list(moved.terms), list(moved.coefficients)
    bias = moved.bias
    best: int | None = None
    for i, (x, c) in enumerate(zip(moved.terms, moved.coefficients, strict=True)):
        if own[i] and isinstance(x, Lookup) and c:
            sign = 1 if c > 0 else -1
            least = min(sign * t for t in x.table)
            terms[i] = Lookup(x.x, x.base, tuple(sign * t - least for t in x.table))
            coefficients[i] = abs(c)
            bias += abs(c) * least
            if abs(c) == 1 and (best is None or terms[i].range.width >= terms[best].range.width):
                best = i
    if best is None or not bias:
        return Linear(tuple(terms), tuple(coefficients), bias)
    table = terms[best]
    assert isinstance(table, Lookup)
    width = max(1, node.range.width)
    lowest = Linear(tuple(terms), tuple(coefficients), bias).range.lo
    wraps = lowest < 0 or bias < 0
    entries = (t + bias for t in table.table)
    terms[best] = Lookup(
        table.x, table.base, tuple(t % (1 << width) for t in entries) if wraps else tuple(entries)
    )
    row = Linear(tuple(terms), tuple(coefficients), 0)
    if not wraps:
        return row
    return _wrapped(row, width, node.range)


def _wrapped(row: Linear, width: int, interval: IntRange) -> Node:
    return Signed(row, width) if interval.signed else Bits(row, 0, width)
