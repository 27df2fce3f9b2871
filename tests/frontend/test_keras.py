"""Keras 2 and Keras 3 models from files, without Keras."""

import hashlib

import numpy as np
import pytest
from frontend import keras_files as k
from frontend.keras_reading import answer, kinds, read_h5, store

from flow.errors import UsageError
from flow.frontend.read import read_model
from flow.frontend.source import (
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceInput,
    SourceReshape,
)


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
