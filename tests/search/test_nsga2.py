"""Selection against a plain double loop, and the measures of a front against counting."""

import numpy as np
import pytest

from flow.search.nsga2 import (
    constrained,
    distinct,
    first_front,
    hypervolume,
    parents,
    select,
    spread,
)


def _dominates(a, b):
    return (a <= b).all() and (a < b).any()


def _fronts(objectives):
    left, rank = list(range(len(objectives))), np.full(len(objectives), -1)
    number = 0
    while left:
        front = [i for i in left if not any(_dominates(objectives[j], objectives[i]) for j in left)]
        rank[front] = number
        left = [i for i in left if i not in front]
        number += 1
    return rank


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_a_double_loop(seed):
    rng = np.random.default_rng(seed)
    objectives = rng.integers(0, 12, size=(40, 2))
    ranked = select(objectives, np.zeros(40, np.int64), 40)
    assert sorted(ranked.places.tolist()) == list(range(40))
    assert ranked.rank.tolist() == _fronts(objectives)[ranked.places].tolist()


def test_the_last_front_is_thinned_where_it_is_crowded():
    objectives = np.array([[0, 10], [1, 8], [2, 7], [10, 0], [5, 5]])
    ranked = select(objectives, np.zeros(5, np.int64), 4)
    assert sorted(ranked.places.tolist()) == [0, 2, 3, 4]
    assert ranked.rank.tolist() == [0, 0, 0, 0]


def test_any_feasible_candidate_is_before_any_other():
    objectives = np.array([[9, 9], [0, 0], [1, 1], [8, 8]])
    violation = np.array([0, 5, 2, 0])
    ranked = select(objectives, violation, 4)
    assert ranked.places.tolist() == [3, 0, 2, 1]
    assert constrained(objectives, violation)[0].tolist() == [9, 9]


def test_the_first_front_has_one_of_equal_candidates():
    objectives = np.array([[2, 2], [1, 3], [2, 2], [3, 3], [0, 9]])
    assert first_front(objectives).tolist() == [0, 1, 4]
    assert first_front(np.zeros((0, 2), np.int64)).tolist() == []


def test_equal_rows_are_told_apart_from_others():
    rows = np.array([[1, 2], [0, 0], [1, 2], [2, 1]])
    assert distinct(rows).tolist() == [0, 1, 3]
    assert spread(rows).tolist() == [0, 1, 3, 2]


def test_hypervolume_counts_unit_squares():
    objectives = np.array([[1, 4], [3, 1], [3, 3], [9, 0]])
    cells = sum(
        any(x >= a and y >= b for a, b in objectives.tolist()) for x in range(6) for y in range(7)
    )
    assert hypervolume(objectives, (6, 7)) == cells == 24


def test_parents_win_their_tournaments():
    objectives = np.array([[0, 9], [9, 0], [5, 5], [6, 6], [7, 7]])
    ranked = select(objectives, np.zeros(5, np.int64), 5)
    chosen = parents(ranked, 4000, np.random.default_rng(0))
    count = np.bincount(chosen, minlength=5)
    # The ends of the front have no neighbour on one side, so they win most often.
    assert (np.diff(count[ranked.rank.argsort(kind="stable")][2:]) < 0).all()
    assert parents(ranked, 50, np.random.default_rng(3)).tolist() == (
        parents(ranked, 50, np.random.default_rng(3)).tolist()
    )
