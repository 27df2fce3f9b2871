"""Weights with a step as exact rationals, and as integers with a scale per output."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flow.frontend.exact.rational import counts, full, hull_divisor, rational
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import Weights
from flow.ir.tensor import FractionArray, IntArray, narrow


def exact_values(weights: Weights) -> FractionArray:
    """The exact rationals of weights with a step. Obstacle where they are off its grid."""
    whole, unit = whole_values(weights)
    values: FractionArray = whole.astype(object) * unit
    return values


def whole_values(weights: Weights) -> tuple[IntArray, Fraction]:
    """(integers, unit) with weight = integer * unit. Obstacle where a weight is off its grid."""
    assert weights.step is not None
    whole = _counts(weights)
    grid, factor = multiples(rational(weights.step))
    if factor.ndim == 0 and factor.item() == 1:
        return whole, grid
    product: IntArray = whole.astype(object) * factor.astype(object)
    return narrow(product), grid


def multiples(values: FractionArray) -> tuple[Fraction, IntArray]:
    """(unit, integers) with value = integer * unit."""
    unit = hull_divisor(values)
    flat = values.ravel().tolist()
    whole: IntArray = np.empty(len(flat), dtype=object)
    n, d = unit.numerator, unit.denominator
    whole[:] = [v.numerator * d // (v.denominator * n) for v in flat]
    return unit, narrow(whole.reshape(values.shape))


def integer_weights(kernel: Weights, m: FractionArray) -> tuple[IntArray, FractionArray]:
    """Integers and a scale per output: integer * scale = weight * m, m broadcast to the kernel."""
    assert kernel.step is not None
    whole = _counts(kernel)
    outputs = whole.shape[-1]
    step = rational(kernel.step)
    if step.ndim < 2 and m.ndim == 0 and m.item() > 0:
        scale = np.broadcast_to(step * m.item(), (outputs,)).copy()
        return whole, scale
    unit, factor = multiples(np.asarray(step * m, dtype=object))
    product = whole.astype(object) * np.broadcast_to(factor, whole.shape).astype(object)
    rows = product.reshape(-1, outputs)
    divisors = np.gcd.reduce(rows, axis=0) if len(rows) else full(1, (outputs,))
    # An output of nothing but zeros keeps the scale of its first weight.
    first = np.broadcast_to(abs(factor), whole.shape).reshape(-1, outputs)
    empty = divisors == 0
    divisors = np.where(empty, first[0].astype(object) if len(first) else 1, divisors)
    divisors = np.where(divisors == 0, 1, divisors)
    exact_scale: FractionArray = np.empty(outputs, dtype=object)
    exact_scale[:] = [Fraction(int(v)) * unit for v in divisors]
    return narrow(product // divisors), exact_scale


def _counts(weights: Weights) -> IntArray:
    assert weights.step is not None
    try:
        return counts(weights.values, weights.step)
    except ValueError as error:
        raise Obstacle(f"{error}; save the model again with its quantisers") from error
