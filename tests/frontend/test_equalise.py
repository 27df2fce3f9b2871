"""Cross-layer equalisation keeps the function and evens the ranges; adaptive rounding helps."""

from dataclasses import replace

import numpy as np
import pytest
from frontend.source_models import model, perceptron
from frontend.test_quantise import residual_network

from flow.frontend.float_model import evaluate_layer, evaluate_source
from flow.frontend.quantisation.answers import change_of_answers
from flow.frontend.quantisation.calibrate import calibrate
from flow.frontend.quantisation.equalise import equalised
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.rewire import named
from flow.frontend.quantisation.round_adaptively import rounded_adaptively
from flow.frontend.quantisation.weights import quantise_weights
from flow.frontend.source import (
    SourceActivation,
    SourceConv,
    SourceDense,
    SourceInput,
    SourcePool,
    SourceReshape,
    Weights,
    step_array,
)


def uneven(rng):
    """A perceptron whose hidden neurons differ by powers of ten."""
    net = perceptron(rng, (5, 8, 6, 3), head="softmax")
    factors = 10.0 ** rng.uniform(-2, 2, 8)
    first, second = named(net, "dense_0"), named(net, "dense_1")
    changed = {
        "dense_0": replace(
            first,
            kernel=Weights(first.kernel.values * factors),
            bias=Weights(first.bias.values * factors),
        ),
        "dense_1": replace(second, kernel=Weights(second.kernel.values / factors[:, None])),
    }
    return replace(net, layers=tuple(changed.get(x.name, x) for x in net.layers))


def small_cnn(rng):
    def conv(name, source, shape, groups=1):
        return SourceConv(
            name, (source,), f"file: {name}", Weights(rng.normal(size=shape)),
            Weights(rng.normal(size=shape[-1])), (1, 1), ((1, 1), (1, 1)), (1, 1), groups,
        )  # fmt: skip

    return model(
        (
            SourceInput("x", (), "file: x", (4, 4, 2)),
            conv("c0", "x", (3, 3, 2, 6)),
            SourceActivation("r0", ("c0",), "file: r0", "relu"),
            conv("c1", "r0", (3, 3, 1, 6), 6),
            SourceActivation("r1", ("c1",), "file: r1", "relu"),
            SourcePool("p", ("r1",), "file: p", "max", (2, 2), (2, 2), ((0, 0), (0, 0))),
            SourceReshape("f", ("p",), "file: f", (24,)),
            SourceDense("d", ("f",), "file: d", Weights(rng.normal(size=(24, 3))), None),
        )
    )


def ranges(layer):
    return np.abs(layer.kernel.values).reshape(-1, layer.kernel.values.shape[-1]).max(axis=0)


@pytest.mark.parametrize("make", [uneven, small_cnn, residual_network])
def test_an_equalised_network_answers_as_before(make):
    rng = np.random.default_rng(1)
    net = make(rng)
    inputs = [x for x in net.layers if isinstance(x, SourceInput)]
    x = {entry.name: rng.normal(size=(9, *entry.shape)) for entry in inputs}
    before, after = evaluate_source(net, x), evaluate_source(equalised(net), x)
    last = net.outputs[0]
    assert after[last] == pytest.approx(before[last], rel=1e-9, abs=1e-12)


def test_channels_of_both_layers_get_ranges_of_one_size():
    net = equalised(uneven(np.random.default_rng(2)))
    first, second = named(net, "dense_0"), named(net, "dense_1")
    assert ranges(first) == pytest.approx(np.abs(second.kernel.values).max(axis=1), rel=0.01)


def test_few_bits_lose_less_on_equalised_channels():
    rng = np.random.default_rng(3)
    net = uneven(rng)
    x = {"x": rng.normal(size=(300, 5))}
    judge = change_of_answers(net, x, True)
    plain = QuantiseOptions(8, 4, 6, per_input=False)
    assert judge(calibrate(net, replace(plain, equalise=True), x)) < judge(calibrate(net, plain, x))


def correlated(rng, samples=400):
    base = rng.normal(size=(samples, 3))
    return base @ rng.normal(size=(3, 10)) + 0.05 * rng.normal(size=(samples, 10))


def test_adaptive_rounding_lowers_the_error_and_moves_no_weight_by_more_than_a_step():
    rng = np.random.default_rng(4)
    kernel = rng.normal(size=(10, 4))
    layer = SourceDense("d", ("x",), "file: d", Weights(kernel), None)
    seen = correlated(rng)
    options = QuantiseOptions(8, 3, per_input=False)
    nearest = quantise_weights(layer, options, {"x": seen})
    adaptive = quantise_weights(
        layer, replace(options, weight_rounding="adaptive", bias_correction=False), {"x": seen}
    )

    def error(found):
        return np.square(evaluate_layer(found, seen) - evaluate_layer(layer, seen)).sum()

    assert error(adaptive) < 0.5 * error(nearest)
    step = float(adaptive.kernel.step[()])
    inside = np.abs(kernel) <= 3 * step
    assert (np.abs(adaptive.kernel.values - kernel)[inside] < step).all()
    assert (adaptive.kernel.values / step == np.rint(adaptive.kernel.values / step)).all()


def test_adaptive_rounding_of_one_output_is_the_best_of_all_roundings_of_three_weights():
    rng = np.random.default_rng(5)
    seen = correlated(rng)[:, :3]
    kernel = rng.normal(size=(3, 1))
    layer = SourceDense("d", ("x",), "file: d", Weights(kernel), None)
    nearest = Weights(np.rint(kernel / 0.5) * 0.5, step_array(1) / 2)
    found = rounded_adaptively(layer, nearest, 8, seen, False)
    low = np.floor(kernel / 0.5) * 0.5
    every = [low + 0.5 * np.array([[a], [b], [c]]) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    errors = [np.square(seen @ (w - kernel)).sum() for w in every]
    assert np.square(seen @ (found.values - kernel)).sum() == pytest.approx(min(errors))


def test_adaptive_rounding_of_a_depthwise_convolution_lowers_its_error():
    rng = np.random.default_rng(6)
    layer = named(small_cnn(rng), "c1")
    seen = np.cumsum(rng.normal(size=(60, 4, 4, 6)), axis=1)
    options = QuantiseOptions(8, 3, per_input=False, bias_correction=False)
    errors = [
        np.square(
            evaluate_layer(quantise_weights(layer, o, {"r0": seen}), seen)
            - evaluate_layer(layer, seen)
        ).sum()
        for o in (replace(options, weight_rounding="adaptive"), options)
    ]
    assert errors[0] < errors[1]


def test_ranges_by_cross_entropy_change_the_answers_no_more_than_any_other_rule():
    rng = np.random.default_rng(7)
    net = perceptron(rng, (6, 10, 4))
    x = {"x": rng.standard_t(2, size=(200, 6))}
    judge = change_of_answers(net, x, True)
    found = {
        rule: judge(
            calibrate(net, QuantiseOptions(12, 8, 3, activation_range=rule, head="decision",
                                           bias_correction=False), x)
        )
        for rule in ("cross_entropy", "mse", "max")
    }  # fmt: skip
    assert found["cross_entropy"] <= min(found["mse"], found["max"])
