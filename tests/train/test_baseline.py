"""The exact baseline: one meaning as weights, as a Network, and as the model that is built."""

from fractions import Fraction

import numpy as np
import pytest

from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.sklearn.reader import read_skops
from flow.ir.layers import Dense
from flow.train import baseline
from flow.train.baseline import (
    Perceptron,
    choose_hidden,
    cross_validated,
    evaluate_levels,
    quantise_perceptron,
    train_baseline,
)
from flow.train.dataset import prepare
from flow.train.export import build_files
from flow.train.table import bundled


@pytest.fixture(scope="module")
def iris():
    data = prepare(bundled("iris"))
    return data, train_baseline(data, 3, trials=2)


def test_weights_fill_eight_bits_and_biases_stand_at_the_unit_of_their_sums():
    w1, b1 = np.array([[1.0, -0.25]]), np.array([0.5, 0.0])
    w2, b2 = np.array([[3.9], [0.01]]), np.array([-1.0])
    found = quantise_perceptron(w1, b1, w2, b2, input_bits=4)
    assert found.w1.tolist() == [[64, -16]]
    assert found.b1.tolist() == [0.5 * 64 * 16, 0]
    assert found.w2.tolist() == [[125], [0]]
    assert found.b2.tolist() == [-64 * 16 * 32]
    assert found.unit == Fraction(1, 64 * 16 * 32)


def test_one_output_decides_by_its_sign():
    one = Perceptron(np.array([[2]]), np.array([-6]), np.array([[1]]), np.array([-2]))
    levels = np.arange(6, dtype=np.uint8)[:, None]
    assert one.classify(levels).tolist() == [0, 0, 0, 0, 1, 1]
    assert evaluate_levels(one.network("one"), levels).tolist() == [0, 0, 0, 0, 1, 1]


def test_iris_is_learned_and_its_network_says_the_same(iris):
    data, found = iris
    assert found.hidden == 3
    assert found.accuracy["test"] >= 0.85
    network = found.perceptron.network("iris")
    assert (evaluate_levels(network, data.x_test) == found.perceptron.classify(data.x_test)).all()
    assert max(abs(found.perceptron.w1).max(), abs(found.perceptron.w2).max()) <= 127


def test_equal_seeds_train_equal_weights(iris):
    data, found = iris
    again = train_baseline(data, 3, trials=2)
    assert again.options == found.options
    for name in ("w1", "b1", "w2", "b2"):
        assert (getattr(again.perceptron, name) == getattr(found.perceptron, name)).all()


def test_cross_validation_counts_each_sample_as_fits_to_the_others_answer_it(iris, monkeypatch):
    data, found = iris
    share = cross_validated(data, found, folds=3)
    # 105 samples are held back 4 times, and not one of them by its own fit.
    assert 0.85 <= share < 1
    assert round(share * 420, 6).is_integer()
    assert share == cross_validated(data, found, folds=3)
    seen = []

    def fits(data, x, y, hidden, options, seed):
        assert (hidden, options) == (found.hidden, found.options)
        seen.append(len(y))
        return (), found.perceptron

    monkeypatch.setattr(baseline, "_refits", fits)
    assert cross_validated(data, found, folds=3) == found.accuracy["fit"]
    assert seen == [70] * 12


def test_the_fewest_neurons_that_are_close_to_the_best_are_chosen(iris, monkeypatch):
    data, _ = iris
    scores = {1: 0.90, 2: 0.955, 3: 0.96, 4: 0.964, 5: 0.95}
    monkeypatch.setattr(baseline, "_search", lambda data, n, seed, trials: (scores[n], {}))
    assert choose_hidden(data) == 2


def test_the_model_file_is_built_as_the_same_integers(iris, tmp_path):
    data, found = iris
    files = build_files(found.perceptron, data)
    assert sorted(files) == ["fit.csv", "flow.toml", "model.skops", "test.csv"]
    (tmp_path / "model.skops").write_bytes(files["model.skops"])
    source = read_skops(tmp_path / "model.skops")
    options = QuantiseOptions(input_bits=4, weight_bits=8, head="decision")
    name = source.layers[0].name
    network = to_network(source, options, {name: data.x_fit.astype(np.float64)}).network
    levels = np.concatenate([data.x_fit, data.x_test])
    assert (evaluate_levels(network, levels) == found.perceptron.classify(levels)).all()
    first = next(layer for layer in network.layers if isinstance(layer, Dense))
    assert abs(first.weights).max() <= 127


def test_the_table_of_levels_has_the_labels_of_the_source(iris):
    data, found = iris
    lines = build_files(found.perceptron, data)["test.csv"].decode().splitlines()
    assert lines[0] == (
        "sepal_length_(cm),sepal_width_(cm),petal_length_(cm),petal_width_(cm),label"
    )
    assert lines[1].split(",")[-1] == data.table.classes[data.y_test[0]]
    assert [int(cell) for cell in lines[1].split(",")[:4]] == data.x_test[0].tolist()
