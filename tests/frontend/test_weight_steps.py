"""A step of weights for each input: chosen where it saves most of the error, exact either way."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import model

from flow.frontend.files.data import decode, encode
from flow.frontend.float_model import evaluate_layer, evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.quantisation.weights import quantise_weights
from flow.frontend.source import SourceConv, SourceDense, SourceInput, Weights
from flow.ir.network import evaluate_network

RANGES = np.array([1000.0, 8.0, 0.125, 1.0])


def layer(even):
    """Four inputs whose weights undo their ranges, or weights that are all alike."""
    kernel = np.array([[0.9, -0.4, 0.3], [0.2, 0.7, -0.8], [-0.6, 0.5, 0.1], [0.4, 0.3, -0.2]])
    if not even:
        kernel = kernel / RANGES[:, None]
    return SourceDense("d", ("x",), "p", Weights(kernel), None)


def samples(even):
    x = np.random.default_rng(1).uniform(-1, 1, (200, 4))
    return x if even else x * RANGES


def error(options, even):
    x = samples(even)
    found = evaluate_layer(quantise_weights(layer(even), options, {"x": x}), x)
    return float(np.square(found - evaluate_layer(layer(even), x)).mean())


@pytest.mark.parametrize("per_channel", [False, True])
def test_rows_of_very_different_size_get_steps_of_their_own(per_channel):
    together, free, apart = (
        error(QuantiseOptions(8, 6, per_channel=per_channel, per_input=x), False)
        for x in (False, None, True)
    )
    assert free == apart
    assert free < together / 50


def test_rows_of_one_size_share_their_step():
    made = quantise_weights(layer(True), QuantiseOptions(8, 6), {"x": samples(True)})
    assert made.kernel.step.shape == ()
    assert error(QuantiseOptions(8, 6), True) == error(QuantiseOptions(8, 6, per_input=False), True)


def test_every_weight_is_an_integer_of_its_bits_times_its_step():
    made = quantise_weights(layer(False), QuantiseOptions(8, 6, per_input=True), {"x": samples(0)})
    steps = np.broadcast_to(made.kernel.step, (4, 3))
    whole = [
        Fraction(v) / s for v, s in zip(made.kernel.values.ravel(), steps.ravel(), strict=True)
    ]
    assert all(v.denominator == 1 and abs(v) <= 31 for v in whole)
    assert steps[2, 0] / steps[0, 0] == 2**12


def test_the_channels_of_a_convolution_get_steps_of_their_own():
    kernel = np.random.default_rng(0).normal(size=(3, 2, 4)) * np.array([1.0, 0.001])[:, None]
    conv = SourceConv("c", ("x",), "p", Weights(kernel), None, (1,), ((0, 0),), (1,))
    x = np.random.default_rng(2).normal(size=(50, 9, 2)) * np.array([1.0, 1000.0])
    made = quantise_weights(conv, QuantiseOptions(8, 8), {"x": x})
    assert made.kernel.step.shape == (2, 1)
    wanted = evaluate_layer(conv, x)
    assert np.abs(evaluate_layer(made, x) - wanted).max() < 0.02 * np.abs(wanted).max()


def test_the_network_of_such_weights_is_close_to_the_model():
    x = samples(False)
    net = model([SourceInput("x", (), "p", (4,)), layer(False)])
    network = to_network(net, QuantiseOptions(20, 6), {"x": x}).network
    (port,), (name,) = network.inputs, network.outputs
    found = evaluate_network(network, {port.name: encode(port, x)})[name]
    wanted = evaluate_source(net, {"x": x})["d"]
    assert np.abs(decode(network.types[name], found) - wanted).max() < 0.05
