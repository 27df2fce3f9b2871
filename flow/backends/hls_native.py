"""Layers that hls4ml has itself, where it computes them exactly on integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flow.backends.hls_constants import signed_width, type_of
from flow.errors import UnsupportedModel
from flow.ir.interval import IntRange
from flow.ir.layers import Conv, Dense, Layer, Pool, Relu
from flow.ir.tensor import IntArray, TensorType
from flow.tools.hls4ml import Integer

LARGEST = 20_000
"""Elements of all windows of a convolution that is hls4ml's own."""
_FLOAT_SAFE = 1 << 53
_AXES = ("height", "width")
_ENDS = {"height": ("top", "bottom"), "width": ("left", "right")}


@dataclass(frozen=True, slots=True)
class Native:
    """A class of hls4ml with its attributes and the types beside that of its result."""

    kind: str
    types: Mapping[str, Integer]
    attributes: Mapping[str, Any]


def _weighted(
    layer: Conv | Dense, kind: str, weights: IntArray, here: TensorType, **rest: Any
) -> Native:
    """A layer with weights; UnsupportedModel where they are too large for the floats hls4ml keeps.

    Its sums wrap, so that an accumulator as wide as the result gives the result.
    """
    bias = layer.bias
    largest = max(int(abs(weights).max(initial=0)), int(abs(bias).max(initial=0)))
    if largest >= _FLOAT_SAFE:
        raise UnsupportedModel(
            f"weights of {largest.bit_length()} bits are too wide for an HLS project",
            where=layer.place,
            hint="at most 53 bits",
        )
    types = {
        "weight": _hull(weights),
        "bias": _hull(bias),
        "accum": Integer(signed_width(here.hull.lo, here.hull.hi), True),
    }
    data = {"weight_data": weights.astype(np.float64), "bias_data": bias.astype(np.float64)}
    return Native(kind, types, {**rest, **data})


def _hull(values: IntArray) -> Integer:
    return type_of(IntRange(int(values.min(initial=0)), int(values.max(initial=0))))


def _dense(layer: Dense, x: TensorType, here: TensorType) -> Native | None:
    """A dense layer; over more axes it is a convolution with a window of one place."""
    inputs, outputs = layer.weights.shape
    if len(x.shape) == 1:
        return _weighted(layer, "Dense", layer.weights, here, n_in=inputs, n_out=outputs)
    places = x.size // inputs
    return _weighted(
        layer, "Conv1D", layer.weights[None], here,
        data_format="channels_last", n_chan=inputs, n_filt=outputs, in_width=places,
        out_width=places, filt_width=1, stride_width=1, pad_left=0, pad_right=0, padding="valid",
    )  # fmt: skip


def _conv(layer: Conv, x: TensorType, here: TensorType) -> Native | None:
    """A convolution; groups and dilation become zero weights. None where hls4ml, which writes code
    for every element of every window, would write too much."""
    if here.size // here.shape[-1] * layer.weights[..., 0].size * layer.groups > LARGEST:
        return None
    weights = spread(layer.weights, layer.groups, layer.dilation)
    sizes = _sizes(x.shape[:-1], here.shape[:-1], weights.shape[:-2], layer.strides, layer.padding)
    axes = len(layer.strides)
    return _weighted(
        layer, f"Conv{axes}D", weights, here,
        data_format="channels_last", padding="same" if sum(sum(layer.padding, ())) else "valid",
        n_chan=weights.shape[-2], n_filt=weights.shape[-1],
        **{f"filt_{axis}": k for axis, k in zip(_AXES[-axes:], weights.shape, strict=False)},
        **sizes,
    )  # fmt: skip


def spread(weights: IntArray, groups: int, dilation: tuple[int, ...]) -> IntArray:
    """The weights of the same convolution without groups and dilation."""
    *window, channels, filters = weights.shape
    each = filters // groups
    spans = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    full = np.zeros((*spans, channels * groups, filters), dtype=weights.dtype)
    taps = tuple(slice(None, None, d) for d in dilation)
    for g in range(groups):
        part = slice(g * each, (g + 1) * each)
        full[(*taps, slice(g * channels, (g + 1) * channels), part)] = weights[..., part]
    return full


def _sizes(
    before: tuple[int, ...],
    after: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Sequence[tuple[int, int]],
) -> dict[str, int]:
    """Sizes, strides and padding of each axis, as hls4ml names them."""
    found: dict[str, int] = {}
    for k, axis in enumerate(_AXES[-len(window) :]):
        found |= {f"in_{axis}": before[k], f"out_{axis}": after[k], f"stride_{axis}": strides[k]}
        found |= {f"pad_{end}": padding[k][i] for i, end in enumerate(_ENDS[axis])}
    return found


def _pool(layer: Pool, x: TensorType, here: TensorType) -> Native | None:
    """hls4ml's own maximum where no window reaches into padding; its mean rounds."""
    if layer.pool != "max" or any(sum(ends) for ends in layer.padding):
        return None
    sizes = _sizes(x.shape[:-1], here.shape[:-1], layer.window, layer.strides, layer.padding)
    if len(layer.window) == 1:
        sizes |= {"n_in": sizes.pop("in_width"), "n_out": sizes.pop("out_width")}
    axes = len(layer.window)
    return Native(
        f"MaxPooling{axes}D",
        {"accum": type_of(here.hull)},
        {
            "data_format": "channels_last", "n_filt": x.shape[-1], "padding": "valid",
            **{f"pool_{axis}": k for axis, k in zip(_AXES[-axes:], layer.window, strict=True)},
            **sizes,
        },
    )  # fmt: skip


def _relu(layer: Relu, x: TensorType, here: TensorType) -> Native | None:
    return Native("Activation", {}, {"activation": "relu", "n_in": x.size})


NATIVE: Mapping[type[Layer], Callable[[Any, TensorType, TensorType], Native | None]] = {
    Dense: _dense,
    Conv: _conv,
    Pool: _pool,
    Relu: _relu,
}
"""What hls4ml has, where it does it exactly; None where it does not."""
