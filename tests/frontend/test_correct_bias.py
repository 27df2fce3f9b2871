"""The mean error of quantised layers is taken back by their biases."""

import numpy as np
import pytest
from frontend.source_models import perceptron
from frontend.test_quantise import residual_network

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.calibrate import calibrate, with_coded_inputs
from flow.frontend.quantisation.correct_bias import FEWEST
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.source import SourceConv, SourceDense


def mean_errors(net, x, options):
    """The largest mean error of an output of each layer with weights, beside half a step."""
    ready = calibrate(net, options, x)
    plain, _ = with_coded_inputs(net, options, x)
    values, wanted = evaluate_source(ready, x), evaluate_source(plain, x)
    return [
        np.abs(
            (values[k.name] - wanted[k.name]).mean(axis=tuple(range(values[k.name].ndim - 1)))
        ).max()
        for k in ready.layers
        if isinstance(k, SourceDense | SourceConv)
    ]


def test_features_with_a_mean_do_not_shift_what_a_layer_answers():
    # One feature hundreds of times larger than the others, and never near zero.
    rng = np.random.default_rng(0)
    net = perceptron(rng, (4, 6, 3))
    x = {"x": rng.uniform([0, 0, 0, 100], [1, 1, 1, 300], (500, 4))}
    first, _ = mean_errors(net, x, QuantiseOptions(16, 5))
    few, _ = mean_errors(net, {"x": x["x"][: FEWEST - 1]}, QuantiseOptions(16, 5))
    assert first < 1e-2 < few


def test_convolutions_are_corrected_over_all_positions():
    rng = np.random.default_rng(5)
    net = residual_network(rng)
    x = {"x": rng.uniform(0, 1, (60, 6, 6, 2)), "z": rng.normal(size=(60, 3))}
    assert max(mean_errors(net, x, QuantiseOptions(16, 4))) == pytest.approx(0, abs=5e-3)
