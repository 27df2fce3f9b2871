"""The bytes of an ONNX file as a checked graph of plain nodes and numpy arrays.

Nothing of the file is trusted: no tensor is looked for in another file, no size is believed
before it is compared with the bytes that are there, and `onnx.load` is never called (it follows
external data; see CVE-2022-25882 and its successors up to CVE-2026-34447).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files.guards import read_bytes

MAX_BYTES = 64 << 20
MAX_NODES = 20_000
MAX_SHOWN = 60

# data_type -> (numpy type of raw_data, name of the typed field, type in which that field is read)
_TYPES: Mapping[int, tuple[str, str, str]] = {
    1: ("<f4", "float_data", "<f4"),
    2: ("u1", "int32_data", "u1"),
    3: ("i1", "int32_data", "i1"),
    4: ("<u2", "int32_data", "<u2"),
    5: ("<i2", "int32_data", "<i2"),
    6: ("<i4", "int32_data", "<i4"),
    7: ("<i8", "int64_data", "<i8"),
    9: ("?", "int32_data", "?"),
    10: ("<f2", "", ""),
    11: ("<f8", "double_data", "<f8"),
    12: ("<u4", "uint64_data", "<u4"),
    13: ("<u8", "uint64_data", "<u8"),
}
_STRING = 8
_INLINE = "save the model with its weights inside the file: onnx.save(model, path)"


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """An input of the graph; a dimension that the file leaves open is None."""

    name: str
    shape: tuple[int | None, ...] | None
    data_type: int


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNode:
    """One node; `attributes` are numbers, strings, arrays, or lists; sub-graphs are left out."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    has_subgraph: bool

    @property
    def place(self) -> str:
        """How messages call this node."""
        return f"{self.op} node {shown(self.name or (self.outputs or ('?',))[0])}"


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """Nodes in topological order, with the constants that could be read.

    `opaque` names the constants of types that no network computes with, and says why.
    """

    name: str
    opset: int
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]
    opaque: Mapping[str, str]
    nodes: tuple[OnnxNode, ...]
    sha256: str


def read_graph(path: Path) -> OnnxGraph:
    """The graph of an ONNX file of at most MAX_BYTES.

    Raises UsageError where the file cannot be read or breaks the format, and UnsupportedModel
    where it uses a part of the format that has no place in a network (functions).
    """
    content = read_bytes(path, MAX_BYTES)
    where = path.name
    model = _parse(content, where)
    graph = model.graph
    if len(graph.node) > MAX_NODES:
        raise UsageError(
            f"the graph has {len(graph.node)} nodes; at most {MAX_NODES} are read",
            where=where,
        )
    if not graph.node:
        raise UsageError("this is not an ONNX model: it has no nodes", where=where)
    _refuse_external(model, where)
    if model.functions:
        raise UnsupportedModel(
            "the model defines functions of its own",
            where=where,
            hint="inline them with onnx.inliner.inline_local_functions before saving",
        )
    if graph.sparse_initializer:
        raise UnsupportedModel(
            "the model holds sparse tensors",
            where=where,
            hint="save its weights as dense arrays",
        )
    constants: dict[str, NDArray[Any]] = {}
    opaque: dict[str, str] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if name in constants or name in opaque:
            raise UsageError(f"two initialisers have the name {shown(name)}", where=where)
        if 0 in tensor.dims:
            opaque[name] = "it is empty"
        elif tensor.data_type in _TYPES:
            constants[name] = _array(tensor, f"initialiser {shown(name)}", where)
        elif tensor.data_type == _STRING and len(tensor.string_data) == math.prod(tensor.dims):
            labels = [v.decode("utf-8", "replace") for v in tensor.string_data]
            constants[name] = np.array(labels, dtype=object)
        else:
            opaque[name] = f"it holds elements of the ONNX type {tensor.data_type}"
    inputs = tuple(
        _input(value, where)
        for value in graph.input
        if _text(value.name) not in constants and _text(value.name) not in opaque
    )
    nodes = tuple(_node(node, where) for node in graph.node)
    outputs = tuple(_text(value.name) for value in graph.output)
    _check_order(nodes, [i.name for i in inputs], [*constants, *opaque], outputs, where)
    return OnnxGraph(
        name=_text(graph.name),
        opset=_opset(model, where),
        inputs=inputs,
        outputs=outputs,
        constants=constants,
        opaque=opaque,
        nodes=nodes,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def shown(name: str | bytes) -> str:
    """A name of the file in quotes, cut to a readable length."""
    name = _text(name)
    return repr(name if len(name) <= MAX_SHOWN else name[:MAX_SHOWN] + "...")


def _text(name: Any) -> str:
    """A string of the file; protobuf hands on bytes where they are no UTF-8."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _parse(content: bytes, where: str) -> Any:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return ModelProto.FromString(content)
    except (DecodeError, RecursionError, ValueError) as error:
        raise UsageError("this is not an ONNX model: it cannot be parsed", where=where) from error


def _opset(model: Any, where: str) -> int:
    from onnx.defs import onnx_opset_version

    versions = sorted({o.version for o in model.opset_import if o.domain in ("", "ai.onnx")})
    newest = int(onnx_opset_version())
    if len(versions) != 1 or not 1 <= versions[0] <= newest:
        told = ", ".join(map(str, versions)) or "none"
        raise UsageError(
            f"the model uses the ONNX operator set {told}; 1 to {newest} are read",
            where=where,
            hint="convert it with onnx.version_converter.convert_version(model, 21)",
        )
    return int(versions[0])


def _refuse_external(model: Any, where: str) -> None:
    for tensor in _tensors(model):
        if tensor.data_location == 1 or tensor.external_data:
            raise UsageError(
                f"tensor {shown(tensor.name)} lies in another file",
                where=where,
                hint=_INLINE,
            )


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor of the file, also those of attributes, sub-graphs and functions."""
    graphs = [model.graph]
    graphs += [info.initialization for info in model.training_info]
    graphs += [info.algorithm for info in model.training_info]
    nodes = [node for function in model.functions for node in function.node]
    attributes = [a for function in model.functions for a in function.attribute_proto]
    while graphs or nodes or attributes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes += graph.node
        elif nodes:
            attributes += nodes.pop().attribute
        else:
            attribute = attributes.pop()
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs


def _array(tensor: Any, what: str, where: str) -> NDArray[Any]:
    """The array of a tensor whose declared size has been compared with its data."""
    raw, field, read_as = _TYPES[tensor.data_type]
    shape = tuple(int(d) for d in tensor.dims)
    if any(d < 0 for d in shape) or len(shape) > 16:
        raise UsageError(f"{what} declares the shape {list(shape)[:17]}", where=where)
    count = math.prod(shape)
    if tensor.HasField("raw_data"):
        there = len(tensor.raw_data) / np.dtype(raw).itemsize
    elif field:
        there = len(getattr(tensor, field))
    else:
        raise UsageError(f"{what} holds float16 values outside raw_data", where=where)
    if there != count:
        raise UsageError(
            f"{what} declares {count} elements {list(shape)}, but holds {there:g}",
            where=where,
        )
    if 0 in shape:
        raise UsageError(f"{what} is empty: {list(shape)}", where=where)
    if tensor.HasField("raw_data"):
        array: NDArray[Any] = np.frombuffer(tensor.raw_data, dtype=raw)
    else:
        array = np.asarray(getattr(tensor, field)).astype(read_as)
    array = array.reshape(shape)
    # An infinite scalar is a bound, as of Clip; an infinite weight is a fault.
    bad = np.isnan(array) if array.ndim == 0 else ~np.isfinite(array)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        raise UsageError(f"{what} holds {array[tuple(index)]} at {index}", where=where)
    return array


def _input(value: Any, where: str) -> OnnxInput:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise UsageError(f"input {shown(value.name)} is not a tensor", where=where)
    if not kind.HasField("shape"):
        return OnnxInput(_text(value.name), None, kind.elem_type)
    dims = (d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return OnnxInput(_text(value.name), tuple(dims), kind.elem_type)


def _node(node: Any, where: str) -> OnnxNode:
    attributes: dict[str, Any] = {}
    has_subgraph = False
    for a in node.attribute:
        key = _text(a.name)
        if key in attributes:
            raise UsageError(
                f"{_text(node.op_type)} node {shown(node.name)} has two attributes {shown(a.name)}",
                where=where,
            )
        match a.type:
            case 1:
                attributes[key] = float(a.f)
            case 2:
                attributes[key] = int(a.i)
            case 3:
                attributes[key] = a.s.decode("utf-8", "replace")
            case 4 if a.t.data_type in _TYPES and 0 in a.t.dims:
                attributes[key] = np.zeros(0, dtype=_TYPES[a.t.data_type][0])
            case 4 if a.t.data_type in _TYPES:
                what = f"attribute {shown(a.name)} of {_text(node.op_type)} node {shown(node.name)}"
                attributes[key] = _array(a.t, what, where)
            case 6:
                attributes[key] = [float(v) for v in a.floats]
            case 7:
                attributes[key] = [int(v) for v in a.ints]
            case 8:
                attributes[key] = [v.decode("utf-8", "replace") for v in a.strings]
            case _:
                has_subgraph |= a.type in (5, 10)
    return OnnxNode(
        op=_text(node.op_type),
        domain="" if node.domain == "ai.onnx" else _text(node.domain),
        name=_text(node.name),
        inputs=tuple(_text(name) for name in node.input),
        outputs=tuple(_text(name) for name in node.output),
        attributes=attributes,
        has_subgraph=has_subgraph,
    )


def _check_order(
    nodes: tuple[OnnxNode, ...],
    inputs: list[str],
    constants: list[str],
    outputs: tuple[str, ...],
    where: str,
) -> None:
    """Every tensor is made once, and before it is read: so the graph has no cycle."""
    if len({*inputs}) != len(inputs):
        raise UsageError("two inputs have one name", where=where)
    made = {*inputs, *constants}
    later = {output for node in nodes for output in node.outputs}
    for node in nodes:
        for name in node.inputs:
            if name and name not in made:
                told = "is made only later" if name in later else "nothing makes"
                raise UsageError(
                    f"{node.place} reads {shown(name)}, which {told}",
                    where=where,
                    hint="the nodes of an ONNX graph stand in topological order, without a cycle",
                )
        for name in node.outputs:
            if name and name in made:
                raise UsageError(f"two tensors have the name {shown(name)}", where=where)
            made.add(name)
    missing = [name for name in outputs if name not in made or not name]
    if missing or not outputs or len({*outputs}) != len(outputs):
        told = f"nothing makes the output {shown(missing[0])}" if missing else "no outputs"
        raise UsageError(f"the graph is malformed: {told}", where=where)
