"""ONNX operators that end a classifier: Softmax, ArgMax and TopK."""

from __future__ import annotations

import numpy as np

from flow.frontend.onnx.attributes import Args, axis_behind_batch, operand, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.pools import reduced
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable, indices, seen
from flow.frontend.source import Function, SourceActivation


def softmax(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Softmax along one axis, which the layer holds last."""
    return _normalised(build, node, args, "softmax")


def log_softmax(build: Builder, node: OnnxNode, args: Args) -> Value:
    """LogSoftmax along one axis, which the layer holds last."""
    return _normalised(build, node, args, "log_softmax")


def _normalised(build: Builder, node: OnnxNode, args: Args, function: Function) -> Value:
    x = variable(args[0])
    rank = len(x.shape) + 1
    old = build.opset < 13
    axis = axis_behind_batch(int(node.attributes.get("axis", 1 if old else -1)), rank)
    if old:
        # Before operator set 13, all axes from this one on are one.
        flat = indices(x).reshape(*x.shape[:axis], -1)
        return _headed(build, node, seen(x, flat), function, x.shape)
    return _headed(build, node, x, function, x.shape, axis)


def _headed(
    build: Builder,
    node: OnnxNode,
    x: Variable,
    function: Function,
    shape: tuple[int, ...],
    axis: int = -1,
) -> Variable:
    turned = np.moveaxis(indices(x), axis, -1)
    if turned.size == turned.shape[-1]:
        turned = turned.reshape(-1)
    source = build.laid(x, turned, node.place)
    name = node.outputs[0]
    build.add(SourceActivation(name, (source,), node.place, function))
    places = np.arange(x.size).reshape(np.moveaxis(indices(x), axis, -1).shape)
    view = np.moveaxis(places, -1, axis).reshape(shape)
    return seen(Variable(name, turned.shape, shape), view)


def argmax(build: Builder, node: OnnxNode, args: Args) -> Value:
    """ArgMax along one axis: the lowest index of the largest element."""
    x = variable(args[0])
    axis = axis_behind_batch(int(node.attributes.get("axis", 0)), len(x.shape) + 1)
    if node.attributes.get("select_last_index", 0):
        raise Obstacle("it takes the last of equal elements; the first is supported")
    return _argmax(build, node, x, axis, bool(node.attributes.get("keepdims", 1)))


def _argmax(build: Builder, node: OnnxNode, x: Variable, axis: int, keep: bool) -> Variable:
    turned = np.moveaxis(indices(x), axis, -1)
    source = build.laid(x, turned, node.place)
    name = next(n for n in node.outputs[::-1] if n)
    build.add(SourceActivation(name, (source,), node.place, "argmax"))
    built = turned.shape[:-1] or (1,)
    kept = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
    return Variable(name, built, kept if keep else turned.shape[:-1], integer=True)


def top_k(build: Builder, node: OnnxNode, args: Args) -> tuple[Value, ...]:
    """TopK with k = 1: the largest element and its index."""
    x = variable(args[0])
    count = operand(args, 1, "its k")
    k = int(node.attributes.get("k", 0) if count is None else count.reshape(-1)[0])
    axis = axis_behind_batch(int(node.attributes.get("axis", -1)), len(x.shape) + 1)
    if k != 1 or not node.attributes.get("largest", 1):
        raise Obstacle(f"only the largest element is found, not {k} of them; end in the scores")
    outputs = (*node.outputs, "")[:2]
    unused = Constant(np.zeros(0))
    used = [bool(name) and build.uses[name] > 0 for name in outputs]
    values = reduced(build, node, x, (axis,), "max", True) if used[0] else unused
    return values, _argmax(build, node, x, axis, True) if used[1] else unused
