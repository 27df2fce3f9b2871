"""Sensitivities of layers: traces, losses and costs of every width, and what has no derivative."""

from dataclasses import replace

import numpy as np
import pytest
from frontend.source_models import model, perceptron
from frontend.test_equalise import small_cnn

from flow.analysis.bops import bit_operations
from flow.errors import UnsupportedModel
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.calibrate import calibrate, with_coded_inputs
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.rewire import named
from flow.frontend.source import SourceActivation
from flow.pipeline.differentiable import differentiable
from flow.pipeline.sensitivity import sensitivities
from flow.train.hessian import Curvature

OPTIONS = QuantiseOptions(input_bits=6, head="decision", per_input=False)
WIDTHS = (3, 5)


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    net = perceptron(rng, (4, 6, 3))
    x = {"x": rng.uniform(-1, 1, (120, 4))}
    labels = np.argmax(evaluate_source(net, x)["act_1"], axis=1)
    return net, x, labels


@pytest.fixture(scope="module")
def facts(task):
    net, x, labels = task
    return sensitivities(net, OPTIONS, x, labels, WIDTHS)


def bend_of(task):
    net, x, labels = task
    plain, data = with_coded_inputs(net, OPTIONS, x)
    found = differentiable(plain, True)
    wanted = found.wanted(data, labels)
    return plain, Curvature(found.graph, found.weights, data, found.kind, wanted)


def test_the_average_trace_is_near_the_sum_over_all_weights(task, facts):
    _, bend = bend_of(task)
    for layer in facts:
        shape = bend.weights[layer.name][0].shape
        size = int(np.prod(shape))
        units = np.eye(size).reshape(size, *shape)
        whole = sum(float((e * bend.by_kernel(layer.name, e)).sum()) for e in units)
        assert layer.weight_trace.value * size == pytest.approx(whole, rel=0.15)


def test_the_loss_of_a_width_is_the_trace_times_the_squared_error(task, facts):
    net, x, _ = task
    plain, _ = bend_of(task)
    first = facts[0]
    for bits in WIDTHS:
        ready = calibrate(net, replace(OPTIONS, weight_bits=bits, activation_bits=bits), x)
        error = named(ready, "dense_0").kernel.values - named(plain, "dense_0").kernel.values
        (choice,) = (c for c in first.choices if c.weight_bits == bits)
        assert choice.activation_bits == 6
        assert choice.read_loss == 0
        assert choice.loss == pytest.approx(first.weight_trace.value * np.square(error).sum())


def test_every_pair_of_widths_has_its_costs(facts):
    second = facts[1]
    assert [(c.weight_bits, c.activation_bits) for c in second.choices] == [
        (3, 3), (3, 5), (5, 3), (5, 5),
    ]  # fmt: skip
    for c in second.choices:
        assert c.costs["bops"] == bit_operations(6, 18, c.weight_bits, c.activation_bits)
        assert c.costs["model_bits"] == 18 * c.weight_bits
    losses = [c.loss for c in second.choices]
    assert losses[0] == max(losses)
    assert losses[3] == min(losses)
    assert second.choices[1].weighed(0) == second.choices[1].read_loss


def test_the_exact_measure_is_the_curvature_of_the_error_itself(task):
    net, x, labels = task
    _, bend = bend_of(task)
    plain, _ = bend_of(task)
    ready = calibrate(net, replace(OPTIONS, weight_bits=3, activation_bits=3), x)
    error = named(ready, "dense_0").kernel.values - named(plain, "dense_0").kernel.values
    found = sensitivities(net, OPTIONS, x, labels, (3,), "exact")
    wanted = float((error * bend.by_kernel("dense_0", error)).sum())
    assert found[0].choices[0].loss == pytest.approx(wanted)


def test_convolutions_count_a_product_for_each_place():
    rng = np.random.default_rng(1)
    net = small_cnn(rng)
    x = {"x": rng.normal(size=(20, 4, 4, 2))}
    first, depthwise, dense = sensitivities(net, OPTIONS, x, None, (4,), vectors=10)
    assert (first.fan_in, first.products, first.size) == (18, 16 * 108, 108)
    assert (depthwise.fan_in, depthwise.products) == (9, 16 * 54)
    assert (dense.fan_in, dense.products) == (24, 72)


def test_a_layer_without_a_derivative_is_named():
    net = model(
        (
            *perceptron(np.random.default_rng(0), (4, 6, 3), head="").layers,
            SourceActivation("g", ("dense_1",), "file: g", "gelu"),
        )
    )
    with pytest.raises(UnsupportedModel) as told:
        differentiable(net, False)
    assert told.value.obstacles == ("file: g: no derivative of gelu",)
