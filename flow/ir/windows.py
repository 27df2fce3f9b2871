"""Windows that slide over the axes of a tensor (*positions, channels), and exact products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.tensor import IntArray

Padding = tuple[tuple[int, int], ...]
"""What is added before and after each axis."""

_FLOAT_SAFE = 1 << 53
_INT_SAFE = 1 << 62


def window_shape(
    shape: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """The number of windows along each axis; IRError where a window does not fit."""
    axes = len(window)
    if not (len(shape) == axes + 1 and len(strides) == len(padding) == len(dilation) == axes):
        raise IRError(f"a window {window} meets a tensor {shape}")
    if min((*window, *strides, *dilation)) < 1 or min(sum(padding, ())) < 0:
        raise IRError(f"a window {window} with strides {strides} and padding {padding}")
    counts = []
    for n, k, s, (before, after), d in zip(
        shape[:-1], window, strides, padding, dilation, strict=True
    ):
        room = n + before + after - (d * (k - 1) + 1)
        if room < 0:
            raise IRError(f"a window {window} does not fit into a tensor {shape}")
        counts.append(room // s + 1)
    return tuple(counts)


def windows(
    x: NDArray[Any],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    fill: Any,
) -> NDArray[Any]:
    """Every window of a batch (samples, *positions, channels), padded with `fill`.

    The result has the shape (samples, *counts, *window, channels).
    """
    window_shape(x.shape[1:], window, strides, padding, dilation)
    axes = len(window)
    if any(before or after for before, after in padding):
        sizes = [n + sum(p) for n, p in zip(x.shape[1:-1], padding, strict=True)]
        padded = np.empty((x.shape[0], *sizes, x.shape[-1]), dtype=x.dtype)
        padded[...] = fill
        inner = (slice(p[0], p[0] + n) for n, p in zip(x.shape[1:-1], padding, strict=True))
        padded[(slice(None), *inner, slice(None))] = x
        x = padded
    spans = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=tuple(range(1, axes + 1)))
    steps = (slice(None, None, s) for s in strides)
    taps = (slice(None, None, d) for d in dilation)
    view = view[(slice(None), *steps, slice(None), *taps)]
    return np.moveaxis(view, axes + 1, -1)


def exact_product(x: IntArray, w: IntArray) -> IntArray:
    """x @ w for integers, x (..., n) and w (n, m), without any overflow.

    float64 is used where every partial sum is below 2**53, and so exact; then int64, then
    Python integers. The result is int64, or has dtype object if an operand has.
    """
    wide = x.dtype == object or w.dtype == object
    bound = _peak(x) * int(abs(w).sum(axis=0).max()) if x.size and w.size else 0
    if bound < _FLOAT_SAFE:
        product = x.astype(np.float64) @ w.astype(np.float64)
        whole: IntArray = np.rint(product).astype(np.int64)
    elif bound < _INT_SAFE:
        whole = x.astype(np.int64) @ w.astype(np.int64)
    else:
        # numpy multiplies object matrices of two dimensions only.
        flat: IntArray = x.astype(object).reshape(-1, x.shape[-1]).dot(w.astype(object))
        return flat.reshape(*x.shape[:-1], w.shape[-1])
    return whole.astype(object) if wide else whole


def _peak(x: IntArray) -> int:
    return max(abs(int(x.max())), abs(int(x.min())))
