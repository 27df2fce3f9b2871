"""Folding merges whole chains in one walk, and never what somebody else reads."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow.ir.layers import Affine, Dense, Input, Relu, Requantize
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.fold_layers import FoldLayers

ONE = fractions(1, ())


def affine(name, source, m, b):
    return Affine(name, (source,), "p", np.array(m), np.array(b), ONE)


def network(*layers, outputs):
    first = Input("x", (), "p", tensor_type((2,), -8, 7), fractions(0, (2,)))
    return Network("net", (first, *layers), outputs)


def dense(name, source):
    weights = np.array([[1, -2, 3], [2, 1, -1]])
    return Dense(name, (source,), "p", weights, np.array([1, 0, -4]), ONE)


def requantize(name, source):
    numbers = fractions(Fraction(1, 4), ()), fractions(0, ())
    ends = np.array(0), np.array(15)
    return Requantize(name, (source,), "p", *numbers, "half_up", "saturate", *ends, ONE)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-5, 5)), max_size=6), st.booleans())
def test_a_chain_becomes_a_dense_layer_and_a_requantisation(steps, ramp):
    layers = [dense("d", "x")]
    for i, (m, b) in enumerate(steps):
        layers.append(affine(f"a{i}", layers[-1].name, m, b))
    if ramp:
        layers.append(Relu("r", (layers[-1].name,), "p"))
    layers.append(requantize("q", layers[-1].name))
    net = network(*layers, outputs=("q",))
    folded = FoldLayers().run(net)
    assert [layer.kind for layer in folded.layers] == ["input", "dense", "requantize"]
    x = np.array([[a, b] for a in range(-8, 8) for b in range(-8, 8)])
    assert (evaluate_network(net, {"x": x})["q"] == evaluate_network(folded, {"x": x})["q"]).all()


def test_a_long_chain_is_one_layer():
    chain = [affine(f"a{i}", f"a{i - 1}" if i else "x", 1, 1) for i in range(500)]
    folded = FoldLayers().run(network(*chain, outputs=("a499",)))
    assert [layer.name for layer in folded.layers] == ["x", "a499"]
    assert (folded.layers[1].multiplier == 1).all()
    assert (folded.layers[1].offset == 500).all()


@pytest.mark.parametrize("outputs", [("a", "b"), ("b", "c")])
def test_what_is_read_twice_or_given_out_stays(outputs):
    layers = [dense("d", "x"), affine("a", "d", 2, 1), affine("b", "a", 3, 0)]
    if "c" in outputs:
        layers.append(affine("c", "a", 5, 0))
    folded = FoldLayers().run(network(*layers, outputs=outputs))
    kinds = {layer.name: layer.kind for layer in folded.layers}
    assert kinds == {"x": "input", "a": "dense", **dict.fromkeys(set(outputs) - {"a"}, "affine")}


def test_nothing_to_fold_gives_the_network_back():
    net = network(dense("d", "x"), outputs=("d",))
    assert FoldLayers().run(net) is net
