"""Reads ONNX and QONNX files of dense networks, without a framework and without trust."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from flow.errors import UnsupportedModel
from flow.frontend.onnx_file import OnnxGraph, OnnxInput, OnnxNode, read_graph, shown
from flow.frontend.onnx_nodes import apply_node
from flow.frontend.onnx_values import (
    Builder,
    Constant,
    Obstacle,
    Unknown,
    Value,
    Variable,
    checked_size,
)
from flow.frontend.source import SourceDense, SourceInput, SourceModel, SourceQuantise

_FLOATS = (1, 10, 11)
_INTEGERS = (2, 3, 4, 5, 6, 7, 9, 12, 13)


def read_onnx(path: Path) -> SourceModel:
    """The layers of an ONNX or QONNX file.

    Raises UsageError where the file cannot be read, and UnsupportedModel with every obstacle
    where it holds more than dense layers, affine maps, activations and quantisers.
    """
    graph = read_graph(path)
    needed = _needed(graph)
    uses = Counter(name for node in needed for name in node.inputs)
    uses.update(graph.outputs)
    build = Builder(batch=_batch(graph.inputs), opset=graph.opset, uses=uses)
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
                obstacles.append(f"initialiser {shown(name)}: {graph.opaque[name]}")
                values[name] = Unknown()
        try:
            if any(name in uses for name in node.outputs[1:]):
                raise Obstacle("only its first result is supported")
            result = apply_node(build, node, tuple(values[n] if n else None for n in node.inputs))
        except Obstacle as obstacle:
            obstacles.append(f"{node.place}: {obstacle}")
            result = Unknown()
        values.update({name: Unknown() for name in node.outputs})
        values[node.outputs[0]] = result
    outputs = [_output(build, name, values[name], obstacles) for name in graph.outputs]
    if obstacles:
        raise UnsupportedModel(
            f"this ONNX model cannot be represented: {len(obstacles)} "
            + ("thing stands" if len(obstacles) == 1 else "things stand")
            + " in the way",
            where=path.name,
            obstacles=tuple(obstacles),
        )
    if not any(isinstance(layer, SourceDense) for layer in build.layers.values()):
        raise UnsupportedModel("the model has no dense layer", where=path.name)
    quantised = any(isinstance(layer, SourceQuantise) for layer in build.layers.values())
    return SourceModel(
        name=path.stem,
        format="qonnx" if quantised else "onnx",
        layers=tuple(build.layers.values()),
        outputs=tuple(outputs),
        sha256=graph.sha256,
        notes=tuple(build.notes),
    )


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


def _output(build: Builder, name: str, value: Value, obstacles: list[str]) -> str:
    """The layer of an output, in the shape that the file gives it."""
    if isinstance(value, Constant):
        obstacles.append(f"output {shown(name)}: it does not depend on the input")
    if not isinstance(value, Variable):
        return name
    if isinstance(build.layers[value.layer], SourceInput):
        obstacles.append(f"output {shown(name)}: it is an input")
    return build.shaped(value, value.shape or (1,), f"output {shown(name)}")
