"""Hostile ONNX and QONNX files: other files, sizes that lie, cycles, names, and too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from hostile.arena import Case
from hostile.keras_cases import NAMES


def edits() -> Iterator[tuple[str, Callable[[Any], None], tuple[int, ...]]]:
    """Changes to a whole model."""
    from onnx import TensorProto, helper

    both, any_ = (2, 3), (0, 2, 3)

    def outside(path: str) -> Callable[[Any], None]:
        def edit(model: Any) -> None:
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", path

        return edit

    for number, path in enumerate(("/etc/passwd", "../../home/secret.txt", "a/../../x", "m.onnx",
                                   "", "canary_module.py", "\0")):  # fmt: skip
        told = "CVE-2022-25882, 2024-27318, 2026-27489, 2026-34446: weights in another file"
        yield f"{told} {number}", outside(path), both

    def attribute(model: Any) -> None:
        tensor = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
        model.graph.node.add(op_type="Constant", output=["k"]).attribute.append(
            helper.make_attribute("value", tensor)
        )

    yield "an attribute in another file", attribute, both

    def state(model: Any) -> None:
        outside("x")(model)
        entry = model.graph.initializer[0].external_data.add()
        entry.key, entry.value = "__class__", "canary_module"

    yield "CVE-2026-34445 keys that become attributes", state, both

    def tensor(**fields: Any) -> Callable[[Any], None]:
        def edit(model: Any) -> None:
            for name, value in fields.items():
                target = model.graph.initializer[0]
                if isinstance(value, list):
                    del getattr(target, name)[:]
                    getattr(target, name).extend(value)
                else:
                    setattr(target, name, value)

        return edit

    for dims in ([1 << 20, 1 << 20], [1 << 62, 1 << 62], [-1, 3], [0], [], [1] * 200, [12], [5, 3]):
        yield f"dims {dims[:4]}", tensor(dims=dims), any_ if dims in ([0], [12], []) else both
    for kind in (0, 8, 14, 15, 16, 17, 21, 99, -1):
        yield f"data type {kind}", tensor(data_type=kind), both
    yield "bytes that are no floats", tensor(raw_data=b"abc"), both
    yield "two kinds of data", tensor(float_data=[1.0]), any_
    for told, value in (("NaN", np.nan), ("infinity", np.inf)):
        raw = np.full(12, value, "<f4").tobytes()
        yield f"weights of {told}", tensor(raw_data=raw), both
    yield "weights of 3e38", tensor(raw_data=np.full(12, 3e38, "<f4").tobytes()), any_

    def node(**fields: Any) -> Callable[[Any], None]:
        def edit(model: Any) -> None:
            target = model.graph.node[1]
            for name, value in fields.items():
                if isinstance(value, list):
                    del getattr(target, name)[:]
                    getattr(target, name).extend(value)
                else:
                    setattr(target, name, value)

        return edit

    yield "a node that reads itself", node(input=["a"]), both
    yield "a cycle", node(input=["y"]), both
    yield "a node that reads none", node(input=["gone"]), both
    yield "two nodes of one output", node(output=["h"]), both
    yield "an operator of nobody", node(op_type="System"), both
    yield "an operator in a domain of nobody", node(domain="evil.com"), both
    yield "no operator", node(op_type=""), both
    yield "no outputs", node(output=[]), both
    yield "a thousand inputs", node(input=["h"] * 1000), any_
    for number, name in enumerate(NAMES):
        yield f"node name {number}", node(name=name), any_

        def rename(model: Any, name: str = name) -> None:
            model.graph.input[0].name = name
            model.graph.node[0].input[0] = name

        yield f"input name {number}", rename, any_

    def meta(model: Any) -> None:
        for key in ("vivado_stitch_ifnames", "extra_verilator_args", "quantization_annotation"):
            entry = model.metadata_props.add()
            entry.key, entry.value = key, "__import__('os').system('touch canary')"

    yield "metadata that FINN evaluates", meta, any_

    def function(model: Any) -> None:
        model.functions.add(name="f", domain="x", input=["a"], output=["b"])

    yield "functions", function, both

    def recursion(model: Any) -> None:
        graph = model.graph
        for _ in range(20):
            other = type(graph)()
            item = other.node.add(op_type="If", input=["x"], output=["y"])
            item.attribute.append(helper.make_attribute("then_branch", graph))
            graph = other
        model.graph.node.add(op_type="If", input=["x"], output=["z"]).attribute.append(
            helper.make_attribute("then_branch", graph)
        )

    yield "twenty graphs in each other", recursion, any_

    def many(model: Any) -> None:
        last = "y"
        for i in range(30_000):
            model.graph.node.add(op_type="Relu", input=[last], output=[f"r{i}"])
            last = f"r{i}"

    yield "30 000 nodes", many, both

    def doublings(model: Any) -> None:
        last = "y"
        for i in range(40):
            model.graph.node.add(
                op_type="Concat", input=[last, last], output=[f"r{i}"]
            ).attribute.append(helper.make_attribute("axis", 1))
            last = f"r{i}"
        model.graph.output[0].name = last

    yield "forty doublings of an array", doublings, both

    def shape(value: Any) -> Callable[[Any], None]:
        def edit(model: Any) -> None:
            dims = model.graph.input[0].type.tensor_type.shape.dim
            if isinstance(value, str):
                dims[1].dim_param = value
            else:
                dims[1].dim_value = value

        return edit

    for size in (-1, 0, 1 << 40, (1 << 63) - 1, 5, "n\n$system"):
        yield f"an input of {size!r}", shape(size), both

    def opset(version: int) -> Callable[[Any], None]:
        return lambda model: setattr(model.opset_import[0], "version", version)

    for version in (-1, 0, 6, 9999, (1 << 63) - 1):
        yield f"opset {version}", opset(version), any_

    def sparse(model: Any) -> None:
        model.graph.sparse_initializer.add().dims.extend([1 << 40])

    yield "a sparse tensor", sparse, both
    yield "no nodes", lambda model: model.graph.ClearField("node"), both
    yield "no outputs of the graph", lambda model: model.graph.ClearField("output"), both
    yield "no inputs of the graph", lambda model: model.graph.ClearField("input"), both
    yield "no graph", lambda model: model.ClearField("graph"), both
    yield (
        "two tensors of one name",
        lambda model: model.graph.initializer.append(model.graph.initializer[0]),
        both,
    )

    def constant_of_shape(model: Any) -> None:
        shape = helper.make_tensor("s", TensorProto.INT64, [2], [1 << 20, 1 << 20])
        model.graph.initializer.append(shape)
        model.graph.node.add(op_type="ConstantOfShape", input=["s"], output=["big"])
        model.graph.node.add(op_type="Add", input=["y", "big"], output=["z"])
        model.graph.output[0].name = "z"

    yield "a constant of terabytes", constant_of_shape, both

    def tile(op: str, counts: list[int]) -> Callable[[Any], None]:
        def edit(model: Any) -> None:
            model.graph.initializer.append(
                helper.make_tensor("c", TensorProto.INT64, [len(counts)], counts)
            )
            model.graph.node.add(op_type=op, input=["w2", "c"], output=["big"])
            model.graph.node.add(op_type="Add", input=["y", "big"], output=["z"])
            model.graph.output[0].name = "z"

        return edit

    for op in ("Tile", "Expand", "Reshape"):
        for counts in ([1 << 20, 1 << 20], [-1, -1], [0, 0], [1 << 62, 4], [3]):
            yield f"{op} to {counts}", tile(op, counts), both


def edited(base: Case, content: bytes) -> Iterator[Case]:
    """Every edit that the model takes."""
    from onnx import ModelProto

    for name, edit, codes in edits():
        model = ModelProto.FromString(content)
        edit(model)
        yield replace(base, name=name, codes=codes, files={"m.onnx": model.SerializeToString()})


def onnx(base: Case) -> Iterator[Case]:
    """A float network."""
    yield from edited(base, base.files["m.onnx"])
    yield replace(base, name="fields in fields", files={"m.onnx": b"\x08\x08" + _nested(5000)})
    yield replace(base, name="a length behind the end", files={
        "m.onnx": b"\x08\x08\x3a\xff\xff\xff\xff\x0f"})  # fmt: skip
    yield replace(base, name="eleven bytes of a number", files={"m.onnx": b"\x08" + b"\xff" * 11})


def _nested(depth: int) -> bytes:
    """A message in a message, as ONNX nests graphs in attributes."""
    content = b""
    for _ in range(depth):
        for field in (6, 5, 1):
            size, length = len(content), b""
            while True:
                length += bytes([(size & 127) | (128 if size > 127 else 0)])
                size >>= 7
                if not size:
                    break
            content = bytes([field << 3 | 2]) + length + content
    return b"\x3a" + length + content


def qonnx(base: Case) -> Iterator[Case]:
    """Quantisers with steps and widths that are none."""
    from onnx import ModelProto, numpy_helper

    for name in ("s", "z", "b4", "b8"):
        for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e38, 1e-45, 2.5, 1 << 20):
            model = ModelProto.FromString(base.files["m.onnx"])
            for tensor in model.graph.initializer:
                if tensor.name == name:
                    tensor.CopyFrom(numpy_helper.from_array(np.float32(value), name))
            codes = (0, 2, 3)
            files = {"m.onnx": model.SerializeToString()}
            yield replace(base, name=f"{name} is {value}", codes=codes, files=files)
    for op in ("Trunc", "BipolarQuant", "MultiThreshold", "FloatQuant", "Im2Col"):
        model = ModelProto.FromString(base.files["m.onnx"])
        model.graph.node[2].op_type = op
        files = {"m.onnx": model.SerializeToString()}
        yield replace(base, name=f"a {op} in its place", files=files, codes=(0, 2, 3))
    for mode in ("", "eval", "ROUND\n", "x" * 10_000):
        model = ModelProto.FromString(base.files["m.onnx"])
        for attribute in model.graph.node[2].attribute:
            if attribute.name == "rounding_mode":
                attribute.s = mode.encode()
        yield replace(base, name=f"rounding {mode[:9]!r}", codes=(0, 2, 3), files={
            "m.onnx": model.SerializeToString()})  # fmt: skip


CASES = {"onnx": onnx, "qonnx": qonnx}
