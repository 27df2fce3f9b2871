"""Real numbers to the integers of an input and back: exact, and fast where that is safe."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.float_model import round_float
from flow.ir.layers import Input
from flow.ir.rounding import Overflow, round_fraction
from flow.ir.tensor import IntArray, TensorType

FloatArray = NDArray[np.float64]

_EXACT = 1 << 53
"""Up to here every integer is a float64."""
_ERROR = 2.0**-48
"""A bound, in units of |x/scale| + |offset/scale|, of the error of the float estimate."""


def encode(port: Input, x: FloatArray) -> IntArray:
    """The integers of real inputs x (samples, *shape): (x - offset) / scale, rounded and brought
    into the interval of the element as the port says. Exact for every finite float64.

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
    nearest = round_float(estimate, port.rounding)
    # The estimate decides where rounding cannot turn within its error, and where it is far outside.
    ends = np.array(lo, dtype=np.float64), np.array(hi, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(estimate - np.rint(estimate))
        half = port.rounding.startswith("half")
        sure = distance + slack < 0.5 if half else distance > slack
        if port.overflow == "saturate":
            sure |= (estimate + slack < ends[0] - 1) | (estimate - slack > ends[1] + 1)
        else:
            sure &= np.abs(estimate) < _EXACT
    if not narrow:
        sure[...] = False
    clipped = np.where(sure, nearest, 0) if narrow else np.zeros(values.shape)
    if narrow and port.overflow == "saturate":
        clipped = np.clip(clipped, *ends)
    elif narrow:
        clipped = (clipped - ends[0]) % (ends[1] - ends[0] + 1) + ends[0]
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
                whole = round_fraction(real, port.rounding)
                known[key] = _fitted(whole, int(low[element]), int(high[element]), port.overflow)
            out[at] = known[key]
    return result


def _fitted(whole: int, lo: int, hi: int, overflow: Overflow) -> int:
    if overflow == "wrap":
        return (whole - lo) % (hi - lo + 1) + lo
    return min(max(whole, lo), hi)


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
