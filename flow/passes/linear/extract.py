"""Shared subexpressions of a matrix: the best of several greedy choices, and a climb from it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.ir.interval import IntRange
from flow.passes.linear.digits import Digits
from flow.passes.linear.matrix import Row
from flow.passes.linear.program import Program
from flow.passes.linear.starts import JOINTS, Gaps, Start, moved, parents


def extract(rows: Sequence[Row], ranges: Sequence[IntRange], tries: int, moves: int = 0) -> Program:
    """The graph of a matrix given by rows with the fewest full adders among `tries` of JOINTS.

    `ranges` holds the interval of each column. A climb of so many `moves` goes on from the best.
    """
    dense = np.zeros((len(rows), len(ranges)), dtype=np.int64)
    for j, row in enumerate(rows):
        for i, c in row.items():
            dense[j, i] = c
    gaps: Gaps | None = {} if tries > 1 else None
    trees = [parents(dense, joint, gaps) for joint in JOINTS[:tries]]
    # Equal trees give equal graphs.
    starts = {tuple(tree.items()): Start(tree) for tree in trees}
    found = min((_reduced(dense, ranges, start) for start in starts.values()), key=Digits.size)
    if moves:
        found = _climbed(dense, ranges, found, moves)
    program = found.program()
    program.check(rows)
    return program


def _reduced(matrix: NDArray[np.int64], ranges: Sequence[IntRange], start: Start) -> Digits:
    digits = Digits(matrix, ranges, start)
    digits.reduce()
    return digits


def _climbed(
    matrix: NDArray[np.int64], ranges: Sequence[IntRange], found: Digits, moves: int
) -> Digits:
    """What hill climbing over starts finds: another parent of a row, other forms of coefficients.

    The same for the same matrix. One greedy choice tells little of the next, so a move that is no
    worse is kept.
    """
    rng = random.Random(1)
    for _ in range(moves):
        start = moved(found.start, matrix, rng)
        other = _reduced(matrix, ranges, start)
        if other.size() <= found.size():
            found = other
    return found
