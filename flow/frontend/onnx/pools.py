"""ONNX pooling and reductions, of channels first and of channels last."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from flow.frontend.onnx.arithmetic import ONE
from flow.frontend.onnx.attributes import (
    Args,
    axes_of,
    axis_behind_batch,
    numbers,
    operand,
    variable,
)
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Obstacle,
    Value,
    Variable,
    checked_size,
    indices,
    natural_order,
    seen,
)
from flow.frontend.onnx.windows import from_last, paddings
from flow.frontend.source import SourcePool

PoolKind = Literal["max", "average", "sum"]


def max_pool(build: Builder, node: OnnxNode, args: Args) -> Value:
    """MaxPool of channels first."""
    return pooled(build, node, variable(args[0]), "max", last=False)


def average_pool(build: Builder, node: OnnxNode, args: Args) -> Value:
    """AveragePool of channels first."""
    return pooled(build, node, variable(args[0]), "average", last=False)


def pooled(build: Builder, node: OnnxNode, x: Variable, pool: PoolKind, last: bool) -> Variable:
    """The largest or the mean of each window."""
    window = tuple(int(k) for k in node.attributes.get("kernel_shape", ()))
    axes = len(window)
    if not 1 <= axes <= 3 or len(x.shape) != axes + 1 or min(window) < 1:
        raise Obstacle(f"a window {list(window)} meets a tensor of the shape {['batch', *x.shape]}")
    if max(numbers(node.attributes.get("dilations", ()), axes, 1)) > 1:
        raise Obstacle("it pools with dilation; use a stride instead")
    view = indices(x) if last else np.moveaxis(indices(x), 0, -1)
    strides = numbers(node.attributes.get("strides", ()), axes, 1)
    sizes = view.shape[:-1]
    given = paddings(node, sizes, window, strides)
    ends, counts, beyond = [], [], False
    for n, k, s, (before, after) in zip(sizes, window, strides, given, strict=True):
        room = n + before + after - k
        count = room // s + 1
        if node.attributes.get("ceil_mode", 0):
            count = -(-room // s) + 1
            count -= (count - 1) * s >= n + before
        needed = max((count - 1) * s + k - n - before, 0)
        beyond |= needed > after
        if room < 0 or count < 1 or max(before, needed) >= k:
            raise Obstacle(f"its window does not fit into {list(sizes)}")
        ends.append((before, needed))
        counts.append(count)
    checked_size(tuple(n + sum(e) for n, e in zip(sizes, ends, strict=True)))
    checked_size((*counts, *window))
    counted = pool == "average" and bool(node.attributes.get("count_include_pad", 0))
    if counted and beyond:
        # The zeros that the file names count, those beyond them do not.
        view = np.pad(view, (*given, (0, 0)), constant_values=-1)
        if x.fill:
            raise Obstacle("it reads padding that is not 0")
        more = [(0, max(e[1] - g[1], 0)) for e, g in zip(ends, given, strict=True)]
        ends, counted = more, False
    source = build.laid(x, view, node.place)
    name = node.outputs[0]
    built = checked_size((*counts, view.shape[-1]))
    build.add(SourcePool(name, (source,), node.place, pool, window, strides, tuple(ends), counted))
    result = from_last(name, built, last)
    return (
        Variable(name, built, result.shape, view=result.view, code=x.code, integer=x.integer)
        if pool == "max"
        else result
    )


def global_pool(build: Builder, node: OnnxNode, x: Variable, pool: PoolKind) -> Variable:
    """GlobalMaxPool and GlobalAveragePool of channels first."""
    if len(x.shape) < 2:
        raise Obstacle(f"it pools a tensor of the shape {['batch', *x.shape]}")
    return reduced(build, node, x, tuple(range(1, len(x.shape))), pool, True)


def reduction(
    build: Builder, node: OnnxNode, args: Args, pool: PoolKind, name: str | None = None
) -> Variable:
    """ReduceMax, ReduceMean and ReduceSum over axes behind the batch."""
    x = variable(args[0])
    given = axes_of(node, operand(args, 1, "its list of axes"))
    if not given and node.attributes.get("noop_with_empty_axes", 0):
        return x
    if not given:
        raise Obstacle("it reduces the batch too; name the axes behind it")
    axes = tuple(axis_behind_batch(a, len(x.shape) + 1) for a in given)
    return reduced(build, node, x, axes, pool, bool(node.attributes.get("keepdims", 1)), name)


def reduce_min(build: Builder, node: OnnxNode, args: Args) -> Value:
    """ReduceMin: the negative of the largest negative."""
    x = variable(args[0])
    name = node.outputs[0]
    minus = build.affine(node, x, -ONE, 0 * ONE, build.fresh(f"{name}_minus"))
    inner = build.fresh(f"{name}_max")
    largest = reduction(build, node, (minus, *args[1:]), "max", inner)
    return build.affine(node, largest, -ONE, 0 * ONE)


def reduced(
    build: Builder,
    node: OnnxNode,
    x: Variable,
    axes: tuple[int, ...],
    pool: PoolKind,
    keep: bool,
    name: str | None = None,
) -> Variable:
    """The pool of all elements along some axes: one window over them."""
    order = natural_order(x)
    gone = [a for a in order if a in axes]
    rest = [a for a in order if a not in axes]
    view = indices(x).transpose([*gone, *rest])
    sizes = [x.shape[a] for a in gone]
    if len(sizes) > 3:
        sizes = [math.prod(sizes)]
    count = math.prod(x.shape[a] for a in rest)
    source = build.laid(x, view.reshape(*sizes, count), node.place)
    name = name or node.outputs[0]
    ones, none = (1,) * len(sizes), ((0, 0),) * len(sizes)
    build.add(SourcePool(name, (source,), node.place, pool, tuple(sizes), ones, none))
    built = (*ones, count)
    places = np.arange(count).reshape([x.shape[a] for a in rest]).transpose(np.argsort(rest))
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return seen(Variable(name, built, kept), places.reshape(kept) if keep else places)
