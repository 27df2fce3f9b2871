"""The grid of an input that several quantisers read: they answer as if they saw the real input."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.frontend.exact.input_grids import shared_grid
from flow.frontend.exact.ports import plan_ports
from flow.frontend.files.coding import decode, encode
from flow.frontend.float_model import apply_quantiser
from flow.frontend.source import (
    Quantiser,
    SourceConcat,
    SourceGather,
    SourceInput,
    SourceModel,
    SourceQuantise,
    SourceReshape,
)
from flow.ir.layers import Input


def array(values):
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def model(*quantisers, shape=(2,), indices=None):
    """An input read by quantisers, behind a gather if there are indices."""
    layers = [SourceInput("x", (), "x", shape)]
    source = "x"
    if indices is not None:
        layers.append(SourceGather("moved", ("x",), "x", np.array(indices)))
        source = "moved"
    names = [f"q{i}" for i in range(len(quantisers))]
    for name, quantiser in zip(names, quantisers, strict=True):
        layers.append(SourceQuantise(name, (source,), "x", quantiser))
    layers.append(SourceConcat("y", tuple(names), "x"))
    return SourceModel("m", "test", tuple(layers), ("y",), "0" * 64)


def seen(model_, x, data=None):
    """What the coded input stands for."""
    ports, notes = plan_ports(model_, None, False, None, {} if data is None else {"x": data})
    port = ports["x"]
    layer = Input("x", (), "x", port.tensor, port.offset, port.rounding, port.overflow)
    return decode(port.tensor, encode(layer, x)), notes


@st.composite
def wrapping(draw):
    bits, fraction = draw(st.integers(0, 5)), draw(st.integers(-2, 4))
    signed = draw(st.booleans())
    low = -(1 << bits) if signed else 0
    rounding = draw(st.sampled_from(["half_up", "floor"]))
    step = np.array(Fraction(2) ** -fraction, dtype=object)
    return Quantiser(step, low, (1 << bits) - 1, rounding, "wrap")


@given(st.lists(wrapping(), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_wrapping_quantisers_see_the_real_input(quantisers, seed):
    m = model(*quantisers, indices=[1, 0, 1])
    x = np.random.default_rng(seed).uniform(-40, 40, (50, 2))
    # Beyond 32 times what the others tell apart, pruned quantisers are not reached.
    grid = shared_grid(m, m.layers[0], 1e6)
    assert grid is not None
    assert grid.unreached == 0
    coded, _ = seen(m, x, np.full((1, 2), 1e6))
    for q in quantisers:
        expected = apply_quantiser(q, x[:, [1, 0, 1]])
        np.testing.assert_array_equal(apply_quantiser(q, coded[:, [1, 0, 1]]), expected)


def test_saturating_quantisers_see_the_real_input():
    first = Quantiser(np.array(Fraction(1, 4), dtype=object), -8, 7, "half_up", "saturate")
    second = Quantiser(np.array(Fraction(1), dtype=object), 0, 3, "floor", "saturate")
    m = model(first, second)
    x = np.linspace(-9, 9, 1001).repeat(2).reshape(-1, 2)
    coded, notes = seen(m, x)
    assert notes == ()
    for q in (first, second):
        np.testing.assert_array_equal(apply_quantiser(q, coded), apply_quantiser(q, x))
    assert shared_grid(m, m.layers[0]).tensor.hull.width == 6


def test_an_input_needs_no_bit_beyond_half_the_finest_step():
    fine = Quantiser(array([Fraction(1, 8), Fraction(1)]), -8, 7, "half_up", "wrap")
    m = model(fine, Quantiser(array([Fraction(1, 2)] * 2), -4, 3, "half_up", "wrap"))
    grid = shared_grid(m, m.layers[0])
    assert grid.overflow == "wrap"
    assert grid.tensor.scale.tolist() == [Fraction(1, 16), Fraction(1, 4)]
    assert list(zip(grid.tensor.lo, grid.tensor.hi, strict=True)) == [(-32, 31), (-32, 31)]


def test_pruned_quantisers_need_no_bits_of_the_input():
    pruned = Quantiser(np.array(Fraction(1 << 24), dtype=object), -1, 0, "half_up", "wrap")
    live = Quantiser(np.array(Fraction(1, 4), dtype=object), -16, 15, "half_up", "wrap")
    m = model(pruned, live)
    coded, notes = seen(m, np.array([[3.1, -2.2]]))
    assert coded.tolist() == [[3.0, -2.25]]
    assert notes == (
        "input 'x': 2 of its quantisers tell apart only inputs beyond +-64, which are not expected",
    )
    _, known = seen(m, np.zeros((1, 2)), np.array([[1e9, 0.0]]))
    assert known == ()


def test_an_element_that_nobody_reads_has_no_bits():
    q = Quantiser(np.array(Fraction(1), dtype=object), -4, 3, "half_up", "wrap")
    m = model(q, q, shape=(3,), indices=[2, 0, -1])
    tensor = shared_grid(m, m.layers[0]).tensor
    assert tensor.lo.tolist() == [-8, 0, -8]
    assert tensor.hi.tolist() == [7, 0, 7]


@pytest.mark.parametrize(
    "others",
    [
        [Quantiser(np.array(Fraction(1), dtype=object), -4, 3, "half_even", "wrap")],
        [Quantiser(np.array(Fraction(1), dtype=object), -4, 3, "half_up", "saturate")],
        [Quantiser(np.array(Fraction(2, 3), dtype=object), -4, 3, "half_up", "wrap")],
        [Quantiser(np.array(Fraction(1), dtype=object), -4, 1, "half_up", "wrap")],
    ],
    ids=["another rounding", "another overflow", "another grid", "another period"],
)
def test_quantisers_that_do_not_go_together_share_no_grid(others):
    q = Quantiser(np.array(Fraction(1), dtype=object), -4, 3, "half_up", "wrap")
    m = model(q, *others)
    assert shared_grid(m, m.layers[0]) is None


def test_a_reader_without_a_quantiser_needs_the_input_itself():
    q = Quantiser(np.array(Fraction(1), dtype=object), -4, 3, "half_up", "wrap")
    m = model(q, q)
    layers = (*m.layers[:-1], SourceReshape("r", ("x",), "x", (2, 1)), m.layers[-1])
    assert shared_grid(SourceModel("m", "test", layers, ("y",), ""), m.layers[0]) is not None
    outputs = ("y", "r")
    assert shared_grid(SourceModel("m", "test", layers, outputs, ""), m.layers[0]) is None
    concat = (*layers, SourceConcat("z", ("x", "y"), "x"))
    assert shared_grid(SourceModel("m", "test", concat, ("z",), ""), m.layers[0]) is None
