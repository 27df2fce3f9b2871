"""Binary layers: the folded form of a network answers as the network does, on every input."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.analysis.binary_layers import binary_inputs, binary_layers, evaluate_binary
from flow.errors import UnsupportedModel
from flow.ir.layers import (
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Lookup,
    Pool,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model

ONE = fractions(1, ())


def integers(values):
    """Python integers of the values' shape."""
    return np.array(values, dtype=object)


def source(shape, lo, hi):
    """An input with one interval."""
    return Input("x", (), "file: x", tensor_type(shape, lo, hi), fractions(0, shape))


def sign(name, before, multiplier, offset, lo=0, hi=1, rounding="floor"):
    """A saturating requantisation."""
    m, b = (np.array(v, dtype=object) for v in (multiplier, offset))
    ends = (integers(lo), integers(hi))
    return Requantize(name, (before,), f"file: {name}", m, b, rounding, "saturate", *ends, ONE)


def dense(name, before, weights, bias):
    """A dense layer."""
    return Dense(name, (before,), f"file: {name}", integers(weights), integers(bias), ONE)


def conv(name, before, weights, bias, strides=(1, 1), padding=((0, 0), (0, 0)), groups=1):
    """A convolution without dilation."""
    w, b = integers(weights), integers(bias)
    return Conv(name, (before,), f"file: {name}", w, b, strides, padding, (1, 1), groups, ONE)


def network(*layers):
    """The layers as a network that ends in the last."""
    return Network("net", layers, (layers[-1].name,))


def samples(net, count=200, seed=0):
    """Random inputs, and all of them where there are few."""
    random = np.random.default_rng(seed)
    (layer,) = net.inputs
    lo, hi = layer.tensor.lo.astype(np.int64), layer.tensor.hi.astype(np.int64)
    return {layer.name: random.integers(lo, hi + 1, (count, *layer.tensor.shape))}


def answers(net, inputs):
    """What the network and its binary layers answer."""
    layers = binary_layers(net)
    got = evaluate_binary(layers, binary_inputs(net, inputs))[-1]
    return evaluate_network(net, inputs)[net.outputs[0]].tolist(), got.tolist()


def test_batch_normalisation_folds_for_every_sign_tie_and_clamp():
    """N = 4 bits with weights of one sign: sum = p. Thresholds of y = [gamma * sum + beta >= 0]."""
    gamma = [Fraction(1), Fraction(1, 3), Fraction(-1), Fraction(-1, 3), 0, 0, 1, 1, -1, -1]
    beta = [-2, -1, 2, 1, 0, -1, 5, -5, -1, 4]
    net = network(
        source((4,), 0, 1),
        dense("d", "x", np.ones((4, 10), dtype=int), [0] * 10),
        # floor(v) clipped to -1 ... 0 is -1 for v < 0, and 0 for v >= 0: a tie is positive.
        sign("s", "d", gamma, beta, -1, 0),
        dense("out", "s", np.ones((10, 2), dtype=int), [0, 0]),
    )
    first, last = binary_layers(net)
    assert first.weights[0].tolist() == [1, 1, -1, -1, 1, 1, 1, 1, 1, 1]
    # Falling ones count the bits that are 0: [p <= 2] = [4 - p >= 2], [p <= 3] = [4 - p >= 1].
    assert first.threshold.tolist() == [2, 3, 2, 1, 5, 5, 5, 5, 5, 5]
    assert first.fan_in.tolist() == [4] * 10
    assert last.fan_in.tolist() == [4, 4]  # constants are no taps
    everything = {"x": np.array([[n >> k & 1 for k in range(4)] for n in range(16)])}
    expected, got = answers(net, everything)
    assert got == expected


def test_a_tie_is_what_the_network_makes_of_it():
    """0 is negative where the quantiser rounds up to 1 only above: ceil."""
    bits = {"x": np.array([[0, 0], [0, 1], [1, 1]])}
    for rounding, threshold in (("floor", 1), ("ceil", 2)):
        lo = -1 if rounding == "floor" else 0
        net = network(
            source((2,), 0, 1),
            dense("d", "x", [[1], [1]], [-1]),
            sign("s", "d", 1, 0, lo, lo + 1, rounding),
        )
        assert binary_layers(net)[0].threshold.tolist() == [threshold]
        expected, got = answers(net, bits)
        assert got == expected


@pytest.mark.parametrize("fill", [0, -1, 1])
def test_padding_is_exact_in_every_place(fill):
    """Bits -1 and 1 in a 3 x 4 image with a border of 0, -1 or 1."""
    random = np.random.default_rng(5)
    indices = np.full((5, 6, 2), -1)
    indices[1:4, 1:5] = np.arange(24).reshape(3, 4, 2)
    net = network(
        source((3, 4, 2), 0, 1),
        Affine("pm", ("x",), "file: pm", integers(2), integers(-1), ONE),
        Gather("pad", ("pm",), "file: pad", indices, fill),
        conv("c", "pad", random.choice([-1, 1], (3, 3, 2, 5)), [1, -1, 0, 2, -3]),
        sign("s", "c", [1, -1, 1, -1, 1], [0, 0, 2, 1, 0], -1, 0),
        Reshape("flat", ("s",), "file: flat", (60,)),
        dense("out", "flat", random.choice([-1, 1], (60, 3)), [0, 1, 2]),
        ArgMax("class", ("out",), "file: class"),
    )
    layer = binary_layers(net)[0]
    assert layer.fan_in[..., 0].tolist() == [[8, 12, 12, 8], [12, 18, 18, 12], [8, 12, 12, 8]]
    expected, got = answers(net, samples(net))
    assert got == expected


def test_zeros_around_a_convolution_are_no_taps():
    random = np.random.default_rng(6)
    weights = random.choice([-1, 0, 1], (3, 3, 2, 4))
    net = network(
        source((4, 4, 2), -1, 0),
        Affine("pm", ("x",), "file: pm", integers(2), integers(1), ONE),
        conv("c", "pm", weights, [0] * 4, (2, 2), ((1, 1), (1, 1))),
        sign("s", "c", [2, 1, -1, 0], 0, -1, 0),
        Reshape("flat", ("s",), "file: flat", (16,)),
        dense("out", "flat", random.choice([-1, 1], (16, 3)), [0, 1, 2]),
    )
    layer = binary_layers(net)[0]
    assert layer.fan_in[1, 1].tolist() == np.count_nonzero(weights, axis=(0, 1, 2)).tolist()
    assert layer.fan_in[0, 0].tolist() == np.count_nonzero(weights[1:, 1:], axis=(0, 1, 2)).tolist()
    expected, got = answers(net, samples(net))
    assert got == expected


def test_max_pooling_before_and_behind_the_sign_is_an_or():
    random = np.random.default_rng(7)
    weights = random.choice([-1, 1], (2, 2, 1, 3))
    for order in ("before", "behind"):
        middle = ("c", "p", "s") if order == "before" else ("s", "c", "p")
        pool = Pool("p", (middle[0],), "file: p", "max", (2, 2), (2, 2), ((0, 0), (0, 0)))
        sign_ = sign("s", "p" if order == "before" else "c", [1, -1, 1], [-1, 0, 0], -1, 0)
        pair = (pool, sign_) if order == "before" else (sign_, pool)
        net = network(
            source((5, 5, 1), 0, 1),
            conv("c", "x", weights, [0, 1, -1]),
            *pair,
            Reshape("flat", (pair[1].name,), "file: flat", (12,)),
            dense("out", "flat", random.choice([-1, 1], (12, 2)), [0, 0]),
        )
        kinds = [layer.kind for layer in binary_layers(net)]
        assert kinds == ["neurons", "pool", "scores"]
        expected, got = answers(net, samples(net))
        assert got == expected


def test_ternary_activations_are_two_bits_of_one_sum():
    random = np.random.default_rng(8)
    net = network(
        source((6,), -8, 7),
        dense("a", "x", random.choice([-1, 1], (6, 8)), [0] * 8),
        sign("t", "a", Fraction(1, 8), Fraction(1, 2), -1, 1),
        dense("b", "t", random.choice([-1, 0, 1], (8, 5)), [0, 1, 0, -1, 2]),
        Lookup(
            "u", ("b",), "file: u", (-10,), ((1,) * 9 + (0,) * 2 + (-1,) * 12,), integers(0), ONE
        ),
        dense("out", "u", random.choice([-1, 0, 1], (5, 3)), [0, 0, 0]),
    )
    layers = binary_layers(net)
    assert [layer.shape for layer in layers] == [(16,), (10,), (3,)]
    expected, got = answers(net, samples(net, 500))
    assert got == expected


def test_branches_joined_and_added_bits_are_read_as_bits():
    random = np.random.default_rng(9)
    net = network(
        source((6,), 0, 1),
        dense("a", "x", random.choice([-1, 1], (6, 4)), [0] * 4),
        AtLeast("p", ("a",), "file: p", integers([0, 1, 2, -1])),
        AtLeast("q", ("a",), "file: q", integers([1, 3, 2, 0])),
        Add("sum", ("p", "q"), "file: sum"),
        Concat("both", ("sum", "p"), "file: both", 0),
        dense("b", "both", random.choice([-1, 1], (8, 3)), [0, 1, 2]),
        Relu("r", ("b",), "file: r"),
        sign("s", "r", 1, -1, 0, 1),
    )
    expected, got = answers(net, samples(net))
    assert got == expected


@st.composite
def binary_networks(draw):
    """Random networks of signs over dense layers and convolutions, with everything between."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    wide = draw(st.booleans())
    lo, hi = (-draw(st.integers(1, 9)), draw(st.integers(1, 9))) if wide else draw(
        st.sampled_from([(0, 1), (-1, 0)])
    )  # fmt: skip
    layers = [source((4, 5, draw(st.integers(1, 2))), lo, hi)]
    for step in range(draw(st.integers(1, 2))):
        before, filters = layers[-1], draw(st.integers(1, 4))
        shape = network(*layers).types[before.name].shape
        if len(shape) == 3 and min(shape[:2]) >= 3:
            padding = draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (0, 1))]))
            groups = draw(st.sampled_from([1, shape[2]]))
            weights = random.choice([-2, 0, 2], (2, 3, shape[2] // groups, filters * groups))
            filters *= groups
            bias = random.integers(-5, 6, filters)
            layers.append(conv(f"c{step}", before.name, weights, bias, (1, 2), padding, groups))
        else:
            weights = random.choice([-1, 0, 1], (shape[-1], filters))
            layers.append(dense(f"d{step}", before.name, weights, random.integers(-3, 4, filters)))
        if draw(st.booleans()) and len(shape) == 3:
            at = network(*layers).types[layers[-1].name].shape
            window = (min(2, at[0]), min(2, at[1]))
            layers.append(
                Pool(f"p{step}", (layers[-1].name,), "file: p", "max", window,
                     draw(st.sampled_from([(1, 1), (2, 2)])), ((0, 0), (0, 0)))
            )  # fmt: skip
        multiplier = [Fraction(int(n), 7) for n in random.integers(-9, 10, filters)]
        offset = [Fraction(int(n), 5) for n in random.integers(-20, 21, filters)]
        top = draw(st.sampled_from([1, 1, 2, 3]))
        rounding = draw(st.sampled_from(["floor", "ceil", "half_even"]))
        layers.append(sign(f"s{step}", layers[-1].name, multiplier, offset, 0, top, rounding))
        affine = (integers(random.choice([1, 2, -2])), integers(random.integers(-2, 3)))
        layers.append(Affine(f"a{step}", (f"s{step}",), "file: a", *affine, ONE))
    shape = network(*layers).types[layers[-1].name].shape
    size = int(np.prod(shape))
    layers.append(Reshape("flat", (layers[-1].name,), "file: flat", (size,)))
    layers.append(dense("out", "flat", random.choice([-1, 1], (size, 3)), [0, 1, -1]))
    if draw(st.booleans()):
        layers.append(ArgMax("class", ("out",), "file: class"))
    return network(*layers)


@given(binary_networks())
def test_binary_layers_answer_as_the_network(net):
    expected, got = answers(net, samples(net, 40))
    assert got == expected


@pytest.mark.parametrize(
    ("path", "shapes"),
    [
        ("keras_binary_3layer/KERAS_3layer_binary_smaller.json", [64, 32, 32, 5]),
        ("keras_ternary_3layer/KERAS_3layer_ternary_small.json", [64, 64, 32, 32, 32, 32, 5]),
        ("qonnx_tfc/TFC_1W1A.onnx", [64, 64, 64, 10]),
        ("qonnx_tfc/TFC_2W2A.onnx", [128, 128, 128, 1]),
    ],
)
def test_shared_models_answer_as_their_networks(shared, path, shapes):
    head = "decision" if "2W2A" in path else "auto"
    config = BuildConfig(model=shared / "models" / path, head=head)
    net = import_model(config, faithful=True).network
    assert [int(np.prod(layer.shape)) for layer in binary_layers(net)] == shapes
    expected, got = answers(net, samples(net, 1000))
    assert got == expected


def test_what_is_not_binary_is_named_with_what_to_do():
    eight = network(
        source((2,), 0, 1),
        dense("d", "x", [[1, 1], [1, -1]], [0, 0]),
        sign("q", "d", 40, 0, -128, 127),
        dense("out", "q", [[1], [1]], [0]),
    )
    with pytest.raises(UnsupportedModel) as caught:
        binary_layers(
            network(
                source((9,), 0, 1),
                dense("d", "x", [[1]] * 9, [0]),
                Relu("r", ("d",), "file: r"),
                dense("out", "r", [[1]], [0]),
            )
        )
    assert caught.value.message == "out: it reads r, which holds no bits: its values lie in [0, 9]"
    assert caught.value.where == "file: out"
    assert caught.value.hint == (
        "sign or step activations, or at most two bits each, make a layer binary"
    )
    assert binary_layers(eight)[0].shape == (4,)  # two bits: -40, 0, 40, 80
    with pytest.raises(UnsupportedModel) as caught:
        binary_layers(
            network(
                source((2,), 0, 1),
                dense("d", "x", [[3, 1], [16, 1]], [0, 0]),
                sign("s", "d", 1, -1),
            )
        )
    assert caught.value.message == "d: the weights of output 0 have the magnitudes 3, 16 over bits"
    assert caught.value.hint == (
        "weights of binary layers are -1, 0 and 1, or up to 4 times the smallest"
    )
