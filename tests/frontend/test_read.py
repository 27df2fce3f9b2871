"""The reader of any model file: dispatch by content, hostile files, no framework."""

import json
import pickle
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
from frontend import keras_files as k

from flow.errors import FlowError, UnsupportedModel, UsageError
from flow.frontend.read import read_model
from flow.frontend.source import SourceModel

KINDS = "give a Keras .keras, .h5 or .json, an .onnx, or a .skops file"


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        from pathlib import Path

        return Path.touch, (self.path,)


def failure(path, weights=None):
    with pytest.raises(FlowError) as caught:
        read_model(path, weights)
    assert isinstance(caught.value, UsageError | UnsupportedModel)
    return caught.value


@pytest.mark.parametrize("name", ["net.txt", "net.onnx", "net"])
def test_the_content_decides_and_never_the_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(k.h5(k.SMALL_WEIGHTS, k.SMALL))
    assert read_model(path).format == "keras-h5"


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"hello, I am a text\n", "the file is of no kind that is read", KINDS),
        (b"", "the file is empty", KINDS),
        (b"\x7fELF\x02\x01", "the file is of no kind that is read", KINDS),
        (b"\x89HDF\r\n\x1a\n", "the HDF5 file is damaged or cut short",
         "copy or save the file again"),
        (b"PK\x03\x04", "the archive is damaged or cut short", "copy or save the file again"),
        (k.archive({"a": b""}), "the archive holds no model", "give a .keras or a .skops file"),
        (k.archive({"config.json": b"{}"}), "the archive has no model.weights.h5",
         "save it by model.save"),
        (b"{", "the JSON text is malformed at line 1", "save the model again"),
        (b"{}", "the configuration is malformed: no class_name and config",
         "save the model again"),
        (b'{"class_name": "Dense", "config": {}}',
         "the file holds the class 'Dense' and not a model",
         "save a Sequential or Functional Keras model"),
    ],
    ids=lambda _: "",  # a zip holds the time
)  # fmt: skip
def test_a_file_that_is_no_model_says_why(tmp_path, content, message, hint):
    path = tmp_path / "net.h5"
    path.write_bytes(content)
    error = failure(path)
    assert error.show() == f"error: {message}\n  at net.h5\n  hint: {hint}"
    assert error.exit_code == 2


def test_an_absent_file_and_a_folder_say_so(tmp_path):
    assert failure(tmp_path / "none.h5").show() == (
        "error: no such file\n  at none.h5\n  hint: check the path"
    )
    (tmp_path / "saved").mkdir()
    assert failure(tmp_path / "saved").show() == (
        "error: a folder is not a model file\n"
        "  at saved\n"
        "  hint: name a .keras, .h5, .json, .onnx or .skops file"
    )


def test_weights_beside_a_whole_model_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(k.h5(k.SMALL_WEIGHTS, k.SMALL))
    assert failure(path, path).show() == (
        "error: --weights is for a Keras .json only\n"
        "  at net.h5\n"
        "  hint: leave it out: this file holds its own weights"
    )


def test_weights_that_are_no_hdf5_are_refused(tmp_path):
    path, weights = tmp_path / "net.json", tmp_path / "w.h5"
    path.write_text(json.dumps(k.SMALL))
    weights.write_text("text")
    assert failure(path, weights).show() == (
        "error: the weight file is not an HDF5 file\n"
        "  at w.h5\n"
        "  hint: give the file that model.save_weights wrote"
    )


def test_a_pickle_is_never_opened(tmp_path):
    canary = tmp_path / "canary"
    for protocol in range(2, 6):
        path = tmp_path / "net.h5"
        path.write_bytes(pickle.dumps(Canary(canary), protocol))
        assert failure(path).show() == (
            "error: the file is a pickle, which can run any program when it is opened\n"
            "  at net.h5\n"
            "  hint: save a scikit-learn model by skops, any other as ONNX"
        )
    (tmp_path / "net.h5").write_bytes(pickle.dumps(Canary(canary), 0))
    assert failure(tmp_path / "net.h5").message == "the file is of no kind that is read"
    assert not canary.exists()


def test_program_text_in_a_configuration_is_never_run(tmp_path):
    canary = tmp_path / "canary"
    touch = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    blob = pickle.dumps(Canary(canary)).hex()
    attacks = [
        k.layer("Lambda", "a", function=[blob, None, None], function_type="lambda"),
        {**k.layer("run_path", "a", path=touch), "module": "runpy"},
        k.layer("Activation", "a", activation=touch),
        k.layer("Activation", "a", activation={"class_name": "function", "config": touch}),
        k.layer("Activation", "a", activation={"module": "os", "class_name": "system"}),
        k.layer("QActivation", "a", activation=touch),
        k.layer("QDense", "a", units=2, kernel_quantizer=touch),
        k.layer("QDense", "a", units=2, kernel_quantizer={"class_name": touch, "config": {}}),
        k.layer("TFSMLayer", "a", filepath=str(tmp_path)),
        k.layer("StringLookup", "a", vocabulary="/etc/passwd"),
    ]
    for attack in attacks:
        path = tmp_path / "net.h5"
        path.write_bytes(k.h5({}, k.sequential(attack, inputs=(2,))))
        error = failure(path)
        assert error.exit_code == 3
        assert len(error.obstacles) == 1
        assert error.obstacles[0].startswith("layer 'a' (")
    assert not canary.exists()


def keras_archive():
    weights = k.numbered({"dense": ("fc1", [k.KERNEL, k.BIAS])})
    return k.keras_zip(k.SMALL, weights)


SAMPLES = {
    "net.h5": k.h5(k.SMALL_WEIGHTS, k.SMALL),
    "net.keras": keras_archive(),
    "net.json": json.dumps(k.SMALL).encode(),
}


def attempt(path, weights):
    """Whether the file was read; every failure is one that a user can read."""
    failed = None
    try:
        model = read_model(path, weights if path.suffix == ".json" else None)
    except (UsageError, UnsupportedModel) as error:
        failed = error
    if failed is None:
        assert isinstance(model, SourceModel)
        return True
    assert failed.show().startswith("error: ")
    assert failed.where
    assert failed.hint
    assert all(c.isprintable() or c == "\n" for c in failed.show())
    return False


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_anywhere_is_one_clear_error(tmp_path, name):
    weights = tmp_path / "weights" / "w.h5"
    weights.parent.mkdir()
    weights.write_bytes(k.h5(k.SMALL_WEIGHTS))
    path, content = tmp_path / name, SAMPLES[name]
    path.write_bytes(content)
    assert attempt(path, weights)
    for cut in range(0, len(content) - 1, max(1, len(content) // 200)):
        path.write_bytes(content[:cut])
        assert not attempt(path, weights)


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("name", SAMPLES)
def test_flipped_bits_are_a_clear_error_or_another_model(tmp_path, name, rounds):
    weights = tmp_path / "weights" / "w.h5"
    weights.parent.mkdir()
    weights.write_bytes(k.h5(k.SMALL_WEIGHTS))
    draw = random.Random(5)
    refused = 0
    for _ in range(rounds):
        content = bytearray(SAMPLES[name])
        for _ in range(draw.choice((1, 1, 4, 16))):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path = tmp_path / name
        path.write_bytes(bytes(content))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            refused += not attempt(path, weights)
    assert refused > 10


@pytest.mark.parametrize(
    "value", [None, True, -1, 1e300, "x", [], {}, [[]], {"class_name": "Dense"}, "\n\x1b[31m"]
)
def test_any_value_anywhere_in_a_configuration_is_a_clear_error_or_a_model(tmp_path, value):
    bn = k.layer("BatchNormalization", "bn", axis=[1], epsilon=0.1, center=True, scale=True)
    quant = {"class_name": "quantized_bits", "config": {"bits": 4, "alpha": 1}}
    model = k.functional(
        [
            (k.source("x", 2), ()),
            (k.dense("fc1", 3, activation="relu"), ("x",)),
            (bn, ("fc1",)),
            (k.layer("QDense", "q", units=3, kernel_quantizer=quant), ("bn",)),
            (k.layer("Reshape", "r", target_shape=[3, 1]), ("q",)),
            (k.layer("Concatenate", "c", axis=-1), ("r", "r")),
        ],
        outputs=("c",),
    )
    part = np.ones(3, np.float32)
    weights = {
        "fc1": {"kernel": k.KERNEL, "bias": k.BIAS},
        "bn": {"gamma": part, "beta": part, "moving_mean": part, "moving_variance": part},
        "q": {"kernel": np.eye(3), "bias": part},
    }
    place = tmp_path / "w" / "w.h5"
    place.parent.mkdir()
    place.write_bytes(k.h5(weights))
    path = tmp_path / "net.json"
    for change in changes(model):
        path.write_text(json.dumps(change(value)))
        attempt(path, place)
    path.write_text(json.dumps(model))
    assert attempt(path, place)


def changes(tree, rebuild=lambda value: value):
    """For each place in the tree, what puts another value there."""
    yield rebuild
    if not isinstance(tree, dict | list):
        return
    for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):

        def put(value, key=key):
            copy = dict(tree) if isinstance(tree, dict) else list(tree)
            copy[key] = value
            return rebuild(copy)

        yield from changes(child, put)


def test_a_million_layers_are_refused(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": [{}] * 10_001}}))
    assert failure(path).show() == (
        "error: the model has 10001 layers\n  at net.json\n  hint: at most 10000 are read"
    )


def test_the_readers_import_no_framework_and_nothing_heavy():
    program = (
        "import sys, flow.frontend.read;"
        "heavy = {'h5py', 'onnx', 'sklearn', 'skops', 'scipy', 'keras', 'tensorflow', 'torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


@pytest.mark.shared
def test_reading_a_real_model_imports_no_framework(shared):
    path = shared / "models" / "qkeras3_jet_3layer" / "qkeras-v3_3layer.keras"
    program = (
        "import sys; from pathlib import Path; from flow.frontend.read import read_model;"
        "read_model(Path(sys.argv[1]));"
        "print(sorted({'keras', 'tensorflow', 'qkeras', 'torch', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[]\n"
