"""Names of models, layers, features and classes are text, whatever stands in them."""

import json
import re

import numpy as np
import pytest
from cli.conftest import ROWS, table, tree
from frontend import keras_files

from flow.ir.names import identifier

NAMES = {
    "newline": "a\nassign y = 0;\nendmodule\n",
    "quote": "a\"'b",
    "system": "$system(\"touch canary\")",
    "comment": "*/ assign y = 0; /*",
    "macro": "`include \"/etc/passwd\"",
    "template": "{{ 7 * 7 }}{% for x in y %}",
    "path": "../../../etc/passwd",
    "tcl": "[exec touch canary]; $x \\",
    "html": "<script>alert(1)</script>",
    "ansi": "\x1b[31mred\x1b[0m\x07",
    "unicode": "ж☃\u202e\u2028名前😀",
    "empty": " ",
    "keyword": "module",
    "long": "x" * (1 << 20),
}  # fmt: skip
CODE = (
    "rtl/{}.v", "tb/tb_{}.v", "tb/tb_{}.cpp", "tb/test_{}.py", "tb/run.py", "synth/yosys.ys",
    "synth/vivado.tcl", "constraints/{}.sdc", "constraints/{}.xdc", "{}.core", "{}.f",
    "synth/librelane/config.json",
)  # fmt: skip

BUILD = ("--data", "data.csv", "--effort", "fast", "--to", "emit")


def onnx_bytes(name):
    """An .onnx of one product, in which every name is the given one."""
    import onnx
    from onnx import helper

    def other(letter):
        return f"{name}{letter}"

    graph = helper.make_graph(
        [helper.make_node("Gemm", [other("x"), other("w"), other("b")], [other("y")], name=name)],
        name,
        [helper.make_tensor_value_info(other("x"), onnx.TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info(other("y"), onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(keras_files.KERNEL, other("w")),
         onnx.numpy_helper.from_array(keras_files.BIAS, other("b"))],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def keras_bytes(name):
    """A .keras of one layer, in which layer and model have the given name."""
    dense = keras_files.dense(name, 3, activation="softmax")
    net = keras_files.sequential(dense, inputs=(2,), version=None, name=name)
    weights = keras_files.numbered({"dense": (None, [keras_files.KERNEL, keras_files.BIAS])})
    return keras_files.keras_zip(net, weights)


def code(folder):
    """Every file that a tool reads as code, without comments, with its words numbered.

    A word is what an identifier can be, so two equal results differ in identifiers alone.
    """
    files = tree(folder)
    top = json.loads(files["vectors/layout.json"])["top"]
    assert re.fullmatch("[a-z][a-z0-9_]{0,62}", top)
    numbers = {}
    result = []
    for name in CODE:
        text = files[name.format(top)].decode("ascii")
        text = re.sub(r"//[^\n]*|^ *#[^\n]*|^description:[^\n]*", "", text, flags=re.M)
        text = re.sub(r"\s+", " ", text)  # Long names break lines at other places.
        text = text.replace(folder.name, "OUT")
        result.append(
            re.sub(r"[A-Za-z_]\w*", lambda m: f"n{numbers.setdefault(m[0], len(numbers))}", text)
        )
    return result


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("make", [onnx_bytes, keras_bytes], ids=["onnx", "keras"])
def test_names_in_a_model_change_no_code(flow, tmp_path, make, kind):
    (tmp_path / "data.csv").write_text(table())
    (tmp_path / "net").write_bytes(make("plain"))
    build = ("build", "net", *BUILD)
    assert flow(*build, "-o", "harmless").code == 0
    (tmp_path / "net").write_bytes(make(NAMES[kind]))
    said = flow(*build, "-o", "out")
    assert (said.code, said.err, said.out) == (0, "", "ended after stage emit: out\n")
    assert code(tmp_path / "out") == code(tmp_path / "harmless")
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "net", "harmless", "out"}


@pytest.mark.parametrize("kind", ["newline", "system", "comment", "macro", "html", "path"])
def test_every_byte_but_the_places_in_the_model_is_that_of_the_harmless_name(flow, tmp_path, kind):
    (tmp_path / "data.csv").write_text(table())
    trees = []
    for name in (NAMES[kind], identifier(NAMES[kind])):
        (tmp_path / "net").write_bytes(keras_bytes(name))
        assert flow("build", "net", "--data", "data.csv", "--to", "emit", "-o", "out").code == 0
        files = tree(tmp_path / "out")
        network = json.loads(files.pop("01-import/network.json"))
        for layer in network["layers"]:
            layer.pop("place")
        files.pop("manifest.json")  # It has the hash of the model file.
        trees.append((files, network))
    assert trees[0] == trees[1]


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_features_and_classes_change_no_code(flow, tmp_path, kind):
    import csv

    (tmp_path / "net").write_bytes(keras_bytes("plain"))
    name = NAMES[kind][: 1 << 16]
    labels = ["0", name.strip() + "1", "2"]
    outs = []
    for out, header, classes in (
        ("harmless", ["a", "b", "label"], ["0", "1", "2"]),
        ("out", [f"{name}a", f"{name}b", f"{name}c"], labels),
    ):
        with (tmp_path / "data.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(header)
            rows.writerows([*row[:2], classes[row[2]]] for row in ROWS)
        said = flow("build", "net", *BUILD, "-o", out)
        assert (said.code, said.err) == (0, "")
        outs.append(code(tmp_path / out))
    assert outs[0] == outs[1]


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("command", ["check", "build"])
def test_a_name_in_a_message_controls_no_terminal(flow, tmp_path, command, kind):
    kernel = np.full((2, 3), np.nan, np.float32)
    dense = keras_files.dense(NAMES[kind], 3)
    net = keras_files.sequential(dense, inputs=(2,), version=None, name=NAMES[kind])
    weights = keras_files.numbered({"dense": (None, [kernel, keras_files.BIAS])})
    (tmp_path / "net.keras").write_bytes(keras_files.keras_zip(net, weights))
    said = flow(command, "net.keras", *(["-o", "out"] if command == "build" else []))
    lines = said.err.splitlines()
    assert (said.code, lines[0]) == (2, "error: the weight at index [0, 0] is NaN")
    assert lines[1].startswith("  at net.keras, model.weights.h5, layer ")
    assert lines[2] == "  hint: train again, or repair the file"
    assert len(lines) == 3
    assert len(lines[1]) < 700
    assert all(c.isprintable() for line in lines for c in line)


@pytest.mark.parametrize("kind", NAMES)
def test_check_prints_names_safely(flow, tmp_path, kind):
    (tmp_path / "net").write_bytes(keras_bytes(NAMES[kind]))
    said = flow("check", "net")
    assert said.code == 0
    assert all(c.isprintable() for line in said.out.split("\n") for c in line)
    assert len(said.out) < 10_000
