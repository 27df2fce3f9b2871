"""The pass `offset-tables`: entries of a table are stored with the offset of fewest gates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear, Lookup, Node
from flow.passes.linear.flatten import uses
from flow.passes.widen import fitted, on_wider

OFFSETS = 64
"""At most so many offsets of a table are tried, those nearest to zero."""
LARGEST = 1 << 12
"""Tables of more entries stay as they are."""
ADDER = 12
"""What a bit that is added costs, in nodes of a decision diagram."""


@dataclass(frozen=True)
class OffsetTables:
    """Make the entries of tables that linear rows add such that their bits take fewest gates.

    An entry grows by a constant of its table, which the bias of the row takes back; no table
    becomes wider. Only tables that nothing else reads change. The gates are counted as nodes of a
    shared decision diagram: R. E. Bryant, IEEE Trans. Computers C-35 (1986).
    """

    name: ClassVar[str] = "offset-tables"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with other entries in some tables."""
        readers = uses(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(node, Linear):
                assert isinstance(moved, Linear)
                own = [isinstance(x, Lookup) and readers[x] == 1 for x in node.terms]
                moved = intern(_offset(moved, own))
            done[node] = intern(fitted(moved, node.range))
        return substitute(circuit, done)


def _offset(row: Linear, own: list[bool]) -> Linear:
    terms, bias = list(row.terms), row.bias
    for i, (x, c) in enumerate(zip(row.terms, row.coefficients, strict=True)):
        if own[i] and isinstance(x, Lookup):
            added = best_offset(x.table)
            terms[i] = Lookup(x.x, x.base, tuple(t + added for t in x.table))
            bias -= c * added
    return Linear(tuple(terms), row.coefficients, bias)


def best_offset(table: tuple[int, ...]) -> int:
    """What to add to each entry, so that their bits take fewest nodes; the width stays."""
    low = min(table)
    step = reduce(gcd, (t - low for t in table))
    if len(table) > LARGEST or not step:
        return 0
    levels = [(t - low) // step for t in table]
    room = (1 << max(levels).bit_length()) - 1 - max(levels)
    costs = {k: _cost([t + k for t in levels]) for k in range(min(room, OFFSETS) + 1)}
    return min(costs, key=lambda k: costs[k]) * step - low


def _cost(entries: list[int]) -> int:
    """Nodes of a decision diagram of all bits of the entries, and what adding the bits costs."""
    nodes: dict[tuple[int, int], int] = {}
    total = 0
    for i in range(max(entries).bit_length()):
        column = sum((entry >> i & 1) << at for at, entry in enumerate(entries))
        total += ADDER * (0 < column < (1 << len(entries)) - 1)
        _count(column, 1 << (len(entries) - 1).bit_length(), nodes)
    return total + sum(nodes.values())


def _count(ones: int, size: int, nodes: dict[tuple[int, int], int]) -> None:
    """Add the nodes of a function of `size` states that is 1 in `ones`; inverses are the same."""
    every = (1 << size) - 1
    ones = min(ones, ones ^ every)
    if not ones or size == 1 or (size, ones) in nodes:
        return
    half = size >> 1
    low = (1 << half) - 1
    first, second = ones & low, ones >> half
    if first == second:
        _count(first, half, nodes)
        return
    if first ^ low == second:  # An exclusive or.
        nodes[size, ones] = 3
    elif first in (0, low) or second in (0, low):
        nodes[size, ones] = 1
    else:
        nodes[size, ones] = 3
    _count(first, half, nodes)
    _count(second, half, nodes)
