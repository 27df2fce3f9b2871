"""Ensembles of trees as Networks: the classes that their votes give, by leaves and by gates."""

import numpy as np
import pytest

from flow.ir.network import evaluate_network
from flow.search.ensembles import ensemble_network
from flow.search.space import Space
from flow.search.tree_gates import trees_network
from flow.train.ensembles import Recipe, grow_ensemble


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "recipe",
    [Recipe(False, 1, 6), Recipe(False, 3, 4), Recipe(True, 2, 4), Recipe(True, 2, 4, True)],
    ids=lambda r: r.name,
)
def test_the_network_of_an_ensemble_answers_as_its_votes(recipe, classes):
    rng = np.random.default_rng(classes)
    x = rng.integers(0, 16, (80, 4)).astype(np.uint8)
    y = ((x[:, 0] + x[:, 2].astype(np.int64)) * classes) // 31
    leaves = grow_ensemble(recipe, x, y, classes)
    scores = np.zeros((80, classes), np.int64)
    for leaf in leaves:
        inside = np.all([(x[:, f] >= t) == above for f, t, above in leaf.path], axis=0)
        scores[inside] += np.array(leaf.votes)
    network = ensemble_network(Space(4, (2,), classes), [(v.path, v.votes) for v in leaves])
    found = evaluate_network(network, {"x": x.astype(np.int64)})["class"].ravel()
    assert (found == scores.argmax(axis=1)).all()
    assert (found == y).mean() > 0.6
    if not recipe.boosted:
        trees = [
            [(v.path, v.votes.index(1)) for v in leaves if v.tree == k] for k in range(recipe.count)
        ]
        selected = trees_network(Space(4, (2,), classes), trees)
        assert (
            evaluate_network(selected, {"x": x.astype(np.int64)})["class"].ravel() == found
        ).all()


def test_a_few_sure_leaves_do_not_silence_the_others_where_votes_are_clipped():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 16, (400, 3)).astype(np.uint8)
    y = (x[:, 0] + rng.integers(0, 12, 400) > 15).astype(np.int64)
    y[x[:, 1] == 15] = 2  # A class that few samples tell at once.
    scaled, clipped = (grow_ensemble(Recipe(True, 12, 8, c), x, y, 3) for c in (False, True))
    assert max(abs(v) for leaf in scaled for v in leaf.votes) == 7
    assert {abs(v) for leaf in clipped for v in leaf.votes} == {0, 1, 2, 3}
    assert len(clipped) > len(scaled)
    ways = {(leaf.path, leaf.votes) for leaf in clipped}
    share = sum(max(map(abs, votes)) == 3 for _, votes in ways) / len(ways)
    assert 0.1 <= share < 0.6


def test_an_ensemble_that_knows_one_class_is_a_constant():
    space, x = Space(2, (2,), 3), np.zeros((3, 2), np.int64)
    for network in (
        ensemble_network(space, [((), (0, 0, 4))]),
        trees_network(space, [[((), 2)]]),
        trees_network(space, [[((), 2)], [((), 2)]]),
    ):
        assert evaluate_network(network, {"x": x})["class"].ravel().tolist() == [2, 2, 2]
