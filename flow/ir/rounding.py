"""Rounding and overflow of a requantisation: exact, on rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, assert_never

import numpy as np

Rounding = Literal[
    "floor", "ceil", "zero", "half_up", "half_down", "half_even", "half_away", "half_zero"
]
"""To an integer: down, up, to zero; or to the nearest, ties as the name says."""

Overflow = Literal["saturate", "wrap"]

ROUNDINGS: tuple[Rounding, ...] = (
    "floor", "ceil", "zero", "half_up", "half_down", "half_even", "half_away", "half_zero",
)  # fmt: skip


def round_ratio(numerator: Any, denominator: Any, rounding: Rounding) -> Any:
    """numerator / denominator as an integer; integers or arrays of them, denominator > 0."""
    n, d = numerator, denominator
    match rounding:
        case "floor":
            return n // d
        case "ceil":
            return -((-n) // d)
        case "zero":
            floor = n // d
            return floor + _int(n < 0) * _int(floor * d != n)
        case "half_up":
            return (2 * n + d) // (2 * d)
        case "half_down":
            return -((d - 2 * n) // (2 * d))
    doubled, unit = 2 * n + d, 2 * d
    up = doubled // unit  # ties go up; the other modes take one off at some of them
    tie = _int(doubled == up * unit)
    match rounding:
        case "half_even":
            return up - tie * (up & 1)
        case "half_away":
            return up - tie * _int(n < 0)
        case "half_zero":
            return up - tie * _int(n >= 0)
        case _:
            assert_never(rounding)


def round_fraction(value: Fraction, rounding: Rounding) -> int:
    """The rational as an integer."""
    return int(round_ratio(value.numerator, value.denominator, rounding))


def reaches(level: int, rounding: Rounding) -> tuple[Fraction, bool]:
    """The bound b such that round(v) >= level holds exactly for v > b, or v >= b if True."""
    half = Fraction(2 * level - 1, 2)
    match rounding:
        case "floor":
            return Fraction(level), True
        case "ceil":
            return Fraction(level - 1), False
        case "zero":
            return (Fraction(level), True) if level > 0 else (Fraction(level - 1), False)
        case "half_up":
            return half, True
        case "half_down":
            return half, False
        case "half_even":
            return half, level % 2 == 0
        case "half_away":
            return half, level > 0
        case "half_zero":
            return half, level <= 0
        case _:
            assert_never(rounding)


def _int(condition: Any) -> Any:
    if isinstance(condition, np.ndarray):
        return condition.astype(object if condition.dtype == object else np.int64)
    return int(condition)
