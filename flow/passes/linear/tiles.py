"""Cuts a large matrix into tiles of bounded work, so that solving takes linear time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from flow.passes.linear.csd import digit_count
from flow.passes.linear.matrix import Row

Tile = tuple[range, range]
"""Rows and columns of a part of a matrix."""


WHOLE_DIGITS = 7000
"""A matrix of no more signed digits is not cut: 64 x 64 of 4 bits."""

TILE_DIGITS = 4000
"""Signed digits of a tile of a larger one; a tile takes about a second."""


def work(rows: Sequence[Row]) -> int:
    """Signed digits of all coefficients; the solver's time grows with their square or less."""
    return sum(digit_count(c) for row in rows for c in row.values())


def tiles(rows: Sequence[Row], columns: int) -> list[Tile]:
    """Tiles with about TILE_DIGITS signed digits each, or the whole up to WHOLE_DIGITS.

    A tile has twice as many rows (sums) as columns (terms): cutting columns costs an adder for
    each row, but cutting rows loses the subexpressions that rows share, which is more (3 to 4 %
    of the adders on random 64 x 64 matrices of 4 and 8 bits cut in two).
    """
    digits = work(rows)
    if digits <= WHOLE_DIGITS:
        return [(range(len(rows)), range(columns))]
    area = TILE_DIGITS * len(rows) * columns / digits
    # Numbers of parts: high of rows, wide of columns.
    high = max(1, round(len(rows) / (2 * area) ** 0.5))
    wide = -(-len(rows) * columns // int(area * high + 1))
    return [
        (row_part, column_part)
        for row_part in _parts(len(rows), high)
        for column_part in _parts(columns, min(wide, columns))
    ]


def _parts(length: int, count: int) -> list[range]:
    """Cut 0 .. length-1 into nearly equal ranges, not more than there are numbers."""
    count = min(count, length)
    edges = [length * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in pairwise(edges)]
