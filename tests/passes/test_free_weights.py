"""Weights as an input, or as banks: the network means the same for any weights that fit."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from digests import check, digest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import UsageError
from flow.ir.evaluate import evaluate
from flow.ir.layers import Conv, Dense, Input, Relu, Requantize, Reshape
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import print_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.free_weights import MAX_BITS, bank_weights, free_weights
from flow.passes.lower_layers import LowerLayers

ONE = fractions(Fraction(1), (1,))


def network(seed, bias_step=8, groups=1):
    """A convolution with padding, a requantisation and a dense layer."""
    rng = np.random.default_rng(seed)
    tensor = tensor_type((4, 3, 2), -8, 7, Fraction(1, 8))
    zero, most = np.array(0), np.array(15)
    return Network(
        "net",
        (
            Input("x", (), "x", tensor, fractions(0, (4, 3, 2))),
            Conv("conv", ("x",), "conv", rng.integers(-7, 8, (2, 2, 2 // groups, 4)),
                 rng.integers(-3, 4, 4) * bias_step, (1, 2), ((1, 0), (0, 1)), (1, 1), groups,
                 fractions(Fraction(1, 64), (4,))),
            Relu("relu", ("conv",), "relu"),
            Requantize("act", ("relu",), "act", np.array(Fraction(1, 16), dtype=object),
                       np.array(Fraction(0), dtype=object), "half_even", "saturate",
                       zero, most, fractions(1, ())),
            Reshape("flat", ("act",), "flat", (32,)),
            Dense("dense", ("flat",), "dense", rng.integers(-3, 4, (32, 3)), np.zeros(3, np.int64),
                  fractions(1, (3,))),
        ),
        ("dense",),
    )  # fmt: skip


def drawn(freed, seed, samples):
    rng = np.random.default_rng(seed)
    lo, hi = freed.ranges
    return rng.integers(lo, hi, size=(samples, len(lo)), endpoint=True)


@given(st.integers(0, 1 << 30), st.integers(1, 2), st.sampled_from([None, 5, 6]))
@settings(max_examples=10)
def test_the_freed_network_is_the_network_for_any_weights(seed, groups, bits):
    fixed = network(seed, groups=groups)
    freed = free_weights(fixed, bits)
    x = np.random.default_rng(seed).integers(-8, 8, (6, 4, 3, 2))
    weights = drawn(freed, seed, 6)
    weights[0] = freed.values(fixed)
    found = evaluate_network(freed.network, {"x": x, freed.port: weights})["dense"]
    for sample in range(6):
        alone = freed.load(fixed, weights[sample])
        expected = evaluate_network(alone, {"x": x[sample : sample + 1]})["dense"]
        assert (found[sample] == expected[0]).all()
    assert (found[0] == evaluate_network(fixed, {"x": x[:1]})["dense"][0]).all()


def test_the_circuit_takes_weights_as_a_port():
    fixed = network(3)
    freed = free_weights(fixed, 6)
    circuit = LowerLayers().run(freed.network)
    x = np.random.default_rng(4).integers(-8, 8, (20, 4, 3, 2))
    weights = drawn(freed, 5, 20)
    found = evaluate(circuit, {"x0": x.reshape(20, -1), "x1": weights})["y"]
    for sample in range(20):
        alone = freed.load(fixed, weights[sample])
        assert (found[sample] == evaluate_network(alone, {"x": x[[sample]]})["dense"][0]).all()


def test_slots_say_where_weights_lie_and_how_wide_they_are():
    first, second = free_weights(network(0)).slots
    assert (first.layer, first.first, first.weights, first.weight_bits) == ("conv", 0, 32, 4)
    assert (first.biases, first.bias_bits, first.bias_shift) == (4, 3, 3)
    assert (second.layer, second.first, second.weights, second.weight_bits) == ("dense", 36, 96, 3)
    # A layer whose biases are all 0 has none.
    assert second.biases == 0
    assert [slot.weight_bits for slot in free_weights(network(0), 6).slots] == [6, 6]


def test_banks_are_the_networks_that_they_hold():
    sets = [network(seed, bias_step=seed + 1) for seed in range(3)]
    banked = bank_weights(sets)
    x = np.random.default_rng(1).integers(-8, 8, (9, 4, 3, 2))
    bank = np.arange(9)[:, None] % 3
    found = evaluate_network(banked, {"x": x, "bank": bank})["dense"]
    for sample in range(9):
        expected = evaluate_network(sets[sample % 3], {"x": x[[sample]]})["dense"]
        assert (found[sample] == expected[0]).all()


def test_banks_of_different_structure_are_refused():
    with pytest.raises(UsageError) as error:
        bank_weights([network(0), network(0, groups=2)])
    assert error.value.message == "the networks of the banks differ in more than their weights"
    assert error.value.hint == "quantise them alike: the same layers, widths and scales"


def test_weights_that_do_not_fit_are_refused():
    freed = free_weights(network(0))
    with pytest.raises(UsageError) as error:
        freed.values(network(0, bias_step=4))
    assert error.value.message == "a bias does not fit the registers"
    assert (error.value.where, error.value.hint) == ("conv", "it must be a multiple of 8")
    with pytest.raises(UsageError) as error:
        freed.values(network(0, bias_step=80))
    assert error.value.message == "a weight does not fit the registers"
    assert error.value.hint == "give more --register-bits"


def test_a_network_without_weights_has_nothing_to_free():
    plain = Network("plain", (network(0).layers[0],), ("x",))
    with pytest.raises(UsageError) as error:
        free_weights(plain)
    assert error.value.message == "the network has no weights that registers could hold"


def test_networks_of_free_weights_are_golden(request):
    found = {}
    for groups in (1, 2):
        for bits in (None, 6):
            freed = free_weights(network(1, groups=groups), bits)
            found[f"{groups} groups, {bits} bits"] = digest(print_network(freed.network))
        banked = bank_weights([network(seed, groups=groups) for seed in range(3)])
        found[f"{groups} groups, banks"] = digest(print_network(banked))
    check("free-weights", "networks", found, request.config.getoption("--update-golden"))


def test_no_new_layer_has_the_name_of_another():
    layers = list(network(0).layers)
    layers[2] = replace(layers[2], name="conv_reads")
    layers[3] = replace(layers[3], name="weights", sources=("conv_reads",))
    layers[4] = replace(layers[4], name="dense_flat", sources=("weights",))
    layers[5] = replace(layers[5], sources=("dense_flat",))
    freed = free_weights(Network("net", tuple(layers), ("dense",)))
    names = [layer.name for layer in freed.network.layers]
    assert len(set(names)) == len(names)
    assert freed.port == "weights_"
    assert {"conv_reads_", "conv_weights", "dense_flat_"} <= set(names)


def test_layers_whose_names_begin_alike_keep_their_parts_apart():
    first, *_, last = network(0).layers
    name = "n" * 48
    flat = Reshape("flat", (first.name,), "flat", (24,))
    rng = np.random.default_rng(0)
    one = replace(last, name=f"{name}1", sources=("flat",), weights=rng.integers(-3, 4, (24, 3)))
    two = replace(last, name=f"{name}2", sources=(one.name,), weights=rng.integers(-3, 4, (3, 3)))
    freed = free_weights(Network("net", (first, flat, one, two), (two.name,)))
    names = [layer.name for layer in freed.network.layers]
    assert len(set(names)) == len(names)
    assert {f"{name}_reads", f"{name}_reads_"} <= set(names)


@pytest.mark.parametrize(("bias", "bits", "shift"), [(12, 3, 2), (1, 2, 0), (-8, 1, 3), (7, 4, 0)])
def test_biases_count_in_the_largest_power_of_two_that_divides_them(bias, bits, shift):
    last = network(0).layers[-1]
    only = replace(last, sources=("x",), weights=np.array([[1, -2], [0, 3]]),
                   bias=np.array([0, bias]), scale=ONE)  # fmt: skip
    tensor = tensor_type((2,), -8, 7)
    entry = Input("x", (), "x", tensor, fractions(0, (2,)))
    (slot,) = free_weights(Network("net", (entry, only), ("dense",))).slots
    assert (slot.bias_bits, slot.bias_shift, slot.biases, slot.weight_bits) == (bits, shift, 2, 3)


def dense(weights, bias, shape):
    """A layer of two inputs over the last axis."""
    tensor = tensor_type(shape, -8, 7)
    entry = Input("x", (), "x", tensor, fractions(0, shape))
    layer = Dense("dense", ("x",), "here", np.array(weights), np.array(bias), ONE)
    return Network("net", (entry, layer), ("dense",))


def test_a_layer_over_several_axes_is_freed_at_every_place():
    fixed = dense([[1, -2, 3], [0, 3, -4]], [4, 0, -8], (5, 2))
    freed = free_weights(fixed)
    x = np.random.default_rng(0).integers(-8, 8, (4, 5, 2))
    weights = drawn(freed, 1, 4)
    found = evaluate_network(freed.network, {"x": x, freed.port: weights})["dense"]
    for sample in range(4):
        alone = freed.load(fixed, weights[sample])
        assert (found[sample] == evaluate_network(alone, {"x": x[[sample]]})["dense"][0]).all()


@pytest.mark.parametrize(
    ("weight", "bias"), [((1 << 15) - 1, 1), (-1 << 15, 1), (1, (1 << 15) - 1)]
)
def test_registers_hold_up_to_16_bits(weight, bias):
    (slot,) = free_weights(dense([[weight], [1]], [bias], (2,))).slots
    assert max(slot.weight_bits, slot.bias_bits) == MAX_BITS == 16


@pytest.mark.parametrize(
    ("weight", "bias"), [(1 << 15, 1), (-1 - (1 << 15), 1), (1, 1 + (1 << 15))]
)
def test_what_is_too_wide_for_a_register_is_refused(weight, bias):
    with pytest.raises(UsageError) as error:
        free_weights(dense([[weight], [1]], [bias], (2,)))
    assert error.value.show() == (
        "error: a weight of 17 bits is too wide for a register\n"
        "  at here\n"
        "  hint: at most 16 bits: give fewer --weight-bits or --register-bits"
    )
