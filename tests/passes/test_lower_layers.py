"""Lowering: a Circuit means what its Network means."""

from fractions import Fraction

import numpy as np
import pytest
from digests import check as check_digests
from digests import digest
from hls_networks import every_layer, samples
from hypothesis import given
from hypothesis import strategies as st

from flow.ir.evaluate import evaluate
from flow.ir.interval import IntRange
from flow.ir.layers import (
    LAYER_TYPES,
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Dense,
    Input,
    Lookup,
    Pool,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.network import Network, evaluate_network
from flow.ir.nodes import Input as Wire
from flow.ir.rounding import ROUNDINGS
from flow.ir.spec import check
from flow.ir.tensor import fractions, tensor_type
from flow.ir.text import print_circuit
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LOWERED, LowerLayers
from flow.passes.requantise import Scaling, requantise


def network_input(name, shape, lo, hi):
    return Input(name, (), "", tensor_type(shape, lo, hi), fractions(0, shape))


def random_array(rng, lo, hi, shape):
    return rng.integers(lo, hi, size=shape, endpoint=True)


def mixed_network(seed: int) -> Network:
    """One layer of every kind, with random integers."""
    rng = np.random.default_rng(seed)
    one = fractions(1, ())
    multiplier = np.array([Fraction(int(rng.integers(1, 99)), int(rng.integers(50, 400)))
                           for _ in range(4)], dtype=object)  # fmt: skip
    offset = np.array([Fraction(int(rng.integers(-99, 99)), 7) for _ in range(4)], dtype=object)
    rounding = ROUNDINGS[seed % len(ROUNDINGS)]
    table = random_array(rng, -4, 4, (16,))
    return Network(
        "mixed",
        (
            network_input("a", (3,), 0, 15),
            network_input("b", (2,), -8, 7),
            Concat("joined", ("a", "b"), "", 0),
            Dense("first", ("joined",), "", random_array(rng, -9, 9, (5, 4)),
                  random_array(rng, -20, 20, (4,)), one),
            Affine("norm", ("first",), "", random_array(rng, -3, 3, (4,)),
                   random_array(rng, -5, 5, (4,)), one),
            Relu("positive", ("norm",), ""),
            Requantize("narrow", ("positive",), "", multiplier, offset, rounding, "saturate",
                       np.array(0), np.array(15), one),
            Requantize("around", ("norm",), "", fractions(Fraction(1, 4), ()), fractions(0, ()),
                       rounding, "wrap", np.array(-8), np.array(7), one),
            Lookup("table", ("narrow",), "", (0,), (tuple(table.tolist()),), np.array(0), one),
            Add("sum", ("narrow", "around", "table"), ""),
            Reshape("square", ("sum",), "", (2, 2)),
            ArgMax("winner", ("square",), ""),
            AtLeast("decision", ("sum",), "", np.array(3)),
        ),
        ("winner", "decision", "sum"),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(16))
def test_the_lowered_circuit_means_what_the_network_means(seed):
    network = mixed_network(seed)
    rng = np.random.default_rng(seed + 100)
    x = {"a": random_array(rng, 0, 15, (200, 3)), "b": random_array(rng, -8, 7, (200, 2))}
    circuit = LowerLayers().run(network)
    check(circuit)
    y = evaluate(circuit, {"x0": x["a"], "x1": x["b"]})
    expected = evaluate_network(network, x)
    for port, name in zip(("y0", "y1", "y2"), network.outputs, strict=True):
        assert (y[port] == expected[name].reshape(200, -1)).all()


@pytest.mark.parametrize("seed", range(16))
def test_folding_layers_changes_no_output(seed):
    network = mixed_network(seed)
    rng = np.random.default_rng(seed + 200)
    x = {"a": random_array(rng, 0, 15, (200, 3)), "b": random_array(rng, -8, 7, (200, 2))}
    before, after = evaluate_network(network, x), evaluate_network(FoldLayers().run(network), x)
    assert all((before[name] == after[name]).all() for name in network.outputs)


def test_batch_normalisation_between_a_dense_layer_and_a_quantiser_disappears():
    one = fractions(1, ())
    network = Network(
        "bn",
        (
            network_input("x", (2,), 0, 3),
            Dense("dense", ("x",), "", np.array([[1], [2]]), np.array([3]), one),
            Affine("bn", ("dense",), "", np.array([5]), np.array([-7]), one),
            Relu("relu", ("bn",), ""),
            Requantize("act", ("relu",), "", fractions(Fraction(1, 8), ()), fractions(0, ()),
                       "floor", "saturate", np.array(0), np.array(7), one),
        ),
        ("act",),
    )  # fmt: skip
    folded = FoldLayers().run(network)
    assert [(layer.kind, layer.name) for layer in folded.layers] == [
        ("input", "x"), ("dense", "bn"), ("requantize", "act"),
    ]  # fmt: skip
    assert folded.layers[1].weights.tolist() == [[5], [10]]
    assert folded.layers[1].bias.tolist() == [8]


def test_every_layer_can_be_lowered():
    assert frozenset(LAYER_TYPES) == LOWERED


fraction = st.fractions(min_value=-3, max_value=3, max_denominator=10**9)


@given(
    lo=st.integers(-3000, 3000),
    count=st.integers(1, 2000),
    multiplier=fraction,
    offset=st.fractions(min_value=-60, max_value=60, max_denominator=10**6),
    rounding=st.sampled_from(ROUNDINGS),
    clip=st.tuples(st.integers(-40, 40), st.integers(0, 255)),
)
def test_a_requantisation_is_equal_on_its_whole_interval(
    lo, count, multiplier, offset, rounding, clip
):
    scaling = Scaling(IntRange(lo, lo + count - 1), multiplier, offset, rounding)
    x = Wire("x", 0, lo, lo + count - 1)
    bottom, top = clip[0], clip[0] + clip[1]
    node = requantise(x, scaling, bottom, top, "saturate")
    every = np.arange(lo, lo + count)
    expected = [min(max(scaling.exact(int(v)), bottom), top) for v in every]
    assert np.broadcast_to(value_of(node, every), every.shape).tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_every_rounding_of_a_power_of_two_is_exact(rounding, shift, overflow):
    scaling = Scaling(IntRange(-40, 40), Fraction(1, 1 << shift), Fraction(1, 2), rounding)
    every = np.arange(-40, 41)
    node = requantise(Wire("x", 0, -40, 40), scaling, -4, 3, overflow)
    exact = np.array([scaling.exact(int(v)) for v in every])
    expected = np.clip(exact, -4, 3) if overflow == "saturate" else (exact + 4) % 8 - 4
    assert value_of(node, every).tolist() == expected.tolist()


def value_of(node, x):
    """The value of a node over one input, operands first."""
    if isinstance(node, Wire):
        return x
    return node.evaluate(*(value_of(operand, x) for operand in node.operands))


def test_the_largest_of_bits_is_a_gate():
    def pooled(hi):
        pool = Pool("y", ("x",), "", "max", (3,), (3,), ((0, 0),))
        return Network("pool", (network_input("x", (3, 1), 0, hi), pool), ("y",))

    bits = LowerLayers().run(pooled(1))
    assert [n.mnemonic for n in bits.walk() if n.operands] == ["or", "or"]
    words = LowerLayers().run(pooled(2))
    assert {n.mnemonic for n in words.walk() if n.operands} == {"compare", "select"}
    x = np.array([[[0], [0], [0]], [[0], [1], [0]], [[1], [0], [1]]])
    found = evaluate(bits, {"x": x.reshape(3, 3)})["y"]
    assert found.ravel().tolist() == [0, 1, 1]
    assert evaluate_network(pooled(1), {"x": x})["y"].ravel().tolist() == [0, 1, 1]


def test_every_kind_of_layer_is_lowered_to_golden_nodes(request):
    found = {}
    for seed in range(2):
        network = every_layer(seed)
        circuit = LowerLayers().run(network)
        check(circuit)
        x = samples(network, 60)
        wanted = evaluate_network(network, x)
        values = [x[layer.name].reshape(60, -1) for layer in network.inputs]
        answers = evaluate(circuit, {f"x{k}": v for k, v in enumerate(values)})
        for k, name in enumerate(network.outputs):
            assert np.array_equal(answers[f"y{k}"], wanted[name].reshape(60, -1))
        found[f"seed {seed}"] = digest(print_circuit(circuit))
    update = request.config.getoption("--update-golden")
    check_digests("lowered", "every-layer", found, update)
