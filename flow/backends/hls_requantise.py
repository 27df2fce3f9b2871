"""A requantisation as integer steps for hardware: one product, one sum, one shift, no division.

floor((A x + B) / D) over an interval of x is (x mul + add) >> shift for a shift that is large
enough: the method of Granlund and Montgomery, "Division by Invariant Integers using
Multiplication", PLDI 1994, with the gap to the next integer that this interval really has.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import assert_never

from flow.ir.rounding import Rounding


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
    gap = divisor
    for first, last, add in ((lo, min(hi, pivot - 1), low), (max(lo, pivot), hi, high)):
        if first <= last:
            count, start = last - first + 1, a * first + add
            gap = min(gap, 1 + least_rest(count, divisor, -a, -start - 1))
            if ties:
                gap = min(gap, 1 + least_rest(count, divisor, a, start - 1))
    return gap


def least_rest(count: int, divisor: int, a: int, b: int) -> int:
    """The least (a x + b) mod divisor for 0 <= x < count, by the steps of Euclid's algorithm.

    The least values are those after x has passed a multiple of the divisor: again such a row,
    modulo a. The row is read backwards where that makes a smaller.
    """
    least = divisor
    while True:
        a, b = a % divisor, b % divisor
        if 2 * a > divisor:
            a, b = divisor - a, (b + a * (count - 1)) % divisor
        least = min(least, b)
        passed = (a * (count - 1) + b) // divisor
        if a == 0 or passed == 0:
            return least
        count, divisor, a, b = passed, a, -divisor, b - divisor
