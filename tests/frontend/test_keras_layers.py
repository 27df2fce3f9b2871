"""What no framework on a CPU answers, or what is not of Keras: definitions, refusals, limits."""

import json

import numpy as np
import pytest
from frontend import keras_files as k

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.float_model import evaluate_source
from flow.frontend.read import read_model
from flow.frontend.source import SourceConcat, SourceDense, SourceGather

RANDOM = np.random.default_rng(5)


def read(folder, model, weights):
    path = folder / "net.h5"
    path.write_bytes(k.h5(weights, model))
    return read_model(path)


def answer(model, *x):
    inputs = {layer.name: np.asarray(a, float) for layer, a in zip(model.layers, x, strict=False)}
    return evaluate_source(model, inputs)[model.outputs[0]]


def grid(*shape):
    return (RANDOM.integers(-16, 17, shape) / 8).astype(np.float32)


IMAGE = {"kernel_size": [3, 2], "strides": [2, 1], "padding": "same"}
FIRST = {"data_format": "channels_first"}


@pytest.mark.parametrize(
    ("entry", "weights"),
    [
        (("Conv2D", {"filters": 4, **IMAGE}), {"kernel": (3, 2, 3, 4), "bias": (4,)}),
        (
            ("DepthwiseConv2D", {"depth_multiplier": 2, **IMAGE}),
            {"depthwise_kernel": (3, 2, 3, 2), "bias": (6,)},
        ),
        (
            ("SeparableConv2D", {"depth_multiplier": 1, "filters": 2, **IMAGE}),
            {"depthwise_kernel": (3, 2, 3, 1), "pointwise_kernel": (1, 1, 3, 2), "bias": (2,)},
        ),
        (("Conv2DTranspose", {"filters": 4, **IMAGE}), {"kernel": (3, 2, 4, 3), "bias": (4,)}),
        (("MaxPooling2D", {"pool_size": [2, 2], "padding": "same"}), {}),
        (("GlobalAveragePooling2D", {"keepdims": True}), {}),
        (("UpSampling2D", {"size": [2, 1]}), {}),
        (("Cropping2D", {"cropping": [[1, 0], [2, 1]]}), {}),
    ],
)
def test_channels_first_is_the_same_layer_between_two_permutations(tmp_path, entry, weights):
    kind, config = entry
    arrays = {name: grid(*shape) for name, shape in weights.items()}
    x = grid(2, 5, 6, 3)
    last = read(
        tmp_path, k.sequential(k.layer(kind, "a", **config), inputs=(5, 6, 3)), {"a": arrays}
    )
    first = read(
        tmp_path,
        k.sequential(k.layer(kind, "a", **config, **FIRST), inputs=(3, 5, 6)),
        {"a": arrays},
    )
    wanted = np.moveaxis(answer(last, x), -1, 1)
    assert (answer(first, np.moveaxis(x, -1, 1)) == wanted).all()


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        ("BinaryDense", lambda w, h: np.where(w > 0, h, -h)),
        ("TernaryDense", lambda w, h: np.where(w > 0.5 * h, h, np.where(w <= -0.5 * h, -h, 0.0))),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_binary_and_ternary_layers_have_the_levels_of_their_definition(
    tmp_path, kind, levels, scale
):
    kernel = (
        np.array([[-2, -1, -0.5, 0], [0.5, 1, 1.5, 0.25], [3, -3, 0.75, -0.75]]) * scale
    ).astype(np.float32)
    entry = k.layer(kind, "a", units=4, use_bias=False, H=scale, kernel_lr_multiplier=7.3)
    model = read(tmp_path, k.sequential(entry, inputs=(3,)), {"a": {"kernel": kernel}})
    dense = model.layers[1]
    assert isinstance(dense, SourceDense)
    assert (dense.kernel.values == levels(kernel, scale)).all()
    assert float(dense.kernel.step[()]) == scale


def test_the_steps_of_binary_and_ternary_networks_compare_as_defined(tmp_path):
    x = [[-9, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75]]
    for name, wanted in (("binary_tanh", "----+++"), ("ternary_tanh", "--0000+")):
        model = read(
            tmp_path, k.sequential(k.layer("Activation", "a", activation=name), inputs=(7,)), {}
        )
        assert "".join("-0+"[int(v) + 1] for v in answer(model, x)[0]) == wanted


def test_the_layers_of_the_econ_t_encoder_pad_floor_and_saturate(tmp_path):
    names = ["x", "pad", "floor", "low"]
    kinds = ["InputLayer", "keras_pad", "keras_floor", "keras_minimum"]
    entries = [k.source("x", 2, 2, 1)] + [
        k.layer(kind, name) for kind, name in zip(kinds[1:], names[1:], strict=True)
    ]
    model = k.functional(
        [(e, (names[i - 1],) if i else ()) for i, e in enumerate(entries)], ("low",)
    )
    model["config"]["layers"][3]["inbound_nodes"] = [[["floor", 0, 0, {"sat_val": 1.5}]]]
    y = answer(read(tmp_path, model, {}), np.array([-1.5, 0.5, 1.0, 7.0]).reshape(1, 2, 2, 1))
    assert y[0, :, :, 0].tolist() == [[-2, 0, 0], [1, 1.5, 0], [0, 0, 0]]


def test_an_input_that_only_passes_to_the_output_is_left_out_and_named(tmp_path):
    model = k.functional(
        [
            (k.source("x", 2), ()), (k.source("condition", 4), ()), (k.dense("fc1", 3), ("x",)),
            (k.layer("Concatenate", "out", axis=1), ("fc1", "condition")),
        ],
        outputs=("out",),
    )  # fmt: skip
    read_ = read(tmp_path, model, k.SMALL_WEIGHTS)
    assert [layer.name for layer in read_.layers] == ["x", "fc1"]
    assert read_.outputs == ("fc1",)
    assert read_.notes == (
        "the input 'condition' of shape [4] only passes to an output; it is no part of the circuit",
    )


def test_inputs_that_are_joined_and_nothing_else_stay(tmp_path):
    model = k.functional(
        [(k.source("a", 2), ()), (k.source("b", 4), ()),
         (k.layer("Concatenate", "out", axis=1), ("a", "b"))],
        outputs=("out",),
    )  # fmt: skip
    read_ = read(tmp_path, model, {})
    assert isinstance(read_.layers[-1], SourceConcat)
    assert read_.notes == ()


REFUSED = {
    "LayerNormalization": "it divides by what it measures on its input; use BatchNormalization",
    "Bidirectional": "recurrent layers are not built; use Dense or Conv1D",
    "MultiHeadAttention": "a product of two tensors with a sum; use Dense, or Multiply",
    "Embedding": "it reads names and not numbers; prepare the data outside of the model",
    "RandomFlip": "its window depends on the input's size or on chance; use a layer with a fixed "
    "window",
    "Masking": "a mask; leave it out and give whole samples",
    "BinaryConv2D": "not read; use QConv2D or QDense with binary or ternary",
    "MyLayer": "no circuit stands for this class; use Dense, Activation, Add or the like",
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_a_class_that_is_not_read_is_refused_with_a_way_out(tmp_path, kind):
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, k.sequential(k.layer(kind, "a"), inputs=(3,)), {})
    assert caught.value.obstacles == (f"layer 'a' ({kind}): {REFUSED[kind]}",)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("Conv2D", {"kernel_size": [3, 3], "padding": "full", "filters": 2},
         "padding='full'; use 'valid' or 'same'"),
        ("Conv2D", {"kernel_size": [3], "filters": 2, "strides": [1, 2, 3]},
         "strides=[1, 2, 3]; give a positive integer for each of the 2 axes"),
        ("Conv2D", {"filters": 2}, "kernel_size is not given; save the model again"),
        ("Permute", {"dims": [1, 1]}, "dims=[1, 1]; give each axis from 1 once"),
        ("ZeroPadding2D", {"padding": [1, -1]},
         "padding=[1, -1]; give two numbers for each of the 2 axes"),
        ("Flatten", {"data_format": "channels_middle"},
         "data_format='channels_middle'; use 'channels_last'"),
        ("Concatenate", {"axis": 0}, "axis=0; give the number of an axis behind the batch"),
        ("ReLU", {"threshold": -1.0}, "threshold=-1.0; use a number from 0 to 1.67772e+07"),
        ("EinsumDense", {"equation": None}, "the equation None; write it as 'ab,bc->ac'"),
        ("QConv2DBatchnorm", {"folding_mode": "other", "filters": 2, "kernel_size": [1, 1]},
         "folding_mode='other'; use 'ema_stats_folding'"),
        ("QAdaptiveActivation", {"activation": "relu", "total_bits": 4},
         "the activation 'relu'; use 'quantized_bits' or 'quantized_relu'"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_read_is_refused_with_a_way_out(tmp_path, kind, config, message):
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, k.sequential(k.layer(kind, "a", **config), inputs=(4, 4, 1)), {})
    assert caught.value.obstacles == (f"layer 'a' ({kind}): {message}",)


@pytest.mark.parametrize(
    ("entry", "shape"),
    [
        (k.layer("RepeatVector", "a", n=60000), (400,)),
        (k.layer("UpSampling2D", "a", size=[60000, 60000]), (2, 2, 1)),
        (k.layer("ZeroPadding2D", "a", padding=[60000, 60000]), (2, 2, 1)),
        (k.layer("TFOpLambda", "a", function="tile"), (4,)),
    ],
)
def test_a_tensor_that_would_not_fit_into_memory_is_refused_before_it_is_made(
    tmp_path, entry, shape
):
    model = k.functional([(k.source("x", *shape), ()), (entry, ("x",))], outputs=("a",))
    if entry["class_name"] == "TFOpLambda":
        model["config"]["layers"][1]["inbound_nodes"] = [["x", 0, 0, {"multiples": [1, 60000]}]]
        model["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 400]
    with pytest.raises(UsageError, match="is too large"):
        read(tmp_path, model, {})


def test_models_that_call_each_other_too_often_are_refused(tmp_path):
    model = k.functional([(k.source("x", 2), ()), (k.layer("Dropout", "d"), ("x",))], ("d",))
    for level in range(16):
        inner = {**model, "name": "m"}
        calls = [[["x", 0, 0, {}]], [["m", 1, 0, {}]]]
        config = {
            "name": f"m{level}", "input_layers": [["x", 0, 0]], "output_layers": [["m", 2, 0]],
            "layers": [
                {**k.source("x", 2), "name": "x", "inbound_nodes": []},
                {**inner, "config": {**inner["config"], "name": "m"}, "inbound_nodes": calls},
            ],
        }  # fmt: skip
        model = {"class_name": "Functional", "config": config}
    with pytest.raises(UsageError) as caught:
        read(tmp_path, model, {})
    assert "it is called more than 10000 times" in caught.value.message


def test_the_weights_of_inner_models_are_told_apart_by_their_layers(tmp_path):
    inner = {
        **k.sequential(k.dense("fc1", 3), k.dense("fc2", 2), inputs=(2,), name="in", version=None),
        "name": "in",
    }
    model = k.sequential(inner, inputs=None)
    path = tmp_path / "net.h5"
    arrays = {
        "fc1/kernel": k.KERNEL, "fc1/bias": k.BIAS, "fc2/kernel": np.ones((3, 2)),
        "fc2/bias": np.zeros(2),
    }  # fmt: skip

    def rename(file):
        group = file["model_weights/in"]
        group.attrs["weight_names"] = [f"{name}:0".encode() for name in arrays]
        for name in arrays:
            group.move(f"in/{name}:0", f"{name}:0")

    path.write_bytes(k.h5({"in": arrays}, model, edit=rename))
    y = answer(read_model(path), [[1.0, 2.0]])
    assert y.tolist() == [[sum(np.array([1.0, 2.0]) @ k.KERNEL + k.BIAS)] * 2]


def test_a_folded_normalisation_with_a_negative_variance_is_refused(tmp_path):
    entry = k.layer("QDenseBatchnorm", "a", units=2, kernel_quantizer=None, use_bias=False)
    arrays = {
        "kernel": np.ones((3, 2)), "gamma": np.ones(2), "beta": np.zeros(2),
        "moving_mean": np.zeros(2), "moving_variance": np.array([1.0, -1.0]),
    }  # fmt: skip
    with pytest.raises(UsageError) as caught:
        read(tmp_path, k.sequential(entry, inputs=(3,)), {"a": arrays})
    assert caught.value.show() == (
        "error: variance + epsilon at index 1 is not positive\n"
        "  at net.h5, layer 'a', moving_variance\n"
        "  hint: train again, or repair the file"
    )


def test_a_folded_dense_layer_is_quantised_after_the_folding(tmp_path):
    entry = k.layer(
        "QDenseBatchnorm", "a", units=1, kernel_quantizer="quantized_bits(4,0,alpha=1)",
        bias_quantizer="quantized_bits(6,2,alpha=1)", epsilon=0.0,
    )  # fmt: skip
    arrays = {
        "kernel": [[0.5], [0.3]], "bias": [0.5], "gamma": [3.0], "beta": [1.0],
        "moving_mean": [0.25], "moving_variance": [16.0],
    }  # fmt: skip
    model = read(tmp_path, k.sequential(entry, inputs=(2,)), {"a": arrays})
    assert model.layers[1].kernel.values.tolist() == [[0.375], [0.25]]
    assert model.layers[1].bias.values.tolist() == [1.25]


def test_a_configuration_with_code_is_never_run(tmp_path):
    canary = tmp_path / "canary"
    code = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    entries = [
        (k.source("x", 2), ()),
        (k.layer("TFOpLambda", "f", function=code), ("x",)),
        (k.layer("Lambda", "g", function=json.dumps([code, None, None])), ("f",)),
    ]
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, k.functional(entries, ("g",)), {})
    assert len(caught.value.obstacles) == 2
    assert not canary.exists()


def test_a_permutation_is_one_gather(tmp_path):
    model = read(tmp_path, k.sequential(k.layer("Permute", "a", dims=[2, 1]), inputs=(2, 3)), {})
    assert isinstance(model.layers[1], SourceGather)
    assert model.layers[1].indices.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_pruned_layer_is_the_layer_within_and_a_package_may_stand_before_a_class(tmp_path):
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 3, "use_bias": True}}
    pruned = k.layer("TFMOT>PruneLowMagnitude", "p", layer=dense, pruning_schedule={"a": 1})
    arrays = {**k.SMALL_WEIGHTS["fc1"], "mask": np.ones((2, 3)), "pruning_step": np.zeros(())}
    model = read(tmp_path, k.sequential(pruned, inputs=(2,)), {"p": arrays})
    assert (answer(model, [[1.0, 2.0]]) == [[1.0, 2.0]] @ k.KERNEL + k.BIAS).all()


def operation(function, first, **arguments):
    """A model with one TFOpLambda; `first` is what stands for its first argument."""
    entry = k.layer("TFOpLambda", "f", function=function)
    model = k.functional([(k.source("x", 4), ()), (entry, ("x",))], ("f",))
    model["config"]["layers"][1]["inbound_nodes"] = [[*first, arguments]]
    return model


X = [[-1.5, -0.0, 0.5, 2.0]]
TENSOR, HALF = ("x", 0, 0), ("_CONSTANT_VALUE", -1, 0.5)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (operation("math.sign", TENSOR), [-1, 0, 1, 1]),
        (operation("math.ceil", TENSOR), [-1, 0, 1, 2]),
        (operation("math.round", TENSOR), [-2, 0, 0, 2]),
        (operation("math.greater", TENSOR, y=0.5), [0, 0, 0, 1]),
        (operation("math.greater_equal", TENSOR, y=0.5), [0, 0, 1, 1]),
        (operation("math.less", HALF, y=["x", 0, 0]), [0, 0, 0, 1]),
        (operation("math.less_equal", TENSOR, y=[-2, 0, 0, 2]), [0, 1, 0, 1]),
        (operation("math.pow", TENSOR, y=2), [2.25, 0, 0.25, 4]),
        (operation("math.argmax", TENSOR, axis=-1), [3]),
        (operation("math.subtract", HALF, y=["x", 0, 0]), [2, 0.5, 0, -1.5]),
        (operation("cast", TENSOR, dtype="float32"), [-1.5, 0, 0.5, 2]),
        (
            operation("nn.bias_add", TENSOR, bias=[1, 2, 3, 4], data_format="NHWC"),
            [-0.5, 2, 3.5, 6],
        ),
    ],
)
def test_an_operation_means_what_its_name_says(tmp_path, model, wanted):
    assert answer(read(tmp_path, model, {}), X).tolist() == [wanted]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (operation("cast", TENSOR, dtype="int32"),
         "a cast to 'int32', which rounds; use floor, or leave it out"),
        (operation("math.pow", TENSOR, y=3), "the power 3; use 2, 1, 0.5 or -1"),
        (operation("math.divide", HALF, y=["x", 0, 0]),
         "a division by a tensor; multiply by a constant"),
        (operation("math.multiply", TENSOR, y=[1, 2, 3]),
         "an operand of shape [3] on a tensor of [4]; use one that fits it"),
        (operation("reshape", TENSOR, shape=[4]),
         "a reshape to [4] that fixes the batch; use -1 for it"),
        (operation("math.reduce_sum", TENSOR, axis=0),
         "the axis 0 of a tensor of 1 axes; name one behind the batch"),
        (operation("nn.relu", TENSOR, leak=3), "relu with leak=3; leave it out"),
        (operation("math.argmax", TENSOR, axis=0),
         "argmax along the axis 0; use the last axis"),
    ],
)  # fmt: skip
def test_an_operation_that_is_no_circuit_is_refused_with_a_way_out(tmp_path, model, message):
    with pytest.raises(UnsupportedModel) as caught:
        read(tmp_path, model, {})
    assert caught.value.obstacles == (f"layer 'f' (TFOpLambda): {message}",)
