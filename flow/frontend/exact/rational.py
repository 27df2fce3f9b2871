"""Arrays of exact rationals: from floats, common divisors, integers over a step."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import FractionArray, IntArray, compact

_EXACT = 1 << 52


def rational(values: Any) -> FractionArray:
    """The exact rational of every number (float, integer or Fraction), same shape."""
    array = np.asarray(values)
    flat = [v if isinstance(v, Fraction) else Fraction(v) for v in array.ravel().tolist()]
    result: FractionArray = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def full(value: Fraction | int, shape: tuple[int, ...]) -> FractionArray:
    """One rational for every element."""
    array: FractionArray = np.empty(shape, dtype=object)
    array[...] = Fraction(value)
    return array


def arranged(values: Any) -> FractionArray:
    """Rationals in the smallest shape that broadcasts to theirs from the last axis."""
    return compact(np.asarray(values, dtype=object))


def spread(values: FractionArray, shape: tuple[int, ...]) -> FractionArray:
    """The rationals in the full shape, by broadcasting from the last axis; not to be written."""
    return np.broadcast_to(values, shape)


def common_divisor(*values: Fraction) -> Fraction:
    """The largest rational of which every value is an integer multiple; 1 where all are zero."""
    present = {v for v in values if v}
    denominator = lcm(*(v.denominator for v in present))
    divisor = gcd(*(v.numerator * (denominator // v.denominator) for v in present))
    return Fraction(divisor, denominator) if divisor else Fraction(1)


def common_divisors(*arrays: FractionArray) -> FractionArray:
    """`common_divisor` element by element of arrays that broadcast."""
    return arranged(np.frompyfunc(common_divisor, len(arrays), 1)(*arrays))


def hull_divisor(array: FractionArray) -> Fraction:
    """`common_divisor` of every element."""
    return common_divisor(*array.ravel().tolist())


def integers(values: FractionArray) -> IntArray:
    """Rationals that are integers, as Python integers. ValueError where one is not."""
    flat = values.ravel().tolist()
    if any(v.denominator != 1 for v in flat):
        raise ValueError("a rational that is no integer")
    result: IntArray = np.empty(len(flat), dtype=object)
    result[:] = [v.numerator for v in flat]
    return result.reshape(values.shape)


def counts(values: NDArray[np.float64], step: FractionArray) -> IntArray:
    """The integer values / step, for values that are such multiples up to float rounding.

    `step` is broadcast from the last axis. ValueError where a value lies off the grid by more
    than a millionth of a step, or is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("a weight is not a finite number")
    ratio = values / np.broadcast_to(step.astype(np.float64), values.shape)
    whole = np.rint(ratio)
    if values.size and (np.abs(ratio - whole) > 1e-6 * np.maximum(1, np.abs(whole) * 1e-3)).any():
        raise ValueError("a weight is no multiple of its step")
    if values.size and np.abs(whole).max() >= _EXACT:
        raise ValueError("a weight is wider than 52 bits")
    return whole.astype(np.int64)


def round_offsets(offsets: FractionArray, unit: FractionArray) -> FractionArray:
    """Each offset as the nearest multiple of a sixteenth of its unit, where the unit is not 0."""
    nearest = np.frompyfunc(lambda o, u: round(o / u * 16) * u / 16 if u else o, 2, 1)
    return arranged(nearest(offsets, unit))


@lru_cache(maxsize=1024)
def power_of_two(exponent: int) -> Fraction:
    """2**exponent"""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
