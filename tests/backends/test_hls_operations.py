"""What calls of our own functions say of a layer, and where hls4ml's own layers end."""

from fractions import Fraction as F

import numpy as np
import pytest
from digests import check, digest
from hls_networks import ONE, given, rounded

from flow.backends import hls_native
from flow.backends.hls_calls import CALLS, PAIRS, Operation, copy
from flow.backends.hls_native import NATIVE, spread
from flow.ir import layers as ly
from flow.ir.network import Network
from flow.ir.rounding import ROUNDINGS


def types(layer, *inputs):
    network = Network("small", (*inputs, layer), (layer.name,))
    return [network.types[name] for name in (*layer.sources, layer.name)]


def called(layer, *inputs):
    return CALLS[type(layer)](layer, *types(layer, *inputs))


def numbers(operation):
    """name -> number, or the bits of a type."""
    found = {}
    for line in operation.config:
        if line.startswith("typedef"):
            found[line.split()[-1][:-1]] = int(line.split("<")[1].split(">")[0])
        else:
            name, value = line.removeprefix("static const int ").rstrip(";").split(" = ")
            found[name] = int(value)
    return found


IMAGE = given("x", (5, 7, 2), -8, 7)


def test_windows_over_two_axes_have_a_height_and_a_width():
    weights = np.arange(-5, 31).reshape(2, 3, 2, 3)
    conv = ly.Conv("y", ("x",), "y", weights, np.array([1, -2, 3]), (2, 1), ((1, 0), (2, 1)),
                   (1, 1), 1, ONE)  # fmt: skip
    made = called(conv, IMAGE)
    assert made.function == "conv"
    assert numbers(made) == {
        "n_in": 70, "n_out": 72, "channels": 2, "in_height": 5, "in_width": 7, "out_height": 3,
        "out_width": 8, "height": 2, "width": 3, "stride_height": 2, "stride_width": 1,
        "pad_top": 1, "pad_left": 2, "filters": 3, "sum_t": 12, "weight_t": 6,
    }  # fmt: skip
    assert (made.constants, made.plain) == (
        {"bias": [1, -2, 3]}, {"weights": list(range(-5, 31))}
    )  # fmt: skip


def test_a_window_over_one_axis_is_the_second_of_two():
    x = given("x", (9, 2), 0, 7)
    pool = ly.Pool("y", ("x",), "y", "sum", (4,), (3,), ((2, 1),))
    made = numbers(called(pool, x))
    assert made == {
        "n_in": 18, "n_out": 6, "channels": 2, "in_height": 1, "in_width": 9, "out_height": 1,
        "out_width": 3, "height": 1, "width": 4, "stride_height": 1, "stride_width": 3,
        "pad_top": 0, "pad_left": 2, "largest": 0, "sum_t": 6,
    }  # fmt: skip
    largest = ly.Pool("y", ("x",), "y", "max", (4,), (3,), ((0, 0),))
    assert numbers(called(largest, x))["largest"] == 1


@pytest.mark.parametrize(
    ("weights", "bits"),
    [([-9, 3], 5), ([3, 9], 5), ([-8, 7], 4), ([-8, 8], 5), ([-9, -9], 5), ([1, 1], 2)],
)
def test_the_type_of_weights_holds_the_least_and_the_largest(weights, bits):
    conv = ly.Conv("y", ("x",), "y", np.array(weights).reshape(1, 1, 2, 1), np.zeros(1, int),
                   (1, 1), ((0, 0), (0, 0)), (1, 1), 1, ONE)  # fmt: skip
    assert numbers(called(conv, IMAGE))["weight_t"] == bits


def test_a_sum_of_a_pool_has_room_for_values_and_results():
    up = ly.Pool("y", ("x",), "y", "sum", (2, 2), (2, 2), ((0, 0), (0, 0)))
    assert numbers(called(up, IMAGE))["sum_t"] == 6
    largest = ly.Pool("y", ("x",), "y", "max", (2, 2), (2, 2), ((0, 0), (0, 0)))
    assert numbers(called(largest, IMAGE))["sum_t"] == 4


def test_elements_that_are_gathered_compared_and_counted():
    x = given("x", (3, 4), -3, 5)
    gather = ly.Gather("y", ("x",), "y", np.array([[0, -1], [11, 2]]), 9)
    made = called(gather, x)
    assert (numbers(made), made.constants) == (
        {"n_in": 12, "n": 4, "fill": 9}, {"index": [0, -1, 11, 2]}
    )  # fmt: skip
    assert numbers(called(ly.ArgMax("y", ("x",), "y"), x)) == {
        "n_in": 12, "rows": 3, "width": 4, "value_t": 4
    }  # fmt: skip
    assert copy(types(gather, x)[0]) == Operation("copy", ("static const int n = 12;",))


def test_constants_repeat_after_the_last_axes_that_differ():
    x = given("x", (2, 3, 2), -3, 5)
    for bound, period in ((4, 1), ([1, 2], 2), ([[1], [2], [3]], 6)):
        layer = ly.AtLeast("y", ("x",), "y", np.array(bound))
        made = called(layer, x)
        assert numbers(made) == {"n": 12, "period": period, "value_t": 4}
        assert len(made.constants["bound"]) == period


def test_tables_stand_one_behind_the_other():
    x = given("x", (2,), -1, 2)
    layer = ly.Lookup("y", ("x",), "y", (-1, -3), ((4, 5, 6, 7), (9, 8, 7, 6, 5, 4)),
                      np.array([1, 0]), ONE)  # fmt: skip
    made = called(layer, x)
    # Value v of the second table is entry 4 + v + 3, of the first v + 1.
    assert made.constants == {"start": [7, 1], "table": [4, 5, 6, 7, 9, 8, 7, 6, 5, 4]}
    # Indices up to 2 + 7.
    assert numbers(made) == {"n": 2, "period": 2, "value_t": 5}


def test_an_index_of_a_table_may_be_below_every_value():
    x = given("x", (2,), 9, 12)
    layer = ly.Lookup("y", ("x",), "y", (9, -40), (tuple(range(4)), tuple(range(60))),
                      np.array([0, 1]), ONE)  # fmt: skip
    made = called(layer, x)
    # 12 + 44 is the largest index.
    assert (made.constants["start"], numbers(made)["value_t"]) == ([-9, 44], 7)
    below = ly.Lookup("y", ("x",), "y", (9, -2), (tuple(range(4)), tuple(range(60))),
                      np.array([0, 0]), ONE)  # fmt: skip
    assert numbers(called(below, given("x", (2,), 9, 12)))["value_t"] == 5


@pytest.mark.parametrize(
    ("bounds", "ends", "bits"),
    [((-60, 100), (0, 3), 10), ((-60, -50), (0, 3), 9), ((-60, -50), (0, 100), 10),
     ((50, 60), (0, 3), 9), ((50, 60), (-100, 3), 10), ((-4, 4), (-900, 900), 11)],
)  # fmt: skip
def test_a_product_has_room_for_sums_and_for_what_is_compared_with_its_ends(bounds, ends, bits):
    layer = rounded("y", "x", F(3, 8), F(0), "floor", "saturate", *ends)
    assert numbers(called(layer, given("x", (3,), *bounds)))["product_t"] == bits


def test_equal_tables_of_a_sum_are_kept_once():
    x = given("x", (2, 2), -1, 2)
    tables = (((1, 2, 3, 4), None), ((5, 6, 7, 8), (1, 2, 3, 4)))
    layer = ly.TableSum("y", ("x",), "y", (-1, -1), tables, np.array([3, -4]), ONE)
    made = called(layer, x)
    assert made.constants == {
        "base": (-1, -1), "start": [0, -1, 4, 0], "bias": [3, -4], "table": [1, 2, 3, 4, 5, 6, 7, 8]
    }  # fmt: skip
    assert numbers(made) == {
        "n_in": 4, "n_out": 4, "rows": 2, "inputs": 2, "outputs": 2, "value_t": 3, "sum_t": 5
    }  # fmt: skip


def test_tensors_are_joined_row_by_row_along_an_axis():
    a, b = given("a", (2, 3, 2), -4, 3), given("b", (2, 1, 2), 0, 9)
    for axis in (1, -2):
        layer = ly.Concat("y", ("a", "b"), "y", axis)
        here, made = PAIRS[ly.Concat](layer, *types(layer, a, b)[:2])
        assert here.shape == (2, 4, 2)
        assert numbers(made) == {
            "n_a": 12, "n_b": 4, "n": 16, "rows": 2, "left": 6, "right": 2
        }  # fmt: skip


@pytest.mark.parametrize("largest", [199, 200])
def test_a_convolution_of_many_products_is_no_layer_of_hls4ml(largest, monkeypatch):
    # 10 places, 2 groups of 2 channels, a window of 5.
    weights = np.ones((5, 2, 4), int)
    conv = ly.Conv("y", ("x",), "y", weights, np.zeros(4, int), (1,), ((2, 2),), (1,), 2, ONE)
    monkeypatch.setattr(hls_native, "LARGEST", largest)
    made = NATIVE[ly.Conv](conv, *types(conv, given("x", (10, 4), 0, 3)))
    assert (made is None) == (largest < 10 * 2 * 5 * 2)


def test_the_bound_of_a_convolution_is_what_hls4ml_can_compile():
    assert hls_native.LARGEST == 20_000


def test_groups_and_dilation_become_zeros():
    weights = np.arange(1, 9).reshape(2, 1, 4)
    full = spread(weights, 2, (2,))
    assert full[:, :, 0].tolist() == [[1, 0], [0, 0], [5, 0]]
    assert full[:, :, 3].tolist() == [[0, 4], [0, 0], [0, 8]]


def test_a_largest_of_windows_is_hls4mls_own_without_padding_alone():
    plain = ly.Pool("y", ("x",), "y", "max", (2, 3), (2, 1), ((0, 0), (0, 0)))
    made = NATIVE[ly.Pool](plain, *types(plain, IMAGE))
    assert made.kind == "MaxPooling2D"
    assert made.attributes == {
        "data_format": "channels_last", "n_filt": 2, "padding": "valid", "pool_height": 2,
        "pool_width": 3, "in_height": 5, "out_height": 2, "stride_height": 2, "pad_top": 0,
        "pad_bottom": 0, "in_width": 7, "out_width": 5, "stride_width": 1, "pad_left": 0,
        "pad_right": 0,
    }  # fmt: skip
    for padding in (((0, 0), (0, 1)), ((1, 0), (0, 0))):
        padded = ly.Pool("y", ("x",), "y", "max", (2, 3), (2, 1), padding)
        assert NATIVE[ly.Pool](padded, *types(padded, IMAGE)) is None
    line = ly.Pool("y", ("x",), "y", "max", (2,), (2,), ((0, 0),))
    made = NATIVE[ly.Pool](line, *types(line, given("x", (8, 2), 0, 3)))
    assert (made.kind, made.attributes["n_in"], made.attributes["n_out"]) == ("MaxPooling1D", 8, 4)


SCALES = {
    "half": F(1, 2), "third": F(1, 3), "minus": F(-3, 7), "large": F(5, 3),
    "several": [F(1, 3), F(-1, 4), F(7, 5), F(0)],
}  # fmt: skip
RANGES = {"narrow": (-4, 3), "unsigned": (0, 9), "wide": (-1000, 1000)}


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_numbers_of_requantisations_are_golden(rounding, request):
    found = {}
    for name, scale in SCALES.items():
        for kind, (lo, hi) in RANGES.items():
            for overflow in ("saturate", "wrap"):
                for offset in (F(0), F(5, 3)):
                    layer = rounded("y", "x", scale, offset, rounding, overflow, lo, hi)
                    made = called(layer, given("x", (3, 4), -60, 100))
                    found[f"{name} + {offset}, {kind}, {overflow}"] = digest(repr(made))
    check("texts", f"requantise-{rounding}", found, request.config.getoption("--update-golden"))
