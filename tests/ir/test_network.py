"""Networks: what they mean, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, sample

from flow.errors import IRError
from flow.ir.layers import Affine, Dense, Input, Relu
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import exact, fractions, tensor_type

ONE = fractions(1, ())
X = Input("x", (), "p", tensor_type((2,), -8, 7), fractions(0, (2,)))
DENSE = Dense("d", ("x",), "p", np.array([[1], [-2]]), np.array([3]), ONE)
RELU = Relu("r", ("d",), "p")


def test_a_network_means_its_layers_one_after_the_other():
    network = Network("net", (X, DENSE, RELU), ("r",))
    result = evaluate_network(network, {"x": np.array([[1, 2], [7, -8]])}, keep=("d",))
    assert {name: value.tolist() for name, value in result.items()} == {
        "d": [[0], [26]],
        "r": [[0], [26]],
    }
    assert network.inputs == (X,)
    assert network.layer("d") is DENSE
    assert network.readers("d") == (RELU,)
    assert network.types["r"].hi.tolist() == [26]


def test_integers_beyond_64_bits_are_exact():
    factor = Affine("a", ("x",), "p", exact(1 << 40, ()), exact(1, ()), ONE)
    again = Affine("b", ("a",), "p", exact(1 << 40, ()), exact(1, ()), ONE)
    network = Network("net", (X, factor, again), ("b",))
    result = evaluate_network(network, {"x": np.array([[7, -8]])})["b"]
    assert result.tolist() == [[(7 << 80) + (1 << 40) + 1, (-8 << 80) + (1 << 40) + 1]]


@given(networks(), st.integers(0, 99))
def test_every_value_of_a_random_network_is_in_its_interval(network, seed):
    values = sample(network, np.random.default_rng(seed), 5)
    names = tuple(layer.name for layer in network.layers)
    result = evaluate_network(network, values, keep=names)
    assert set(result) == set(names)
    assert all(result[n].shape == (5, *network.types[n].shape) for n in names)


@pytest.mark.parametrize(
    ("layers", "outputs", "message"),
    [
        ((X, X), ("x",), "two layers have the name 'x'"),
        ((DENSE,), ("d",), "'d' reads 'x', which does not come before it"),
        ((X,), ("y",), "there is no layer for an output among ('y',)"),
        ((X,), (), "there is no layer for an output among ()"),
        (
            (Relu("Bad name", (), "p"),),
            ("x",),
            "'Bad name' is not a name of the form [a-z][a-z0-9_]{0,62}",
        ),
    ],
)
def test_a_malformed_network_is_refused(layers, outputs, message):
    with pytest.raises(IRError) as caught:
        Network("net", layers, outputs)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no values for the input 'x'"),
        ({"x": np.array([[1, 2, 3]])}, "x gave the shape (3,), not (2,)"),
        ({"x": np.array([[1, 8]])}, "x gave a value outside the interval of its tensor"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(values, message):
    with pytest.raises(IRError) as caught:
        evaluate_network(Network("net", (X, DENSE), ("d",)), values)
    assert caught.value.message == message


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(IRError, match=r"^there is no layer 'q'$"):
        Network("net", (X,), ("x",)).layer("q")
