"""The float64 meaning of the layers that slide windows, move elements, or look up tables."""

from __future__ import annotations

from itertools import product

import numpy as np

from flow.frontend.source import (
    FloatArray,
    SourceConv,
    SourceGather,
    SourcePool,
    SourceTableSum,
)
from flow.ir.windows import window_shape, windows


def convolve(layer: SourceConv, x: FloatArray) -> FloatArray:
    """The convolution of a batch (samples, *positions, channels)."""
    *window, channels, filters = layer.kernel.values.shape
    taps, each = tuple(window), filters // layer.groups
    padded = _padded(x, layer.padding, 0.0)
    counts = window_shape(x.shape[1:], taps, layer.strides, layer.padding, layer.dilation)
    result = np.zeros((len(x), *counts, filters))
    for tap in product(*map(range, taps)):
        seen = padded[(slice(None), *_places(tap, counts, layer.strides, layer.dilation))]
        for g in range(layer.groups):
            kernel = layer.kernel.values[tap][:, g * each : (g + 1) * each]
            part = seen[..., g * channels : (g + 1) * channels]
            # One channel: a product of numbers, which numpy forms faster than of matrices.
            term = part * kernel[0] if channels == 1 else part @ kernel
            result[..., g * each : (g + 1) * each] += term
    return result if layer.bias is None else result + layer.bias.values


def pool(layer: SourcePool, x: FloatArray) -> FloatArray:
    """The pooled batch (samples, *positions, channels)."""
    ones = (1,) * len(layer.window)
    fill = -np.inf if layer.pool == "max" else 0.0
    seen = windows(x, layer.window, layer.strides, layer.padding, ones, fill)
    axes = tuple(range(len(ones) + 1, 2 * len(ones) + 1))
    if layer.pool == "max":
        highest: FloatArray = seen.max(axis=axes)
        return highest
    total: FloatArray = seen.sum(axis=axes)
    return total / pool_counts(layer, x.shape[1:]) if layer.pool == "average" else total


def pool_counts(layer: SourcePool, shape: tuple[int, ...]) -> FloatArray:
    """By how much the sum of each window is divided, (*counts, 1), for a tensor of `shape`."""
    ones = (1,) * len(layer.window)
    present = np.ones((1, *shape[:-1], 1))
    fill = 1.0 if layer.count_padding else 0.0
    seen = windows(present, layer.window, layer.strides, layer.padding, ones, fill)
    counts: FloatArray = seen.sum(axis=tuple(range(len(ones) + 1, 2 * len(ones) + 1)))[0]
    return counts


def gather(layer: SourceGather, x: FloatArray) -> FloatArray:
    """The gathered batch."""
    flat = x.reshape(len(x), -1)
    gathered: FloatArray = flat[:, layer.indices.astype(np.int64)]
    gathered[:, layer.indices < 0] = layer.fill
    return gathered


def sum_tables(layer: SourceTableSum, x: FloatArray) -> FloatArray:
    """The sum of the entries that the inputs choose; an input beyond its domain takes an end."""
    total = np.zeros((*x.shape[:-1], len(layer.tables[0])))
    for i, ((step, lo, hi), row) in enumerate(zip(layer.domain, layer.tables, strict=True)):
        index = np.clip(np.rint(x[..., i] / float(step)), lo, hi).astype(np.int64) - lo
        for j, table in enumerate(row):
            if table is not None:
                total[..., j] += table[index]
    return total


def _padded(x: FloatArray, padding: tuple[tuple[int, int], ...], fill: float) -> FloatArray:
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)


def _places(
    tap: tuple[int, ...],
    counts: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[slice, ...]:
    """The positions that one tap of the window meets, an axis each."""
    starts = [t * d for t, d in zip(tap, dilation, strict=True)]
    return tuple(
        slice(start, start + (n - 1) * s + 1, s)
        for start, n, s in zip(starts, counts, strides, strict=True)
    )
