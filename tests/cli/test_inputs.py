"""Models and data that cannot be read: a whole message, the right exit code, and no output."""

import io
import os
import pickle

import numpy as np
import pytest
from cli.conftest import ROWS, model_bytes, npy, table
from frontend import keras_files

BUILD = ("-o", "out", "--effort", "fast", "--to", "emit")


def refused(said, folder, text, code=2):
    """The whole message, nothing on stdout, no output folder."""
    assert (said.err, said.out, said.code) == (text, "", code)
    assert [path.name for path in folder.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize(
    "command",
    [("build", *BUILD), ("check",), ("eval", "-o", "out.npy")],
    ids=["build", "check", "eval"],
)
class TestEveryCommandThatReadsAModel:
    def test_names_a_missing_model(self, flow, model, command, tmp_path):
        said = flow(*command, "gone.h5", "--data", "data.csv")
        text = "error: no such file\n  at gone.h5\n  hint: check the path\n"
        refused(said, tmp_path, text)

    def test_names_missing_data(self, flow, model, command, tmp_path):
        said = flow(*command, model, "--data", "gone.csv")
        text = "error: no such file\n  at gone.csv\n  hint: check the path\n"
        refused(said, tmp_path, text)

    def test_names_a_folder_in_place_of_a_model(self, flow, model, command, tmp_path):
        (tmp_path / "nets").mkdir()
        said = flow(*command, "nets", "--data", "data.csv")
        if command[0] == "eval":
            text = (
                "error: this is not the output folder of a build\n"
                "  at nets\n"
                "  hint: a build folder has a manifest.json\n"
            )
        else:
            text = (
                "error: a folder is not a model file\n"
                "  at nets\n"
                "  hint: name a .keras, .h5, .json, .onnx or .skops file\n"
            )
        refused(said, tmp_path, text)

    def test_names_a_text_file_with_the_name_of_a_model(self, flow, model, command, tmp_path):
        (tmp_path / "text.h5").write_text("hello")
        text = (
            "error: the file is of no kind that is read\n"
            "  at text.h5\n"
            "  hint: give a Keras .keras, .h5 or .json, an .onnx, or a .skops file\n"
        )
        refused(flow(*command, "text.h5", "--data", "data.csv"), tmp_path, text)

    def test_names_the_weight_that_is_not_a_number(self, flow, model, command, tmp_path):
        kernel = keras_files.KERNEL.copy()
        kernel[0, 1] = np.nan
        (tmp_path / "nan.h5").write_bytes(model_bytes(kernel=kernel))
        text = (
            "error: the weight at index [0, 1] is NaN\n"
            "  at nan.h5, layer 'fc1', kernel\n"
            "  hint: train again, or repair the file\n"
        )
        refused(flow(*command, "nan.h5", "--data", "data.csv"), tmp_path, text)

    def test_runs_no_lambda_layer(self, flow, model, command, tmp_path):
        layer = keras_files.layer("Lambda", "evil", function=["4wEAAA==", None, None])
        net = keras_files.sequential(layer, inputs=(2,))
        (tmp_path / "lambda.h5").write_bytes(keras_files.h5({}, net))
        text = (
            "error: 1 thing in the model cannot become a circuit\n"
            "  at lambda.h5\n"
            "  hint: change the model as said below, train it and save it again\n"
            "  - layer 'evil' (Lambda): program code in a model is never run; use a layer\n"
        )
        refused(flow(*command, "lambda.h5", "--data", "data.csv"), tmp_path, text, code=3)

    def test_takes_no_memory_for_a_size_that_is_only_claimed(self, flow, model, command, tmp_path):
        def claim(file):
            del file["model_weights/fc1/fc1/kernel:0"]
            shape = (1 << 20, 1 << 20)
            group = file["model_weights/fc1"]
            group.create_dataset("fc1/kernel:0", shape=shape, dtype="f4", chunks=(64, 64))

        weights = {"fc1": {"kernel": keras_files.KERNEL, "bias": keras_files.BIAS}}
        (tmp_path / "big.h5").write_bytes(keras_files.h5(weights, keras_files.SMALL, edit=claim))
        text = (
            "error: a tensor of shape [1048576, 1048576] is too large\n"
            "  at big.h5, model_weights/fc1/fc1/kernel:0\n"
            "  hint: at most 16777216 elements in 8 dimensions\n"
        )
        refused(flow(*command, "big.h5", "--data", "data.csv"), tmp_path, text)

    def test_takes_no_memory_for_data_that_are_only_claimed(self, flow, model, command, tmp_path):
        head = io.BytesIO()
        facts = {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
        np.lib.format.write_array_header_1_0(head, facts)
        (tmp_path / "big.npy").write_bytes(head.getvalue() + bytes(64))
        text = (
            "error: the header declares 4398046511104 bytes, but the file holds 64\n"
            "  at big.npy\n"
            "  hint: the file is damaged or cut short; save it again\n"
        )
        refused(flow(*command, model, "--data", "big.npy"), tmp_path, text)

    def test_says_how_wide_the_data_must_be(self, flow, model, command, tmp_path):
        (tmp_path / "wide.npy").write_bytes(npy(np.zeros((3, 5))))
        text = (
            "error: a sample has 5 values, but the input 'fc1_input' of the model takes 2\n"
            "  at wide.npy\n"
        )
        refused(flow(*command, model, "--data", "wide.npy"), tmp_path, text)
        (tmp_path / "thin.csv").write_text(table([(0.5,)], "a"))
        text = (
            "error: the table has 1 columns, but the model takes 2 features (3 columns with a "
            "label)\n"
            "  at thin.csv\n"
            "  hint: give a column for each input of the model, and the label last\n"
        )
        refused(flow(*command, model, "--data", "thin.csv"), tmp_path, text)

    def test_says_which_labels_the_model_has(self, flow, model, command, tmp_path):
        rows = [(0.5, 1, "cat"), (1, 2, "dog"), (1, 2, "emu"), (1, 2, "fox")]
        (tmp_path / "zoo.csv").write_text(table(rows))
        text = (
            "error: the labels are 4 classes, but the model has 3\n"
            "  at zoo.csv\n"
            "  hint: the labels are cat, dog, emu, fox\n"
        )
        refused(flow(*command, model, "--data", "zoo.csv"), tmp_path, text)


def test_a_loss_needs_labels(flow, model, tmp_path):
    (tmp_path / "bare.csv").write_text(table([(0.5, 1.0), (1.0, 2.0)], "a,b"))
    text = "error: --loss needs samples with labels\n  hint: give them with --calibrate or --data\n"
    refused(flow("build", model, "--data", "bare.csv", "--loss", "1%", *BUILD), tmp_path, text)


def test_a_label_beyond_the_outputs_of_the_model_is_refused(flow, model, tmp_path):
    (tmp_path / "far.csv").write_text(table([(0.5, 1, 0), (1, 2, 1), (1, 2, 2), (1, 2, 7)]))
    text = (
        "error: the labels are 4 classes, but the model has 3\n"
        "  at far.csv\n"
        "  hint: the labels are 0, 1, 2, 7\n"
    )
    refused(flow("build", model, "--data", "far.csv", *BUILD), tmp_path, text)


def test_a_float_network_needs_samples(flow, model, tmp_path):
    text = (
        "error: a float network is quantised from samples, and none are given\n"
        "  hint: give samples of its inputs with --calibrate or --data\n"
    )
    refused(flow("build", model, *BUILD), tmp_path, text)


def test_what_the_command_line_lacks_is_named(flow, model, tmp_path):
    none = "error: no model is named\n  hint: flow build MODEL, or model in flow.toml\n"
    refused(flow("build", "--data", "data.csv", *BUILD), tmp_path, none)
    refused(flow("check"), tmp_path, none)
    bare = "error: eval needs a model and data\n  hint: flow eval MODEL --data X -o Y.npy\n"
    refused(flow("eval", model, "-o", "out.npy"), tmp_path, bare)
    text = "error: no output folder is named\n  hint: flow build MODEL -o OUT\n"
    refused(flow("build", model, "--data", "data.csv"), tmp_path, text)


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / "canary"),)


PICKLE = (
    "error: the file is a pickle, which can run any program when it is opened\n"
    "  at evil\n"
    "  hint: save a scikit-learn model by skops, any other as ONNX\n"
)
UNKNOWN = (
    "error: the file is of no kind that is read\n"
    "  at evil\n"
    "  hint: give a Keras .keras, .h5 or .json, an .onnx, or a .skops file\n"
)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_opened_as_a_model(flow, model, tmp_path, protocol):
    (tmp_path / "evil").write_bytes(pickle.dumps(Canary(tmp_path), protocol=protocol))
    said = flow("build", "evil", "--data", "data.csv", *BUILD)
    refused(said, tmp_path, PICKLE if protocol >= 2 else UNKNOWN)
    assert not (tmp_path / "canary").exists()


OBJECTS = "error: arrays of the type object are not read"
THIN = "error: the table has 1 columns, but the model takes 2 features (3 columns with a label)"
BINARY = "error: the table is not UTF-8 text: byte 0 is 0x80"
ZEROS = "error: the file is neither a table of text, nor .npy or .npz"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("npy", OBJECTS), ("npz", OBJECTS), (0, THIN), (1, ZEROS), (2, BINARY), (3, BINARY),
        (4, BINARY), (5, BINARY),
    ],
)  # fmt: skip
def test_a_pickle_is_never_opened_as_data(flow, model, tmp_path, form, message):
    if isinstance(form, int):
        content = pickle.dumps(Canary(tmp_path), protocol=form)
    else:
        content = npy(np.array([Canary(tmp_path)], dtype=object))
    if form == "npz":
        content = keras_files.archive({"x.npy": content})
    (tmp_path / "evil").write_bytes(content)
    said = flow("build", model, "--data", "evil", *BUILD)
    assert (said.err.splitlines()[0], said.code) == (message, 2)
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "out").exists()


def archives():
    """Whole files of every kind, by name."""
    import onnx
    from onnx import helper

    dense = keras_files.dense("fc1", 3, activation="softmax")
    net = keras_files.sequential(dense, inputs=(2,), version=None)
    weights = keras_files.numbered({"dense": ("fc1", [keras_files.KERNEL, keras_files.BIAS])})
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])], "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(keras_files.KERNEL, "w"),
         onnx.numpy_helper.from_array(keras_files.BIAS, "b")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=8)
    arrays = io.BytesIO()
    rows = np.array(ROWS)
    np.savez(arrays, x=rows[:, :2], y=rows[:, 2])
    return {
        "net.h5": model_bytes(),
        "net.keras": keras_files.keras_zip(net, weights),
        "net.onnx": made.SerializeToString(),
        "data.csv": table().encode(),
        "data.npy": npy(rows[:, :2]),
        "data.npz": arrays.getvalue(),
    }


WHOLE = archives()
SHARES = [0, 1, 2, 3, 5, 8, 13, 21, 34, 50, 66, 79, 87, 92, 96, 98, 99]


def files_for(folder, name, content):
    """Arguments for a build on `content` as the file of that name."""
    (folder / name).write_bytes(content)
    if name.startswith("net"):
        (folder / "whole.csv").write_text(table())
        return name, "--data", "whole.csv"
    (folder / "whole.h5").write_bytes(model_bytes())
    return "whole.h5", "--data", name


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_builds(flow, tmp_path, name):
    said = flow("build", *files_for(tmp_path, name, WHOLE[name]), *BUILD)
    assert (said.err, said.out, said.code) == ("", "ended after stage emit: out\n", 0)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_cut_short_is_refused_or_is_a_shorter_whole(flow, tmp_path, name, share):
    content = WHOLE[name][: len(WHOLE[name]) * share // 100]
    said = flow("build", *files_for(tmp_path, name, content), *BUILD)
    if name == "data.csv" and said.code == 0:  # Cut behind a row: nothing tells.
        return
    assert said.code in (2, 3)
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith(f"  at {name}")
    assert "bug" not in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_with_changed_bytes_is_read_or_refused_and_never_our_bug(flow, tmp_path, name):
    rng = np.random.default_rng(7)
    for _ in range(25):
        content = bytearray(WHOLE[name])
        for place in rng.integers(0, len(content), 3):
            content[place] = int(rng.integers(0, 256))
        said = flow("check", *files_for(tmp_path, name, bytes(content)))
        assert said.code in (0, 2, 3), said.err
        assert "bug" not in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="not checked: root reads every file")
def test_a_file_without_rights_is_named(flow, model, tmp_path):
    model.chmod(0)
    text = (
        "error: the file cannot be read: Permission denied\n"
        "  at net.h5\n"
        "  hint: check the path and its rights\n"
    )
    refused(flow("build", model, "--data", "data.csv", *BUILD), tmp_path, text)
