"""Operators of QONNX and FINN besides the quantisers: channels last, thresholds, windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import ONE, summed
from flow.frontend.onnx.attributes import Args, numbers, operand, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.pools import pooled
from flow.frontend.onnx.quant import fractions
from flow.frontend.onnx.shapes import moved
from flow.frontend.onnx.steps import quantised
from flow.frontend.onnx.views import (
    Obstacle,
    Value,
    Variable,
    along,
    checked_size,
    indices,
    seen,
)
from flow.frontend.onnx.windows import convolved
from flow.frontend.source import Quantiser, SourcePool, SourceQuantise, step_array

Array = NDArray[Any]

MAX_THRESHOLDS = 256


def conv_last(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Conv whose tensor and weights have their channels last."""
    return convolved(build, node, args, last=True)


def max_pool_last(build: Builder, node: OnnxNode, args: Args) -> Value:
    """MaxPool and MaxPoolNHWC of channels last."""
    return pooled(build, node, variable(args[0]), "max", last=True)


def multi_threshold(build: Builder, node: OnnxNode, args: Args) -> Value:
    """MultiThreshold: how many thresholds of its channel an element reaches, scaled and shifted.

    Evenly spaced thresholds are one quantiser; others are compared one by one.
    """
    x, thresholds = variable(args[0]), operand(args, 1, "its list of thresholds")
    if thresholds is None or thresholds.ndim != 2 or not np.isfinite(thresholds).all():
        raise Obstacle("its thresholds are no finite table")
    scale, bias = (
        np.float64(np.float32(node.attributes.get(k, d)))
        for k, d in (("out_scale", 1.0), ("out_bias", 0.0))
    )
    layout = node.attributes.get("data_layout", "") or {
        2: "NC",
        3: "NWC",
        4: "NCHW",
    }.get(len(x.shape) + 1, "NC")
    axis = (layout.index("C") if "C" in layout else 1) - 1
    channels, count = thresholds.shape
    if not 0 <= axis < len(x.shape) or channels not in (1, x.shape[axis]):
        raise Obstacle(f"thresholds for {channels} channels meet {['batch', *x.shape]}")
    if count > MAX_THRESHOLDS:
        raise Obstacle(f"it has {count} thresholds; at most {MAX_THRESHOLDS} are compared")
    shape = [1] * len(x.shape)
    shape[axis] = channels
    table = np.sort(thresholds.astype(np.float64), axis=1)
    name = node.outputs[0]
    gaps = np.diff(table, axis=1)
    names = [build.fresh(f"{name}_{part}") for part in ("above", "count", "each")]
    if count > 1 and (gaps == gaps[:, :1]).all() and (gaps > 0).all():
        step = gaps[:, 0].reshape(shape)
        first = table[:, 0].reshape(shape) - step
        above = build.settled(
            build.affine(node, x, np.ones_like(first), -first, names[0]), node.place
        )
        exact = along(fractions(step), above)
        build.add(
            SourceQuantise(
                names[1],
                (above.layer,),
                node.place,
                Quantiser(exact, 0, count, "floor"),
            )
        )
        counted = Variable(names[1], above.built, above.shape, view=above.view)
        return build.affine(node, counted, scale / step, bias * np.ones_like(step))
    reached = []
    for i in range(count):
        over = build.fresh(f"{names[0]}_{i}")
        bound = table[:, i].reshape(shape)
        difference = build.affine(node, x, np.ones_like(bound), -bound, over)
        below = Quantiser(step_array(1), -1, 0, "floor")
        each = build.fresh(f"{names[2]}_{i}")
        reached.append(quantised(build, difference, below, node.place, each))
    total = summed(build, node, reached, names[1]) if count > 1 else reached[0]
    # Each comparison is 0 where the threshold is reached, else -1.
    return build.affine(node, total, scale * ONE, scale * count + bias * ONE)


def im2col(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Im2Col: all windows of a tensor (height, width, channels), one after the other."""
    x = variable(args[0])
    if len(x.shape) != 3:
        raise Obstacle(f"it works on images, not on {['batch', *x.shape]}")
    window = numbers(node.attributes.get("kernel_size", ()), 2, 1)
    stride = numbers(node.attributes.get("stride", ()), 2, 1)
    dilation = numbers(node.attributes.get("dilations", ()), 2, 1)
    top, left, bottom, right = numbers(node.attributes.get("pad_amount", ()), 4, 0)
    if min(*window, *stride, *dilation) < 1 or min(top, left, bottom, right) < 0:
        raise Obstacle("its window does not fit")
    checked_size((x.shape[0] + top + bottom, x.shape[1] + left + right, x.shape[2]))
    view = np.pad(indices(x), ((top, bottom), (left, right), (0, 0)), constant_values=-1)
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))
    seen_windows = np.lib.stride_tricks.sliding_window_view(view, spans, axis=(0, 1))
    taken = seen_windows[:: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    ordered = taken.transpose(0, 1, 3, 4, 2)
    checked_size(ordered.shape)
    flat = ordered.reshape(*ordered.shape[:2], -1)
    return moved(build, x, flat, float(node.attributes.get("pad_value", 0)))


def quant_average_pool(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QuantAvgPool2d: the sum of each window, shifted to the right."""
    x, a = variable(args[0]), node.attributes
    k, stride, given, wanted = (int(a.get(n, 1)) for n in ("kernel", "stride", "ibits", "obits"))
    last = a.get("data_layout", "NCHW") == "NHWC"
    view = indices(x) if last else np.moveaxis(indices(x), 0, -1)
    if len(x.shape) != 3 or not 1 <= k <= min(view.shape[:2]) or stride < 1:
        raise Obstacle("its window does not fit")
    source = build.laid(x, view, node.place)
    name = node.outputs[0]
    names = [build.fresh(f"{name}_{part}") for part in ("sum", "coarse")]
    build.add(
        SourcePool(
            names[0],
            (source,),
            node.place,
            "sum",
            (k, k),
            (stride, stride),
            ((0, 0), (0, 0)),
        )
    )
    built = (*((n - k) // stride + 1 for n in view.shape[:2]), view.shape[2])
    total = Variable(names[0], built, built)
    total = total if last else seen(total, np.moveaxis(indices(total), -1, 0))
    shift = max((((1 << given) - 1) * k * k).bit_length() - wanted, 0)
    floor = Quantiser(step_array(1 << shift), -(1 << 52), (1 << 52) - 1, "floor")
    coarse = quantised(build, total, floor, node.place, names[1])
    return build.affine(node, coarse, ONE / 2.0**shift, 0 * ONE)
