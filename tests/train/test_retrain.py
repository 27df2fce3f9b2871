"""Retraining on grids, the predictor of accuracy, and the evolution of sizes."""

import numpy as np
import pytest

from flow.search.sizes import SHARES, Field, Genome, evolve, front
from flow.train.float_graph import Dense, FloatGraph, Relu, Round
from flow.train.losses import answer, loss
from flow.train.predictor import accuracy_predictor
from flow.train.retrain import Grid, Lesson, RetrainOptions, retrain


def task(rng, samples=300):
    """A graph of two dense layers with a rounded tensor between, and what it should learn."""
    step, lo, hi = np.array(0.25), np.array(0.0), np.array(7.0)
    ops = (
        Dense("first", ("x",)),
        Relu("relu", ("first",)),
        Round("rounded", ("relu",), step, lo, hi, True),
        Dense("second", ("rounded",)),
    )
    shapes = {"first": (4, 8), "second": (8, 3)}
    weights = {n: (rng.normal(size=s), np.zeros(s[1])) for n, s in shapes.items()}
    x = rng.normal(size=(samples, 4))
    wanted = np.eye(3)[(np.abs(x[:, 0]) + x[:, 1] > 1).astype(int) + (x[:, 2] > 0.5)]
    lesson = Lesson({"x": x}, wanted)
    grids = {n: Grid(np.array(0.5), 3) for n in shapes}
    return FloatGraph(("x",), ops, "second"), weights, grids, lesson


def test_retraining_lowers_the_loss_and_keeps_kernels_on_their_grids():
    graph, weights, grids, lesson = task(np.random.default_rng(0))
    held = lesson.rows(np.arange(0, 300, 3))
    found = retrain(graph, weights, grids, "softmax", lesson, held, RetrainOptions(15, rate=0.05))
    assert found.after < 0.6 * found.before
    assert found.after == pytest.approx(
        loss("softmax", graph.values(held.inputs, found.weights)["second"], held.wanted)
    )
    for kernel, _ in found.weights.values():
        whole = kernel / 0.5
        assert (whole == np.rint(whole)).all()
        assert np.abs(whole).max() <= 3


def test_without_a_better_epoch_the_rounded_weights_stay():
    graph, weights, grids, lesson = task(np.random.default_rng(1))
    sums = graph.values(lesson.inputs, {n: (grids[n].round(k), b) for n, (k, b) in weights.items()})
    own = Lesson(lesson.inputs, answer("softmax", sums["second"]))
    far = Lesson(lesson.inputs, 1 - lesson.wanted)
    found = retrain(graph, weights, grids, "softmax", far, own, RetrainOptions(2))
    assert found.after == found.before
    assert all((found.weights[n][0] == grids[n].round(weights[n][0])).all() for n in grids)


def test_equal_seeds_retrain_equal_weights():
    graph, weights, grids, lesson = task(np.random.default_rng(2))
    runs = [
        retrain(graph, weights, grids, "softmax", lesson, lesson, RetrainOptions(2))
        for _ in range(2)
    ]
    assert all((runs[0].weights[n][0] == runs[1].weights[n][0]).all() for n in grids)


def test_the_predictor_ranks_what_it_has_not_seen():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 8, (60, 4))
    predict = accuracy_predictor(x.tolist(), (x[:, 0] + x[:, 1]).tolist(), 0)
    good, bad = predict([[7, 7, 0, 0], [1, 1, 7, 7]])
    assert good > bad
    assert accuracy_predictor([[1, 2]], [0.5], 3)([[1, 2]]) == [0.5]


FIELD = Field((16, 8, 3), (False, False, True), (8, None, None), (2, 8))
START = [Genome((16, 8, 3), (w,) * 3, (8, w, w)) for w in (8, 5, 2)]


def cost(genome):
    return float(np.dot(genome.outputs, genome.weight_bits) + sum(genome.read_bits))


def worth(genome):
    """Wide layers and widths help, the first layer's size hardly."""
    return 1 - 0.1 / genome.outputs[0] - sum(0.5**w for w in genome.weight_bits) / 4


def test_evolution_finds_cheaper_designs_than_it_starts_from():
    found = evolve(FIELD, START, 30, worth, cost, lambda x, y: accuracy_predictor(x, y, 0), seed=1)
    assert len(found) == 30
    assert list(found)[:3] == START
    goal = worth(START[1])
    cheapest = min(cost(g) for g, a in found.items() if a >= goal)
    assert cheapest < cost(START[1])
    for genome in found:
        assert genome.outputs[2] == 3
        assert genome.read_bits[0] == 8
        assert set(genome.weight_bits + genome.read_bits) <= set(range(2, 9))
        assert genome.outputs[0] in {max(1, round(s * 16)) for s in SHARES}


def test_the_front_is_what_nothing_beats_from_the_cheapest_on():
    a, b, c = START
    assert front([(3.0, 0.9, a), (2.0, 0.9, b), (1.0, 0.2, c)]) == [c, b]
