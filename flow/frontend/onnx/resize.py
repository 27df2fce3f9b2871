"""ONNX Resize and Upsample to the nearest element, as views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import Args, operand, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.shapes import moved
from flow.frontend.onnx.views import BATCH, Obstacle, Value, checked_size, indices

Array = NDArray[Any]


def upsample(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Upsample of operator sets 1 to 9: whole or broken factors, the element below."""
    x, scales = variable(args[0]), operand(args, 1, "its list of factors")
    given = node.attributes.get("scales") if scales is None else scales.ravel()
    if given is None and "height_scale" in node.attributes:
        a = node.attributes
        given = [*([1.0] * (len(x.shape) - 1)), a["height_scale"], a["width_scale"]]
    if given is None or len(given) != len(x.shape) + 1 or given[0] != 1:
        raise Obstacle("its factors do not fit the axes")
    _nearest_only(node)
    view = indices(x)
    for axis, factor in enumerate(float(s) for s in list(given)[1:]):
        n = view.shape[axis]
        size = int(np.floor(n * factor))
        checked_size((view.size // n, max(size, 1)))
        places = np.minimum(np.floor(np.arange(size) / factor), n - 1).astype(np.int64)
        view = np.take(view, places, axis=axis)
    return moved(build, x, view)


def resize(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Resize in the mode nearest: each place of the output shows one element of the input."""
    x = variable(args[0])
    if build.opset < 11:
        return upsample(build, node, args)
    scales, sizes = (operand(args, i, "its size") for i in (2, 3))
    _nearest_only(node)
    rank = len(x.shape) + 1
    axes = [int(a) % rank for a in node.attributes.get("axes", range(rank))]
    if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Obstacle("it keeps the aspect ratio; export it with factors")
    given = sizes if sizes is not None and sizes.size else scales
    if given is None or given.size != len(axes):
        raise Obstacle("its factors do not fit the axes")
    view = indices(x)
    for axis, number in zip(axes, given.ravel().tolist(), strict=True):
        by_size = given is sizes
        if axis == 0:
            if number not in (1, BATCH, build.batch):
                raise Obstacle("it resizes the batch")
            continue
        n = view.shape[axis - 1]
        size = int(number) if by_size else int(np.floor(n * number))
        if size < 1:
            raise Obstacle("nothing is left of it")
        checked_size((view.size // n, size))
        factor = size / n if by_size else float(number)
        view = np.take(view, _places(node, n, size, factor), axis=axis - 1)
    return moved(build, x, view)


def _nearest_only(node: OnnxNode) -> None:
    mode = node.attributes.get("mode", "nearest")
    if mode != "nearest":
        raise Obstacle(
            f"the mode {str(mode)[:20]!r} is not supported; use nearest, or a transposed "
            "convolution"
        )


def _places(node: OnnxNode, n: int, size: int, factor: float) -> Array:
    """The element that each place of an axis shows, after the definition of Resize."""
    out = np.arange(size, dtype=np.float64)
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    match mode:
        case "half_pixel":
            at = (out + 0.5) / factor - 0.5
        case "half_pixel_symmetric":
            at = n / 2 * (1 - size / (n * factor)) + (out + 0.5) / factor - 0.5
        case "pytorch_half_pixel":
            at = (out + 0.5) / factor - 0.5 if size > 1 else 0 * out
        case "align_corners":
            at = out * (n - 1) / (size - 1) if size > 1 else 0 * out
        case "asymmetric":
            at = out / factor
        case "tf_half_pixel_for_nn":
            at = (out + 0.5) / factor
        case _:
            raise Obstacle(f"the coordinates {str(mode)[:30]!r} are not supported")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
    match rounding:
        case "round_prefer_floor":
            at = np.ceil(at - 0.5)
        case "round_prefer_ceil":
            at = np.floor(at + 0.5)
        case "floor":
            at = np.floor(at)
        case "ceil":
            at = np.ceil(at)
        case _:
            raise Obstacle(f"the rounding {str(rounding)[:30]!r} is not supported")
    return np.clip(at, 0, n - 1).astype(np.int64)
