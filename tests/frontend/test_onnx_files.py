"""Malformed and hostile ONNX files: one clear message, no memory, nothing read beside them."""

import numpy as np
import onnx
import pytest
from frontend.onnx_graphs import (
    W34,
    F,
    kinds,
    model,
    node,
    obstacles,
    quantiser,
    refused,
    saved,
    weights,
)
from onnx import TensorProto, helper

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.onnx.reader import read_onnx

DENSE = [node("MatMul", "x W", "y")]


def tensor(name="W", dims=(4, 2), raw=None, kind=TensorProto.FLOAT):
    data = np.zeros(8, F).tobytes() if raw is None else raw
    return TensorProto(name=name, dims=dims, data_type=kind, raw_data=data)


def with_tensor(*tensors):
    proto = model(DENSE, {})
    proto.graph.initializer.extend(tensors)
    return proto


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([tensor(dims=(1 << 20, 1 << 20))],
         "initialiser 'W' declares 1099511627776 elements [1048576, 1048576], but holds 8"),
        ([tensor(dims=(-4, -2))], "initialiser 'W' declares the shape [-4, -2]"),
        ([tensor(raw=b"123")], "initialiser 'W' declares 8 elements [4, 2], but holds 0.75"),
        ([TensorProto(name="W", dims=(4, 2), data_type=1, float_data=[1.0])],
         "initialiser 'W' declares 8 elements [4, 2], but holds 1"),
        ([tensor(), tensor()], "two initialisers have the name 'W'"),
        ([tensor(raw=np.array([0, 0, 0, np.nan, 0, 0, 0, 0], F).tobytes())],
         "initialiser 'W' holds nan at [1, 1]"),
        ([tensor(raw=np.array([0, 0, 0, 0, 0, 0, -np.inf, 0], F).tobytes())],
         "initialiser 'W' holds -inf at [3, 0]"),
    ],
)  # fmt: skip
def test_a_tensor_that_lies_about_itself_is_refused(tmp_path, tensors, message):
    assert refused(tmp_path, with_tensor(*tensors)) == f"error: {message}\n  at m.onnx"


def external(target):
    target.data_location = TensorProto.EXTERNAL
    target.external_data.add(key="location", value="canary")
    return target


def in_initialiser():
    return with_tensor(external(tensor(raw=b"")))


def in_attribute():
    value = external(TensorProto(name="t", dims=[1], data_type=1))
    return model([node("Constant", "", "W", value=value), *DENSE], {})


def in_subgraph():
    inner = helper.make_graph([], "inner", [], [], [external(tensor("t", (1,), b""))])
    branch = node("If", "x", "W", then_branch=inner, else_branch=inner)
    return model([branch, *DENSE], {})


def in_sparse():
    proto = model(DENSE, {"W": weights(4, 2)})
    sparse = proto.graph.sparse_initializer.add(dims=[4, 2])
    external(sparse.values)
    return proto


def in_function():
    proto = model(DENSE, {"W": weights(4, 2)})
    value = external(TensorProto(name="t", dims=[1], data_type=1))
    constant = helper.make_node("Constant", [], ["c"], value=value)
    proto.functions.append(helper.make_function("d", "f", [], ["c"], [constant], []))
    return proto


@pytest.mark.parametrize(
    "make", [in_initialiser, in_attribute, in_subgraph, in_sparse, in_function]
)
def test_data_in_another_file_are_refused_everywhere_and_never_read(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary").write_bytes(np.ones(8, F).tobytes())
    lines = refused(tmp_path, make()).splitlines()
    assert lines[0].startswith("error: tensor ")
    assert lines[0].endswith(" lies in another file")
    assert lines[1:] == [
        "  at m.onnx",
        "  hint: save the model with its weights inside the file: onnx.save(model, path)",
    ]


def test_functions_sparse_tensors_and_control_flow_are_refused(tmp_path):
    with_function = model(DENSE, {"W": weights(4, 2)})
    with_function.functions.append(helper.make_function("d", "f", [], [], [], []))
    assert refused(tmp_path, with_function).startswith("error: the model defines functions")
    sparse = model(DENSE, {"W": weights(4, 2)})
    sparse.graph.sparse_initializer.add(dims=[4, 2])
    assert refused(tmp_path, sparse).startswith("error: the model holds sparse tensors")
    inner = helper.make_graph([], "inner", [], [])
    loop = model([node("Loop", "x", "h", body=inner), node("MatMul", "h W", "y")], W34)
    assert obstacles(tmp_path, loop) == [
        "Loop node 'h': control flow has no circuit; export the model without it"
    ]


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([node("Relu", "b", "a"), node("Relu", "a", "b"), *DENSE], ("y",),
         "Relu node 'a' reads 'b', which is made only later"),
        ([node("Relu", "a", "a"), *DENSE], ("y",),
         "Relu node 'a' reads 'a', which is made only later"),
        ([node("Relu", "nothing", "a"), *DENSE], ("y",),
         "Relu node 'a' reads 'nothing', which nothing makes"),
        ([*DENSE, node("Relu", "x", "y")], ("y",), "two tensors have the name 'y'"),
        ([*DENSE, node("Relu", "x", "W")], ("y",), "two tensors have the name 'W'"),
        (DENSE, ("z",), "the graph is malformed: nothing makes the output 'z'"),
        (DENSE, (), "the graph is malformed: no outputs"),
    ],
)  # fmt: skip
def test_a_malformed_graph_is_refused(tmp_path, nodes, outputs, message):
    proto = model(nodes, {"W": weights(4, 2)}, outputs=outputs)
    assert refused(tmp_path, proto).splitlines()[0] == f"error: {message}"


def test_two_inputs_of_one_name_are_refused(tmp_path):
    proto = model(DENSE, {"W": weights(4, 2)}, (("x", [1, 4]), ("x", [1, 4])))
    assert refused(tmp_path, proto) == "error: two inputs have one name\n  at m.onnx"


@pytest.mark.parametrize("opset", [0, 99])
def test_an_operator_set_out_of_reach_is_refused(tmp_path, opset):
    lines = refused(tmp_path, model(DENSE, {"W": weights(4, 2)}, opset=opset)).splitlines()
    newest = onnx.defs.onnx_opset_version()
    assert (
        lines[0] == f"error: the model uses the ONNX operator set {opset}; 1 to {newest} are read"
    )


def test_control_characters_of_names_are_escaped(tmp_path):
    proto = model([node("Bad\x1b[31m", "x", "y", name="a\nb")], {})
    assert refused(tmp_path, proto).splitlines()[2:] == [
        "  - Bad\\x1b[31m node 'a\\nb': this operator is not supported"
    ]


def test_a_name_that_is_no_text_is_shown_and_not_believed(tmp_path):
    whole = model([node("Bad", "x", "y", name="QQ")], {}).SerializeToString()
    lines = refused(tmp_path, whole.replace(b"QQ", b"\xff\xfe")).splitlines()
    assert lines[2:] == ["  - Bad node '\ufffd\ufffd': this operator is not supported"]


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("Softmax", {"axis": "last"}), ("Flatten", {"axis": "a"}),
     ("Cast", {"to": [1.5]}), ("HardSigmoid", {"alpha": [1.0, 2.0]})],
)  # fmt: skip
def test_an_attribute_of_a_wrong_type_is_an_obstacle(tmp_path, op, attributes):
    proto = model([node("MatMul", "x W", "h"), node(op, "h", "y", **attributes)], W34)
    assert obstacles(tmp_path, proto) == [f"{op} node 'y': its operands or attributes do not fit"]


def test_a_scale_larger_than_its_weights_takes_no_memory(tmp_path):
    constants = {
        "W": np.ones((1 << 20, 1), F), "s": np.ones((1, 1 << 20), F), "z": F(0), "b": F(4),
    }  # fmt: skip
    told = obstacles(tmp_path, model([quantiser("W s z b", "Wq"), *dense_of("Wq")], constants))
    assert told == ["Quant node 'Wq': its scale has the shape [1, 1048576], its operand "
                    "[1048576, 1]"]  # fmt: skip


def dense_of(kernel):
    return [node("MatMul", f"x {kernel}", "y")]


def test_what_is_no_onnx_file_is_refused(tmp_path):
    whole = model(DENSE, {"W": weights(4, 2)}).SerializeToString()
    for content in (
        b"hello",
        b"\x80\x04pickle",
        b"\xff" * 1000,
        whole[:-1],
        whole[: len(whole) // 2],
    ):
        message = refused(tmp_path, content).splitlines()[0]
        assert message == "error: this is not an ONNX model: it cannot be parsed"
    deep = b""
    for _ in range(3000):
        # attribute.g.node.attribute ... : a graph within a graph.
        deep = field(1, field(5, field(6, deep)))
    content = b"\x08\x0a" + field(7, deep)
    assert refused(tmp_path, content).startswith("error: this is not an ONNX model")
    assert refused(tmp_path, b"").startswith("error: this is not an ONNX model")
    assert refused(tmp_path, b"\x08\x0a").startswith("error: this is not an ONNX model: it has no")


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    length, size = b"", len(data)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def test_every_flipped_byte_ends_in_a_model_or_a_message(tmp_path):
    nodes = [node("MatMul", "x W", "h"), node("Add", "h B", "a"), node("Relu", "a", "y")]
    whole = model(nodes, {"W": weights(4, 2), "B": weights(2)}).SerializeToString()
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        try:
            source = read_onnx(saved(tmp_path, bytes(broken)))
        except (UsageError, UnsupportedModel):
            continue
        assert kinds(source)[0] == "Input"
