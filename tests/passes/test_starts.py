"""Starts of the greedy choice: rows as differences of rows, in an order, for few digits more."""

import random
from itertools import product

import numpy as np
import pytest

from flow.passes.linear.csd import digit_count
from flow.passes.linear.starts import JOINTS, MOST_MORE, Start, moved, parents


def digits(row):
    return sum(digit_count(int(c)) for c in row)


def matrix(seed, rows=6, columns=5):
    return np.random.default_rng(seed).integers(-40, 40, (rows, columns))


def rest(tree, rows, j):
    """What is left of a row less the one that it starts from."""
    parent = tree[j]
    return rows[j] if parent is None else rows[j] - parent[1] * rows[parent[0]]


@pytest.mark.parametrize("seed", range(6))
def test_neighbours_of_a_start_are_trees_of_signs_whose_rows_have_few_digits_more(seed):
    rows, rng = matrix(seed), random.Random(seed)
    start = Start(parents(rows, JOINTS[0]))
    changed = 0
    for _ in range(300):
        new = moved(start, rows, rng)
        seen = set()
        for j, parent in new.tree.items():
            assert parent is None or (parent[0] in seen and parent[1] in (1, -1))
            seen.add(j)
            if parent != start.tree[j]:
                changed += 1
                before, after = (digits(rest(tree, rows, j)) for tree in (start.tree, new.tree))
                assert after <= before + MOST_MORE
        assert seen == set(range(len(rows)))
        assert all(0 <= j < 6 and 0 <= i < 5 and 0 <= k < 4 for (j, i), k in new.forms.items())
        assert set(start.forms) <= set(new.forms)
        start = new
    assert changed > 10
    assert {parent[1] for parent in start.tree.values() if parent} <= {1, -1}


def test_a_neighbour_by_the_same_chance_is_the_same():
    rows = matrix(1)
    start = Start(parents(rows, None))
    assert moved(start, rows, random.Random(4)) == moved(start, rows, random.Random(4))


@pytest.mark.parametrize("joint", JOINTS)
def test_a_row_starts_from_another_where_that_has_fewer_digits(joint):
    for seed in range(6):
        rows = matrix(seed)
        tree = parents(rows, joint)
        assert sorted(tree) == list(range(len(rows)))
        for j in tree:
            assert digits(rest(tree, rows, j)) <= digits(rows[j])


def test_rows_that_are_nearly_equal_or_opposite_start_from_one():
    rows = np.array([[7, 11, 13], [7, 11, 15], [-7, -11, -12]])
    tree = parents(rows, 2)
    assert [parent for parent in tree.values() if parent is None] == [None]
    assert {parent[1] for parent in tree.values() if parent} == {1, -1}
    assert parents(rows, None) == {0: None, 1: None, 2: None}


@pytest.mark.parametrize("joint", [2, 3, 5])
def test_no_tree_has_fewer_digits(joint):
    for seed in range(8):
        rows = matrix(seed, 3, 2)

        def cost(tree, rows=rows):
            return sum(
                digits(rest(tree, rows, j)) + joint * (p is not None) for j, p in tree.items()
            )

        options = [None, *product(range(3), (1, -1))]
        every = [
            dict(enumerate(choice))
            for choice in product(options, repeat=3)
            if reaches_all(dict(enumerate(choice)))
        ]
        assert cost(parents(rows, joint)) == min(map(cost, every))


def reaches_all(tree):
    """Whether no row starts from itself, by any way."""
    for j in tree:
        seen = set()
        while tree[j] is not None and j not in seen:
            seen.add(j)
            j = tree[j][0]
        if j in seen:
            return False
    return True


def test_gaps_that_are_known_are_not_computed_again():
    rows, known = matrix(3), {}
    tree = parents(rows, 4, known)
    assert sorted(known) == sorted(product(range(6), (1, -1)))
    assert parents(rows, 4, known) == tree
    assert parents(rows, 4, dict.fromkeys(known, np.full(6, 99))) == dict.fromkeys(range(6))
