"""Matrices of integers in lists of sparse rows, and their exact reduction before solving."""

from __future__ import annotations

from dataclasses import dataclass

Row = dict[int, int]
"""Coefficient of each column that has one, in order of columns."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A row as a multiple of a smaller one: 2**shift * (-1 if minus) * row."""

    row: Row
    shift: int
    minus: bool


def unit(row: Row) -> Unit:
    """A row without its common power of two, its first coefficient made positive."""
    together = 0
    for c in row.values():
        together |= c
    shift = (together & -together).bit_length() - 1
    minus = next(iter(row.values())) < 0
    return Unit({i: (-c if minus else c) >> shift for i, c in row.items()}, shift, minus)


def transposed(rows: list[Row]) -> dict[int, Row]:
    """The columns of a matrix, by column number, each as a row."""
    columns: dict[int, Row] = {}
    for j, row in enumerate(rows):
        for i, c in row.items():
            columns.setdefault(i, {})[j] = c
    return dict(sorted(columns.items()))
