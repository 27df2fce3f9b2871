"""ONNX Einsum of one or two tensors: axes put in order, then a matrix product."""

from __future__ import annotations

import math
import re

import numpy as np

from flow.frontend.onnx.attributes import Args
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.dense import dense, product
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable, indices, seen

_FORM = re.compile(r"([A-Za-z]+),([A-Za-z]+)->([A-Za-z]+)")


def einsum(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Einsum of a tensor and a matrix, or of two tensors that depend on the inputs.

    A letter of both operands that stays is a stack of products, one that goes is summed.
    """
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    form = _FORM.fullmatch(equation)
    if form is None or len(args) != 2:
        raise Obstacle(f"the equation {equation[:60]!r}; write it as MatMul")
    (left, right, out), (a, b) = form.groups(), args
    if isinstance(a, Constant) and isinstance(b, Variable):
        left, right, a, b = right, left, b, a
    if not isinstance(a, Variable):
        raise Obstacle("its operands are no tensors")
    batch = left[0]
    if isinstance(b, Variable) and right[0] != batch:
        raise Obstacle(f"the equation {equation!r} mixes samples; use one batch letter")
    if out[0] != batch or (isinstance(b, Constant) and batch in right):
        raise Obstacle(f"the equation {equation!r}; keep the batch as the first letter")
    left, out = left[1:], out[1:]
    right = right[1:] if isinstance(b, Variable) else right
    shape = b.shape if isinstance(b, Variable) else np.shape(getattr(b, "values", ()))
    if len(left) != len(a.shape) or len(right) != len(shape):
        raise Obstacle(f"the equation {equation!r} does not fit its operands")
    if any(len({*letters}) < len(letters) for letters in (left, right, out)):
        raise Obstacle(f"the equation {equation!r} repeats a letter in an operand; use Gather")
    sizes = {**dict(zip(right, shape, strict=True)), **dict(zip(left, a.shape, strict=True))}
    both = [c for c in left if c in right]
    stacked, summed = [c for c in both if c in out], [c for c in both if c not in out]
    mine, theirs = ([c for c in letters if c not in both] for letters in (left, right))
    if not summed or {*out} != {*stacked, *mine, *theirs}:
        raise Obstacle(f"the equation {equation!r}; write it as MatMul and ReduceSum")
    rows = _arranged(a, left, (stacked, mine, summed), sizes)
    if isinstance(b, Constant):
        if stacked:
            raise Obstacle(f"the equation {equation!r}: a matrix for each place; use MatMul")
        axes = [right.index(c) for c in (*summed, *theirs)]
        flat = (math.prod(sizes[c] for c in summed), math.prod(sizes[c] for c in theirs))
        step = b.step
        if step is not None and step.size > 1:
            step = np.broadcast_to(step, b.values.shape).transpose(axes).reshape(flat)
        matrix = Constant(b.values.transpose(axes).reshape(flat), step)
        result = dense(build, node, rows, matrix, None)
    elif isinstance(b, Variable):
        columns = _arranged(b, right, (stacked, summed, theirs), sizes)
        result = product(build, node, rows, columns)
    else:
        raise Obstacle("one of its operands is unknown")
    order = [*stacked, *mine, *theirs]
    places = indices(result).reshape([sizes[c] for c in order])
    return seen(result, places.transpose([order.index(c) for c in out]))


def _arranged(
    x: Variable, letters: str, groups: tuple[list[str], ...], sizes: dict[str, int]
) -> Variable:
    """The tensor with its axes in the order of the groups; the last two groups are an axis each."""
    axes = [letters.index(c) for group in groups for c in group]
    front = [sizes[c] for c in groups[0]]
    ends = [math.prod(sizes[c] for c in group) for group in groups[1:]]
    return seen(x, indices(x).transpose(axes).reshape([*front, *ends]))
