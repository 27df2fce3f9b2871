"""Keras files that cannot be read: every obstacle at once, a clear message for each fault."""

import numpy as np
import pytest
from frontend import keras_files as k
from frontend.keras_reading import read_h5

from flow.errors import UnsupportedModel, UsageError


def test_every_obstacle_of_a_model_is_named_at_once(tmp_path):
    canary = tmp_path / "canary"
    code = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    model = k.sequential(
        k.layer("LayerNormalization", "eyes"),
        k.layer("Lambda", "evil", function=code, module="os"),
        k.dense("fast", 3, activation="glu"),
        k.dense("odd", 3, lora_rank=4),
        k.dense("half", 3, dtype="mixed_float16"),
        k.layer("LSTM", "memory", units=3),
        k.layer("os>system", "shell"),
        k.sequential(k.layer("Dot", "dot", axes=1), inputs=(2,), name="inner", version=None),
        k.layer("TFOpLambda", "tf.math.erf", function="math.betainc"),
        k.layer("ReLU", "slope", negative_slope=-0.1),
        k.layer("UpSampling2D", "up", interpolation="bilinear"),
        inputs=(2,),
    )
    with pytest.raises(UnsupportedModel) as caught:
        read_h5(tmp_path, model, {})
    assert caught.value.exit_code == 3
    assert caught.value.show() == (
        "error: 11 things in the model cannot become a circuit\n"
        "  at net.h5\n"
        "  hint: change the model as said below, train it and save it again\n"
        "  - layer 'eyes' (LayerNormalization): it divides by what it measures on its input; "
        "use BatchNormalization\n"
        "  - layer 'evil' (Lambda): program code in a model is never run; use a layer\n"
        "  - layer 'fast' (Dense): the activation 'glu'; use one of celu, elu, exponential, gelu, "
        "hard_shrink, hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu, linear, "
        "log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, "
        "softplus, softsign, sparse_plus, sparse_sigmoid, squareplus, swish, tanh, tanh_shrink\n"
        "  - layer 'odd' (Dense): the setting lora_rank=4 is not known; leave it out\n"
        "  - layer 'half' (Dense): the type 'mixed_float16'; save the model as float32\n"
        "  - layer 'memory' (LSTM): recurrent layers are not built; use Dense or Conv1D\n"
        "  - layer 'shell' (os>system): no circuit stands for this class; "
        "use Dense, Activation, Add or the like\n"
        "  - layer 'inner/dot' (Dot): a product of two tensors with a sum; use Dense, "
        "or Multiply\n"
        "  - layer 'tf.math.erf' (TFOpLambda): the operation 'math.betainc'; "
        "use a layer, or another operation\n"
        "  - layer 'slope' (ReLU): negative_slope=-0.1; use a number from 0 to 1.67772e+07\n"
        "  - layer 'up' (UpSampling2D): interpolation='bilinear'; use 'nearest'"
    )
    assert not canary.exists()


def test_a_name_with_newlines_stays_raw_and_is_escaped_where_it_is_shown(tmp_path):
    name = "fc1\nendmodule\x1b[2J"
    weights = {name: k.SMALL_WEIGHTS["fc1"]}
    read = read_h5(tmp_path, k.sequential(k.dense(name, 3), inputs=(2,)), weights)
    assert read.layers[1].name == name
    with pytest.raises(UnsupportedModel) as caught:
        read_h5(tmp_path, k.sequential(k.layer("LSTM", name), inputs=(2,)), {})
    assert "\nendmodule" not in caught.value.show()
    assert "\x1b" not in caught.value.show()


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (
            {"fc1": {"kernel": k.KERNEL.T, "bias": k.BIAS}},
            "error: the kernel has the shape [3, 2], not [2, 3]\n"
            "  at net.h5, layer 'fc1'\n"
            "  hint: give the weights and the configuration of one model",
        ),
        (
            {"fc1": {"kernel": k.KERNEL, "bias": k.BIAS[:2]}},
            "error: the bias has the shape [2], not [3]\n"
            "  at net.h5, layer 'fc1'\n"
            "  hint: give the weights and the configuration of one model",
        ),
        (
            {"fc1": {"kernel": k.KERNEL}},
            "error: the layer 'fc1' needs the weights kernel, bias; the file has kernel\n"
            "  at net.h5, layer 'fc1'\n"
            "  hint: give the weights that belong to this model",
        ),
        (
            {"other": k.SMALL_WEIGHTS["fc1"]},
            "error: the layer 'fc1' needs the weights kernel, bias; the file has none\n"
            "  at net.h5, layer 'fc1'\n"
            "  hint: give the weights that belong to this model",
        ),
        (
            {"fc1": {"kernel": k.KERNEL, "bias": k.BIAS, "extra": k.BIAS}},
            "error: the layer 'fc1' needs the weights kernel, bias; "
            "the file has kernel, bias, extra\n"
            "  at net.h5, layer 'fc1'\n"
            "  hint: give the weights that belong to this model",
        ),
        (
            {"fc1": {"kernel": np.where(k.KERNEL == 2, np.nan, k.KERNEL), "bias": k.BIAS}},
            "error: the weight at index [0, 2] is NaN\n"
            "  at net.h5, layer 'fc1', kernel\n"
            "  hint: train again, or repair the file",
        ),
        (
            {"fc1": {"kernel": k.KERNEL, "bias": np.array([0, 1e39, 0])}},
            "error: the weight at index [1] is infinite\n"
            "  at net.h5, layer 'fc1', bias\n"
            "  hint: train again, or repair the file",
        ),
    ],
)
def test_wrong_weights_are_named(tmp_path, weights, text):
    with pytest.raises(UsageError) as caught:
        read_h5(tmp_path, k.SMALL, weights)
    assert caught.value.show() == text


def broken(change):
    model = k.functional(
        [(k.source("x", 2), ()), (k.dense("fc1", 3), ("x",)), (k.layer("Add", "s"), ("x", "fc1"))],
        outputs=("fc1",),
    )
    change(model["config"])
    return model


def at(path, value):
    def change(config):
        place = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message", "where"),
    [
        (
            at(["layers", 1, "inbound_nodes"], [[["fc1", 0, 0, {}]]]),
            "its layers form a cycle",
            "net.h5, layer 'fc1'",
        ),
        (
            at(["layers", 1, "inbound_nodes"], [[["nobody", 0, 0, {}]]]),
            "there is no tensor 0 of call 0 of a layer 'nobody'",
            "net.h5, layer 'fc1'",
        ),
        (
            at(["output_layers"], [["fc1", 4, 0]]),
            "there is no tensor 0 of call 4 of a layer 'fc1'",
            "net.h5",
        ),
        (at(["output_layers"], [["fc1", -1, 0]]), "output_layers names no tensor", "net.h5"),
        (at(["output_layers"], 7), "output_layers is no list", "net.h5"),
        (at(["output_layers"], []), "the model has no outputs", "net.h5"),
        (at(["layers"], {"a": 1}), "the model has no list of layers", "net.h5"),
        (at(["layers"], []), "the model has no layers", "net.h5"),
        (at(["layers", 2, "name"], "fc1"), "two layers are named 'fc1'", "net.h5"),
        (at(["layers", 1, "name"], 3), "a layer has no name", "net.h5"),
        (at(["layers", 1, "name"], "fc\ud8001"), "a layer has no name", "net.h5"),
        (at(["layers", 1, "config"], 3), "no class_name and config", "net.h5, layer 1"),
        (
            at(["layers", 1, "inbound_nodes"], 3),
            "inbound_nodes is no list",
            "net.h5, layer 'fc1'",
        ),
        (
            at(["layers", 1, "inbound_nodes"], [[["x", 0, 0], ["x", 0, 0]]]),
            "it reads 2 tensors, not 1",
            "net.h5, layer 'fc1'",
        ),
        (
            at(["layers", 1, "inbound_nodes"], [{"args": [k.tensor("x")], "kwargs": [1]}]),
            "the arguments of a call are no object",
            "net.h5, layer 'fc1'",
        ),
        (
            at(["layers", 1, "inbound_nodes"], [{"args": [], "kwargs": {"y": k.tensor("x")}}]),
            "a tensor is given as the argument 'y'",
            "net.h5, layer 'fc1'",
        ),
    ],
)
def test_a_malformed_graph_is_one_clear_error(tmp_path, change, message, where):
    with pytest.raises(UsageError) as caught:
        read_h5(tmp_path, broken(change), k.SMALL_WEIGHTS)
    assert caught.value.show() == (
        f"error: the configuration is malformed: {message}\n"
        f"  at {where}\n"
        "  hint: save the model again"
    )


@pytest.mark.parametrize(
    ("entry", "inputs", "text"),
    [
        (
            k.layer("Add", "s"),
            (3,),
            "layer 's' (Add): tensors of the shapes [2] and [3] are merged; use equal shapes",
        ),
        (
            k.layer("Concatenate", "s", axis=1),
            (3, 1),
            None,
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, entry, inputs, text):
    model = k.functional(
        [(k.source("a", 2), ()), (k.source("b", *inputs), ()), (entry, ("a", "b"))], outputs=("s",)
    )
    with pytest.raises((UsageError, UnsupportedModel)) as caught:
        read_h5(tmp_path, model, {})
    if text is None:
        assert caught.value.show().startswith(
            "error: the tensors have 1 and 2 axes\n  at net.h5, layer 's'\n"
        )
    else:
        assert caught.value.obstacles == (text,)


def test_inputs_need_a_known_shape(tmp_path):
    with pytest.raises(UnsupportedModel) as caught:
        read_h5(tmp_path, k.sequential(k.dense("fc1", 3), inputs=(None,)), {})
    assert caught.value.obstacles == (
        "layer 'fc1_input' (InputLayer): the input has the shape [None, None]; "
        "every axis needs a size",
    )
