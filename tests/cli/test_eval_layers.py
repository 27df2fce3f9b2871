"""`flow eval --layers`: every layer of a file or a build, real or as integers, and its table."""

import json

import numpy as np
import pytest
from frontend import keras_files

KERNEL = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -0.5]])
BIAS = np.array([0.5, -1.0, 0.25])
X = np.array([[0.5, 1.0], [-1.0, 2.0], [7.0, -9.0], [0.25, 0.0]])
RAW = X @ KERNEL + BIAS
SOFTMAX = np.exp(RAW) / np.exp(RAW).sum(axis=1, keepdims=True)


@pytest.fixture
def net(tmp_path):
    """A dense layer with softmax, named as a parameter of numpy's writer, and four samples."""
    model = keras_files.sequential(keras_files.dense("file", 3, activation="softmax"), inputs=(2,))
    path = tmp_path / "net.h5"
    path.write_bytes(keras_files.h5({"file": {"kernel": KERNEL, "bias": BIAS}}, model))
    np.save(tmp_path / "x.npy", X)
    return path


def layers(flow, path, folder, *options):
    said = flow("eval", path, "--data", "x.npy", "--layers", "-o", "y.npz", "--json", *options)
    assert (said.code, said.err) == (0, "")
    rows = {row.pop("layer"): row for row in json.loads(said.out)["layers"]}
    with np.load(folder / "y.npz") as found:
        arrays = dict(found)
    assert list(arrays) == list(rows)
    for name, array in arrays.items():
        assert rows[name]["shape"] == list(array.shape[1:])
        assert [rows[name][key] for key in ("least", "greatest")] == [array.min(), array.max()]
    return rows, arrays


def test_every_layer_of_a_file_answers_what_the_framework_does(flow, net, tmp_path):
    rows, arrays = layers(flow, net, tmp_path)
    dense = [name for name in arrays if rows[name]["kind"] == "dense" and name != "file"]
    assert np.abs(arrays[dense[0]] - RAW).max() < 1e-4
    assert np.abs(arrays["file"] - SOFTMAX).max() < 1e-4
    assert rows["file"]["place"] == "net.h5, layer 'file'"


def test_the_share_of_clipped_inputs_is_told(flow, net, tmp_path):
    np.save(tmp_path / "x.npy", X[:2])
    np.save(tmp_path / "far.npy", X)
    said = flow(
        "eval", net, "--data", "far.npy", "--calibrate", "x.npy", "--layers", "-o", "y.npz",
        "--json",
    )  # fmt: skip
    row = json.loads(said.out)["layers"][0]
    assert (row["kind"], row["below"], row["above"], row["wraps"]) == ("input", 1 / 8, 1 / 8, False)


def test_integers_are_those_of_the_network(flow, net, tmp_path):
    rows, arrays = layers(flow, net, tmp_path, "--integers", "--input-bits", 6, "--weight-bits", 6)
    assert all(array.dtype == np.int64 for array in arrays.values())
    for name, array in arrays.items():
        low, high = rows[name]["interval"]
        assert low <= array.min() <= array.max() <= high
    first = next(iter(arrays.values()))
    assert first.tolist() == (X * 2).astype(int).tolist()


def test_the_table_says_where_values_are_clipped(flow, net, tmp_path):
    said = flow("eval", net, "--data", "x.npy", "--layers", "-o", "y.npz")
    lines = said.out.splitlines()
    assert lines[0].split() == ["layer", "kind", "shape", "least", "greatest", "below", "above"]
    assert lines[1].split()[1:] == ["input", "2", "-9", "7", "0", "%", "0", "%"]
    assert lines[-1] == "4 samples -> y.npz"


def test_arrays_with_names_need_an_npz(flow, net, tmp_path):
    said = flow("eval", net, "--data", "x.npy", "--layers", "-o", "y.npy")
    assert (said.code, said.err) == (
        2, "error: arrays with names cannot be written to y.npy\n  hint: name a .npz file\n",
    )  # fmt: skip
    assert not (tmp_path / "y.npy").exists()


def test_integers_go_with_layers(flow, net):
    said = flow("eval", net, "--data", "x.npy", "--integers", "-o", "y.npz")
    assert (said.code, said.err.splitlines()[-1]) == (2, "Error: --integers goes with --layers")
