"""QKeras quantisers: against the values of QKeras itself, and whole models against an oracle."""

import json
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from frontend import keras_files as k

from flow.errors import UnsupportedModel
from flow.frontend.float_model import evaluate_layer, evaluate_source
from flow.frontend.keras.steps import Obstacle, lay
from flow.frontend.qkeras.activations import activation_steps
from flow.frontend.qkeras.quantisers import weight_shaper
from flow.frontend.qkeras.spec import read_quantiser
from flow.frontend.read import read_model
from flow.frontend.source import SourceAffine, SourceDense, SourceQuantise

# What QKeras 0.9.0 on TensorFlow 2.15.1 answered: a kernel of QDense, and activations.
GOLDEN = json.loads((Path(__file__).parent / "qkeras_0_9_0.json").read_text())


def shape(text, x, kernel=True):
    return weight_shaper(read_quantiser(text), kernel)(np.asarray(x, np.float32))


def activate(text, x):
    values = {"x": np.asarray(x, np.float64)[None]}
    for layer in lay(activation_steps(read_quantiser(text)), "y", ("x",), "here"):
        values[layer.name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
    return values["y"][0]


def steps_of(weights):
    return np.asarray(weights.step)


@pytest.mark.parametrize("text", sorted(GOLDEN["shaped"]))
def test_weights_are_those_that_qkeras_computes(text):
    x = np.array(GOLDEN["weights"], np.float32)
    weights = shape(text, x)
    expected = np.array(GOLDEN["shaped"][text])
    # x + (q - x) in float32 is q but for a rounding of the difference.
    assert np.abs(weights.values - expected).max() <= np.abs(x).max() * 2.0**-22
    whole = weights.values / steps_of(weights).astype(float)
    assert (whole == np.rint(whole)).all()


@pytest.mark.parametrize("text", sorted(GOLDEN["activated"]))
def test_activations_are_those_that_qkeras_computes(text):
    expected = np.array(GOLDEN["activated"][text])
    got = activate(text, np.array(GOLDEN["inputs"], np.float32))
    assert np.abs(got - expected).max() <= 2.0**-20


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        # ties go to the even integer; both ends saturate
        ("quantized_bits(3,0,alpha=1)", [-9, -0.875, -0.625, 0.125, 0.375, 9], "-4 -4 -2 0 2 3"),
        ("quantized_bits(3,0,1,alpha=1)", [-9, -0.875, -0.625, 0.125, 0.375, 9], "-3 -3 -2 0 2 3"),
        ("quantized_bits(3,0,keep_negative=False,alpha=1)", [-9, 0.0625, 0.1875, 9], "0 0 2 7"),
        ("quantized_bits(1,5,alpha=1)", [-9, -0.0, 0, 2], "-1 1 1 1"),
        ("quantized_relu(2,0)", [-1, 0.125, 0.375, 9], "0 0 2 3"),
        ("binary(alpha=1)", [-9, -0.0, 0, 2], "-1 1 1 1"),
        ("ternary(alpha=1,threshold=0.5)", [-0.5, -0.25, 0, 0.5], "-1 0 0 1"),
    ],
)
def test_weights_become_integers_times_a_step(text, x, y):
    weights = shape(text, x)
    step = Fraction(steps_of(weights)[()])
    assert (weights.values / float(step)).tolist() == [int(v) for v in y.split()]
    assert step.numerator == 1
    assert step.denominator & (step.denominator - 1) == 0


def test_a_kernel_without_alpha_is_scaled_and_a_bias_is_not():
    x = np.array([[0.01], [0.02], [-0.03]], np.float32)
    assert steps_of(shape("quantized_bits(4,0)", x)).tolist() == [Fraction(1, 256)]
    assert steps_of(shape("quantized_bits(4,0)", x[:, 0], kernel=False)) == Fraction(1, 8)


def test_alpha_auto_gives_each_output_its_exact_float32_scale():
    x = np.array([[0.3, 0.0], [-1.0, 0.0], [0.7, 0.0]], np.float32)
    weights = shape("quantized_bits(4,0,alpha='auto')", x)
    scale = np.float32(2) / np.float32(14)
    assert steps_of(weights).tolist() == [Fraction(float(scale)), 1]
    assert (weights.values[:, 0] == np.array([2, -7, 5]) * float(scale)).all()
    assert (weights.values[:, 1] == 0).all()


def test_powers_of_two_take_the_finest_step_that_occurs():
    weights = shape("quantized_po2(4,1)", [0.5, -0.3, 0.07])
    assert weights.values.tolist() == [0.5, -0.25, 0.0625]
    assert steps_of(weights) == Fraction(1, 16)


def test_a_power_of_two_on_a_tie_is_refused():
    with pytest.raises(Obstacle) as caught:
        shape("quantized_po2(5,quadratic_approximation=True)", [0.5])
    assert caught.value.message == (
        "a power of two of its weights is too near to a tie to be certain; "
        "give alpha as a number, or train one more step"
    )


def test_an_activation_becomes_one_quantiser():
    (step,) = activation_steps(read_quantiser("quantized_relu(6,2)"))
    quantiser = step.make("y", ("x",), "here").quantiser
    assert quantiser.step[()] == Fraction(1, 16)
    assert (quantiser.lo, quantiser.hi) == (0, 63)
    assert (quantiser.rounding, quantiser.overflow) == ("half_even", "saturate")


def test_quantized_linear_has_alpha_within_its_step_and_is_symmetric():
    assert activate("quantized_linear(3,0,alpha=2)", [-9, -1, 0.24, 0.75, 9]).tolist() == [
        -1.5, -1.0, 0.0, 1.0, 1.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "quantized_relu(3,1)",
            {"class_name": "quantized_relu", "config": {"bits": 3, "integer": 1}},
        ),
        (" quantized_bits( 4 , 0, alpha = 'auto_po2' )", 'quantized_bits(4,0,alpha="auto_po2")'),
        ("quantized_bits(4,0,1,True,1.0)", "quantized_bits(bits=4,symmetric=1,alpha=1)"),
        (
            "binary()",
            {"class_name": "qkeras>binary", "config": {"post_training_scale": None}, "module": "x"},
        ),
        ("ternary", "ternary()"),
    ],
)
def test_a_text_and_a_dictionary_say_the_same(one, other):
    assert read_quantiser(one) == read_quantiser(other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("__import__('os').system('x')", "the quantiser \"__import__('os').system('x')\" cannot "
         "be read; write quantized_bits(8,0)"),
        ("quantized_bits(4,0)()", "the quantiser 'quantized_bits(4,0)()' cannot be read; "
         "write quantized_bits(8,0)"),
        ("quantized_bits(4,[0])", "the quantiser 'quantized_bits(4,[0])' cannot be read; "
         "write quantized_bits(8,0)"),
        ("quantized_bits(4,bits=4)", "quantized_bits has the argument 'bits' twice"),
        ("quantized_bits(bits=4,0)", "the quantiser 'quantized_bits(bits=4,0)' cannot be read; "
         "write quantized_bits(8,0)"),
        ("quantized_bits(four)", "the quantiser 'quantized_bits(four)' has the argument 'four', "
         "which is no number"),
        ("quantized_bits(4,0,power=2)", "quantized_bits with power=2; this argument is not known"),
        ("exec(1)", "the quantiser 'exec' is not known; use quantized_bits"),
        ("hard_tanh(1)", "hard_tanh has 1 arguments; it takes 0"),
        ("bernoulli()", "bernoulli draws random numbers also when it answers; use binary"),
        (7, "7 is no quantiser; write it as quantized_bits(8,0,alpha=1)"),
        ({"class_name": 7}, "a quantiser has no class_name and config; save the model again"),
    ],
)  # fmt: skip
def test_a_quantiser_that_is_none_is_never_evaluated(value, message):
    with pytest.raises(Obstacle) as caught:
        read_quantiser(value)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantized_relu(1,0,1,0.25)",
         "quantized_relu with use_sigmoid and one level; give it more bits"),
        ("quantized_relu(3,0,1,0.125)",
         "quantized_relu with use_sigmoid and negative_slope=0.125; use a larger"),
        ("quantized_relu(4,0,0,2)",
         "quantized_relu with negative_slope=2; it must be from 0.0 to 1.0"),
        ("quantized_relu(0)", "quantized_relu with bits=0; it must be from 1 to 24"),
        ("quantized_relu(25)", "quantized_relu with bits=25; it must be from 1 to 24"),
        ("quantized_relu(nan)", "quantized_relu with bits=nan; it must be from 1 to 24"),
        ("quantized_relu(2.5)", "quantized_relu with bits=2.5; it must be an integer"),
        ("quantized_relu('a')", "quantized_relu with bits='a'; it must be from 1 to 24"),
        ("quantized_relu(4,qnoise_factor=0.5)",
         "quantized_relu with qnoise_factor=0.5; the quantiser must be fully on; set it to 1"),
        ("quantized_bits(4,0,alpha='auto')",
         "quantized_bits with alpha='auto' as an activation; use alpha=1"),
        ("quantized_po2(7)",
         "quantized_po2 with 64 levels as an activation; use fewer bits"),
        ("quantized_po2(4,log2_rounding='floor')",
         "quantized_po2 with log2_rounding='floor'; use 'rnd'"),
        ("quantized_relu_po2(4,quadratic_approximation=True)",
         "quantized_relu_po2 with quadratic_approximation as an activation; leave it out"),
        ("quantized_linear(1)", "quantized_linear of one bit; use binary"),
        ("quantized_linear(4,alpha=0.3)",
         "quantized_linear with alpha=5033165/16777216; give a power of two such as 1"),
    ],
)  # fmt: skip
def test_an_activation_that_is_not_exact_is_refused(text, message):
    with pytest.raises(Obstacle) as caught:
        activation_steps(read_quantiser(text))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantized_tanh(4)", "quantized_tanh as a quantiser of weights; use quantized_bits"),
        ("binary(alpha='auto')", "binary with alpha='auto', whose float32 sums depend on the "
         "machine; use alpha='auto_po2' or alpha=1"),
        ("quantized_bits(4,0,keep_negative=False)",
         "quantized_bits without negative numbers and alpha='auto_po2'"),
        ("quantized_bits(4,0,alpha=-1)",
         "quantized_bits with alpha=-1; it must be from 5.421010862427522e-20 to "
         "1.8446744073709552e+19"),
    ],
)  # fmt: skip
def test_weights_that_are_not_exact_are_refused(text, message):
    with pytest.raises(Obstacle) as caught:
        shape(text, [[0.5]])
    assert caught.value.message == message


def read(folder, model, weights):
    path = folder / "q.h5"
    path.write_bytes(k.h5(weights, model))
    return read_model(path)


def test_a_qdense_with_a_fused_activation_is_read(tmp_path):
    model = k.sequential(
        k.layer("QActivation", "in", activation="quantized_bits(4,2)"),
        k.layer(
            "QDense", "q", units=3, use_bias=True, kernel_quantizer="quantized_bits(4,0,alpha=1)",
            bias_quantizer={"class_name": "quantized_bits", "config": {"bits": 3, "integer": 2}},
            activation={"class_name": "quantized_relu", "config": {"bits": 2, "integer": 1}},
        ),
        k.layer("QActivation", "out", activation="linear"),
        inputs=(2,),
    )  # fmt: skip
    loaded = read(tmp_path, model, {"q": k.SMALL_WEIGHTS["fc1"]})
    names = [(type(layer), layer.name) for layer in loaded.layers[1:]]
    assert names == [(SourceQuantise, "in"), (SourceDense, "q.0"), (SourceQuantise, "q")]
    dense = loaded.layers[2]
    assert dense.kernel.values.tolist() == [[0.5, -1.0, 0.875], [0.875, 0.125, -0.5]]
    assert dense.kernel.step[()] == Fraction(1, 8)
    assert dense.bias.values.tolist() == [0.0, -4.0, 1.0]
    assert dense.bias.step[()] == 1
    assert loaded.outputs == ("q",)
    assert loaded.quantised


def test_a_qbatchnormalization_quantises_its_parts(tmp_path):
    entry = k.layer(
        "QBatchNormalization", "bn", axis=[1], epsilon=0.0, center=True, scale=True,
        gamma_quantizer="quantized_relu_po2(4)", beta_quantizer="quantized_po2(4)",
        mean_quantizer=None, variance_quantizer="quantized_relu_po2(4)", inverse_quantizer=None,
    )  # fmt: skip
    arrays = {
        "gamma": [0.9, 2.1], "beta": [-0.26, 0.13], "moving_mean": [0.75, -3.0],
        "moving_variance": [4.2, 0.27],
    }  # fmt: skip
    loaded = read(tmp_path, k.sequential(entry, inputs=(2,)), {"bn": arrays})
    layer = loaded.layers[1]
    assert isinstance(layer, SourceAffine)
    assert layer.multiplier.tolist() == [0.5, 4.0]
    assert layer.offset.tolist() == [-0.625, 12.125]


def test_obstacles_of_quantisers_name_the_layer(tmp_path):
    model = k.sequential(
        k.layer("QDense", "one", units=3, kernel_quantizer="bernoulli()"),
        k.layer("QActivation", "two", activation="quantized_bits(4,alpha='auto')"),
        k.layer(
            "QConv2D", "three", filters=2, kernel_size=[3, 3], kernel_quantizer="quantized_tanh(4)"
        ),
        inputs=(2,),
    )  # fmt: skip
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, model, {})
    assert caught.value.obstacles == (
        "layer 'one' (QDense): bernoulli draws random numbers also when it answers; use binary",
        "layer 'two' (QActivation): quantized_bits with alpha='auto' as an activation; use alpha=1",
        "layer 'three' (QConv2D): quantized_tanh as a quantiser of weights; use quantized_bits",
    )


def test_an_obstacle_in_the_weights_names_the_layer(tmp_path):
    model = k.sequential(
        k.layer(
            "QDense", "q", units=1, use_bias=False,
            kernel_quantizer="quantized_po2(5,quadratic_approximation=1)",
        ),
        inputs=(1,),
    )  # fmt: skip
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, model, {"q": {"kernel": np.array([[0.5]], np.float32)}})
    assert caught.value.show() == (
        "error: 1 thing in the model cannot become a circuit\n"
        "  at q.h5\n"
        "  hint: change the model as said below, train it and save it again\n"
        "  - layer 'q' (QDense): a power of two of its weights is too near to a tie to be "
        "certain; give alpha as a number, or train one more step"
    )


# An oracle apart from the reader: float64 of exact values, from the raw files.


def grid(x, bits, integer, low):
    """round(x / step) * step, saturated; low is 0 or -1."""
    step = 2.0 ** (integer - bits)
    return np.clip(np.rint(x / step), low * 2**bits, 2**bits - 1) * step


def raw(group, name):
    return [group[f"{name}/{name}/{part}:0"][()].astype(float) for part in ("kernel", "bias")]


def softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check(model, oracle, x):
    values = evaluate_source(model, {model.layers[0].name: x})
    assert (values[model.outputs[0]] == oracle).all()
    return values[model.outputs[0]]


@pytest.mark.shared
def test_the_real_jet_tagger_answers_bit_for_bit(shared):
    place = shared / "models" / "qkeras_jet_3layer"
    model = read_model(place / "qkeras_3layer.json")
    data = np.load(place / "golden.npz")
    y = x = data["x"].astype(float)
    with h5py.File(place / "qkeras_3layer_weights.h5") as file:
        for name in ("fc1", "fc2", "fc3", "output"):
            kernel, bias = (grid(w, 5, 0, -1) for w in raw(file, name))
            y = y @ kernel + bias
            y = y if name == "output" else grid(y, 6, 0, 0)
    assert model.quantised
    assert (check(model, softmax(y), x).astype(np.float32) == data["y"]).all()


@pytest.mark.shared
def test_the_real_anomaly_detector_answers_bit_for_bit(shared):
    place = shared / "models" / "mlperf_ad03_qkeras"
    model = read_model(place / "model_ToyCar.h5")
    data = np.load(place / "golden.npz")
    y = x = data["x"].astype(float)
    with h5py.File(place / "model_ToyCar.h5") as file:
        group = file["model_weights"]
        for i in range(4):
            integer = 10 if i == 3 else 0
            name = "q_dense" + (f"_{i}" if i else "")
            kernel, bias = (grid(w, 9, integer, -1) for w in raw(group, name))
            y = y @ kernel + bias
            if i == 3:
                break
            name = "batch_normalization" + (f"_{i}" if i else "")
            gamma, beta, mean, variance = (
                group[f"{name}/{name}/{part}:0"][()]
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            inverse = (np.float32(1) / np.sqrt(variance + np.float32(0.001))) * gamma
            y = grid(y * inverse.astype(float) + (beta - mean * inverse).astype(float), 10, 5, 0)
    assert (check(model, y, x).astype(np.float32) == data["y"]).all()


@pytest.mark.shared
def test_the_real_mnist_classifier_answers_as_its_definition(shared):
    place = shared / "models" / "qkeras_mnist_dense"
    model = read_model(place / "qkeras_mnist_dense.json")
    x = np.load(shared / "datasets" / "mnist.npz")["x_test"][:64].reshape(64, 784) / 255.0
    with h5py.File(place / "qkeras_mnist_dense_weights.h5") as file:
        kernel, bias = raw(file, "q_dense_2")
        power = np.clip(np.rint(np.log2(np.clip(np.abs(kernel), 1e-7, 1))), -8, 7)
        kernel = np.where(kernel >= 0, 1, -1) * 2.0**power
        y = grid(x, 2, 0, 0) @ kernel + np.clip(grid(bias, 1, 0, -1), -0.5, 0.5)
        kernel, bias = (np.maximum(grid(w, 3, 0, -1), -0.875) for w in raw(file, "q_dense_3"))
        y = softmax(grid(y, 3, 1, 0) @ kernel + bias)
    check(model, y, x)


@pytest.mark.shared
def test_the_real_keras_3_jet_tagger_is_the_same_network(shared):
    place = shared / "models"
    model = read_model(place / "qkeras3_jet_3layer" / "qkeras-v3_3layer.keras")
    other = read_model(place / "qkeras_jet_3layer" / "qkeras_3layer.json")
    assert [type(a) for a in model.layers] == [type(a) for a in other.layers]
    assert [a.name for a in model.layers] == [a.name for a in other.layers]
    for layer in model.layers:
        if isinstance(layer, SourceDense):
            assert layer.kernel.step[()] == Fraction(1, 32)
            whole = layer.kernel.values * 32
            assert (whole == np.rint(whole)).all()
