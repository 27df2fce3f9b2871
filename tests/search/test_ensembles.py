"""Ensembles of trees as Networks: the classes that their votes give, by leaves and by gates."""

import numpy as np
import pytest

from flow.ir.network import evaluate_network
from flow.search.ensembles import ensemble_network
from flow.search.space import Space
from flow.search.tree_gates import ordered_network, trees_network
from flow.train.ensembles import Recipe, grow_ensemble, grow_ordered


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("trees", 1, 6),
        Recipe("trees", 3, 4),
        Recipe("boosted", 2, 4),
        Recipe("clipped", 2, 4),
    ],
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


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_ordered_classes_that_of_the_last_step_reached_is_the_answer(count):
    rng = np.random.default_rng(count)
    x = rng.integers(0, 16, (300, 4)).astype(np.uint8)
    y = np.digitize(x[:, 0] + x[:, 2].astype(np.int64), [9, 18, 29])
    steps = grow_ordered(Recipe("ordered", count, 12), x, y, 4, seed=count)
    assert [sorted({v.tree for v in leaves}) for leaves in steps] == [list(range(count))] * 3
    # A step that few samples are beyond has fewer leaves.
    sizes = [sum(v.tree == 0 for v in leaves) for leaves in steps]
    assert sizes[0] == 12 or sizes[1] == 12
    assert 2 <= sizes[2] < 6
    expected = np.zeros(300, np.int64)
    for leaves in steps:
        votes = np.zeros(300, np.int64)
        for leaf in leaves:
            inside = np.all([(x[:, f] >= t) == above for f, t, above in leaf.path], axis=0)
            votes[inside] += leaf.votes[1]
        expected += 2 * votes > count
    forests = [
        [[(v.path, v.votes.index(1)) for v in leaves if v.tree == k] for k in range(count)]
        for leaves in steps
    ]
    network = ordered_network(Space(4, (2,), 4), forests)
    found = evaluate_network(network, {"x": x.astype(np.int64)})["class"].ravel()
    assert (found == expected).all()
    assert (found == y).mean() > 0.8


def test_a_few_sure_leaves_do_not_silence_the_others_where_votes_are_clipped():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 16, (400, 3)).astype(np.uint8)
    y = (x[:, 0] + rng.integers(0, 12, 400) > 15).astype(np.int64)
    y[x[:, 1] == 15] = 2  # A class that few samples tell at once.
    scaled, clipped = (
        grow_ensemble(Recipe(kind, 12, 8), x, y, 3) for kind in ("boosted", "clipped")
    )
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
