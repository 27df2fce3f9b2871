"""Training many networks at once: their integers mean what was trained, and equal seeds agree."""

from dataclasses import replace

import numpy as np
import pytest

from flow.errors import UsageError
from flow.train.clusters import cluster, levels, retrain
from flow.train.dataset import prepare
from flow.train.gradient import GradientOptions, IntegerNet, powers_of_two, train_many
from flow.train.qkeras_train import installed, train_qkeras
from flow.train.table import bundled

SMALL = GradientOptions(3, powers_of_two(4), networks=8, steps=150, rate=0.05)


@pytest.fixture(scope="module")
def iris():
    return prepare(bundled("iris"))


@pytest.fixture(scope="module")
def nets(iris):
    return train_many(iris, SMALL)


def test_powers_of_two_have_both_signs_and_zero():
    assert powers_of_two(2) == (-4, -2, -1, 0, 1, 2, 4)


def test_a_window_shows_the_bits_of_the_positive_sum_from_its_shift_on():
    net = IntegerNet(
        np.array([[4, -1]]), np.array([0, 6]), np.array([2, 0]), 2,
        np.array([[1, 0], [0, 1]]), np.array([0, 0]),
    )  # fmt: skip
    levels_ = np.array([[0], [1], [3], [9]], dtype=np.uint8)
    assert net.hidden(levels_).tolist() == [[0, 3], [1, 3], [3, 3], [3, 0]]
    assert net.classify(levels_).tolist() == [1, 1, 0, 0]
    assert net.weights == 4


def test_all_weights_are_allowed_and_the_best_network_comes_first(iris, nets):
    assert len(nets) == 8
    allowed = set(SMALL.levels)
    for net in nets:
        assert set(net.w1.ravel().tolist()) | set(net.w2.ravel().tolist()) <= allowed
        right = np.count_nonzero(net.classify(iris.x_fit) == iris.y_fit)
        assert net.right == right
    assert [net.right for net in nets] == sorted((net.right for net in nets), reverse=True)
    assert sorted({net.bits for net in nets}) == [1, 2, 3, 4]


def test_iris_is_learned_with_powers_of_two(iris, nets):
    assert nets[0].right >= 0.93 * len(iris.y_fit)


def test_equal_seeds_train_equal_networks(iris, nets):
    again = train_many(iris, SMALL)
    for a, b in zip(nets, again, strict=True):
        assert (a.w1 == b.w1).all()
        assert (a.b2 == b.b2).all()


def test_no_bias_is_larger_than_allowed(iris):
    found = train_many(iris, replace(SMALL, steps=20, bias=50))
    assert max(abs(net.b1).max() for net in found) <= 50


def test_training_goes_on_from_given_networks(iris, nets):
    found = train_many(iris, replace(SMALL, steps=0), nets[:3])
    assert found[0].right >= nets[2].right


def test_multipliers_are_grouped_by_growing_area():
    areas = {0: 0.0, 1: 0.0, 2: 0.0, 3: 5.0, 4: 0.0, 5: 4.0, 6: 5.0, 7: 9.0}
    assert cluster(areas, 3) == ((0, 1, 2, 4), (3, 5), (6, 7))
    assert levels(((0, 1), (3,))) == (-3, -1, 0, 1, 3)
    with pytest.raises(UsageError) as error:
        cluster({0: 0.0, 1: 2.0})
    assert error.value.message == "the multipliers by 0 and by 1 have an area"


def test_retraining_takes_more_clusters_only_where_it_must(iris):
    areas = {w: float(w.bit_count() - 1) if w else 0.0 for w in range(16)}
    quick = replace(SMALL, networks=6, steps=120)
    easy = retrain(iris, areas, 0.7, quick)
    assert easy.clusters == 1
    assert easy.accuracies[0] >= 0.7
    for weights in (easy.perceptron.w1, easy.perceptron.w2):
        assert {abs(w).bit_count() for w in weights.ravel().tolist()} <= {0, 1}
    never = retrain(iris, areas, 1.1, replace(quick, steps=20))
    assert len(never.accuracies) == len(cluster(areas))
    assert never.accuracies[never.clusters - 1] == max(never.accuracies)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorFlow warns of itself.
def test_qkeras_trains_powers_of_two_that_flow_reads(iris, tmp_path):
    if not installed():
        pytest.skip("not checked: QKeras is not installed")
    from flow.frontend.read import read_model

    model, accuracy = train_qkeras(iris, 3, epochs=60)
    (tmp_path / "model.h5").write_bytes(model)
    assert accuracy > 0.5
    assert read_model(tmp_path / "model.h5").quantised


def test_without_qkeras_the_message_says_what_to_install(iris):
    if installed():
        pytest.skip("not checked: QKeras is installed")
    with pytest.raises(UsageError) as error:
        train_qkeras(iris, 3)
    assert error.value.show() == (
        "error: QKeras is not installed\n"
        "  hint: pip install 'flow[train]', or leave --qat out: flow trains powers of two itself"
    )
