"""Reads ONNX and QONNX files, without a framework and without trust."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxGraph, OnnxInput, OnnxNode, read_graph, shown
from flow.frontend.onnx.finish import finished
from flow.frontend.onnx.nodes import apply_node
from flow.frontend.onnx.views import (
    Constant,
    Exhausted,
    Obstacle,
    Unknown,
    Value,
    Variable,
    checked_size,
    indices,
)
from flow.frontend.source import (
    HEADS,
    SourceActivation,
    SourceInput,
    SourceModel,
    SourceQuantise,
)

_FLOATS = (1, 10, 11)
_INTEGERS = (2, 3, 4, 5, 6, 7, 9, 12, 13)


def read_onnx(path: Path) -> SourceModel:
    """The layers of an ONNX or QONNX file.

    Raises UsageError where the file cannot be read, and UnsupportedModel with every obstacle
    where it holds operators that no layer stands for.
    """
    graph = read_graph(path)
    needed = _needed(graph)
    uses = Counter(name for node in needed for name in node.inputs)
    uses.update(graph.outputs)
    build = Builder(batch=_batch(graph.inputs), opset=graph.opset, uses=uses)
    values, obstacles = _values(build, graph, needed)
    outputs = _outputs(build, graph, values, obstacles)
    if obstacles:
        raise UnsupportedModel(
            f"this ONNX model cannot be represented: {len(obstacles)} "
            + ("thing stands" if len(obstacles) == 1 else "things stand")
            + " in the way",
            where=path.name,
            obstacles=tuple(obstacles),
        )
    layers = finished(build.layers, outputs)
    quantised = any(isinstance(layer, SourceQuantise) for layer in layers)
    return SourceModel(
        name=path.stem,
        format="qonnx" if quantised else "onnx",
        layers=layers,
        outputs=tuple(outputs),
        sha256=graph.sha256,
        classes=build.classes,
        notes=tuple(build.notes),
    )


def _values(
    build: Builder, graph: OnnxGraph, needed: list[OnnxNode]
) -> tuple[dict[str, Value], list[str]]:
    """What every tensor is, and what stands in the way."""
    values: dict[str, Value] = {name: Constant(array) for name, array in graph.constants.items()}
    obstacles: list[str] = []
    for given in graph.inputs:
        try:
            values[given.name] = _input(build, given)
        except Obstacle as obstacle:
            obstacles.append(f"input {shown(given.name)}: {obstacle}")
            values[given.name] = Unknown()
    for node in needed:
        for name in node.inputs:
            if name in graph.opaque and name not in values:
                values[name] = _opaque(node, name, graph, obstacles)
        try:
            results = apply_node(build, node, tuple(values[n] if n else None for n in node.inputs))
            if any(n in build.uses for n in node.outputs[len(results) :]):
                raise Obstacle("one of its results is not supported")
        except Obstacle as obstacle:
            obstacles.append(f"{node.place}: {obstacle}")
            results = ()
            if isinstance(obstacle, Exhausted):
                return defaultdict(Unknown, values), obstacles
        values.update({name: Unknown() for name in node.outputs})
        values.update(zip(node.outputs, results, strict=False))
    return values, obstacles


def _opaque(node: OnnxNode, name: str, graph: OnnxGraph, obstacles: list[str]) -> Value:
    """An initialiser that holds no numbers: nothing where an operator takes that, else unknown."""
    if node.op in ("Resize", "Upsample") and graph.opaque[name] == "it is empty":
        return Constant(np.zeros(0, dtype=np.float32))
    obstacles.append(f"initialiser {shown(name)}: {graph.opaque[name]}")
    return Unknown()


def _needed(graph: OnnxGraph) -> list[OnnxNode]:
    """The nodes that some output depends on, in order."""
    wanted = {*graph.outputs}
    needed = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs) - {""}:
            wanted.update(node.inputs)
            needed.append(node)
    return needed[::-1]


def _batch(inputs: tuple[OnnxInput, ...]) -> int | None:
    """The batch that all inputs declare, or None where one leaves it open."""
    sizes = [i.shape[0] if i.shape else None for i in inputs]
    return sizes[0] if sizes and len({*sizes}) == 1 else None


def _input(build: Builder, given: OnnxInput) -> Variable:
    if given.shape is None or len(given.shape) < 2:
        raise Obstacle("it has no batch axis; export the model with inputs of the shape [batch, n]")
    shape = tuple(d for d in given.shape[1:] if d is not None and d > 0)
    if len(shape) != len(given.shape) - 1:
        raise Obstacle("only the batch may be left open; export the model with fixed sizes")
    if given.data_type not in (*_FLOATS, *_INTEGERS):
        raise Obstacle("it holds no numbers")
    build.add(SourceInput(given.name, (), f"input {shown(given.name)}", checked_size(shape)))
    return Variable(given.name, shape, shape, integer=given.data_type not in _FLOATS)


def _outputs(
    build: Builder, graph: OnnxGraph, values: dict[str, Value], obstacles: list[str]
) -> list[str]:
    """The layers of the outputs; beside scores, the label that follows from them is left out."""
    outputs = []
    for name in graph.outputs:
        value = values[name]
        if build.classes and len(graph.outputs) > 1 and _is_label(build, value):
            build.note(f"output {shown(name)} is left out: it is the class of the largest score")
            continue
        try:
            outputs.append(_output(build, name, value, obstacles))
        except Obstacle as obstacle:
            obstacles.append(f"output {shown(name)}: {obstacle}")
    return outputs


def _is_label(build: Builder, value: Value) -> bool:
    if not isinstance(value, Variable):
        return False
    layer = build.layers[value.layer]
    return isinstance(layer, SourceActivation) and layer.function == "argmax"


def _output(build: Builder, name: str, value: Value, obstacles: list[str]) -> str:
    """The layer of an output, in the shape that the file gives it."""
    if isinstance(value, Constant):
        obstacles.append(f"output {shown(name)}: it does not depend on the input")
    if not isinstance(value, Variable):
        return name
    layer = build.layers[value.layer]
    if isinstance(layer, SourceInput) and value.view is None:
        obstacles.append(f"output {shown(name)}: it is an input")
    if value.code is not None:
        raise Obstacle("it holds the integers of QuantizeLinear; end the model in DequantizeLinear")
    head = isinstance(layer, SourceActivation) and layer.function in HEADS
    if head and value.view is None:
        return value.layer  # a head stays the last layer, whatever axes of one element follow
    shape = value.shape or (1,)
    return build.laid(value, indices(value).reshape(shape), f"output {shown(name)}")
