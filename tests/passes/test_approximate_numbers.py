"""Approximations of weights and products against hand examples; their errors in full."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.layers import Dense, Input, MaskedDense, Relu
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.approximate.base import Facts
from flow.passes.approximate.coefficients import ReplaceCoefficients, balanced, nearby
from flow.passes.approximate.columns import TruncateColumns
from flow.passes.approximate.registry import (
    GATE_APPROXIMATIONS,
    NETWORK_APPROXIMATIONS,
    parse_approximations,
)
from flow.passes.approximate.significance import SkipInsignificant
from flow.passes.base import pass_text

ONE = fractions(1, ())


@dataclass(frozen=True)
class Digits:
    """A multiplier takes as much as its weight has ones, less one."""

    def area(self, weight, input_bits):
        return float(input_bits * max(0, abs(weight).bit_count() - 1))


def network(weights, bias, second=None):
    weights = np.array(weights)
    layers = [
        Input("x", (), "", tensor_type((len(weights),), 0, 15), fractions(0, (len(weights),))),
        Dense("d", ("x",), "", weights, np.array(bias), ONE),
    ]
    if second is not None:
        layers.append(Relu("r", ("d",), ""))
        layers.append(Dense("e", ("r",), "", np.array(second), np.zeros(1, int), ONE))
    return Network("net", tuple(layers), (layers[-1].name,))


def changed(new, name="d"):
    layer = new.layer(name)
    assert isinstance(layer, MaskedDense)
    return layer


def test_weights_give_way_to_smaller_multipliers_whose_changes_balance():
    # Of 7 within 1: 8 above, 6 below. Of 9: 9 (10 takes as much, 9 is nearer) above, 8 below.
    assert nearby(7, 4, 1, Digits()) == [(1, 0.0, 8), (-1, 4.0, 6)]
    assert nearby(9, 4, 1, Digits()) == [(0, 4.0, 9), (-1, 0.0, 8)]
    new = ReplaceCoefficients(1).run_with(
        network([[7], [9], [-16]], [5]), Facts({"x": np.ones((1, 3), int)}, Digits())
    )
    assert changed(new).weights.tolist() == [[8], [8], [-16]]
    assert changed(new).bias.tolist() == [5]


def test_weights_of_more_than_8_bits_stay_and_ends_are_not_passed():
    assert nearby(300, 4, 4, Digits()) == [(0, 0.0, 300)]
    assert nearby(127, 4, 4, Digits()) == [(0, 24.0, 127), (-3, 16.0, 124)]
    assert nearby(-127, 4, 2, Digits()) == [(1, 20.0, -126), (-1, 0.0, -128)]


@dataclass(frozen=True)
class FartherIsSmaller:
    """What takes the least lies beyond the weights of 8 bits."""

    def area(self, weight, input_bits):
        return 1000.0 - abs(weight)


def test_no_weight_beyond_8_bits_is_tried():
    areas = FartherIsSmaller()
    assert nearby(-128, 4, 4, areas) == [(0, 872.0, -128)]
    assert nearby(126, 4, 4, areas) == [(1, 873.0, 127), (0, 874.0, 126)]
    assert nearby(-126, 4, 4, areas) == [(0, 874.0, -126), (-2, 872.0, -128)]
    for beyond in (-129, 128):
        assert nearby(beyond, 4, 4, areas) == [(0, 0.0, beyond)]


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=6), st.integers(0, 4))
def test_the_choice_of_weights_is_the_best_of_all(weights, reach):
    options = [nearby(w, 4, reach, Digits()) for w in weights]

    def rank(choices):
        return abs(sum(c for c, _, _ in choices)), sum(a for _, a, _ in choices)

    every = [()]
    for row in options:
        every = [(*way, choice) for way in every for choice in row]
    found = balanced(options)
    taken = [next(o for o in row if o[2] == w) for row, w in zip(options, found, strict=True)]
    assert rank(taken) == min(map(rank, every))


def test_truncated_columns_are_zero_and_the_bias_takes_their_mean():
    x = np.array([[1, 1], [3, 1]])
    # Products 3x and -5x: 3, 9 and -5, -5. Of 3 columns left: 0, 8 and 0, 0 are kept.
    new = TruncateColumns(3).run_with(network([[3], [-5]], [20]), Facts({"x": x}))
    layer = changed(new)
    assert layer.keep.tolist() == [[0b111000], [0b1111000]]
    # 20 + mean(3, 1) - 5 = 17, and 16 is the nearest multiple of 8.
    assert layer.bias.tolist() == [16]
    assert evaluate_network(new, {"x": x})["d"].tolist() == [[16], [24]]


def test_one_column_is_truncated_and_none_changes_nothing():
    x = np.array([[1, 1], [3, 1]])
    one = TruncateColumns(1).run_with(network([[3], [-5]], [20]), Facts({"x": x}))
    # 3, 9 and -5, -5 become 2, 8 and -4, -4: 1 - 1 is lost, and 20 is even.
    assert changed(one).keep.tolist() == [[0b111110], [0b1111110]]
    assert changed(one).bias.tolist() == [20]
    none = TruncateColumns(0).run_with(network([[3], [-5]], [21]), Facts({"x": x}))
    assert (changed(none).keep.tolist(), changed(none).bias.tolist()) == ([[-1], [-1]], [21])
    zero = TruncateColumns(2).run_with(network([[0], [-5]], [20]), Facts({"x": x}))
    assert changed(zero).keep.tolist() == [[-1], [0b1111100]]
    twice = TruncateColumns(3).run_with(one, Facts({"x": x}))
    assert changed(twice).keep.tolist() == [[0b111000], [0b1111000]]


def test_the_smallest_products_keep_their_highest_bits():
    x = np.array([[15, 1], [15, 3]])
    # Mean products 15 * 7 and 2 * 3: the second is 6 of 111, below 6 %.
    new = SkipInsignificant(0.06, 1).run_with(network([[7], [3]], [0]), Facts({"x": x}))
    layer = changed(new)
    assert layer.keep.tolist() == [[-1], [0b100000]]
    assert layer.bias.tolist() == [6]
    same = SkipInsignificant(0.05, 1).run_with(network([[7], [3]], [0]), Facts({"x": x}))
    assert changed(same).keep.tolist() == [[-1], [-1]]


def test_a_layer_sees_what_the_layers_before_it_give_now():
    net = network([[3], [5]], [0], [[9]])
    x = np.array([[1, 1], [2, 1]])
    new = TruncateColumns(3).run_with(net, Facts({"x": x}))
    hidden = evaluate_network(new, {"x": x}, keep=("r",))["r"].ravel()
    assert hidden.tolist() == [8, 8]
    assert evaluate_network(new, {"x": x})["e"].ravel().tolist() == [72, 72]
    only = TruncateColumns(3, "e").run_with(net, Facts({"x": x}))
    assert isinstance(only.layer("d"), Dense)
    assert evaluate_network(only, {"x": x})["e"].ravel().tolist() == [72, 96]


@given(st.integers(0, 6), st.integers(0, 3))
def test_without_an_effect_the_answers_stay(seed, kept):
    rng = np.random.default_rng(seed)
    net = network(rng.integers(-9, 10, (4, 2)), rng.integers(-9, 10, 2))
    x = rng.integers(0, 16, (20, 4))
    facts = Facts({"x": x}, Digits())
    for item in (TruncateColumns(0), SkipInsignificant(0.0, kept), ReplaceCoefficients(0)):
        new = item.run_with(net, facts)
        assert (evaluate_network(new, {"x": x})["d"] == evaluate_network(net, {"x": x})["d"]).all()


@pytest.mark.parametrize(
    ("item", "message", "hint"),
    [
        (
            TruncateColumns(1, "q"),
            "truncate-columns: there is no dense layer 'q' with unsigned inputs",
            "there are d",
        ),
        (TruncateColumns(-1), "truncate-columns: columns is -1, a negative number", None),
        (SkipInsignificant(1.5), "skip-insignificant: threshold is 1.5, not 0 to 1", None),
        (SkipInsignificant(0.1, -2), "skip-insignificant: kept is -2, a negative number", None),
        (
            ReplaceCoefficients(),
            "replace-coefficients: the areas of the multipliers are not measured",
            None,
        ),
    ],
)
def test_a_wrong_option_is_refused(item, message, hint):
    with pytest.raises(UsageError) as caught:
        item.run_with(network([[1]], [0]), Facts({"x": np.ones((1, 1), int)}))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_negative_reach_is_refused():
    with pytest.raises(UsageError) as caught:
        ReplaceCoefficients(-1).run_with(
            network([[1]], [0]), Facts({"x": np.ones((1, 1), int)}, Digits())
        )
    assert caught.value.message == "replace-coefficients: reach is -1, a negative number"


def test_approximations_are_read_from_their_text():
    text = "replace-coefficients{reach=2},skip-insignificant{threshold=0.1,layer=d},prune-gates"
    items = parse_approximations(text)
    assert ",".join(pass_text(item) for item in items) == text
    kinds = (*NETWORK_APPROXIMATIONS, *GATE_APPROXIMATIONS)
    assert parse_approximations(",".join(k.name for k in kinds)) == tuple(k() for k in kinds)
    assert not any(kind.exact for kind in kinds)


def test_an_unknown_approximation_is_refused():
    with pytest.raises(UsageError) as caught:
        parse_approximations("prune-gate")
    assert caught.value.message == "there is no approximation 'prune-gate'"
    assert caught.value.hint == (
        "did you mean 'prune-gates'? the approximations are replace-coefficients, "
        "skip-insignificant, truncate-columns, prune-gates, merge-signals, trim-gates"
    )


def test_a_layer_of_signed_inputs_stays():
    tensor = tensor_type((1,), -3, 3, Fraction(1))
    net = Network(
        "net",
        (
            Input("x", (), "", tensor, fractions(0, (1,))),
            Dense("d", ("x",), "", np.array([[5]]), np.array([0]), ONE),
        ),
        ("d",),
    )
    assert TruncateColumns(2).run_with(net, Facts({"x": np.ones((1, 1), int)})).layers == net.layers
