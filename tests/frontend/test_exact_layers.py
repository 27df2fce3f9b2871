"""Every kind of source layer as integers: against its definition, and against float64."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, quantiser
from frontend.spatial_models import random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import UnsupportedModel
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceGather,
    SourceInput,
    SourceModel,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    SourceTableSum,
    Weights,
    step_array,
)
from flow.ir.layers import Lookup, Pool, Requantize
from flow.ir.network import evaluate_network

RNG = np.random.default_rng(0)


def coded(shape, step="1/4", lo=-8, hi=7):
    """An input of that shape with a quantiser."""
    return [
        SourceInput("x", (), "file: x", shape),
        SourceQuantise("q", ("x",), "file: q", quantiser(step, lo, hi)),
    ]


def network_of(layers):
    """The network of the layers."""
    return to_network(model(layers), QuantiseOptions(exact_input=True)).network


def exact_answer(network, x):
    """The rational values of the first output."""
    (port,) = network.inputs
    out = evaluate_network(network, {port.name: encode(port, x)})[network.outputs[0]]
    return out.astype(object) * network.types[network.outputs[0]].scale


def check(layers, expected, x):
    """The network, and that its answer is the expected one, rational for rational."""
    network = network_of(layers)
    assert (exact_answer(network, x) == expected).all()
    return network


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_random_quantised_model_of_all_layers_is_carried_over_exactly(seed):
    rng = np.random.default_rng(seed)
    net = random_model(rng)
    x = rng.integers(-300, 300, (6, *net.layers[0].shape)) / 64
    network = to_network(net, QuantiseOptions(exact_input=True), {"x": x}).network
    real = exact_answer(network, x).astype(float)
    assert real.tolist() == evaluate_source(net, {"x": x})[net.outputs[0]].tolist()


def on_grid(shape, count=9):
    return RNG.integers(-8, 8, (count, *shape)) / 4


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_convolution_is_its_definition(axes, groups):
    shape, window = (5, 4, 3)[:axes], (3, 2, 2)[:axes]
    strides, dilation = (2, 1, 1)[:axes], (1, 2, 1)[:axes]
    padding = ((1, 2), (0, 1), (1, 0))[:axes]
    whole = RNG.integers(-7, 8, (*window, 4 // groups, 6))
    bias = RNG.integers(-9, 9, 6) / 8
    conv = SourceConv(
        "c", ("q",), "file: c", Weights(whole / 4, step_array(Fraction(1, 4))), Weights(bias),
        strides, padding, dilation, groups,
    )  # fmt: skip
    x = on_grid((*shape, 4))
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    counts = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, k, s, d in zip(shape, padding, window, strides, dilation, strict=True)
    ]
    expected = np.zeros((len(x), *counts, 6)) + bias
    for place in np.ndindex(*counts):
        for tap in np.ndindex(*window):
            at = tuple(
                p * s + t * d for p, s, t, d in zip(place, strides, tap, dilation, strict=True)
            )
            for f in range(6):
                first = f // (6 // groups) * (4 // groups)
                seen = padded[(slice(None), *at, slice(first, first + 4 // groups))]
                expected[(slice(None), *place, f)] += seen @ whole[(*tap, slice(None), f)] / 4
    check([*coded((*shape, 4)), conv], expected, x)
    assert (evaluate_source(model([*coded((*shape, 4)), conv]), {"x": x})["c"] == expected).all()


def test_zeros_around_a_tensor_with_offsets_are_real_zeros():
    # Batch normalisation before a convolution that pads: the offset ends at the border.
    norm = SourceAffine("n", ("q",), "n", np.array([0.5, -2.0]), np.array([1.25, 0.75]))
    whole = RNG.integers(-7, 8, (3, 2, 2))
    conv = SourceConv(
        "c",
        ("n",),
        "c",
        Weights(whole / 2, step_array(Fraction(1, 2))),
        None,
        (1,),
        ((1, 1),),
        (1,),
    )
    act = SourceQuantise("a", ("c",), "a", quantiser("1/2", -64, 63))
    x = on_grid((4, 2))
    y = np.pad(x * norm.multiplier + norm.offset, ((0, 0), (1, 1), (0, 0)))
    expected = sum(y[:, k : k + 4] @ whole[k] / 2 for k in range(3))
    network = check([*coded((4, 2)), norm, conv, act], np.rint(expected * 2) / 2, x)
    assert [layer.kind for layer in network.layers] == ["input", "conv", "requantize"]


@pytest.mark.parametrize("counted", [False, True])
def test_an_average_divides_by_the_elements_that_are_there(counted):
    pool = SourcePool("p", ("q",), "p", "average", (3,), (2,), ((1, 1),), counted)
    x = on_grid((5, 2))
    seen = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    sums = [seen[:, 0:3].sum(1), seen[:, 2:5].sum(1), seen[:, 4:7].sum(1)]
    counts = (3, 3, 3) if counted else (2, 3, 2)
    expected = np.stack(
        [
            np.frompyfunc(lambda v, n=n: Fraction(v) / n, 1, 1)(total)
            for total, n in zip(sums, counts, strict=True)
        ],
        axis=1,
    )
    check([*coded((5, 2)), pool], expected, x)


def test_a_mean_of_three_is_rounded_exactly():
    # Thirds are no float64; the ties of the quantiser fall as the rationals do.
    layers = [
        *coded((3, 1), 1, -8, 7),
        SourcePool("p", ("q",), "p", "average", (3,), (1,), ((0, 0),)),
        SourceQuantise("a", ("p",), "a", quantiser("2/3", -64, 63)),
    ]
    x = RNG.integers(-8, 8, (200, 3, 1)).astype(float)
    total = x.sum(axis=1, keepdims=True)
    check(layers, np.rint(total / 2).astype(int).astype(object) * Fraction(2, 3), x)


def test_the_largest_comes_before_functions_that_never_fall():
    layers = [
        *coded((4, 4, 2)),
        SourceAffine("n", ("q",), "n", np.array([0.75, 0.25]), np.array([0.5, -0.25])),
        SourceActivation("r", ("n",), "r", "relu"),
        SourcePool("p", ("r",), "p", "max", (2, 2), (2, 2), ((0, 0), (0, 0))),
        SourceQuantise("a", ("p",), "a", quantiser("1/4", 0, 7)),
    ]
    x = on_grid((4, 4, 2))
    y = np.maximum(x * [0.75, 0.25] + [0.5, -0.25], 0)
    y = y.reshape(-1, 2, 2, 2, 2, 2).max(axis=(2, 4))
    network = check(layers, np.clip(np.rint(y * 4), 0, 7) / 4, x)
    assert [layer.kind for layer in network.layers] == ["input", "pool", "requantize"]


def test_the_largest_of_elements_of_different_scales_is_taken_on_one_scale():
    steps = np.array([[Fraction(1)], [Fraction(1, 4)], [Fraction(1, 2)]], dtype=object)
    q = SourceQuantise("q", ("x",), "q", Quantiser(steps, -8, 7))
    pool = SourcePool("p", ("q",), "p", "max", (3,), (1,), ((0, 0),))
    x = RNG.normal(0, 3, (50, 3, 1))
    grid = steps.astype(float)
    expected = (np.clip(np.rint(x / grid), -8, 7) * grid).max(axis=1, keepdims=True)
    network = check([SourceInput("x", (), "x", (3, 1)), q, pool], expected, x)
    assert any(isinstance(layer, Pool) for layer in network.layers)


def test_padding_never_wins_a_maximum():
    pool = SourcePool("p", ("q",), "p", "max", (2,), (1,), ((1, 1),))
    x = -np.abs(on_grid((3, 1))) - 0.25
    seen = np.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=-9)
    expected = np.clip(np.maximum(seen[:, :-1], seen[:, 1:]), -2, None)
    check([*coded((3, 1)), pool], expected, x)


@pytest.mark.parametrize("fill", [0.0, 0.75, 0.3])
def test_elements_are_gathered_and_filled(fill):
    indices = np.array([[5, -1], [0, 0], [-1, 3]])
    layers = [*coded((2, 3)), SourceGather("g", ("q",), "g", indices, fill)]
    x = on_grid((2, 3))
    flat = x.reshape(-1, 6).astype(object)
    expected = np.where(indices < 0, Fraction(fill), flat[:, indices])
    check(layers, expected, x)


def test_products_of_values_off_zero_are_expanded():
    layers = [
        *coded((3,)),
        SourceAffine("a", ("q",), "a", np.array(0.5), np.array([0.25, -1.0, 3.0])),
        SourceMultiply("m", ("q", "a", "a"), "m"),
    ]
    x = on_grid((3,))
    check(layers, x * (0.5 * x + [0.25, -1.0, 3.0]) ** 2, x)


def test_tables_are_summed():
    steps = [Fraction(1, 2), Fraction(1, 4)]
    q = Quantiser(np.array(steps, dtype=object), -2, np.array([1, 3]))
    first = np.array([0.5, -1.0, 0.0, 2.0])
    second = np.array([0.25, 0.5, 0.75, 1.0, -0.25, -0.5])
    domain = ((steps[0], -2, 1), (steps[1], -2, 3))
    layers = [
        SourceInput("x", (), "x", (2,)),
        SourceQuantise("q", ("x",), "q", q),
        SourceTableSum(
            "t", ("q",), "t", domain, ((first, None), (second, 2 * second)),
            np.array([[Fraction(1, 2)] * 2, [Fraction(1, 4), Fraction(1, 2)]], dtype=object),
        ),
    ]  # fmt: skip
    x = RNG.normal(size=(50, 2))
    i = np.clip(np.rint(x[:, 0] * 2), -2, 1).astype(int) + 2
    j = np.clip(np.rint(x[:, 1] * 4), -2, 3).astype(int) + 2
    check(layers, np.stack([first[i] + second[j], 2 * second[j]], axis=1), x)


def test_tensors_are_joined_along_any_axis():
    layers = [
        *coded((2, 3)),
        SourceAffine("a", ("q",), "a", np.array(0.5), np.array(0.0)),
        SourceConcat("c", ("q", "a"), "c", 0),
    ]
    x = on_grid((2, 3))
    check(layers, np.concatenate([x, x / 2], axis=1), x)


@pytest.mark.parametrize(
    ("function", "parameters", "meaning"),
    [
        ("leaky_relu", (0.25,), lambda x: np.where(x >= 0, x, x / 4)),
        ("abs", (), np.abs),
        ("square", (), np.square),
        ("relu", (), lambda x: np.maximum(x, 0)),
        ("relu", (0.75,), lambda x: np.clip(x, 0, 0.75)),
        ("hard_tanh", (), lambda x: np.clip(x, -1, 1)),
        ("hard_tanh", (-0.25, 1.5), lambda x: np.clip(x, -0.25, 1.5)),
        ("hard_sigmoid", (0.5, 0.25), lambda x: np.clip(x / 2 + 0.25, 0, 1)),
    ],
)
@pytest.mark.parametrize("factor", [0.75, -0.5])
def test_functions_that_are_lines_in_pieces_need_no_table(function, parameters, meaning, factor):
    layers = [
        *coded((3,)),
        SourceAffine("n", ("q",), "n", np.full(3, factor), np.array([0.0, 0.5, -0.25])),
        SourceActivation("f", ("n",), "f", function, parameters),
    ]
    x = on_grid((3,))
    network = check(layers, meaning(factor * x + [0.0, 0.5, -0.25]), x)
    assert not any(isinstance(layer, Lookup) for layer in network.layers)


def test_the_fifth_of_a_hard_sigmoid_is_exact():
    layers = [*coded((2,)), SourceActivation("f", ("q",), "f", "hard_sigmoid")]
    x = on_grid((2,))
    fifth = np.frompyfunc(lambda v: Fraction(v) / 5 + Fraction(1, 2), 1, 1)
    check(layers, np.clip(fifth(x), 0, 1), x)


def test_elements_of_different_scales_have_their_own_tables():
    steps = np.array([Fraction(1, 4), Fraction(1, 8), Fraction(1, 4)], dtype=object)
    layers = [
        SourceInput("x", (), "x", (2, 3)),
        SourceQuantise("q", ("x",), "q", Quantiser(steps, -8, 7)),
        SourceActivation("f", ("q",), "f", "tanh"),
        SourceAffine("n", ("f",), "n", np.array(2.0), np.array([0.0, 0.0, 0.5])),
        SourceQuantise("a", ("n",), "a", quantiser("1/16", -32, 31)),
    ]
    x = RNG.normal(size=(100, 2, 3))
    grid = steps.astype(float)
    y = 2 * np.tanh(np.clip(np.rint(x / grid), -8, 7) * grid) + [0, 0, 0.5]
    network = check(layers, np.clip(np.rint(y * 16), -32, 31) / 16, x)
    (lookup,) = (layer for layer in network.layers if isinstance(layer, Lookup))
    assert (len(lookup.tables), lookup.choice.tolist()) == (3, [0, 1, 2])


def test_a_quantiser_may_have_its_own_ends_for_each_element():
    lo, hi = np.array([[-4, 0], [0, -1]]), np.array([[3, 7], [0, 0]])
    q = Quantiser(step_array(Fraction(1, 2)), lo, hi, "floor", "wrap")
    x = RNG.normal(0, 3, (80, 2, 2))
    expected = ((np.floor(x * 2) - lo) % (hi - lo + 1) + lo) / 2
    network = check(
        [SourceInput("x", (), "x", (2, 2)), SourceQuantise("q", ("x",), "q", q)], expected, x
    )
    assert [layer.kind for layer in network.layers] == ["input"]


def test_the_quantiser_of_an_input_goes_before_a_permutation():
    steps = np.array([Fraction(1, 4), Fraction(1, 2)], dtype=object)
    indices = np.arange(6).reshape(2, 3).T
    layers = [
        SourceInput("x", (), "x", (2, 3)),
        SourceGather("g", ("x",), "g", indices),
        SourceReshape("r", ("g",), "r", (3, 2)),
        SourceAffine("n", ("r",), "n", np.array([2.0, 1.0]), np.array(0.5)),
        SourceQuantise("q", ("n",), "q", Quantiser(steps, -8, 7, "ceil")),
        exact_dense("d", "q", np.eye(2), 1),
    ]
    net = SourceModel("Net", "test", tuple(layers), ("d",), "")
    network = to_network(net).network
    x = RNG.normal(size=(40, 2, 3))
    assert (
        exact_answer(network, x).astype(float).tolist()
        == evaluate_source(net, {"x": x})["d"].tolist()
    )
    assert not any(isinstance(layer, Requantize) for layer in network.layers)


@pytest.mark.parametrize(
    ("function", "step", "obstacle"),
    [
        ("sqrt", "1/4", "sqrt of -4 has no value; clip what comes before it"),
        (
            "silu",
            "1/1048576",
            "silu of integers in [-4194304, 4194303]; quantise them first",
        ),
        ("gelu", "1/65536", "gelu needs a table of 395584 entries; quantise before it"),
    ],
)
def test_a_table_that_cannot_be_made_is_an_obstacle(function, step, obstacle):
    most = max(8, round(4 / Fraction(step)))
    layers = [
        SourceInput("x", (), "x", (2,)),
        SourceQuantise("q", ("x",), "q", quantiser(step, -most, most - 1)),
        SourceActivation("f", ("q",), "file: f", function),
        SourceQuantise("a", ("f",), "file: a", quantiser("1/65536", -(1 << 17), 1 << 17)),
    ]
    with pytest.raises(UnsupportedModel) as caught:
        network_of(layers)
    assert caught.value.obstacles == (f"file: a: {obstacle}",)


def test_the_domain_of_tables_is_checked():
    table = np.zeros(4)
    for lo, step, message in (
        (-8, "1/4", "the input of its tables can leave their domain; quantise it before them"),
        (-2, "1/8", "the input of its tables lies off their grid; quantise it before them"),
    ):
        q = SourceQuantise("q", ("x",), "q", quantiser(step, lo, 1))
        sums = SourceTableSum(
            "t", ("q",), "file: t", ((Fraction(1, 4), -2, 1),), ((table,),), step_array(1)
        )
        with pytest.raises(UnsupportedModel) as caught:
            network_of([SourceInput("x", (), "x", (1,)), q, sums])
        assert caught.value.obstacles == (f"file: t: {message}",)


def test_layers_that_do_not_meet_are_refused():
    conv = SourceConv(
        "c",
        ("q",),
        "file: c",
        Weights(np.ones((9, 2, 2)), step_array(1)),
        None,
        (1,),
        ((0, 0),),
        (1,),
    )
    with pytest.raises(UnsupportedModel) as caught:
        to_network(model([*coded((4, 2)), conv]))
    assert caught.value.obstacles == (
        "the shapes of the layers do not meet: file: c: "
        "a window (9,) does not fit into a tensor (4, 2)",
    )
