"""Layers become smaller by their least outputs; what stays answers as before where those are 0."""

from dataclasses import replace

import numpy as np
import pytest
from frontend.source_models import perceptron
from frontend.test_equalise import small_cnn

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.cut import can_shrink, shrunk
from flow.frontend.quantisation.rewire import named, swapped
from flow.frontend.source import Weights


def without_effect(net, name, kept, rows):
    """The model in which the outputs of a layer besides `kept` are read with weights of 0."""
    reader = named(net, name)
    kernel = reader.kernel.values.copy()
    kernel[..., ~np.isin(rows, kept), :] = 0
    return swapped(net, {name: replace(reader, kernel=Weights(kernel))})


def test_neurons_that_nothing_reads_go_and_nothing_changes():
    rng = np.random.default_rng(0)
    net = without_effect(perceptron(rng, (5, 8, 3)), "dense_1", [1, 4, 6], np.arange(8))
    x = {"x": rng.normal(size=(30, 5))}
    small = shrunk(net, {"dense_0": 3}, x)
    assert named(small, "dense_0").kernel.values.shape == (5, 3)
    assert (named(small, "dense_0").kernel.values ==
            named(net, "dense_0").kernel.values[:, [1, 4, 6]]).all()  # fmt: skip
    assert evaluate_source(small, x)["act_1"] == pytest.approx(evaluate_source(net, x)["act_1"])


def test_filters_go_with_all_their_places_behind_a_reshape():
    rng = np.random.default_rng(1)
    layers = [x for x in small_cnn(rng).layers if x.name not in ("c1", "r1")]
    layers = [replace(x, sources=("r0",)) if x.name == "p" else x for x in layers]
    net = without_effect(
        replace(small_cnn(rng), layers=tuple(layers)), "d", [0, 5], np.arange(24) % 6
    )
    assert can_shrink(net) == ("c0",)
    x = {"x": rng.normal(size=(9, 4, 4, 2))}
    small = shrunk(net, {"c0": 2}, x)
    assert named(small, "c0").kernel.values.shape == (3, 3, 2, 2)
    assert named(small, "d").kernel.values.shape == (8, 3)
    assert evaluate_source(small, x)["d"] == pytest.approx(evaluate_source(net, x)["d"])


def test_depthwise_layers_and_outputs_keep_their_size():
    assert can_shrink(small_cnn(np.random.default_rng(2))) == ()
    assert can_shrink(perceptron(np.random.default_rng(2), (4, 6, 5, 3))) == ("dense_0", "dense_1")
