"""ONNX convolutions, of channels first and of channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import (
    Args,
    numbers,
    variable,
)
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Constant,
    Obstacle,
    Value,
    Variable,
    checked_size,
    indices,
    seen,
)
from flow.frontend.source import SourceConv

Array = NDArray[Any]
Ends = tuple[tuple[int, int], ...]


def conv(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Conv of channels first, over one, two or three axes."""
    return convolved(build, node, args, last=False)


def convolved(build: Builder, node: OnnxNode, args: Args, last: bool) -> Variable:
    """A convolution; `last` says that the channels of tensor and weights stand last."""
    x, w, axes = _operands(args)
    filters_last = np.moveaxis(w.values, 0, -1)
    kernel = filters_last if last else np.moveaxis(filters_last, 0, -2)
    step = w.step
    if step is not None and step.size > 1:
        step = np.moveaxis(np.broadcast_to(step, w.values.shape), 0, -1)
        step = step if last else np.moveaxis(step, 0, -2)
    groups = int(node.attributes.get("group", 1))
    view = indices(x) if last else np.moveaxis(indices(x), 0, -1)
    *sizes, channels = view.shape
    if groups < 1 or channels != kernel.shape[-2] * groups or kernel.shape[-1] % groups:
        raise _misfit(w, x, groups)
    strides = numbers(node.attributes.get("strides", ()), axes, 1)
    dilation = numbers(node.attributes.get("dilations", ()), axes, 1)
    window = kernel.shape[:-2]
    if tuple(node.attributes.get("kernel_shape", window)) != window:
        raise Obstacle("its kernel_shape is not that of its weights")
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))
    padding = paddings(node, tuple(sizes), spans, strides)
    view, padding = _holes_as_padding(x, view, padding)
    return _placed(
        build, node, x, view, Constant(kernel, step), args, (strides, padding, dilation, groups),
        last,
    )  # fmt: skip


def conv_transpose(build: Builder, node: OnnxNode, args: Args) -> Value:
    """ConvTranspose: zeros between the elements, then a convolution with the turned kernel."""
    x, w, axes = _operands(args)
    groups = int(node.attributes.get("group", 1))
    strides = numbers(node.attributes.get("strides", ()), axes, 1)
    dilation = numbers(node.attributes.get("dilations", ()), axes, 1)
    more = numbers(node.attributes.get("output_padding", ()), axes, 0)
    channels, _, *window = w.values.shape
    if groups < 1 or x.shape[0] != channels or channels % groups:
        raise _misfit(w, x, groups)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))
    ends = _cut(node, x.shape[1:], spans, strides, more)
    view = np.moveaxis(indices(x), 0, -1)
    for axis, (n, s, k, o, (before, after)) in enumerate(
        zip(x.shape[1:], strides, spans, more, ends, strict=True)
    ):
        length = (n - 1) * s + 1 + 2 * (k - 1) + o
        checked_size((max(length, 1), view.size // n))
        places = np.full(length, -1)
        places[k - 1 : k - 1 + (n - 1) * s + 1 : s] = np.arange(n)
        places = places[before : len(places) - after]
        checked_size((view.size // n, max(len(places), 1)))
        taken = np.take(view, np.maximum(places, 0), axis=axis)
        hole = (places < 0).reshape((-1,) + (1,) * (view.ndim - 1 - axis))
        view = np.where(hole, -1, taken)
    if (indices(x) < 0).any() and x.fill:
        raise Obstacle("it reads padding that is not 0")
    step = w.step
    if step is not None and step.size > 1:
        step = _turned(np.broadcast_to(step, w.values.shape), groups, axes)
    kernel = Constant(_turned(w.values, groups, axes), step)
    ones, none = (1,) * axes, ((0, 0),) * axes
    hollow = Variable(x.layer, x.built, view.shape, view=view)
    view, padding = _holes_as_padding(hollow, view, none)
    return _placed(
        build,
        node,
        hollow,
        view,
        kernel,
        args,
        (ones, padding, dilation, groups),
        False,
    )


def _turned(w: Array, groups: int, axes: int) -> Array:
    """(channels, filters / groups, *window) as (*window flipped, channels / groups, filters)."""
    channels, each, *window = w.shape
    split = w.reshape(groups, channels // groups, each, *window)
    split = np.moveaxis(split, (1, 0, 2), (-3, -2, -1))
    split = split.reshape(*window, channels // groups, groups * each)
    return np.flip(split, axis=tuple(range(axes)))


def _cut(
    node: OnnxNode,
    sizes: tuple[int, ...],
    spans: tuple[int, ...],
    strides: tuple[int, ...],
    more: tuple[int, ...],
) -> Ends:
    """What a transposed convolution cuts off each end of its full result."""
    axes = len(sizes)
    wanted = node.attributes.get("output_shape")
    auto = node.attributes.get("auto_pad", "NOTSET")
    full = [(n - 1) * s + k + o for n, s, k, o in zip(sizes, strides, spans, more, strict=True)]
    if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is not None:
        totals = [max(f - int(w), 0) for f, w in zip(full, wanted[-axes:], strict=True)]
        small = [t // 2 for t in totals]
        ends = tuple((h, t - h) for h, t in zip(small, totals, strict=True))
        return tuple((b, a) for a, b in ends) if auto != "SAME_UPPER" else ends
    pads = numbers(node.attributes.get("pads", ()), 2 * axes, 0)
    if auto == "VALID":
        pads = (0,) * (2 * axes)
    ends = tuple((pads[i], pads[i + axes]) for i in range(axes))
    if min(min(e) for e in ends) < 0 or any(sum(e) >= f for e, f in zip(ends, full, strict=True)):
        raise Obstacle(f"its padding {list(pads)} does not fit")
    return ends


def _operands(args: Args) -> tuple[Variable, Constant, int]:
    x, w = variable(args[0]), args[1]
    if not isinstance(w, Constant):
        raise Obstacle("its weights are not constants")
    axes = w.values.ndim - 2
    if not 1 <= axes <= 3 or len(x.shape) != axes + 1:
        raise _misfit(w, x, 1)
    return x, w, axes


def _placed(
    build: Builder,
    node: OnnxNode,
    x: Variable,
    view: Array,
    kernel: Constant,
    args: Args,
    numbers: tuple[tuple[int, ...], Ends, tuple[int, ...], int],
    last: bool,
) -> Variable:
    strides, padding, dilation, groups = numbers
    source = build.laid(x, view, node.place)
    weights = build.weights(kernel)
    filters = weights.values.shape[-1]
    bias = args[2] if len(args) > 2 else None
    offset = None
    if bias is not None:
        if not isinstance(bias, Constant) or bias.values.size != filters:
            raise Obstacle("its bias is not one constant for each filter")
        step = bias.step if bias.step is None or bias.step.size == 1 else bias.step.reshape(-1)
        offset = build.weights(Constant(bias.values.reshape(-1), step))
    counts = []
    for n, k, s, d, ends in zip(
        view.shape[:-1],
        weights.values.shape[:-2],
        strides,
        dilation,
        padding,
        strict=True,
    ):
        room = n + sum(ends) - (d * (k - 1) + 1)
        if room < 0:
            raise Obstacle(f"its window does not fit into {list(view.shape[:-1])}")
        counts.append(room // s + 1)
    checked_size(tuple(n + sum(ends) for n, ends in zip(view.shape, padding, strict=False)))
    built = checked_size((*counts, filters))
    name = node.outputs[0]
    build.add(
        SourceConv(
            name,
            (source,),
            node.place,
            weights,
            offset,
            strides,
            padding,
            dilation,
            groups,
        )
    )
    return from_last(name, built, last)


def from_last(name: str, built: tuple[int, ...], last: bool) -> Variable:
    """The result of a layer whose channels stand last, as the file sees it."""
    result = Variable(name, built, built)
    return result if last else seen(result, np.moveaxis(indices(result), -1, 0))


def _holes_as_padding(x: Variable, view: Array, padding: Ends) -> tuple[Array, Ends]:
    """Zeros around the tensor, made by Pad, as padding of the convolution."""
    holes = view < 0
    if not holes.any() or x.fill != 0:
        return view, padding
    key, ends = [], []
    for axis, (before, after) in enumerate(padding):
        others = tuple(a for a in range(view.ndim) if a != axis)
        there = np.flatnonzero(~holes.all(axis=others))
        if not there.size:
            return view, padding
        first, last = int(there[0]), int(there[-1]) + 1
        key.append(slice(first, last))
        ends.append((before + first, after + view.shape[axis] - last))
    inner = view[tuple(key)]
    return (view, padding) if (inner < 0).any() else (inner, tuple(ends))


def paddings(
    node: OnnxNode,
    sizes: tuple[int, ...],
    spans: tuple[int, ...],
    strides: tuple[int, ...],
) -> Ends:
    """What is added before and after each axis: by numbers, or so that the size stays."""
    axes = len(sizes)
    auto = node.attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if auto == "VALID":
        return ((0, 0),) * axes
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        ends = []
        for n, k, s in zip(sizes, spans, strides, strict=True):
            more = max((-(-n // s) - 1) * s + k - n, 0)
            ends.append((more // 2, more - more // 2))
        return tuple(ends) if auto == "SAME_UPPER" else tuple((b, a) for a, b in ends)
    pads = numbers(node.attributes.get("pads", ()), 2 * axes, 0)
    if auto != "NOTSET" or min(pads) < 0:
        raise Obstacle(f"its padding {str(auto)[:20]} {list(pads)} is not supported")
    return tuple((pads[i], pads[i + axes]) for i in range(axes))


def _misfit(w: Constant, x: Variable, groups: int) -> Obstacle:
    told = f" in {groups} groups" if groups != 1 else ""
    return Obstacle(
        f"weights of the shape {list(w.values.shape)}{told} meet a tensor of the shape "
        f"{['batch', *x.shape]}"
    )
