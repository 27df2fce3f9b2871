"""The integer type of inputs: from a quantiser of the model, or from data."""

from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import exact_dense, model, quantiser

from flow.frontend.exact.ports import fixed_point, grid, plan_ports
from flow.frontend.source import SourceAffine, SourceInput, SourceQuantise

X = SourceInput("x", (), "file: x", (2,))
DENSE = exact_dense("d", "q", [[1], [2]])


def plan(layers, data=None, bits=None, exact_input=False, signed=None):
    given = {} if data is None else {"x": np.asarray(data)}
    ports, notes = plan_ports(model(layers), bits, exact_input, signed, given)
    return ports["x"], notes


def facts(port):
    hull = port.tensor.hull
    return hull.lo, hull.hi, port.tensor.scale[0], port.offset[0], port.absorbed


def test_a_quantiser_becomes_the_coding():
    layers = [X, SourceQuantise("q", ("x",), "p", quantiser("1/4", -8, 7)), DENSE]
    port, notes = plan(layers)
    assert facts(port) == (-8, 7, Fraction(1, 4), 0, "q")
    assert notes == ()


def test_so_does_one_behind_a_scaler():
    scaler = SourceAffine("s", ("x",), "p", np.array(0.5), np.array(1.0))
    layers = [X, scaler, SourceQuantise("q", ("s",), "p", quantiser("1/4", -8, 7)), DENSE]
    assert facts(plan(layers)[0]) == (-8, 7, Fraction(1, 2), -2, "q")


@pytest.mark.parametrize("rounding", ["floor", "half_up", "half_away"])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_the_coding_rounds_and_overflows_as_the_quantiser_does(rounding, overflow):
    q = quantiser("1/4", -8, 7, rounding, overflow)
    port, notes = plan([X, SourceQuantise("q", ("x",), "p", q), DENSE], [[2.0, -2.0]])
    assert facts(port) == (-8, 7, Fraction(1, 4), 0, "q")
    assert (port.rounding, port.overflow, notes) == (rounding, overflow, ())


def test_an_exact_input_is_the_narrowest_that_holds_the_data():
    layers = [X, exact_dense("d", "x", [[1], [2]])]
    assert facts(plan(layers, [[0.75, 3.0]], exact_input=True)[0])[:3] == (0, 15, Fraction(1, 4))
    assert facts(plan(layers, [[0.5, -4.0]], exact_input=True)[0])[:3] == (-8, 7, Fraction(1, 2))
    assert facts(plan(layers, [[0.0, 0.0]], exact_input=True)[0])[:3] == (0, 1, Fraction(1))


def test_data_of_more_than_32_bits_are_rounded_with_a_note():
    layers = [X, exact_dense("d", "x", [[1], [2]])]
    port, notes = plan(layers, [[1.0, 2.0**-40]], exact_input=True)
    assert facts(port)[:3] == (0, (1 << 32) - 1, Fraction(1, 1 << 31))
    assert notes == ("input 'x': the data need 41 bits; rounded to 32 bits",)


def test_given_bits_cover_the_data_with_a_power_of_two():
    layers = [X, exact_dense("d", "x", [[1], [2]])]
    assert facts(plan(layers, [[0.3, 1.0]], bits=4)[0])[:3] == (0, 15, Fraction(1, 16))
    assert facts(plan(layers, [[-0.3, 1.5]], bits=4)[0])[:3] == (-8, 7, Fraction(1, 4))
    port, notes = plan(layers, [[0.3, 1.0]])
    assert facts(port)[:3] == (0, 65535, Fraction(1, 65536))
    assert notes == ("input 'x': 16 bits, as the model has no quantiser there",)


def test_without_data_a_range_is_assumed_and_noted():
    port, notes = plan([X, exact_dense("d", "x", [[1], [2]])], bits=8)
    assert facts(port)[:3] == (-128, 127, Fraction(1, 16))
    assert notes == ("input 'x': no data; its range is taken as +-8",)


def test_the_grid_of_data_is_their_lowest_bit():
    assert grid(np.array([0.0, 0.75, 6.0])) == -2
    assert grid(np.array([-96.0, 32.0])) == 5
    assert grid(np.zeros(3)) is None


def test_fixed_point_reaches_the_largest_value():
    assert fixed_point(1.0, 4, False) == (0, 15, Fraction(1, 16))
    assert fixed_point(1.01, 4, False) == (0, 15, Fraction(1, 8))
    assert fixed_point(100.0, 8, True) == (-128, 127, Fraction(1))
    assert fixed_point(0.0, 8, True) == (-128, 127, Fraction(1, 128))
