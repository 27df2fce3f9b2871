"""Adaptive rounding: each weight goes up or down so that the layer's answers change least.

To round every weight to its nearest is not best: errors of weights that meet correlated values can
cancel. Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020,
make it a quadratic problem in one bit for each weight, with the second moments of what the layer
reads (equation 20). Here a descent by single weights solves it, from the nearest values on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.frontend.source import FloatArray, SourceConv, SourceDense, Weights
from flow.ir.windows import windows

MOST_ROWS = 8192
"""Positions of all samples whose second moments are taken: every k-th."""
SWEEPS = 4
"""Most changes of one output's weights, in multiples of their number."""
SLIGHT = 1e-9
"""A change that saves less than this part is not made."""


def rounded_adaptively(
    layer: SourceDense | SourceConv,
    nearest: Weights,
    bits: int,
    seen: FloatArray,
    about_mean: bool,
) -> Weights:
    """The kernel on the steps of `nearest`, no weight further than one step from its real value.

    `seen` is what the layer reads in the float model. With `about_mean`, a change of the mean
    answer counts for nothing: the bias takes it back.
    """
    assert nearest.step is not None
    kernel = layer.kernel.values
    step = np.broadcast_to(np.asarray(nearest.step).astype(np.float64), kernel.shape)
    groups = layer.groups if isinstance(layer, SourceConv) else 1
    each = kernel.shape[-1] // groups
    top = (1 << (bits - 1)) - 1
    parts = []
    for g, moments in enumerate(_moments(layer, seen, groups, about_mean)):
        own = (..., slice(g * each, (g + 1) * each))
        real, rounded, steps = (x[own].reshape(-1, each) for x in (kernel, nearest.values, step))
        found = _descend(real, rounded, steps, top, moments)
        parts.append(found.reshape(*kernel.shape[:-1], each))
    return replace(nearest, values=np.concatenate(parts, axis=-1))


def _moments(
    layer: SourceDense | SourceConv, seen: FloatArray, groups: int, about_mean: bool
) -> list[FloatArray]:
    """The second moments (taps, taps) of the values that a sum of each group reads."""
    if isinstance(layer, SourceConv):
        window = layer.kernel.values.shape[:-2]
        seen = windows(seen, window, layer.strides, layer.padding, layer.dilation, 0.0)
        seen = seen.reshape(-1, int(np.prod(window)), seen.shape[-1])
    else:
        seen = seen.reshape(-1, 1, seen.shape[-1])
    seen = seen[:: 1 + len(seen) // MOST_ROWS]
    found = []
    for part in np.split(seen, groups, axis=-1):
        rows = part.reshape(len(part), -1)
        if about_mean:
            rows = rows - rows.mean(axis=0)
        found.append(rows.T @ rows / len(rows))
    return found


def _descend(
    kernel: FloatArray, nearest: FloatArray, step: FloatArray, top: int, moments: FloatArray
) -> FloatArray:
    """Weights (taps, outputs) of which no single other choice lowers the error of its output."""
    taps, outputs = kernel.shape
    low = np.clip(np.floor(kernel / step), -top, top)
    high = np.clip(low + 1, -top, top)
    whole = np.rint(nearest / step)
    error = whole * step - kernel
    pull = moments @ error
    own = np.diagonal(moments)[:, np.newaxis]
    least = SLIGHT * (np.einsum("ij,ij->j", error, pull) + np.finfo(float).tiny)
    columns = np.arange(outputs)
    for _ in range(SWEEPS * taps):
        other = np.where(whole == low, high, low)
        move = (other - whole) * step
        gain = -(2 * move * pull + move * move * own)
        best = np.argmax(gain, axis=0)
        good = gain[best, columns] > least
        if not good.any():
            break
        rows, chosen = best[good], columns[good]
        by = move[rows, chosen]
        whole[rows, chosen] = other[rows, chosen]
        pull[:, chosen] += moments[:, rows] * by
    result: FloatArray = whole * step
    return result
