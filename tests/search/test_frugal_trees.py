"""Frugal trees: what they decide, and what their thrift saves."""

import numpy as np

from flow.search.estimate import AreaEstimate
from flow.search.fitness import Fitness
from flow.search.frugal_trees import frugal_trees
from flow.search.space import Space
from flow.search.trees import Leaf, tree_genome
from flow.tech.registry import load


def test_a_split_takes_the_cheaper_threshold_of_two_as_good():
    x = np.array([[3], [12]], dtype=np.uint8)
    (tree,) = frugal_trees(x, np.array([1, 0]), 4, (2,), (0.5,))
    assert tree == [Leaf(((0, 8, False),), 1), Leaf(((0, 8, True),), 0)]
    (tree,) = frugal_trees(x, np.array([1, 0]), 4, (2,), (0.0,))
    assert tree == [Leaf(((0, 4, False),), 1), Leaf(((0, 4, True),), 0)]


def test_trees_are_grown_until_nothing_is_left_to_part():
    x = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], dtype=np.uint8)
    y = np.array([0, 1, 1, 0])
    # The first split gains nothing by itself, so greedy growing does not begin.
    assert frugal_trees(x, y, 4, (2, 4), (0.1,)) == []
    y = np.array([0, 1, 2, 2])
    assert [len(t) for t in frugal_trees(x, y, 4, (2, 3, 4), (0.1,))] == [2, 3]


def test_thrift_makes_circuits_smaller_at_little_loss():
    rng = np.random.default_rng(6)
    x = rng.integers(0, 16, size=(600, 5)).astype(np.uint8)
    y = ((x[:, 0] > 6).astype(int) + (x[:, 1] + x[:, 2] > 17)).astype(np.int64)
    space = Space(5, (40, 30), 3, hidden_bits=1, exponents=1)
    estimate, fitness = AreaEstimate(load("egfet")), Fitness(space, x, y)
    areas, right = [], []
    for thrift in (0.0, 0.4):
        (tree,) = frugal_trees(x, y, 4, (24,), (thrift,))
        genome = tree_genome(space, tree)
        areas.append(int(estimate.counted(space, genome)[0, 0]))
        right.append(int(fitness(genome)[0]))
    assert areas[1] < 0.85 * areas[0]
    assert right[1] > 0.97 * right[0]
