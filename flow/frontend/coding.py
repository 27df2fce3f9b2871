"""Real numbers to the integers of an input and back: exact, and fast where that is safe."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.layers import Input
from flow.ir.rounding import round_fraction
from flow.ir.tensor import IntArray, TensorType

FloatArray = NDArray[np.float64]

_EXACT = 1 << 53
"""Up to here every integer is a float64."""
_ERROR = 2.0**-48
"""A bound, in units of |x/scale| + |offset/scale|, of the error of the float estimate."""


def encode(port: Input, x: FloatArray) -> IntArray:
    """The integers of real inputs x (samples, *shape): nearest to (x - offset) / scale, ties to
    even, saturated to the interval of the element. Exact for every finite float64.

    int64, or Python integers where the interval needs more. UsageError for NaN or infinity.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.shape[1:] != port.tensor.shape:
        raise UsageError(
            f"input {port.name!r} takes samples of the shape {list(port.tensor.shape)}, "
            f"not {list(values.shape[1:])}"
        )
    if not np.isfinite(values).all():
        raise UsageError(f"a value for the input {port.name!r} is not finite")
    lo, hi = port.tensor.lo, port.tensor.hi
    narrow = port.tensor.hull.lo > -_EXACT and port.tensor.hull.hi < _EXACT
    estimate, slack = _estimate(port, values)
    nearest = np.rint(estimate)
    # The estimate decides where no half lies within its error, and where it is far outside.
    ends = np.array(lo, dtype=np.float64), np.array(hi, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        sure = np.abs(estimate - nearest) + slack < 0.5
        sure |= (estimate + slack < ends[0] - 1) | (estimate - slack > ends[1] + 1)
    if not narrow:
        sure[...] = False
    clipped = np.clip(np.where(sure, nearest, 0), *ends) if narrow else np.zeros(values.shape)
    result: IntArray = clipped.astype(np.int64 if narrow else object)
    unsure = np.flatnonzero(~sure)
    if unsure.size:
        # Data repeat values, so each is divided only once for each element of a sample.
        size = max(port.tensor.size, 1)
        known: dict[tuple[float, int], int] = {}
        flat, out = values.reshape(-1), result.reshape(-1)
        low, high = lo.reshape(-1), hi.reshape(-1)
        offset, scale = port.offset.reshape(-1), port.tensor.scale.reshape(-1)
        for at in unsure.tolist():
            element = at % size
            key = (float(flat[at]), element)
            if key not in known:
                real = (Fraction(key[0]) - Fraction(offset[element])) / Fraction(scale[element])
                whole = round_fraction(real, "half_even")
                known[key] = min(max(whole, int(low[element])), int(high[element]))
            out[at] = known[key]
    return result


def decode(tensor: TensorType, integers: IntArray) -> FloatArray:
    """The real values integer * scale of a batch, each rounded once to float64."""
    values = np.asarray(integers)
    factors = [Fraction(s) for s in tensor.scale.reshape(-1).tolist()]
    largest = int(max(abs(values.min()), abs(values.max()))) if values.size else 0
    top = max(largest, 1) * max((abs(f.numerator) for f in factors), default=1)
    bottom = max((f.denominator for f in factors), default=1)
    if top < _EXACT and bottom < _EXACT:
        # Two integers that are float64 numbers: one division, one rounding.
        over = np.array([f.numerator for f in factors], dtype=np.int64).reshape(tensor.shape)
        under = np.array([f.denominator for f in factors], dtype=np.float64).reshape(tensor.shape)
        result: FloatArray = (values.astype(np.int64) * over).astype(np.float64) / under
        return result
    multiply: Any = np.frompyfunc(lambda v, s: float(int(v) * Fraction(s)), 2, 1)
    return np.asarray(multiply(values.astype(object), tensor.scale), dtype=np.float64)


def _estimate(port: Input, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(x - offset) / scale in float64, and a bound of its error; no bound where it overflows."""
    shape = port.tensor.shape
    try:
        scale = np.array([float(s) for s in port.tensor.scale.ravel()]).reshape(shape)
        offset = np.array([float(o) for o in port.offset.ravel()]).reshape(shape)
    except OverflowError:
        return np.zeros(values.shape), np.full(values.shape, np.inf)
    with np.errstate(all="ignore"):
        powers = np.abs(np.frexp(scale)[0]) == 0.5
        powers &= np.array([Fraction(float(s)) == s for s in port.tensor.scale.ravel()]).reshape(
            shape
        )
        exact = (
            powers & (offset == 0) & np.array([o == 0 for o in port.offset.ravel()]).reshape(shape)
        )
        estimate = (values - offset) / scale
        slack = (np.abs(values) + np.abs(offset)) / np.abs(scale) * _ERROR + 1e-300
    # Division by a power of two is exact, so that rint decides ties too.
    slack = np.where(exact & (np.abs(estimate) > 1e-290), -1.0, slack)
    slack = np.where(np.isfinite(estimate) & np.isfinite(slack), slack, np.inf)
    return np.where(np.isfinite(estimate), estimate, 0.0), slack
