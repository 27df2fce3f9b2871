"""The nodes of a requantisation: the least operation that is exact, and golden texts of all."""

from fractions import Fraction as F
from itertools import product

import pytest
from digests import check, digest

from flow.errors import UnsupportedModel
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import Compare, Input, Linear, Lookup
from flow.ir.rounding import ROUNDINGS, round_fraction
from flow.ir.text import print_circuit
from flow.passes.base import run_passes
from flow.passes.pipelines import CANONICAL
from flow.passes.requantise import MAX_LEVELS, Scaling, _roundest, find_multiply_shift, requantise


def made(multiplier, offset, rounding, operand, lo, hi, overflow="saturate"):
    x = Input("x", 0, *operand)
    scaling = Scaling(IntRange(*operand), F(multiplier), F(offset), rounding)
    node = requantise(x, scaling, lo, hi, overflow)
    return Circuit("c", (Port("x", (x,)),), (Port("y", (node,)),))


def lines(*words, **options):
    return print_circuit(made(*words, **options)).splitlines()[3:-2]


@pytest.mark.parametrize(
    ("rounding", "offset", "expected"),
    [
        ("floor", F(0), ["%1 = linear (%0), (3), 0 : [0, 3000]", "%2 = shr %1, 3 : [0, 375]"]),
        ("floor", F(1, 3), ["%1 = linear (%0), (3), 2 : [2, 3002]", "%2 = shr %1, 3 : [0, 375]"]),
        # The offset loses what no unit of the last place sees.
        ("floor", F(1, 100), ["%1 = linear (%0), (3), 0 : [0, 3000]", "%2 = shr %1, 3 : [0, 375]"]),
        ("half_up", F(1, 100), ["%1 = linear (%0), (3), 4 : [4, 3004]",
                                "%2 = shr %1, 3 : [0, 375]"]),
    ],
)  # fmt: skip
def test_a_binary_fraction_is_a_product_and_a_shift(rounding, offset, expected):
    assert lines(F(3, 8), offset, rounding, (0, 1000), -70_000, 70_000) == expected


def test_a_factor_of_one_over_a_power_is_a_shift_and_a_whole_one_a_product():
    assert lines(F(1, 4), 0, "floor", (0, 100), -9, 99) == ["%1 = shr %0, 2 : [0, 25]"]
    assert lines(F(4), 0, "half_even", (0, 100), -9, 999) == ["%1 = shl %0, 2 : [0, 400]"]
    assert lines(F(1, 2), 0, "half_up", (0, 100), -9, 99) == [
        "%1 = const 1 : [1, 1]", "%2 = add %0, %1 : [1, 101]", "%3 = shr %2, 1 : [0, 50]",
    ]  # fmt: skip


def test_an_end_that_no_value_passes_is_not_clamped():
    assert lines(1, 0, "floor", (-5, 9), -5, 9) == []
    assert lines(1, 0, "floor", (-5, 9), 0, 9) == ["%1 = relu %0 : [0, 9]"]
    assert lines(1, 0, "floor", (-5, 9), 0, 8) == ["%1 = clamp %0, 0, 8 : [0, 8]"]
    assert lines(1, 0, "floor", (-5, 9), -4, 9) == ["%1 = clamp %0, -4, 9 : [-4, 9]"]
    assert lines(1, 0, "floor", (-5, 9), 9, 20) == ["%1 = const 9 : [9, 9]"]
    assert lines(1, 0, "floor", (-5, 9), -9, -5) == ["%1 = const -5 : [-5, -5]"]


def test_values_that_wrap_into_a_power_of_two_lose_their_upper_bits():
    def wrapped(lo, hi):
        return lines(1, 0, "floor", (-20, 20), lo, hi, overflow="wrap")

    assert wrapped(0, 7) == ["%1 = bits %0, 0, 3 : [0, 7]"]
    assert wrapped(-4, 3) == ["%1 = signed %0, 3 : [-4, 3]"]
    assert wrapped(1, 4) == [
        "%1 = const -1 : [-1, -1]", "%2 = add %0, %1 : [-21, 19]", "%3 = bits %2, 0, 2 : [0, 3]",
        "%4 = const 1 : [1, 1]", "%5 = add %3, %4 : [1, 4]",
    ]  # fmt: skip
    assert wrapped(-20, 20) == []


def test_a_whole_factor_with_a_whole_offset_needs_no_shift_back():
    assert lines(F(4), F(1), "floor", (0, 100), -9, 999) == [
        "%1 = shl %0, 2 : [0, 400]", "%2 = const 1 : [1, 1]", "%3 = add %1, %2 : [1, 401]"
    ]  # fmt: skip


def test_levels_are_counted_from_the_lowest_to_the_highest():
    assert MAX_LEVELS == 1 << 16
    with pytest.raises(UnsupportedModel, match="no integer arithmetic was found"):
        made(F(1, 3), F(0), "floor", (-200_000, 200_000), -40_000, 40_000)


def test_a_constant_needs_no_operand():
    assert lines(0, F(5, 2), "half_even", (-5, 9), -9, 9) == ["%1 = const 2 : [2, 2]"]
    assert lines(0, F(99), "floor", (-5, 9), -9, 9) == ["%1 = const 9 : [9, 9]"]
    assert lines(0, F(11), "floor", (-5, 9), -8, 7, overflow="wrap") == ["%1 = const -5 : [-5, -5]"]


@pytest.mark.parametrize("rounding", ["half_even", "half_zero", "zero"])
def test_a_level_has_one_threshold_where_no_product_is_found(rounding):
    for lo, hi in ((-3, 3), (-1, 0), (0, 7)):
        circuit = made(F(7, 6), F(1, 2), rounding, (-60, 60), lo, hi)
        kinds = [type(node) for node in circuit.walk()]
        if Compare in kinds:
            (row,) = (node for node in circuit.walk() if isinstance(node, Linear))
            assert len(row.terms) == hi - lo
            assert row.range == IntRange(lo, hi)
        assert Lookup not in kinds


@pytest.mark.parametrize("levels", [1, 2, 3, 7, 20])
def test_the_shift_is_the_least_that_reaches_every_threshold(levels):
    thresholds = {k: 3 * k for k in range(1, levels + 1)}
    scaling = Scaling(IntRange(0, 3 * levels), F(1, 3), F(0), "floor")

    def reaches(m, c, shift):
        return all(
            max(0, (m * x + c) >> shift) == x // 3 for x in range(3 * levels + 1)
        )  # fmt: skip

    m, c, shift = find_multiply_shift(scaling, thresholds)
    assert reaches(m, c, shift)
    for less in range(shift):
        for factor in ((1 << less) // 3, (1 << less) // 3 + 1):
            assert not any(reaches(factor, b, less) for b in range(-4 << less, 1 << less) if factor)


def test_the_roundest_number_has_the_most_zeros_at_its_end():
    assert [_roundest(-3, 4), _roundest(0, 9), _roundest(-9, 0)] == [0, 0, 0]
    assert [_roundest(5, 7), _roundest(5, 8), _roundest(9, 17), _roundest(7, 7)] == [6, 8, 16, 7]
    assert [_roundest(-7, -5), _roundest(-17, -9), _roundest(-7, -7)] == [-6, -16, -7]


MULTIPLIERS = (F(1), F(1, 4), F(2), F(3, 8), F(1, 3), F(-5, 7), F(13, 9), F(1, 100), F(-1, 2))
OFFSETS = (F(0), F(1, 2), F(-7, 3), F(1, 16))
CASES = (
    ((-128, 127), -8, 7, "saturate"), ((-128, 127), 0, 255, "saturate"),
    ((0, 255), 0, 15, "saturate"), ((-30, 40), -4, 3, "wrap"), ((0, 40), 2, 9, "wrap"),
    ((-9, 9), 0, 4, "wrap"),
)  # fmt: skip


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_nodes_of_a_requantisation_are_golden(rounding, request):
    found = {}
    for m, b in product(MULTIPLIERS, OFFSETS):
        texts = [
            print_circuit(run_passes(made(m, b, rounding, *case), CANONICAL)) for case in CASES
        ]
        found[f"{m} x + {b}"] = digest("".join(texts))
    check("requantise", rounding, found, request.config.getoption("--update-golden"))


def test_a_scaling_rounds_its_exact_value():
    scaling = Scaling(IntRange(0, 9), F(3, 2), F(1, 2), "half_even")
    assert [scaling.exact(x) for x in range(4)] == [
        round_fraction(F(3 * x + 1, 2), "half_even") for x in range(4)
    ]
