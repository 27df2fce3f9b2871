"""Weights with a step as exact rationals, and as integers with a scale per output."""

from __future__ import annotations

import numpy as np

from flow.frontend.obstacle import Obstacle
from flow.frontend.rational import counts, full, hull_divisor, integers, rational
from flow.frontend.source import Weights
from flow.ir.tensor import FractionArray, IntArray, narrow


def exact_values(weights: Weights) -> FractionArray:
    """The exact rationals of weights with a step. Obstacle where they are off its grid."""
    assert weights.step is not None
    values: FractionArray = _counts(weights) * np.broadcast_to(
        rational(weights.step), weights.values.shape
    )
    return values


def _counts(weights: Weights) -> IntArray:
    assert weights.step is not None
    try:
        whole: IntArray = counts(weights.values, weights.step).astype(object)
        return whole
    except ValueError as error:
        raise Obstacle(str(error)) from error


def integer_weights(kernel: Weights, m: FractionArray) -> tuple[IntArray, FractionArray]:
    """Integers and a scale per output: integer * scale = weight * m of its input."""
    assert kernel.step is not None
    whole = _counts(kernel)
    outputs = whole.shape[1]
    step = rational(kernel.step)
    if step.ndim < 2 and (m == m[0]).all() and m[0]:
        scale = np.broadcast_to(step * abs(m[0]), (outputs,)).copy()
        return narrow(whole if m[0] > 0 else -whole), scale
    unit = np.broadcast_to(step, whole.shape) * m[:, None]
    scale = full(1, (outputs,))
    for j in range(outputs):
        used = [u for u, k in zip(unit[:, j].tolist(), whole[:, j].tolist(), strict=True) if k]
        scale[j] = hull_divisor(rational(used or unit[:, j]))
    return narrow(integers(whole * unit / scale)), scale
