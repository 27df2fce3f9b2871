"""Thresholds without sums: comparisons of single terms, choices of bits, and what stays a sum."""

from itertools import product

import pytest

from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Clamp, Compare, Const, Input, Linear, Relu, Select
from flow.ir.text import print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.conjunctions import Conjunctions


def passed(inputs, *lanes):
    """The circuit after the pass, whose outputs are compared for every input."""
    before = Circuit("c", (Port("x", inputs),), (Port("y", lanes),))
    return run_passes(before, [Conjunctions()], check_exact(1 << 12))


def thresholds(row, value):
    """Every node that asks whether a row reaches a bound."""
    found = [Compare(Const(value), row, how) for how in ("lt", "le")]
    found += [Compare(row, Const(value), how) for how in ("lt", "le")]
    found.append(Clamp(row, 0, 1))
    if row.range.hi == 1:
        found.append(Relu(row))
    return tuple(found)


@pytest.mark.parametrize("coefficient", [-3, -2, -1, 1, 2, 3])
def test_a_threshold_of_one_term_is_a_comparison_of_it(coefficient):
    x = Input("x", 0, -6, 5)
    lanes = []
    for bias, value in product((-4, -1, 0, 1, 7), (-5, -1, 0, 2, 6)):
        lanes += thresholds(Linear((x,), (coefficient,), bias), value)
    after = passed((x,), *lanes)
    assert not [node for node in after.walk() if isinstance(node, Linear)]


def test_the_bound_of_a_single_term_is_where_its_row_reaches_its_own():
    x = Input("x", 0, 0, 15)
    # 3 x - 7 > 4 from x = 4 on; 20 - 3 x >= 4 up to x = 5.
    above, below = Linear((x,), (3,), -7), Linear((x,), (-3,), 20)
    after = passed((x,), Compare(Const(4), above, "lt"), Compare(Const(4), below, "le"))
    assert print_circuit(after).splitlines()[3:] == [
        "%1 = const 3 : [3, 3]",
        "%2 = compare %1, %0, lt : [0, 1]",
        "%3 = const 5 : [5, 5]",
        "%4 = compare %0, %3, le : [0, 1]",
        "in x = %0",
        "out y = %2, %4",
    ]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 2, 3), (2, 2, 2), (3, 2, 2)])
def test_a_threshold_is_choices_where_all_bits_decide_or_any(sizes):
    for signs in product((1, -1), repeat=3):
        require_choices(sizes, tuple(s * n for s, n in zip(signs, sizes, strict=True)))


def require_choices(sizes, coefficients):
    bits = tuple(Input("x", k, 0, 1) for k in range(3))
    most = sum(c for c in coefficients if c > 0)
    least = sum(c for c in coefficients if c < 0)
    smallest = min(sizes)
    for value in range(least - 1, most + 2):
        row = Linear(bits, coefficients, 5)
        # Whether the row is at least `value`, its bias besides.
        after = passed(bits, Compare(Const(value + 5), row, "le"))
        decides = most >= value > most - smallest or least < value <= least + smallest
        kinds = {type(node) for node in after.walk()}
        assert (Linear in kinds) == (not decides)
        assert (Select in kinds) == decides


def test_sums_share_the_beginning_of_choices_that_begin_with_what_most_of_them_read():
    a, b, c, d = (Input("x", k, 0, 1) for k in range(4))
    triple = Linear((b, a, c), (1, 1, 1), -2)
    rows = [Linear((a, c), (1, 1), -1), triple, Linear((d, c), (1, 1), 0)]
    after = passed((a, b, c, d), *(Clamp(row, 0, 1) for row in rows))
    assert print_circuit(after).splitlines()[6:] == [
        "%4 = const 0 : [0, 0]",
        "%5 = select %2, %0, %4 : [0, 1]",
        "%6 = select %5, %1, %4 : [0, 1]",
        "%7 = const 1 : [1, 1]",
        "%8 = select %2, %7, %3 : [0, 1]",
        "in x = %0, %1, %2, %3",
        "out y = %5, %6, %8",
    ]


def test_a_threshold_of_numbers_stays_a_sum():
    x, y = Input("x", 0, 0, 3), Input("x", 1, 0, 1)
    after = passed((x, y), Compare(Const(3), Linear((x, y), (1, 1), 0), "lt"))
    assert any(isinstance(node, Linear) for node in after.walk())
    assert Conjunctions.exact
