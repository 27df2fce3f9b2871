"""Training for faults: what is injected, what each regulariser gains, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from flow.errors import UsageError
from flow.train.baseline import Perceptron
from flow.train.dataset import prepare
from flow.train.robust import RobustOptions, options_for, train_robust
from flow.train.robust_choice import STRENGTHS, choose_options
from flow.train.table import bundled
from flow.train.weight_faults import accuracies, draw_stuck, stuck_weights


@pytest.fixture(scope="module")
def iris():
    return prepare(bundled("iris"))


def trained(data, options):
    return train_robust(data.x_fit, data.y_fit, data.classes, data.scaler.bits, options)


def test_stuck_weights_are_zero_or_at_an_end_of_the_range():
    weights = np.array([5, -7, 3, 2])
    kinds = np.array([0, 1, 2, 3])
    assert stuck_weights(weights, kinds, 7).tolist() == [5, 0, 7, -7]


def test_as_many_weights_are_stuck_as_the_share_says_a_third_of_each_kind():
    kinds = draw_stuck((300, 300), 0.1, np.random.default_rng(0))
    shares = np.bincount(kinds.ravel(), minlength=4) / kinds.size
    assert np.abs(shares - [0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3]).max() < 0.003


def test_without_faults_every_draw_has_the_accuracy_of_the_integers():
    one = np.ones((1, 1), dtype=np.int64)
    net = Perceptron(one, np.zeros(1, np.int64), one, np.array([-3]))
    levels, y = np.array([[0], [2], [3], [9]], dtype=np.uint8), np.array([0, 1, 1, 1])
    assert net.accuracy(levels, y) == 0.75
    assert accuracies(net, levels, y, draws=2).tolist() == [0.75, 0.75]
    # Every weight is stuck: at 0 the class is never 1, else as before or the other way round.
    seen = accuracies(net, levels, y, share=1.0, draws=40)
    assert set(seen.tolist()) == {0.25, 0.75}


def test_a_training_for_stuck_weights_loses_less_than_half_of_what_an_ordinary_one_does(iris):
    plain, hard = trained(iris, RobustOptions(12)), trained(iris, options_for("faults", 12))
    base = plain.accuracy(iris.x_test, iris.y_test)
    lost = [
        base - accuracies(net, iris.x_test, iris.y_test, share=0.1).mean() for net in (plain, hard)
    ]
    assert lost[0] > 0.1
    assert lost[1] <= lost[0] / 2


def test_a_training_for_few_bits_lies_nearer_to_its_grid(iris):
    options = RobustOptions(8, weight_bits=3, steps=300)
    plain, near = trained(iris, options), trained(iris, replace(options, quantisation=10.0))
    scores = [net.accuracy(iris.x_fit, iris.y_fit) for net in (plain, near)]
    assert scores[1] > scores[0]
    assert np.abs(near.w1).max() <= 3


def test_equal_options_train_equal_networks_and_two_classes_have_one_output(iris):
    y = (iris.y_fit == 2).astype(np.int64)
    options = replace(options_for("all", 4, weight_bits=6), steps=60)
    a, b = (train_robust(iris.x_fit, y, 2, 4, options) for _ in range(2))
    assert (a.w1.shape, a.w2.shape) == ((4, 4), (4, 1))
    assert all((getattr(a, n) == getattr(b, n)).all() for n in ("w1", "b1", "w2", "b2"))


def test_strengths_are_chosen_on_samples_that_are_kept_back(iris):
    given = iris.x_fit, iris.y_fit, 3, 4, RobustOptions(4, steps=40, weight_bits=6, seed=5)
    chosen = choose_options("all", *given)
    assert (chosen.faults, chosen.variability) in STRENGTHS
    assert (chosen.quantisation, chosen.weight_bits, chosen.steps, chosen.seed) == (10.0, 6, 40, 5)
    assert choose_options("all", *given) == chosen
    # One strength is no choice: nothing is trained.
    alone = choose_options("quantisation", *given)
    assert (alone.quantisation, alone.faults, alone.variability) == (10.0, 0.0, 0.0)
    assert choose_options("faults", *given).variability == 0.0


def test_an_unknown_regulariser_is_refused_with_those_there_are():
    with pytest.raises(UsageError) as refused:
        options_for("faults,rust", 3)
    assert refused.value.message == "there is no regulariser 'rust'"
    assert refused.value.hint == "choose of all, quantisation, faults, variability"
