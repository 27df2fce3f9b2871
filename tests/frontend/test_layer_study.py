"""What the quantisation of each layer costs, against values worked out in numpy."""

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, perceptron, quantiser
from frontend.test_quantise import residual_network

from flow.frontend.exact.decisions import decided
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.layer_study import LayerStudy, study
from flow.frontend.quantisation.options import LayerBits, QuantiseOptions
from flow.frontend.source import SourceActivation, SourceDense, SourceInput, SourceQuantise, Weights

RNG = np.random.default_rng(0)


def test_a_layer_alone_has_its_noise_range_and_accuracy():
    # Inputs on the grid: all noise is of the weights, and of the one activation in between.
    first, second = np.array([[0.6, 0.1], [-0.3, 0.8]]), np.array([[1.0, -0.7], [0.35, 0.9]])
    net = model(
        [
            SourceInput("x", (), "x", (2,)),
            SourceDense("a", ("x",), "a", Weights(first), None),
            SourceActivation("r", ("a",), "r", "relu"),
            SourceDense("b", ("r",), "b", Weights(second), None),
        ]
    )
    x = RNG.integers(0, 16, (300, 2)) / 16
    y = np.maximum(x @ first, 0)
    labels = np.argmax(y @ second, axis=1)
    options = QuantiseOptions(4, 3, 2, activation_range="max", weight_step="power_of_two")
    rows = study(net, options, {"x": x}, labels)
    coarse = np.clip(np.rint(first * 4), -3, 3) / 4
    noisy = x @ coarse
    ratio = np.square(x @ first).sum() / np.square(noisy - x @ first).sum()
    assert rows[0] == LayerStudy(
        "a", "dense", 3, 4, 0.0, 15 / 16, 0.0, pytest.approx(10 * np.log10(ratio)),
        (np.argmax(np.maximum(noisy, 0) @ second, axis=1) == labels).mean(),
    )  # fmt: skip
    grid = np.clip(np.floor(y * 4 + 0.5), 0, 3) / 4
    alone = grid @ (np.clip(np.rint(second * 2), -3, 3) / 2)
    wanted = np.square(y @ second).sum() / np.square(alone - y @ second).sum()
    assert (rows[1].weight_bits, rows[1].read_bits, rows[1].low) == (3, 2, 0.0)
    assert rows[1].high == y.max()
    assert rows[1].saturated == pytest.approx((y > 0.875).mean())
    assert rows[1].sqnr_db == pytest.approx(10 * np.log10(wanted))
    assert rows[1].alone == (np.argmax(alone, axis=1) == labels).mean()


def test_more_bits_are_less_noise_in_every_layer():
    net = residual_network(RNG)
    x = {"x": RNG.uniform(0, 1, (40, 6, 6, 2)), "z": RNG.normal(size=(40, 3))}
    coarse, fine = (study(net, QuantiseOptions(b, b, b), x) for b in (4, 9))
    assert [row.layer for row in fine] == ["c1", "c2", "c3", "d1", "d2"]
    assert [row.read_bits for row in fine] == [9, 9, 9, 9, 9]
    for few, many in zip(coarse, fine, strict=True):
        assert many.sqnr_db > few.sqnr_db + 20
        assert (many.low, many.high) == (few.low, few.high)


def test_layers_have_the_widths_that_they_are_given():
    net = perceptron(RNG, (4, 6, 5, 3))
    x = {"x": RNG.uniform(0, 1, (200, 4))}
    options = QuantiseOptions(5, 8, 6, layers=(LayerBits("dense_1", 4, 3), LayerBits("dense_2", 5)))
    assert [(r.weight_bits, r.read_bits) for r in study(net, options, x)] == [
        (8, 5), (4, 3), (5, 6)
    ]  # fmt: skip


def test_a_scaler_that_the_coding_takes_up_changes_nothing():
    net = perceptron(np.random.default_rng(1), (3, 6, 3), scaler=True)
    x = {"x": RNG.uniform([0, 5, -100], [1e-3, 9, 100], (300, 3))}
    rows = study(net, QuantiseOptions(16, 16, 16), x)
    assert all(row.sqnr_db > 60 for row in rows)
    assert all(row.alone > 0.99 for row in rows)


def test_without_labels_the_float_model_decides():
    net = perceptron(RNG, (4, 6, 3))
    x = {"x": RNG.uniform(0, 1, (200, 4))}
    labels = decided(net, evaluate_source(net, x))[:, 0]
    options = QuantiseOptions(4, 4, 4)
    assert study(net, options, x) == study(net, options, x, labels)


def test_of_a_quantised_model_the_ranges_and_saturation_are_known():
    layers = [
        SourceInput("x", (), "x", (2,)),
        SourceQuantise("q", ("x",), "q", quantiser("1/4", -8, 7)),
        exact_dense("d", "q", [[3, -4], [1, 0]]),
        SourceQuantise("relu", ("d",), "relu", quantiser("1/2", 0, 3)),
        exact_dense("e", "relu", [[1], [2]]),
    ]
    x = np.array([[1.0, 1.0], [5.0, 0.0], [-3.0, 2.0], [0.0, -2.25]])
    assert study(model(layers), QuantiseOptions(), {"x": x}) == (
        LayerStudy("d", "dense", 3, 4, -3.0, 5.0, 1 / 2, None, None),
        LayerStudy("e", "dense", 3, 2, -1.75, 2.0, 1 / 8, None, None),
    )
