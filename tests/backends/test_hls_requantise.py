"""A requantisation as one product, one sum and one shift: exact on every value of its interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.backends.hls_requantise import Steps, least_rest, steps
from flow.ir.rounding import ROUNDINGS, round_ratio


def apply(made, x):
    total = x * made.mul + (made.low if x < made.pivot else made.high)
    q = total >> made.shift
    return q - (q & 1 and total - (q << made.shift) < made.bound)


def test_a_power_of_two_is_a_shift():
    assert steps(1, 0, 16, -128, 127, "floor") == Steps(1, 0, 0, 0, 4, 0)
    assert steps(1, 0, 16, -128, 127, "half_up") == Steps(2, 16, 16, 0, 5, 0)
    assert steps(1, 0, 16, -128, 127, "half_even") == Steps(2, 16, 16, 0, 5, 1)


def test_rounding_to_zero_adds_another_number_below_zero():
    assert steps(1, 0, 4, -20, 20, "zero") == Steps(1, 3, 0, 0, 2, 0)


def test_a_seventh_is_a_product_and_a_shift():
    made = steps(1, 0, 7, 0, 255, "floor")
    assert made == Steps(293, 0, 0, 0, 11, 0)
    assert [apply(made, x) for x in range(256)] == [x // 7 for x in range(256)]


def test_a_long_fraction_needs_no_more_bits_than_the_interval_asks_for():
    third = 0x555555555555555
    made = steps(third, 0, 1 << 60, 0, 100, "half_even")
    assert (made.mul, made.shift) == (342, 10)
    assert [apply(made, x) for x in range(101)] == [
        round_ratio(third * x, 1 << 60, "half_even") for x in range(101)
    ]


def test_a_shift_that_is_larger_changes_nothing():
    made = steps(-3, 5, 14, -40, 40, "half_even")
    values = [apply(made, x) for x in range(-40, 41)]
    assert values == [apply(made.at(made.shift + 3), x) for x in range(-40, 41)]


@given(
    st.integers(-300, 300), st.integers(-3000, 3000),
    st.one_of(st.integers(1, 2000), st.sampled_from([1 << k for k in range(44)])),
    st.integers(-300, 100), st.integers(0, 400), st.sampled_from(ROUNDINGS),
)  # fmt: skip
def test_every_rounding_of_every_value_is_exact(n, b, d, lo, size, rounding):
    made = steps(n, b, d, lo, lo + size, rounding)
    for x in {lo, lo + size, *range(lo, lo + size, 3)}:
        assert apply(made, x) == round_ratio(n * x + b, d, rounding)
        least, most = made.sums(lo, lo + size)
        assert least <= x * made.mul + (made.low if x < made.pivot else made.high) <= most


@given(st.integers(1, 300), st.integers(1, 400), st.integers(-500, 500), st.integers(-500, 500))
def test_the_least_rest_of_a_row_is_that_of_all_its_values(count, divisor, a, b):
    assert least_rest(count, divisor, a, b) == min((a * x + b) % divisor for x in range(count))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_small_fraction_is_exact_on_both_sides_of_zero(rounding):
    for d in (1, 2, 3, 5, 6, 7, 12):
        for n in (-5, -3, -1, 0, 1, 2, 3, 7):
            for b in (-7, -2, 0, 1, 3, 6):
                for lo, hi in ((-21, -3), (-13, 12), (4, 19), (-2, -2)):
                    made = steps(n, b, d, lo, hi, rounding)
                    for x in range(lo, hi + 1):
                        assert apply(made, x) == round_ratio(n * x + b, d, rounding)


def test_a_tie_is_told_from_what_lies_above_it():
    # Of thirds of halves: the bits that are dropped are below the size of the interval at a tie.
    assert steps(1, 0, 6, -30, -10, "half_even").bound == 21
    assert steps(1, 0, 6, 10, 30, "half_even").bound == 21
    assert steps(1, 0, 6, 10, 30, "half_up").bound == 0


@pytest.mark.parametrize(
    ("lo", "hi", "shift"), [(0, 6, 6), (0, 255, 11), (-128, 127, 11), (-4, 3, 6), (0, 0, 0)]
)
def test_the_shift_grows_with_the_interval(lo, hi, shift):
    assert steps(1, 0, 7, lo, hi, "floor").shift == shift


def test_the_sums_of_both_sides_are_bounded():
    made = Steps(3, -5, 2, 0, 2, 0)
    assert made.sums(-4, 6) == (-17, 20)
    assert Steps(-3, 1, 1, 0, 2, 0).sums(-4, 6) == (-17, 13)
    assert made.at(5) == Steps(24, -40, 16, 0, 5, 0)
