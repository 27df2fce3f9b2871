"""Which linear rows are solved together: those that read mostly the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from flow.ir.nodes import Linear, Node

COLUMNS = 64
"""A row joins a group that it overlaps only in part if the group keeps to so many columns."""

MANY = 20_000
"""Terms of all rows beyond which the positions of a convolution are kept apart."""

REPEATED = 4
"""Rows for each distinct list of coefficients from which rows count as a convolution."""


@dataclass(slots=True)
class Group:
    """Rows over common columns; the columns stand in the order in which rows first read them.

    Both are ordered by coefficients in a large convolution.
    """

    columns: dict[Node, int] = field(default_factory=dict)
    rows: list[Linear] = field(default_factory=list)

    def take(self, rows: Sequence[Linear]) -> None:
        """Adopt rows and their columns."""
        self.rows += rows
        for row in rows:
            for term in row.terms:
                self.columns.setdefault(term, len(self.columns))

    def sort(self) -> None:
        """Order rows and columns by their coefficients, so that equal matrices look equal."""
        self.rows.sort(key=lambda row: sorted(row.coefficients))
        entries: dict[Node, list[tuple[int, int]]] = {x: [] for x in self.columns}
        for j, row in enumerate(self.rows):
            for x, c in zip(row.terms, row.coefficients, strict=True):
                entries[x].append((j, c))
        self.columns = {x: i for i, x in enumerate(sorted(entries, key=entries.__getitem__))}


def group_rows(rows: Sequence[Linear]) -> list[Group]:
    """Every row in one group; equal sets of terms share one, and sets that overlap may.

    Neighbouring positions of a small convolution share sums, in groups of a like shape; those of
    a large one stay apart, so that one solution serves every position.
    """
    apart = _repeats(rows)
    alike: dict[frozenset[Node], list[Linear]] = {}
    for row in rows:
        alike.setdefault(frozenset(row.terms), []).append(row)
    groups: list[Group] = []
    readers: dict[Node, list[int]] = {}
    for terms, same in sorted(alike.items(), key=lambda item: -len(item[0])):
        index = _best_group(same[0], len(terms), groups, readers, apart)
        if index is None:
            index = len(groups)
            groups.append(Group())
        group = groups[index]
        known = len(group.columns)
        group.take(same)
        for term in list(group.columns)[known:]:
            readers.setdefault(term, []).append(index)
    if apart:
        for group in groups:
            group.sort()
    return groups


def _repeats(rows: Sequence[Linear]) -> bool:
    """Whether the rows are many, and the same few matrices over and over.

    The terms of a row may be in any order.
    """
    if sum(len(row.terms) for row in rows) <= MANY:
        return False
    return len(rows) >= REPEATED * len({tuple(sorted(row.coefficients)) for row in rows})


def _best_group(
    row: Linear, size: int, groups: list[Group], readers: dict[Node, list[int]], apart: bool
) -> int | None:
    """The group that shares most terms with the row, if that is enough of them.

    `apart` asks for a group that is hardly larger than the row.
    """
    common = Counter(index for term in row.terms for index in readers.get(term, ()))
    best = None
    for index in sorted(common, key=lambda i: (-common[i], i)):
        shared, columns = common[index], len(groups[index].columns)
        union = columns + size - shared
        if apart:
            if 4 * union <= 5 * size:
                return index
        elif shared == size:
            return index
        elif best is None and 4 * shared >= size and union <= max(COLUMNS, 4 * size):
            best = index
    return best
