"""Cuts a large matrix into tiles of bounded work, so that solving takes linear time."""

from __future__ import annotations

from collections.abc import Sequence

from flow.passes.linear.csd import digit_count
from flow.passes.linear.matrix import Row

Tile = tuple[range, range]
"""Rows and columns of a part of a matrix."""


def tiles(rows: Sequence[Row], columns: int, digits: int) -> list[Tile]:
    """Tiles with about `digits` signed digits each, or the whole where that is no more.

    Columns are cut before rows: cutting columns costs an adder for each row, cutting rows loses
    the subexpressions that rows share, which at equal work is more (measured on random 64 x 64
    matrices of 4 and 8 bits: 4 % and 3 %).
    """
    work = sum(digit_count(c) for row in rows for c in row.values())
    if work <= digits:
        return [(range(len(rows)), range(columns))]
    density = work / (len(rows) * columns)
    area = digits / density
    # Twice as many rows (outputs) as columns (inputs).
    high = min(len(rows), max(1, round((2 * area) ** 0.5)))
    wide = min(columns, max(1, round(area / high)))
    return [
        (row_part, column_part)
        for row_part in _parts(len(rows), high)
        for column_part in _parts(columns, wide)
    ]


def _parts(length: int, largest: int) -> list[range]:
    """Cut 0 .. length-1 into the fewest nearly equal ranges of at most `largest`."""
    count = -(-length // largest)
    edges = [length * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in zip(edges, edges[1:], strict=False)]
