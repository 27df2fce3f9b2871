"""A wrap is modulo the size of its interval, on wires and off them, for every operand."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from flow.errors import UnsupportedModel
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.interval import IntRange
from flow.ir.nodes import Input
from flow.ir.rounding import ROUNDINGS
from flow.passes.requantise import Scaling, requantise

RATIOS = (Fraction(1), Fraction(-17, 9), Fraction(17, 9), Fraction(3, 11), Fraction(-5, 8))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    ("lo", "hi"), [(-8, 7), (0, 15), (3, 9), (-7, 7), (1, 16), (-3, 4), (5, 5), (0, 0), (0, 12)]
)
def test_a_wrap_into_any_interval_is_exact(rounding, lo, hi):
    for ratio, offset, (low, high) in itertools.product(
        RATIOS, (Fraction(0), Fraction(1, 2), Fraction(10, 11)), ((-40, 30), (15, 18), (-19, -17))
    ):
        x = Input("x", 0, low, high)
        scaling = Scaling(IntRange(low, high), ratio, offset, rounding)
        node = requantise(x, scaling, lo, hi, "wrap")
        values = np.arange(low, high + 1)[:, None]
        got = evaluate(Circuit("c", (Port("x", (x,)),), (Port("y", (node,)),)), {"x": values})
        expected = [[(scaling.exact(int(v)) - lo) % (hi - lo + 1) + lo] for v in values[:, 0]]
        assert got["y"].tolist() == expected, (ratio, offset, low, high)


def test_a_wrap_that_needs_too_large_a_table_is_refused():
    x = Input("x", 0, 0, 5000)
    scaling = Scaling(IntRange(0, 5000), Fraction(1), Fraction(0), "floor")
    with pytest.raises(UnsupportedModel) as caught:
        requantise(x, scaling, 0, 9, "wrap")
    assert caught.value.message == (
        "values in [0, 5000] wrap into [0, 9], which is not a number of bits"
    )
    assert caught.value.hint == ("let the quantiser saturate, or choose an interval of 2**n values")


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("lo", "hi"), [(-128, 127), (0, 255), (-20, 300)])
def test_a_saturation_with_many_levels_is_exact(rounding, lo, hi):
    for ratio, offset in itertools.product(RATIOS, (Fraction(1, 2), Fraction(10, 11))):
        x = Input("x", 0, -200, 199)
        scaling = Scaling(IntRange(-200, 199), ratio, offset, rounding)
        node = requantise(x, scaling, lo, hi, "saturate")
        values = np.arange(-200, 200)[:, None]
        got = evaluate(Circuit("c", (Port("x", (x,)),), (Port("y", (node,)),)), {"x": values})
        expected = [[min(max(scaling.exact(int(v)), lo), hi)] for v in values[:, 0]]
        assert got["y"].tolist() == expected, (ratio, offset)


def test_what_no_arithmetic_and_no_table_does_is_refused():
    x = Input("x", 0, -5000, 5000)
    scaling = Scaling(IntRange(-5000, 5000), Fraction(17, 9), Fraction(1, 2), "half_even")
    with pytest.raises(UnsupportedModel) as caught:
        requantise(x, scaling, -5000, 5000, "saturate")
    assert caught.value.message == (
        "no integer arithmetic was found for 17/9 * x + 1/2 with half_even on [-5000, 5000]"
    )
