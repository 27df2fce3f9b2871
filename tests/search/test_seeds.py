"""Trained trees and perceptrons keep their meaning as genomes."""

from pathlib import Path

import numpy as np
import pytest

from flow.search.fitness import predict
from flow.search.nets import net_genome
from flow.search.space import Space
from flow.search.trees import Leaf, shortest, tree_genome
from flow.train.dataset import prepare
from flow.train.gradient import GradientOptions, powers_of_two, train_many
from flow.train.table import load_table
from flow.train.trees import grow_trees


@pytest.fixture(scope="module")
def wine():
    return prepare(load_table("sklearn:wine", Path()))


@pytest.mark.parametrize("tournament", [False, True])
def test_a_tree_as_a_genome_decides_as_the_tree(wine, tournament):
    from sklearn.tree import DecisionTreeClassifier

    space = Space(13, (12, 12), 3, exponents=1, bias_bits=8, tournament=tournament)
    grown = list(grow_trees(wine.x_train, wine.y_train, (2, 3, 5, 9)))
    assert len(grown) == 8
    for count, leaves in zip((2, 2, 3, 3, 5, 5, 9, 9), grown, strict=True):
        genome = tree_genome(space, [Leaf(path, label) for path, label in leaves])
        criterion = "gini" if leaves in grown[::2] else "entropy"
        model = DecisionTreeClassifier(max_leaf_nodes=count, criterion=criterion, random_state=0)
        wanted = model.fit(wine.x_train, wine.y_train).predict(wine.x_test)
        assert predict(space, genome, wine.x_test)[0].tolist() == wanted.tolist()


def test_a_tree_that_does_not_fit_is_none(wine):
    leaves = [
        Leaf(path, label) for path, label in next(grow_trees(wine.x_train, wine.y_train, (9,)))
    ]
    assert tree_genome(Space(13, (12, 12), 3), leaves) is not None
    assert tree_genome(Space(13, (2, 12), 3), leaves) is None
    assert tree_genome(Space(13, (12, 1), 3), leaves) is None
    assert tree_genome(Space(13, (12,), 3), leaves) is None
    assert tree_genome(Space(13, (12, 12), 3, bias_bits=4), leaves) is None


def test_a_path_keeps_the_tightest_comparisons():
    path = ((3, 5, True), (1, 9, False), (3, 7, True), (1, 4, False), (3, 12, False))
    assert shortest(path) == ((1, 4, False), (3, 7, True), (3, 12, False))


@pytest.mark.parametrize("hidden", [(4,), (4, 5)])
def test_a_perceptron_as_a_genome_decides_as_the_perceptron(wine, hidden):
    space = Space(13, hidden, 3, hidden_bits=3, exponents=3, bias_bits=14, largest_shift=12)
    options = GradientOptions(3, powers_of_two(3), networks=6, bits=(1, 2, 3), steps=20)
    for net in train_many(wine, options):
        parts = net.w1, net.b1, net.shifts, net.bits, net.w2, net.b2
        genome = net_genome(space, *parts)
        found = predict(space, genome, wine.x_test)[0]
        assert found.tolist() == net.classify(wine.x_test).tolist()
        assert net_genome(Space(13, (2,), 3), *parts) is None
        assert net_genome(Space(13, hidden, 3, bias_bits=3), *parts) is None
        assert net_genome(Space(13, hidden, 3, exponents=0), *parts) is None
    assert np.abs(net.w1).max() > 1
