"""The text form of networks: whole examples, round trips, hostile texts."""

import contextlib
import json
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import networks, sample

from flow.errors import UsageError
from flow.ir.layers import LAYER_TYPES, Dense, Input
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import CODECS, parse_network, print_network
from flow.ir.tensor import fractions, tensor_type

SMALL = Network(
    "net",
    (
        Input("x", (), 'file "a"', tensor_type((2,), -8, 7, Fraction(1, 4)), fractions(0, (2,))),
        Dense("y", ("x",), "d", np.array([[1], [-2]]), np.array([1 << 70], dtype=object),
              fractions(Fraction(1, 3), ())),
    ),
    ("y",),
    "sigmoid",
)  # fmt: skip
TEXT = """\
{"form":"flow-network 1","name":"net","head":"sigmoid","outputs":["y"],"layers":[
{"kind":"input","name":"x","sources":[],"place":"file \\"a\\"",\
"tensor":[[2],[[],[-8]],[[],[7]],[[],["1/4"]]],"offset":[[2],["0","0"]],\
"rounding":"half_even","overflow":"saturate"},
{"kind":"dense","name":"y","sources":["x"],"place":"d","weights":[[2,1],[1,-2]],\
"bias":[[1],[1180591620717411303424]],"scale":[[],["1/3"]]}
]}
"""


def test_the_text_of_a_network_in_full():
    assert print_network(SMALL) == TEXT


def test_a_text_is_read_back():
    network = parse_network(TEXT)
    assert network.head == "sigmoid"
    assert network.types["y"].lo.tolist() == [(1 << 70) - 22]
    assert print_network(network) == TEXT


def test_every_field_of_every_layer_has_a_codec():
    used = {str(field.type) for cls in LAYER_TYPES for field in fields(cls)}
    assert used == set(CODECS)


@given(networks(), st.integers(0, 99))
def test_a_random_network_is_the_same_after_the_text(network, seed):
    text = print_network(network)
    again = parse_network(text)
    assert print_network(again) == text
    values = sample(network, np.random.default_rng(seed), 3)
    before, after = evaluate_network(network, values), evaluate_network(again, values)
    assert {n: v.tolist() for n, v in before.items()} == {n: v.tolist() for n, v in after.items()}
    for name, tensor in network.types.items():
        other = again.types[name]
        assert tensor.shape == other.shape
        assert (tensor.lo == other.lo).all()
        assert (tensor.hi == other.hi).all()
        assert (tensor.scale == other.scale).all()


def refused(text):
    with pytest.raises(UsageError) as caught:
        parse_network(text, "net.json")
    return caught.value.message, caught.value.where


@pytest.mark.parametrize(
    ("old", "new", "message", "where"),
    [
        (TEXT, "", "net.json is not JSON: Expecting value", "net.json, line 1"),
        (TEXT, "[1]", "net.json is not the text form of a network", "net.json"),
        (TEXT, "[" * 100_000, "net.json is nested too deeply", "net.json"),
        ("network 1", "network 2", "net.json is not the text form of a network", "net.json"),
        ('"head":', '"hood":', "net.json has other keys than a network", "net.json"),
        ("sigmoid", "relu", "the head or the name of the network is unknown", "net.json"),
        ('["y"]', '["q"]', "there is no layer for an output among ('q',)", "net.json"),
        ('["y"]', "[3]", "an output is no name", "net.json"),
        ('["y"]', "[]", '"outputs" is no list', "net.json"),
        ('"dense"', '"loop"', "there is no layer 'loop'", "net.json, layer 1"),
        ('"dense"', "[7]", "there is no layer [7]", "net.json, layer 1"),
        (
            ',"place":"d"', "", "dense has other fields than bias, name, scale, sources, weights",
            "net.json, layer 1",
        ),
        (
            "[1,-2]", "[1]", "dense has a bad weights: the shape (2, 1) does not have 1 values",
            "net.json, layer 1",
        ),
        (
            "[1,-2]", "[1,true]", "dense has a bad weights: an array of integers is expected",
            "net.json, layer 1",
        ),
        (
            "[1,-2]", "[1,-2.0]", "net.json is not a network: the number -2.0 is no integer",
            "net.json",
        ),
        (
            "[1,-2]", "[1,NaN]",
            "net.json is not a network: the number NaN is no integer", "net.json",
        ),
        (
            "[1,-2]", f"[1,{'9' * 401}]",
            "net.json is not a network: a number has more than 400 digits", "net.json",
        ),
        (
            '"1/3"', '"1/0"', 'dense has a bad scale: a rational is written "n" or "n/d"',
            "net.json, layer 1",
        ),
        (
            "[2,1]", "[2,-1]",
            "dense has a bad weights: a shape is a list of a few positive integers",
            "net.json, layer 1",
        ),
        (
            "[[2],[[],[-8]]", "[[5000000],[[],[-8]]",
            "input has a bad tensor: a shape is a list of a few positive integers",
            "net.json, layer 0",
        ),
        (
            "[[],[-8]]", "[[],[8]]",
            "input has a bad tensor: a tensor type holds an empty interval", "net.json, layer 0",
        ),
        ('"sources":["x"]', '"sources":[]', "dense has 0 sources", "net.json, layer 1"),
        (
            '"sources":["x"]', '"sources":["z"]', "'y' reads 'z', which does not come before it",
            "net.json",
        ),
        (
            '"name":"y"', '"name":"y","name":"y"',
            "net.json is not a network: a key stands twice in one object", "net.json",
        ),
        (
            "[[2,1],[1,-2]]", "[[1,2],[1,-2]]", "y: weights (1, 2) meet a tensor (2,)", "net.json",
        ),
    ],
)  # fmt: skip
def test_a_hostile_text_is_refused_with_its_place(old, new, message, where):
    assert old in TEXT
    assert refused(TEXT.replace(old, new)) == (message, where)


def test_a_tensor_that_doubles_without_end_is_refused():
    data = json.loads(TEXT)
    data["layers"] = data["layers"][:1] + [
        {"kind": "concat", "name": f"c{i}", "sources": [s, s], "place": "p", "axis": 0}
        for i, s in enumerate(["x", *(f"c{i}" for i in range(40))])
    ]
    data["outputs"] = ["x"]
    message, where = refused(json.dumps(data))
    assert (message, where) == ("the tensors have more than 4194304 elements", "net.json, layer 21")


def test_a_dense_layer_that_would_fill_the_memory_is_refused():
    data = json.loads(TEXT)
    data["layers"][0]["tensor"][0] = [4_000_000, 1]
    data["layers"][0]["offset"] = [[1], ["0"]]
    data["layers"][1]["weights"] = [[1, 3], [1, 2, 3]]
    message, _ = refused(json.dumps(data))
    assert message == "the tensors have more than 4194304 elements"


def test_inputs_that_would_fill_the_memory_together_are_refused():
    data = json.loads(TEXT)
    first = data["layers"][0]
    first["tensor"][0] = [1 << 21]
    data["layers"] = [{**first, "name": f"x{i}"} for i in range(3)]
    message, where = refused(json.dumps(data))
    assert (message, where) == ("the tensors have more than 4194304 elements", "net.json")


def test_a_convolution_that_would_fill_the_memory_is_refused():
    data = json.loads(TEXT)
    data["layers"][0]["tensor"][0] = [3, 3, 1]
    data["layers"][0]["offset"] = [[1], ["0"]]
    data["layers"][1] = {
        "kind": "conv", "name": "y", "sources": ["x"], "place": "p", "weights": [[1, 1, 1, 1], [1]],
        "bias": [[1], [0]], "strides": [1, 1], "padding": [[4096, 4096], [4096, 4096]],
        "dilation": [1, 1], "groups": 1, "scale": [[], ["1"]],
    }  # fmt: skip
    message, where = refused(json.dumps(data))
    assert (message, where) == ("the tensors have more than 4194304 elements", "net.json, layer 1")


@given(st.data())
def test_a_damaged_text_is_read_or_refused_but_never_crashes(data):
    at = data.draw(st.integers(0, len(TEXT) - 1))
    new = data.draw(st.sampled_from(["", "0", "-", '"', "[", "]", "{", "}", ",", "x", "9" * 30]))
    with contextlib.suppress(UsageError):
        assert parse_network(TEXT[:at] + new + TEXT[at + 1 :]).outputs
