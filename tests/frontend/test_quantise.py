"""From SourceModels to Networks: exactly where the file quantises, else after training."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import (
    exact_dense,
    float_twin,
    model,
    perceptron,
    quantiser,
    random_exact_model,
)

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.functions import apply_function
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceInput,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    Weights,
)
from flow.ir.layers import AtLeast, Dense, Lookup, Requantize
from flow.ir.network import evaluate_network
from flow.ir.network_text import parse_network, print_network

X = SourceInput("x", (), "file: x", (2,))
CODED = SourceQuantise("q", ("x",), "file: q", quantiser("1/4", -8, 7))


def answer(network, data):
    """Integers of the first output, and their real values."""
    coded = {x.name: encode(x, v) for x, v in zip(network.inputs, data.values(), strict=True)}
    out = evaluate_network(network, coded)[network.outputs[0]]
    scale = network.types[network.outputs[0]].scale
    return out, (out.astype(object) * scale).astype(float)


def kinds(network):
    return [layer.kind for layer in network.layers]


@pytest.mark.parametrize("seed", range(150))
def test_a_random_quantised_model_is_carried_over_exactly(seed):
    rng = np.random.default_rng(seed)
    net = random_exact_model(rng)
    if not net.quantised:
        net = random_exact_model(np.random.default_rng(1000 + seed), depth=12)
    x = rng.integers(-300, 300, (20, *net.layers[0].shape)) / 64
    network = to_network(net, QuantiseOptions(exact_input=True), {"x": x}).network
    _, real = answer(network, {"x": x})
    assert real.tolist() == evaluate_source(net, {"x": x})[net.outputs[0]].tolist()
    assert print_network(parse_network(print_network(network))) == print_network(network)


def test_a_quantised_model_has_the_integers_of_its_file():
    net = model(
        [X, CODED, exact_dense("Dense/1", "q", [[1, -2], [3, 4]], "1/2", bias=[1.0, -0.125])]
    )
    quantised = to_network(net)
    network, dense = quantised.network, quantised.network.layers[1]
    assert quantised.notes == ()
    assert kinds(network) == ["input", "dense"]
    assert isinstance(dense, Dense)
    assert (network.name, dense.name, dense.place) == ("small_net", "dense_1", "file: Dense/1")
    assert dense.weights.tolist() == [[1, -2], [3, 4]]
    assert dense.bias.tolist() == [8, -1]
    assert dense.scale.item() == Fraction(1, 8)
    assert network.types["x"].hull.lo == -8


def test_batch_normalisation_moves_into_the_requantisation():
    bn = SourceAffine("bn", ("d",), "p", np.array([0.75, -1.5]), np.array([0.1, 0.2]))
    relu = SourceActivation("relu", ("bn",), "p", "relu")
    act = SourceQuantise("act", ("relu",), "p", quantiser("1/2", -4, 3))
    network = to_network(model([X, CODED, exact_dense("d", "q", np.eye(2)), bn, relu, act])).network
    last = network.layers[-1]
    assert kinds(network) == ["input", "dense", "requantize"]
    assert isinstance(last, Requantize)
    assert last.multiplier.tolist() == [Fraction(3, 32), Fraction(-3, 16)]
    assert last.offset.tolist() == [Fraction(0.1) * 2, Fraction(0.2) * 2]
    assert (last.lo.item(), last.hi.item(), last.scale.item()) == (0, 3, Fraction(1, 2))


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
@pytest.mark.parametrize("step", ["1/4", "1/4096"])
def test_a_function_between_quantisers_becomes_a_table(function, step):
    layers = [
        X,
        SourceQuantise("q", ("x",), "p", quantiser(step, -8192, 8191)),
        exact_dense("d", "q", np.eye(2), 1),
        SourceActivation("f", ("d",), "p", function),
        SourceQuantise("out", ("f",), "p", quantiser("1/64", -63, 63)),
    ]
    net = model(layers)
    network = to_network(net).network
    assert any(isinstance(layer, Lookup) for layer in network.layers)
    x = np.random.default_rng(0).normal(0, 3, (500, 2))
    assert answer(network, {"x": x})[1].tolist() == evaluate_source(net, {"x": x})["out"].tolist()


def test_everything_that_stands_in_the_way_is_listed():
    layers = [
        X,
        CODED,
        SourceActivation("soft", ("q",), "file: soft", "softmax"),
        exact_dense("d", "soft", np.eye(2)),
        SourceActivation("tanh", ("q",), "file: tanh", "tanh"),
        exact_dense("e", "tanh", np.eye(2)),
        SourceAffine("f", ("q",), "file: f", np.array(1.0), np.array(0.5)),
    ]
    broken = Weights(np.array([[0.3], [0.5]]), np.array([Fraction(1, 4)]))
    layers.append(SourceDense("g", ("f",), "file: g", broken, None))
    with pytest.raises(UnsupportedModel) as caught:
        to_network(model(layers, outputs=("d", "e", "g")))
    assert caught.value.message == "Small Net cannot be represented exactly"
    assert caught.value.obstacles == (
        "file: soft: softmax is only possible at an output; end the model there",
        "file: e: tanh of 'tanh' has no quantiser behind it; quantise its result",
        "file: g: a weight is no multiple of its step; save the model again with its quantisers",
    )


def test_numbers_that_are_not_finite_are_refused():
    layers = [X, exact_dense("d", "x", np.eye(2), bias=[np.nan, 0])]
    with pytest.raises(UnsupportedModel) as caught:
        to_network(model(layers))
    assert caught.value.obstacles == ("file: d: a number of 'd' is not finite",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_bits": 0}, "input_bits is 0"),
        ({"activation_bits": 33}, "activation_bits is 33"),
        ({"weight_bits": 1}, "weight_bits is 1"),
    ],
)
def test_widths_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        QuantiseOptions(**options)
    assert caught.value.message == message


# ---------------------------------------------------------------------- heads


@pytest.mark.parametrize("head", ["softmax", None])
def test_a_decision_is_the_argmax_of_the_exact_logits(head):
    # Biases off the grid and differing steps: ties and near ties must fall as they really do.
    rng = np.random.default_rng(3)
    for _ in range(20):
        bias = rng.integers(-20, 20, 5) / 64
        layers = [X, CODED, exact_dense("d", "q", rng.integers(-2, 3, (2, 5)), bias=bias)]
        if rng.random() < 0.5:
            factor = rng.choice([0.5, 1.0, 1.5], 5)
            layers.append(SourceAffine("bn", ("d",), "p", factor, rng.integers(-3, 4, 5) / 128))
        if head:
            layers.append(SourceActivation("head", (layers[-1].name,), "p", head))
        net = model(layers)
        x = rng.integers(-8, 8, (200, 2)) / 4
        network = to_network(net, QuantiseOptions(head="decision")).network
        real = evaluate_source(net, {"x": x})[layers[-2 if head else -1].name]
        assert network.head == "none"
        assert answer(network, {"x": x})[0][:, 0].tolist() == real.argmax(axis=1).tolist()


@pytest.mark.parametrize("factor", [0.75, -0.75])
def test_one_sigmoid_output_decides_at_zero(factor):
    layers = [
        X,
        CODED,
        exact_dense("d", "q", [[3], [-2]], bias=[0.03]),
        SourceAffine("bn", ("d",), "p", np.array([factor]), np.array([0.0])),
        SourceActivation("head", ("bn",), "p", "sigmoid"),
    ]
    net = model(layers)
    x = np.random.default_rng(0).integers(-8, 8, (200, 2)) / 4
    network = to_network(net, QuantiseOptions(head="auto")).network
    assert isinstance(network.layers[-1], AtLeast)
    wanted = evaluate_source(net, {"x": x})["bn"] >= 0
    assert answer(network, {"x": x})[0].tolist() == wanted.astype(int).tolist()


def test_logits_keep_the_head_for_the_host():
    network = to_network(
        model(
            [
                X,
                CODED,
                exact_dense("d", "q", np.eye(2)),
                SourceActivation("s", ("d",), "p", "softmax"),
            ]
        )
    ).network
    assert (network.head, network.outputs) == ("softmax", ("d",))


# ---------------------------------------------------------------------- after training


def test_a_tanh_at_the_end_of_a_float_model_becomes_a_table():
    rng = np.random.default_rng(5)
    net = perceptron(rng, (4, 5, 2), head="tanh")
    x = rng.normal(size=(200, 4))
    network = to_network(net, QuantiseOptions(16, 16, 12), {"x": x}).network
    assert isinstance(network.layers[-1], Lookup)
    wanted = evaluate_source(net, {"x": x})[net.outputs[0]]
    assert np.abs(answer(network, {"x": x})[1] - wanted).max() < 1e-2


@pytest.mark.parametrize("seed", range(30))
def test_a_random_float_model_of_16_bits_is_close(seed):
    rng = np.random.default_rng(seed)
    net = float_twin(random_exact_model(rng), rng)
    x = rng.integers(-300, 300, (60, *net.layers[0].shape)) / 64
    for options in (QuantiseOptions(16, 16, 16), QuantiseOptions(16, 16, per_feature=True)):
        network = to_network(net, options, {"x": x}).network
        wanted = evaluate_source(net, {"x": x})
        name = net.outputs[0]
        if network.head == "sigmoid":
            name = next(layer.sources[0] for layer in net.layers if layer.name == name)
        error = np.abs(answer(network, {"x": x})[1] - wanted[name]).max()
        assert error < 2e-2 * max(1, np.abs(wanted[name]).max())


@pytest.mark.parametrize("hidden", ["relu", "tanh", "sigmoid", "hard_tanh"])
@pytest.mark.parametrize("scaler", [False, True])
def test_a_float_model_of_16_bits_is_close(hidden, scaler):
    rng = np.random.default_rng(5)
    net = perceptron(rng, (6, 10, 8, 4), hidden, "softmax", scaler)
    x = rng.normal(size=(400, 6))
    quantised = to_network(net, QuantiseOptions(16, 16, 16), {"x": x})
    logits = answer(quantised.network, {"x": x})[1]
    wanted = evaluate_source(net, {"x": x})[net.outputs[0]]
    assert np.abs(apply_function("softmax", logits) - wanted).max() < 1e-2
    assert (logits.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.97
    assert quantised.notes == ()


def test_the_exact_baseline_of_printed_circuits_rounds_nothing_between_layers():
    # 4-bit unsigned inputs, 8-bit weights, no requantisation: Armeniakos et al., DATE 2022.
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 1, (300, 4))
    net = perceptron(rng, (4, 3, 3))
    options = QuantiseOptions(input_bits=4, weight_bits=8, head="auto")
    network = to_network(net, options, {"x": x}).network
    assert kinds(network) == ["input", "dense", "relu", "dense", "argmax"]
    assert (network.types["x"].hull.lo, network.types["x"].hull.hi) == (0, 15)
    weights = [abs(layer.weights).max() for layer in network.layers if isinstance(layer, Dense)]
    assert all(64 <= w <= 127 for w in weights)


def test_a_scaler_is_absorbed_by_the_coding_of_every_feature():
    rng = np.random.default_rng(5)
    net = perceptron(rng, scaler=True)
    x = rng.uniform([-1, 0, 100, 5], [1, 0.001, 300, 5], (300, 4))
    network = to_network(net, QuantiseOptions(input_bits=8), {"x": x}).network
    layer = network.inputs[0]
    coded = encode(layer, x)
    assert kinds(network) == ["input", "dense", "relu", "dense"]
    assert coded.min(axis=0).tolist() == [0, 0, 0, 0]
    assert coded.max(axis=0).tolist() == [255, 255, 255, 0]
    assert float(layer.offset[2]) == pytest.approx(x[:, 2].min())


def test_requantisations_of_a_float_model_are_shifts_that_round_down():
    rng = np.random.default_rng(5)
    net = perceptron(rng, (4, 6, 5, 3))
    x = rng.uniform(0, 1, (300, 4))
    network = to_network(net, QuantiseOptions(5, 6, 4), {"x": x}).network
    found = [layer for layer in network.layers if isinstance(layer, Requantize)]
    assert len(found) == 2
    for layer in found:
        multiplier = layer.multiplier.item()
        assert multiplier.numerator == 1
        assert multiplier.denominator.bit_count() == 1
        assert (layer.rounding, layer.offset.item(), layer.lo.item(), layer.hi.item()) == (
            "floor", 0, 0, 15,
        )  # fmt: skip


def test_a_deep_network_at_full_width_gets_16_bit_activations_with_a_note():
    rng = np.random.default_rng(5)
    net = perceptron(rng, (4, 8, 8, 8, 8, 8, 8, 3))
    quantised = to_network(net, QuantiseOptions(16, 16), {"x": rng.normal(size=(100, 4))})
    (note,) = quantised.notes
    assert note.startswith("full width between layers would need ")
    assert note.endswith(" bits; activations have 16 bits instead")
    assert kinds(quantised.network).count("requantize") == 6


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_float_convolutional_network_of_12_bits_is_close(per_channel):
    rng = np.random.default_rng(5)
    net = residual_network(rng)
    x = {"x": rng.uniform(0, 1, (60, 6, 6, 2)), "z": rng.normal(size=(60, 3))}
    options = QuantiseOptions(12, 12, 12, per_channel=per_channel)
    network = to_network(net, options, x).network
    coded = {p.name: encode(p, x[p.name]) for p in network.inputs}
    out = evaluate_network(network, coded)
    wanted = evaluate_source(net, x)
    for name, twin in zip(net.outputs, network.outputs, strict=True):
        real = (out[twin].astype(object) * network.types[twin].scale).astype(float)
        assert np.abs(real - wanted[name]).max() < 0.02 * np.abs(wanted[name]).max()
    found = [layer.kind for layer in network.layers]
    assert (found.count("conv"), found.count("lookup")) == (3, 2)


def residual_network(rng):
    """Two inputs, two outputs, batch normalisations on all sides, a residual branch, functions."""

    def conv(name, source, channels, filters, groups=1):
        kernel = rng.normal(size=(3, 3, channels // groups, filters)) / 3
        weights, bias = Weights(kernel), Weights(rng.normal(size=filters))
        same = ((1, 1), (1, 1))
        return SourceConv(name, (source,), name, weights, bias, (1, 1), same, (1, 1), groups)

    def norm(name, source, size):
        factor, offset = rng.uniform(0.5, 2, size), rng.normal(size=size)
        return SourceAffine(name, (source,), name, factor, offset)

    def dense(name, source, inputs, outputs):
        return SourceDense(name, (source,), name, Weights(rng.normal(size=(inputs, outputs))), None)

    def call(name, source, function, *parameters):
        return SourceActivation(name, (source,), name, function, parameters)

    return model(
        [
            SourceInput("x", (), "x", (6, 6, 2)),
            SourceInput("z", (), "z", (3,)),
            norm("scaler", "x", 2),
            conv("c1", "scaler", 2, 4),
            norm("n1", "c1", 4),
            call("r1", "n1", "relu", 6.0),
            conv("c2", "r1", 4, 4, groups=4),
            norm("n2", "c2", 4),
            call("r2", "n2", "leaky_relu", 0.3),
            conv("c3", "r2", 4, 4),
            SourceAdd("sum", ("c3", "r1"), "sum"),
            SourcePool("max", ("sum",), "max", "max", (2, 2), (2, 2), ((0, 0), (0, 0))),
            norm("n3", "max", 4),
            call("s", "n3", "silu"),
            SourcePool("mean", ("s",), "mean", "average", (3, 3), (3, 3), ((0, 0), (0, 0))),
            SourceReshape("flat", ("mean",), "flat", (4,)),
            norm("n4", "flat", 4),
            SourceConcat("both", ("n4", "z"), "both"),
            dense("d1", "both", 7, 5),
            call("h", "d1", "hard_sigmoid"),
            dense("d2", "h", 5, 3),
            call("t", "z", "tanh"),
            SourceMultiply("gated", ("d2", "t"), "gated"),
        ],
        ("gated", "d1"),
    )


def test_missing_calibration_data_are_noted():
    quantised = to_network(perceptron(np.random.default_rng(0)))
    assert quantised.notes == ("input 'x': no calibration data; standard normal values stand in",)


def test_equal_models_give_equal_text():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(50, 4))
    texts = {
        print_network(
            to_network(perceptron(np.random.default_rng(1)), QuantiseOptions(), {"x": x}).network
        )
        for _ in range(2)
    }
    assert len(texts) == 1


def test_channels_can_have_their_own_steps():
    rng = np.random.default_rng(5)
    kernel = Weights(rng.normal(size=(4, 3)) * [1, 10, 100])
    net = model([SourceInput("x", (), "p", (4,)), SourceDense("d", ("x",), "p", kernel, None)])
    x = rng.normal(size=(200, 4))
    errors = []
    for per_channel in (False, True):
        options = QuantiseOptions(16, 6, per_channel=per_channel)
        real = answer(to_network(net, options, {"x": x}).network, {"x": x})[1]
        errors.append(np.abs(real - evaluate_source(net, {"x": x})["d"])[:, 0].max())
    assert errors[1] < 0.2 < errors[0]


def test_a_quantiser_with_a_step_for_each_channel_is_exact():
    steps = np.array([Fraction(1, 4), Fraction(1, 16)], dtype=object)
    q = Quantiser(steps, -8, 7)
    net = model([X, SourceQuantise("q", ("x",), "p", q), exact_dense("d", "q", [[1, 2], [3, -5]])])
    x = np.random.default_rng(0).normal(size=(50, 2))
    network = to_network(net).network
    assert answer(network, {"x": x})[1].tolist() == evaluate_source(net, {"x": x})["d"].tolist()
