"""Keras 2 and Keras 3 models from files, without Keras."""

import hashlib
import json

import numpy as np
import pytest
from frontend import keras_files as k

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.float_model import evaluate_source
from flow.frontend.keras.weights import snake_case
from flow.frontend.read import read_model
from flow.frontend.source import (
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceInput,
    SourceReshape,
)


def store(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read_h5(folder, model, weights, **options):
    return read_model(store(folder, "net.h5", k.h5(weights, model, **options)))


def kinds(model):
    return [(type(layer).__name__, layer.name, layer.sources) for layer in model.layers]


def answer(model, x):
    values = evaluate_source(model, {model.layers[0].name: np.asarray(x, float)})
    return values[model.outputs[0]]


def test_a_whole_model_file_gives_its_layers_with_exact_weights(tmp_path):
    content = k.h5(k.SMALL_WEIGHTS, k.SMALL)
    model = read_model(store(tmp_path, "net.h5", content))
    assert kinds(model) == [
        ("SourceInput", "fc1_input", ()),
        ("SourceDense", "fc1.0", ("fc1_input",)),
        ("SourceActivation", "fc1", ("fc1.0",)),
    ]
    inputs, dense, relu = model.layers
    assert inputs.shape == (2,)
    assert (dense.kernel.values == k.KERNEL).all()
    assert (dense.bias.values == k.BIAS).all()
    assert dense.kernel.values.dtype == np.float64
    assert dense.kernel.step is None
    assert relu.function == "relu"
    assert dense.place == "net.h5, layer 'fc1'"
    assert (model.name, model.format, model.outputs) == ("net", "keras-h5", ("fc1",))
    assert model.sha256 == hashlib.sha256(content).hexdigest()
    assert not model.quantised


def test_a_json_with_weights_is_the_same_model_and_hashes_both_files(tmp_path):
    spec = store(tmp_path, "net.json", k.SMALL)
    weights = store(tmp_path, "net_weights.h5", k.h5(k.SMALL_WEIGHTS))
    model = read_model(spec, weights)
    whole = read_h5(tmp_path / "..", k.SMALL, k.SMALL_WEIGHTS)
    assert kinds(model) == kinds(whole)
    assert (answer(model, [[1, 2]]) == answer(whole, [[1, 2]])).all()
    assert model.format == "keras-json"
    both = spec.read_bytes() + weights.read_bytes()
    assert model.sha256 == hashlib.sha256(both).hexdigest()


def test_a_json_takes_the_one_weight_file_beside_it(tmp_path):
    spec = store(tmp_path, "net.json", k.SMALL)
    store(tmp_path, "other.hdf5", k.h5(k.SMALL_WEIGHTS))
    assert answer(read_model(spec), [[1, 0]]).tolist() == [[0.75, 0.0, 3.0]]


def test_several_weight_files_beside_a_json_are_listed(tmp_path):
    spec = store(tmp_path, "net.json", k.SMALL)
    for name in ("b.h5", "a.hdf5"):
        store(tmp_path, name, k.h5(k.SMALL_WEIGHTS))
    with pytest.raises(UsageError) as caught:
        read_model(spec)
    assert caught.value.show() == (
        "error: several weight files lie beside the model: a.hdf5, b.h5\n"
        "  at net.json\n"
        "  hint: name the weight file by --weights"
    )


def test_a_json_without_weights_says_so(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_model(store(tmp_path, "net.json", k.SMALL))
    assert caught.value.show() == (
        "error: no weight file lies beside the model\n"
        "  at net.json\n"
        "  hint: name the weight file by --weights"
    )


def test_a_weight_file_alone_says_what_is_missing(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_model(store(tmp_path, "w.h5", k.h5(k.SMALL_WEIGHTS)))
    assert caught.value.show() == (
        "error: the file holds weights but no model\n"
        "  at w.h5\n"
        "  hint: give the .json of the model, and this file by --weights"
    )


def test_a_sequential_as_keras_2_0_wrote_it_is_a_bare_list(tmp_path):
    model = {**k.SMALL, "config": k.SMALL["config"]["layers"]}
    assert answer(read_h5(tmp_path, model, k.SMALL_WEIGHTS), [[1, 0]]).tolist() == [[0.75, 0, 3]]


def test_a_weight_list_that_keras_cut_in_parts_is_put_together(tmp_path):
    def cut(file):
        group = file["model_weights/fc1"]
        names = list(group.attrs["weight_names"])
        del group.attrs["weight_names"]
        group.attrs["weight_names0"], group.attrs["weight_names1"] = names[:1], names[1:]

    model = read_h5(tmp_path, k.SMALL, k.SMALL_WEIGHTS, edit=cut)
    assert (model.layers[1].bias.values == k.BIAS).all()


def test_a_functional_model_branches_merges_and_drops_what_acts_in_training_only(tmp_path):
    model = k.functional(
        [
            (k.source("x", 2), ()),
            (k.dense("late", 3, activation="linear"), ("drop",)),
            (k.layer("Dropout", "drop", rate=0.5), ("x",)),
            (k.dense("early", 3), ("x",)),
            (k.layer("Add", "sum"), ("late", "early")),
            (k.layer("Concatenate", "side", axis=-1), ("sum", "x")),
            (k.layer("GaussianNoise", "noise", stddev=0.1), ("side",)),
        ],
        outputs=("noise", "sum"),
    )
    weights = dict.fromkeys(("late", "early"), k.SMALL_WEIGHTS["fc1"])
    read = read_h5(tmp_path, model, weights)
    assert kinds(read) == [
        ("SourceInput", "x", ()),
        ("SourceDense", "late", ("x",)),
        ("SourceDense", "early", ("x",)),
        ("SourceAdd", "sum", ("late", "early")),
        ("SourceConcat", "side", ("sum", "x")),
    ]
    assert read.outputs == ("side", "sum")
    assert answer(read, [[1, 0]]).tolist() == [[1.5, -10.5, 6.0, 1.0, 0.0]]
    assert isinstance(read.layers[3], SourceAdd)
    assert isinstance(read.layers[4], SourceConcat)


def test_a_layer_that_is_called_twice_becomes_two(tmp_path):
    square = k.dense("shared", 2)
    model = k.functional([(k.source("x", 2), ()), (square, ("x",))], outputs=("shared",))
    model["config"]["layers"][1]["inbound_nodes"].append([["shared", 0, 0, {}]])
    model["config"]["output_layers"] = [["shared", 1, 0]]
    weights = {"shared": {"kernel": [[0.0, 2.0], [1.0, 0.0]], "bias": [1.0, 0.0]}}
    read = read_h5(tmp_path, model, weights)
    assert kinds(read)[1:] == [
        ("SourceDense", "shared", ("x",)),
        ("SourceDense", "shared#1", ("shared",)),
    ]
    assert answer(read, [[3, 5]]).tolist() == [[7.0, 12.0]]


def keras3(names=("fc1", "fc2")):
    """x -> fc1 -> relu -> fc2, added to x; the file lists fc2 before fc1."""
    entries = [
        k.layer("InputLayer", "x", batch_shape=[None, 3], dtype="float32"),
        k.dense(names[1], 3, dtype={"class_name": "DTypePolicy", "config": {"name": "float32"}}),
        k.dense(names[0], 3, activation={"class_name": "function", "config": "relu"}),
        k.layer("Add", "sum"),
    ]
    calls = [[], [[k.tensor(names[0])]], [[k.tensor("x")]], [[[k.tensor(names[1]), k.tensor("x")]]]]
    for entry, args in zip(entries, calls, strict=True):
        entry.update(name=entry["config"]["name"], module="keras.layers")
        entry["inbound_nodes"] = [{"args": a, "kwargs": {"training": False}} for a in args]
    config = {
        "name": "net3", "layers": entries, "input_layers": ["x", 0, 0],
        "output_layers": ["sum", 0, 0],
    }  # fmt: skip
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}


FIRST, SECOND = np.eye(3, dtype=np.float32) * 2, np.eye(3, dtype=np.float32) * -3
ZERO = np.zeros(3, np.float32)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("top", ["layers", "_layer_checkpoint_dependencies"])
def test_a_keras_3_archive_finds_weights_by_name_or_by_order_of_the_class(tmp_path, named, top):
    folders = {
        "dense": ("fc2" if named else None, [SECOND, ZERO]),
        "dense_1": ("fc1" if named else None, [FIRST, ZERO]),
    }
    content = k.keras_zip(keras3(), k.numbered(folders, top))
    read = read_model(store(tmp_path, "net.keras", content))
    assert read.format == "keras-zip"
    assert read.sha256 == hashlib.sha256(content).hexdigest()
    assert kinds(read) == [
        ("SourceInput", "x", ()),
        ("SourceDense", "fc1.0", ("x",)),
        ("SourceActivation", "fc1", ("fc1.0",)),
        ("SourceDense", "fc2", ("fc1",)),
        ("SourceAdd", "sum", ("fc2", "x")),
    ]
    assert answer(read, [[1, -1, 2]]).tolist() == [[-5.0, -1.0, -10.0]]


def test_the_name_beside_the_weights_counts_more_than_their_order(tmp_path):
    folders = {"dense": ("fc1", [FIRST, ZERO]), "dense_1": ("fc2", [SECOND, ZERO])}
    content = k.keras_zip(keras3(), k.numbered(folders))
    read = read_model(store(tmp_path, "net.keras", content))
    assert answer(read, [[1, -1, 2]]).tolist() == [[-5.0, -1.0, -10.0]]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Dense", "dense"),
        ("QDense", "q_dense"),
        ("BatchNormalization", "batch_normalization"),
        ("QBatchNormalization", "q_batch_normalization"),
        ("ReLU", "re_lu"),
        ("InputLayer", "input_layer"),
    ],
)
def test_keras_3_writes_classes_in_snake_case(name, group):
    assert snake_case(name) == group


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_batch_normalization_is_an_affine_layer_in_float32(tmp_path, scale, center):
    rng = np.random.default_rng(7)
    gamma, beta, mean = rng.normal(size=(3, 4)).astype(np.float32)
    variance = rng.uniform(0.1, 2, 4).astype(np.float32)
    arrays = {"gamma": gamma} if scale else {}
    arrays |= {"beta": beta} if center else {}
    arrays |= {"moving_mean": mean, "moving_variance": variance}
    entry = k.layer(
        "BatchNormalization", "bn", axis=[1], epsilon=0.001, momentum=0.9, scale=scale,
        center=center,
    )  # fmt: skip
    model = read_h5(tmp_path, k.sequential(entry, inputs=(4,)), {"bn": arrays})
    inverse = np.float32(1) / np.sqrt(variance + np.float32(0.001))
    inverse = inverse * gamma if scale else inverse
    offset = (beta if center else np.float32(0)) - mean * inverse
    (layer,) = model.layers[1:]
    assert isinstance(layer, SourceAffine)
    assert (layer.multiplier == inverse).all()
    assert (layer.offset == offset).all()


def test_normalization_and_rescaling_are_affine_layers(tmp_path):
    model = k.sequential(
        k.layer("Normalization", "norm", axis=-1),
        k.layer("Rescaling", "scale", scale=0.5, offset=[1.0, 2.0]),
        k.layer("Normalization", "fixed", axis=-1, mean=[1.0, 2.0], variance=[4.0, 16.0]),
        inputs=(2,),
    )
    weights = {"norm": {"mean": [1.0, -1.0], "variance": [4.0, 0.25], "count": np.int64(9)}}
    read = read_h5(tmp_path, model, weights)
    assert answer(read, [[5, 0]]).tolist() == [[0.5, 0.25]]
    assert [type(layer) for layer in read.layers[1:]] == [SourceAffine] * 3


def test_shapes_are_followed_through_flatten_and_reshape(tmp_path):
    model = k.sequential(
        k.layer("Reshape", "grid", target_shape=[2, -1]),
        k.layer("Flatten", "flat", data_format="channels_last"),
        k.layer("Flatten", "again", data_format="channels_first"),
        k.dense("fc1", 3),
        inputs=(2,),
    )
    read = read_h5(tmp_path, model, k.SMALL_WEIGHTS)
    assert kinds(read)[1:3] == [
        ("SourceReshape", "grid", ("grid_input",)),
        ("SourceReshape", "flat", ("grid",)),
    ]
    assert [layer.shape for layer in read.layers if isinstance(layer, SourceReshape)] == [
        (2, 1),
        (2,),
    ]
    assert kinds(read)[3] == ("SourceDense", "fc1", ("flat",))


@pytest.mark.parametrize(
    ("entry", "version", "x", "y"),
    [
        (k.layer("Activation", "a", activation="hard_sigmoid"), "2.9.0", [-9, 1, 9], [0, 0.7, 1]),
        (k.layer("Activation", "a", activation="hard_sigmoid"), "3.1", [-9, 1.5, 3], [0, 0.75, 1]),
        (k.layer("Activation", "a", activation="relu6"), "2.9.0", [-1, 2, 7], [0, 2, 6]),
        (k.layer("Activation", "a", activation="linear"), "2.9.0", [-1, 2, 7], [-1, 2, 7]),
        (k.layer("ReLU", "a", max_value=2.0, negative_slope=0.0), "2.9.0", [-1, 1, 7], [0, 1, 2]),
        (k.layer("ReLU", "a"), "2.9.0", [-1, 1, 7], [0, 1, 7]),
    ],
)
def test_activations_mean_what_their_version_of_keras_means(tmp_path, entry, version, x, y):
    model = k.sequential(entry, inputs=(3,), version=version)
    read = read_h5(tmp_path, model, {}, version=version)
    assert answer(read, [x])[0] == pytest.approx(y, abs=1e-12)


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
        "hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu, linear, log_sigmoid, mish, "
        "relu, relu6, selu, sigmoid, silu, softmax, softplus, softsign, swish, tanh\n"
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


SHARED = [
    ("keras_dense_1layer", "KERAS_1layer.json", None, "golden.npz"),
    (
        "keras_dense_200x5",
        "KERAS_dense_16x200x200x200x200x200x5.json",
        None,
        "golden.npz",
    ),
    (
        "keras_dense_3layer",
        "KERAS_3layer.json",
        "KERAS_3layer_weights.h5",
        "golden_KERAS_3layer_weights.npz",
    ),
    (
        "keras_dense_3layer",
        "KERAS_3layer.json",
        "KERAS_3layer_70pruned_retrained_weights.h5",
        "golden_KERAS_3layer_70pruned_retrained_weights.npz",
    ),
    ("keras_dense_bn_3layer", "KERAS_3layer_batch_norm.json", None, "golden.npz"),
    ("mlperf_ad01", "ad01.h5", None, "golden.npz"),
    ("keras_conv1d_small", "KERAS_conv1d_small.json", None, "golden.npz"),
    ("keras_conv2d_8x8", "KERAS_conv2d_model.json", None, "golden.npz"),
    ("keras_jet_conv2d_bn", "jetTagger_Conv2D_Small.json", None, "golden.npz"),
    ("mlperf_ic_resnet8", "pretrainedResnet.h5", None, "golden.npz"),
    ("mlperf_ic_qkeras_tiny", "model_best.h5", None, "golden.npz"),
    (
        "econ_t_cae_9bit",
        "encoder_vanilla_AE.json",
        "encoder_vanilla_AE.hdf5",
        "golden_encoder_latent.npz",
    ),
]


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "file", "weights", "golden"), SHARED)
def test_real_models_answer_as_tensorflow_does(shared, folder, file, weights, golden):
    place = shared / "models" / folder
    model = read_model(place / file, place / weights if weights else None)
    data = np.load(place / golden)
    wanted = data["latent" if "latent" in data else "y"]
    y = answer(model, data["x"])
    assert isinstance(model.layers[0], SourceInput)
    assert y.shape == wanted.shape
    assert np.abs(y - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())
