"""Steps of weights, inputs and activations; what calibration does to a float model."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import model, perceptron

from flow.frontend.exact.grids import activation_quantiser, input_quantiser, weight_step
from flow.frontend.float_model import apply_quantiser, evaluate_source
from flow.frontend.quantisation.calibrate import calibrate
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.source import (
    SourceActivation,
    SourceAdd,
    SourceDense,
    SourceInput,
    SourceQuantise,
    Weights,
)


def facts(quantiser):
    return quantiser.lo, quantiser.hi, quantiser.step.item(), quantiser.rounding


def test_weights_on_a_grid_keep_it():
    values = np.array([[0.25, -1.75], [0.5, 0.0]])
    step, rounded = weight_step(values, 4)
    assert step == Fraction(1, 4)
    assert rounded.tolist() == values.tolist()


def test_the_step_of_least_squared_error_may_saturate_an_outlier():
    values = np.append(np.linspace(-1, 1, 401), 1.05)
    step, rounded = weight_step(values, 3)
    assert step == Fraction(1, 4)
    assert np.abs(rounded).max() == 0.75
    best, closer = weight_step(values, 3, "best")
    assert ((closer - values) ** 2).sum() < ((rounded - values) ** 2).sum()
    assert best.denominator <= 1 << 14


def test_weights_of_zero_have_a_step():
    step, rounded = weight_step(np.zeros((2, 2)), 8)
    assert (step, rounded.tolist()) == (1, [[0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("data", "bits", "expected"),
    [
        ([0, 3, 15], 8, (0, 15, 1, "half_even")),
        ([-0.5, 0.25], 8, (-4, 3, Fraction(1, 4), "half_even")),
        ([0.0, 255.0], 8, (0, 255, 1, "half_even")),
        (np.arange(0, 1000) / 1063, 4, (0, 15, Fraction(1, 16), "half_even")),
        ([0.0, 0.3, 1.0, 1.0], 4, (0, 15, Fraction(1, 15), "half_even")),
        (np.linspace(-1, 0.9, 77), 4, (-8, 7, Fraction(1, 8), "half_even")),
    ],
)
def test_an_input_gets_the_step_that_fits_its_data(data, bits, expected):
    assert facts(input_quantiser(np.asarray(data, dtype=float), bits)) == expected


def test_the_step_of_an_activation_is_its_unit_times_a_power_of_two():
    values = np.linspace(0, 10, 333)
    q = activation_quantiser(values, 4, signed=False, unit=Fraction(3, 64))
    ratio = q.step.item() / Fraction(3, 64)
    assert ratio.numerator == 1 or ratio.denominator == 1
    assert facts(q) == (0, 15, Fraction(3, 4), "half_up")
    assert np.abs(apply_quantiser(q, values) - values).max() <= 0.375


def test_a_range_may_follow_the_largest_value_or_a_percentile():
    values = np.append(np.linspace(0, 1, 10_000), 100.0)
    widest = activation_quantiser(values, 8, signed=False, rule="max")
    usual = activation_quantiser(values, 8, signed=False, rule="percentile")
    assert (widest.step.item(), usual.step.item()) == (Fraction(1, 2), Fraction(1, 256))


def test_weights_get_steps_and_every_dense_layer_reads_a_quantiser():
    rng = np.random.default_rng(0)
    net = perceptron(rng, (4, 6, 5, 3))
    x = rng.uniform(0, 1, (200, 4))
    ready = calibrate(net, QuantiseOptions(5, 6, 4), {"x": x})
    by_name = {layer.name: layer for layer in ready.layers}
    assert ready.quantised
    for layer in ready.layers:
        if isinstance(layer, SourceDense):
            assert isinstance(by_name[layer.sources[0]], SourceQuantise)
    assert [layer.name for layer in ready.layers] == [
        "x", "x_code", "dense_0", "act_0", "act_0_q", "dense_1", "act_1", "act_1_q", "dense_2",
        "act_2",
    ]  # fmt: skip


def test_half_a_step_in_the_bias_makes_rounding_down_the_nearest():
    rng = np.random.default_rng(0)
    net = perceptron(rng, (4, 6, 3))
    x = rng.uniform(0, 1, (200, 4))
    ready = calibrate(net, QuantiseOptions(12, 12, 6), {"x": x})
    quantise = next(layer for layer in ready.layers if layer.name == "act_0_q")
    assert isinstance(quantise, SourceQuantise)
    assert quantise.quantiser.rounding == "floor"
    step = float(quantise.quantiser.step.item())
    error = evaluate_source(ready, {"x": x})["act_0_q"] - evaluate_source(net, {"x": x})["act_0"]
    assert np.abs(error).max() < 0.6 * step
    assert abs(error.mean()) < 0.1 * step


def test_a_tensor_that_others_read_too_is_rounded_to_the_nearest_instead():
    rng = np.random.default_rng(0)
    layers = [
        SourceInput("x", (), "x", (3,)),
        SourceDense("d", ("x",), "d", Weights(rng.normal(size=(3, 3))), None),
        SourceActivation("r", ("d",), "r", "relu"),
        SourceAdd("s", ("r", "d"), "s"),
        SourceDense("e", ("r",), "e", Weights(rng.normal(size=(3, 2))), None),
        SourceDense("f", ("s",), "f", Weights(rng.normal(size=(3, 2))), None),
        SourceAdd("t", ("e", "f"), "t"),
    ]
    x = rng.uniform(0, 1, (200, 3))
    ready = calibrate(model(layers), QuantiseOptions(8, 8, 8), {"x": x})
    found = {q.name: q.quantiser for q in ready.layers if isinstance(q, SourceQuantise)}
    assert {name: (q.lo, q.rounding) for name, q in found.items()} == {
        "x_code": (0, "half_even"),
        "r_q": (0, "half_up"),
        "s_q": (-128, "half_up"),
    }
