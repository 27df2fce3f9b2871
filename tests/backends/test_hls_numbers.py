"""Widths, modes and constants of the calls of an HLS project at the values where they change."""

from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from hls_networks import ONE, every_layer, given, rounded

from flow.backends.hls_calls import (
    CALLS,
    KEEP,
    PAIRS,
    REMAINDER,
    SATURATE,
    WRAP,
    Operation,
)
from flow.backends.hls_layers import hls_model
from flow.ir import layers as ly
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import exact


def made_of(layer, *inputs):
    network = Network("small", (*inputs, layer), (layer.name,))
    types = [network.types[name] for name in (*layer.sources, layer.name)]
    return network, CALLS[type(layer)](layer, *types)


def number(operation, name):
    lines = {line.split()[-1][:-1]: line for line in operation.config if "typedef" in line}
    if name in lines:
        return int(lines[name].split("<")[1].split(">")[0])
    (line,) = (line for line in operation.config if f" {name} = " in line)
    return int(line.rstrip(";").split(" = ")[1])


def cut(scale, offset, rounding, overflow, lo, hi):
    """A requantisation whose ends may differ by element."""
    layer = rounded("y", "x", scale, offset, rounding, overflow, 0, 0)
    return replace(layer, lo=exact(lo, np.shape(lo)), hi=exact(hi, np.shape(hi)))


def requantized(made, x):
    """What the function `requantize` of the project makes of one row."""
    table = {name: list(values) for name, values in made.constants.items()}
    period, shift = number(made, "period"), number(made, "shift")
    found = []
    for i, value in enumerate(x):
        k = i % period
        below = number(made, "by_sign") and value < table["pivot"][k]
        total = value * table["mul"][k] + table["low" if below else "high"][k]
        q = total >> shift
        if number(made, "to_even") and q & 1 and total - (q << shift) < table["bound"][k]:
            q -= 1
        bits = number(made, "product_t") - 1
        assert -(1 << bits) <= total < 1 << bits
        if number(made, "overflow") != KEEP:
            least, most = table["least"][k], table["most"][k]
            if number(made, "overflow") == SATURATE:
                q = min(max(q, least), most)
            else:
                q = (q - least) % (most - least + 1) + least
        found.append(q)
    return found


def every_row(network, layer, count=300):
    """Rows of values within the intervals, their ends among them, with the layer's answers."""
    tensor = network.inputs[0].tensor
    lo, hi = tensor.lo.ravel().astype(int), tensor.hi.ravel().astype(int)
    rows = np.random.default_rng(0).integers(lo, hi + 1, (count, len(lo)))
    rows = np.concatenate([[lo, hi], rows])
    answers = evaluate_network(network, {"x": rows.reshape(-1, *tensor.shape)})[layer.name]
    return zip(rows.tolist(), answers.reshape(len(rows), -1).tolist(), strict=True)


SCALES = ([F(1, 7), F(-3, 5), F(1, 7)], [F(1, 8)] * 3, [F(5, 3), F(0), F(1, 64)])
ENDS = (([-4, 0, -4], [3, 2, 3]), ([-4, 0, 1], [3, 7, 8]), (-900, 900), (5, 6))


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("rounding", ["floor", "half_even", "half_away", "zero"])
def test_the_numbers_of_a_requantisation_give_its_values(rounding, overflow):
    # Equal scales of elements of different intervals have numbers for both.
    x = given("x", (3,), np.array([-50, 3, 0]), np.array([-20, 90, 127]))
    for scale in SCALES:
        for lo, hi in ENDS:
            layer = cut(scale, F(2, 3), rounding, overflow, lo, hi)
            network, made = made_of(layer, x)
            for row, wanted in every_row(network, layer):
                assert requantized(made, row) == wanted


def test_an_affine_layer_rounds_and_cuts_nothing():
    layer = ly.Affine("y", ("x",), "y", np.array([3, -2, 0]), np.array([5, 0, -7]), ONE)
    network, made = made_of(layer, given("x", (2, 3), -9, 20))
    assert [number(made, k) for k in ("period", "shift", "by_sign", "to_even")] == [3, 0, 0, 0]
    assert (made.constants["mul"], made.constants["high"]) == ([3, -2, 0], [5, 0, -7])
    for row, wanted in every_row(network, layer):
        assert requantized(made, row) == wanted


@pytest.mark.parametrize(
    ("overflow", "ends", "mode"),
    [
        ("wrap", (0, 3), WRAP),
        ("wrap", (0, 2), REMAINDER),
        ("wrap", (-1, 1), REMAINDER),
        ("wrap", (1, 2), WRAP),
        ("wrap", ([0, 0], [3, 2]), REMAINDER),
        ("wrap", ([0, -4], [3, 3]), WRAP),
        ("saturate", (0, 3), SATURATE),
        # Of x / 2 from -4 to 3: ends that nothing reaches, one spare below for ties.
        ("saturate", (-5, 3), KEEP),
        ("saturate", (-4, 3), SATURATE),
        ("saturate", (-5, 2), SATURATE),
        ("wrap", (-5, 3), KEEP),
        ("saturate", ([-5, -5], [3, 2]), SATURATE),
    ],
)
def test_what_lies_outside_is_cut_only_where_something_does(overflow, ends, mode):
    layer = cut(F(1, 2), F(0), "floor", overflow, *ends)
    _, made = made_of(layer, given("x", (2,), -8, 7))
    assert number(made, "overflow") == mode
    assert (made.constants["least"] == [0] == made.constants["most"]) == (mode == KEEP)


@pytest.mark.parametrize(
    ("bounds", "ends", "bits"),
    [
        # The sums, one step of the result below them, and their distance from either end.
        ((0, 127), (5, 100), 9),
        ((0, 126), (5, 100), 8),
        ((-128, 0), (-100, 0), 9),
        ((-127, 0), (-100, 0), 8),
        ((-127, 0), (-126, 0), 8),
        ((-127, 0), (-127, 0), 9),
        ((0, 100), (3, 127), 8),
        ((-1, 100), (3, 127), 8),
        ((-2, 100), (3, 127), 9),
    ],
)
def test_a_product_is_as_wide_as_what_is_computed_with_it(bounds, ends, bits):
    layer = cut(F(1), F(0), "floor", "saturate", *ends)
    _, made = made_of(layer, given("x", (1,), *bounds))
    assert number(made, "product_t") == bits


@pytest.mark.parametrize(
    ("bases", "bits"), [((-1, -1), 3), ((-40, -1), 7), ((-1, 64), 8), ((0, 5), 4), ((-5, 0), 4)]
)
def test_an_index_of_summed_tables_has_room_for_every_base(bases, bits):
    table = tuple(range(60))
    layer = ly.TableSum("y", ("x",), "y", bases, ((table,), (table,)), np.array([0]), ONE)
    _, made = made_of_tables(layer, given("x", (2,), -1, 2))
    assert number(made, "value_t") == bits


def made_of_tables(layer, x):
    """Tables are read by indices that no network checks here."""
    here = given("y", (1,), -100, 100).tensor
    return None, CALLS[ly.TableSum](layer, x.tensor, here)


def test_tensors_are_multiplied_and_added_into_their_intervals():
    a, b = given("a", (1,), -3, 5), given("b", (1,), -7, 2)
    for layer, ends in (
        (ly.Multiply("y", ("a", "b"), "y", ONE), (-35, 21)),
        (ly.Add("y", ("a", "b"), "y"), (-10, 7)),
    ):
        for first, second in ((a, b), (b, a)):
            here, made = PAIRS[type(layer)](layer, first.tensor, second.tensor)
            assert (here.hull.lo, here.hull.hi) == ends
            assert made == Operation(layer.kind, ("static const int n = 1;",))


def test_a_chain_of_sums_knows_the_interval_of_every_step():
    inputs = [given(name, (2,), -8, 7) for name in "abc"]
    network = Network("sum", (*inputs, ly.Add("y", ("a", "b", "c"), "y")), ("y",))
    steps = hls_model(network).layers[3:]
    assert [layer.types["result"].bits for layer in steps] == [5, 6]
    assert [layer.inputs for layer in steps] == [("x0", "x1"), (steps[0].name, "x2")]


def test_every_result_of_a_network_is_as_wide_as_its_values():
    network = every_layer()
    made = {layer.name: layer for layer in hls_model(network).layers}
    for layer in network.layers:
        if layer.name in made and not isinstance(layer, ly.Reshape):
            hull, kind = network.types[layer.name].hull, made[layer.name].types["result"]
            assert (kind.bits, kind.signed) == (max(1, hull.width), hull.signed)
