"""A requantisation as integer steps for hardware: one product, one sum, one shift, no division.

floor((A x + B) / D) over an interval of x is (x mul + add) >> shift for a shift that is large
enough: the method of Granlund and Montgomery, "Division by Invariant Integers using
Multiplication", PLDI 1994, with the gap to the next integer that this interval really has.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import assert_never

import numpy as np

from flow.ir.rounding import Rounding

TRIED = 1 << 16
"""Values of x up to which the gap is found by trying all of them."""
_SAFE = 1 << 62


@dataclass(frozen=True, slots=True)
class Steps:
    """round(x n/d + b/d) = q for lo <= x <= hi, where p = x * mul + (low if x < pivot else high).

    q is p >> shift; where `bound` is not 0, one less if q is odd and the bits that the shift
    drops are below `bound`: a tie that goes to the even neighbour.
    """

    mul: int
    low: int
    high: int
    pivot: int
    shift: int
    bound: int

    def at(self, shift: int) -> Steps:
        """The same steps with a larger shift."""
        k = shift - self.shift
        return Steps(
            self.mul << k, self.low << k, self.high << k, self.pivot, shift, self.bound << k
        )

    def sums(self, lo: int, hi: int) -> tuple[int, int]:
        """The least and the largest p; a bound where low and high differ."""
        ends = [x * self.mul + add for x in (lo, hi) for add in (self.low, self.high)]
        return min(ends), max(ends)


def steps(n: int, b: int, d: int, lo: int, hi: int, rounding: Rounding) -> Steps:
    """The steps for integers n, b and d > 0, exact for every x in [lo, hi]."""
    common = gcd(n, b, d)
    n, b, d = n // common, b // common, d // common
    a, c, divisor, negative, other = _floor_form(n, b, d, rounding)
    pivot, low, high = _by_sign(n, b, c + negative, c + other)
    ties = rounding == "half_even"
    gap = _gap(a, low, high, pivot, divisor, lo, hi, ties)
    shift = (-(-(hi - lo + 1) * divisor // gap) - 1).bit_length()
    exact = divisor.bit_length() - 1
    if divisor == 1 << exact and exact <= shift:
        return Steps(a, low, high, pivot, exact, int(ties))
    mul = -((-a << shift) // divisor)
    adds = [-((-(a * lo + add) << shift) // divisor) - mul * lo for add in (low, high)]
    return Steps(mul, adds[0], adds[1], pivot, shift, (hi - lo + 1) * ties)


def _floor_form(n: int, b: int, d: int, rounding: Rounding) -> tuple[int, int, int, int, int]:
    """a, c, D and two numbers: round((n x + b) / d) = floor((a x + c + e) / D), where e is the
    first where n x + b is negative, else the second; half_even is half_up but for its ties."""
    match rounding:
        case "floor":
            return n, b, d, 0, 0
        case "ceil":
            return n, b, d, d - 1, d - 1
        case "zero":
            return n, b, d, d - 1, 0
        case "half_up" | "half_even":
            return 2 * n, 2 * b + d, 2 * d, 0, 0
        case "half_down":
            return 2 * n, 2 * b + d, 2 * d, -1, -1
        case "half_away":
            return 2 * n, 2 * b + d, 2 * d, -1, 0
        case "half_zero":
            return 2 * n, 2 * b + d, 2 * d, 0, -1
        case _:
            assert_never(rounding)


def _by_sign(n: int, b: int, negative: int, other: int) -> tuple[int, int, int]:
    """The pivot, what is added below it and from it on; n x + b changes its sign there."""
    if n == 0 or negative == other:
        only = negative if b < 0 else other
        return 0, only, only
    if n > 0:
        return -(b // n), negative, other
    return b // -n + 1, other, negative


def _gap(
    a: int, low: int, high: int, pivot: int, divisor: int, lo: int, hi: int, ties: bool
) -> int:
    """By how much a x + add stays below the next multiple of the divisor, at least; with `ties`
    also how far it stays above the last one where it is none."""
    peak = max(abs(a * x + add) for x in (lo, hi) for add in (low, high)) + divisor
    if hi - lo >= TRIED or peak >= _SAFE:
        return 1
    x = np.arange(lo, hi + 1, dtype=np.int64)
    rest = (a * x + np.where(x < pivot, low, high)) % divisor
    gap = divisor - int(rest.max())
    above = rest[rest > 0]
    return min(gap, int(above.min())) if ties and above.size else gap
