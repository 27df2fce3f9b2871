"""Every rounding against its definition on rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from flow.ir.rounding import ROUNDINGS, reaches, round_fraction, round_ratio

HALF = Fraction(1, 2)
VALUES = [(n, d) for d in (1, 2, 3, 4, 6, 8) for n in range(-5 * d, 5 * d + 1)]


def nearest(value, tie):
    low = math.floor(value)
    if value - low == HALF:
        return tie(low, low + 1)
    return low if value - low < HALF else low + 1


DEFINITIONS = {
    "floor": math.floor,
    "ceil": math.ceil,
    "zero": math.trunc,
    "half_up": lambda v: nearest(v, lambda low, high: high),
    "half_down": lambda v: nearest(v, lambda low, high: low),
    "half_even": lambda v: nearest(v, lambda low, high: low if low % 2 == 0 else high),
    "half_away": lambda v: nearest(v, lambda low, high: high if v > 0 else low),
    "half_zero": lambda v: nearest(v, lambda low, high: low if v > 0 else high),
}


def test_every_rounding_is_defined_here():
    assert tuple(DEFINITIONS) == ROUNDINGS


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_rounding_is_its_definition_on_single_values(rounding):
    define = DEFINITIONS[rounding]
    assert [round_ratio(n, d, rounding) for n, d in VALUES] == [
        define(Fraction(n, d)) for n, d in VALUES
    ]
    assert [round_fraction(Fraction(n, d), rounding) for n, d in VALUES] == [
        define(Fraction(n, d)) for n, d in VALUES
    ]


@pytest.mark.parametrize("dtype", [np.int64, object])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_rounding_is_its_definition_on_arrays(rounding, dtype):
    n, d = (np.array(column, dtype=dtype) for column in zip(*VALUES, strict=True))
    expected = [DEFINITIONS[rounding](Fraction(a, b)) for a, b in VALUES]
    assert round_ratio(n, d, rounding).tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_rounding_of_huge_numbers_is_exact(rounding):
    big = 10**60
    assert round_ratio(2 * big + 1, 2, rounding) - big == DEFINITIONS[rounding](HALF + big) - big


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("level", range(-4, 5))
def test_the_bound_of_a_level_tells_what_reaches_it(rounding, level):
    bound, closed = reaches(level, rounding)
    for n, d in VALUES:
        value = Fraction(n, d)
        over = value >= bound if closed else value > bound
        assert over == (round_fraction(value, rounding) >= level)
