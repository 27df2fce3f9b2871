"""Where the choice of shared sums starts: rows as differences of others, and their digits.

Rows may be taken as differences of one another along a spanning tree, as in O. Gustafsson, "A
Difference Based Adder Graph Heuristic", ISCAS 2007.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

JOINTS: tuple[int | None, ...] = (6, 4, 8, 2, None, 5, 7, 3)
"""Digits that the use of another row counts for; None for no differences of rows."""

MOST_MORE = 6
"""A row starts from another parent for at most so many more digits."""

Tree = dict[int, tuple[int, int] | None]
"""For each row the row that it starts from, with a sign; parents come before children."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the greedy choice starts from: the rows as differences, each as signed digits.

    `forms` has the number among its minimal forms of each coefficient (row, column) that is not
    written canonically.
    """

    tree: Tree
    forms: Mapping[tuple[int, int], int] = field(default_factory=dict)


def moved(start: Start, matrix: NDArray[np.int64], rng: random.Random) -> Start:
    """A neighbour of a start, by chance."""
    count, columns = matrix.shape
    tree, forms = start.tree, dict(start.forms)
    if rng.random() < 0.4:
        j, k, sign = rng.randrange(count), rng.randrange(count), rng.choice((0, 1, -1))
        old = tree[j]
        before = matrix[j] - old[1] * matrix[old[0]] if old else matrix[j]
        after = matrix[j] - sign * matrix[k]
        if j != k and digit_counts(after).sum() <= digit_counts(before).sum() + MOST_MORE:
            tree = _ordered({**tree, j: (k, sign) if sign else None}) or tree
    for _ in range(rng.choice((1, 2, 4, 8, 16, 32))):
        forms[rng.randrange(count), rng.randrange(columns)] = rng.randrange(4)
    return Start(tree, forms)


def _ordered(tree: Tree) -> Tree | None:
    """The same with parents before children; None where they are in a loop."""
    children: dict[int | None, list[int]] = {}
    for j, parent in tree.items():
        children.setdefault(parent[0] if parent else None, []).append(j)
    order = list(children.get(None, []))
    for j in order:
        order += children.get(j, [])
    return {j: tree[j] for j in order} if len(order) == len(tree) else None


Gaps = dict[tuple[int, int], NDArray[np.int64]]
"""For a row and a sign, the digits of every row less that row with the sign."""


def parents(matrix: NDArray[np.int64], joint: int | None, known: Gaps | None = None) -> Tree:
    """For each row the row that it starts from; `known` has gaps met before, and gets more.

    A tree of least digits from an empty row on: R. C. Prim, Bell System Technical J. 36 (1957).
    """
    count = len(matrix)
    if joint is None:
        return dict.fromkeys(range(count))
    cost = digit_counts(matrix).sum(axis=1)
    start: list[tuple[int, int] | None] = [None] * count
    tree: Tree = {}
    left = np.ones(count, dtype=bool)
    gaps: Gaps = {} if known is None else known
    for _ in range(count):
        j = int(np.flatnonzero(left)[np.argmin(cost[left])])
        left[j] = False
        tree[j] = start[j]
        for sign in (1, -1):
            if (apart := gaps.get((j, sign))) is None:
                apart = digit_counts(matrix - sign * matrix[j]).sum(axis=1)
                if known is not None:
                    known[j, sign] = apart
            gap = apart + joint
            for k in np.flatnonzero(left & (gap < cost)):
                cost[k], start[int(k)] = gap[k], (j, sign)
    return tree


def digit_counts(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of canonical signed digits of each integer."""
    size = np.abs(values)
    counts: NDArray[np.int64] = np.bitwise_count(size ^ (3 * size)).astype(np.int64)
    return counts
