"""The normal form keeps the meaning of every circuit, and undoes exact rewrites."""

import numpy as np
import pytest
from designs_mapped import network
from hypothesis import given
from hypothesis import strategies as st
from strategies import circuits, input_values

from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Clamp,
    Compare,
    Const,
    FullAdder,
    Input,
    Linear,
    Node,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
)  # fmt: skip
from flow.passes.pipelines import PIPELINES
from flow.verify.canonical import Normaliser
from flow.verify.prove import prove_circuits

X, Y = Input("x", 0, -8, 7), Input("x", 1, 0, 15)


def same(left: Node, right: Node) -> bool:
    normal = Normaliser()
    first, second = (
        normal.run(Circuit("c", (Port("x", (X, Y)),), (Port("y", (node,)),)))
        for node in (left, right)
    )
    return first.outputs == second.outputs


@given(circuits(max_width=30), st.integers(0, 1000))
def test_the_normal_form_of_any_circuit_means_the_same(circuit, seed):
    values = input_values(circuit, 60, seed)
    expected, got = evaluate(circuit, values), evaluate(Normaliser().run(circuit), values)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Add(X, Y), Add(Y, X)),
        (Sub(Shl(X, 3), X), Linear((X,), (7,), 0)),
        (Clamp(X, 0, 7), Relu(X)),
        (Clamp(X, -3, 4), Sub(Add(Relu(Add(X, Const(3))), Const(-3)), Relu(Sub(X, Const(4))))),
        (Compare(X, Y, "le"), Compare(X, Add(Y, Const(1)), "lt")),
        (Compare(X, Y, "lt"), Sub(Const(1), Compare(Y, X, "le"))),
        (Compare(Shl(X, 2), Const(7), "lt"), Compare(X, Const(2), "lt")),
        (Bits(X, 3, 1), Compare(X, Const(0), "lt")),
        (And(Y, Const(13)), Add(Bits(Y, 0, 1), Shl(Bits(Y, 2, 2), 2))),
        (Signed(Add(Y, Const(32)), 5), Y),
        (Shr(Add(Shl(X, 2), Bits(Y, 0, 2)), 2), X),
        (Select(Compare(X, Const(0), "lt"), Const(5), Const(2)),
         Linear((Compare(X, Const(0), "lt"),), (3,), 2)),
    ],
)  # fmt: skip
def test_two_ways_to_say_the_same_have_one_normal_form(left, right):
    assert same(left, right)


def test_a_full_adder_is_the_sum_of_its_bits():
    a, b, c = Bits(Y, 0, 1), Bits(Y, 1, 1), Bits(Y, 2, 1)
    adder = FullAdder(a, b, c)
    total = Add(Bits(adder, 0, 1), Shl(Bits(adder, 1, 1), 1))
    assert same(total, Add(Add(a, b), c))


def test_different_rows_have_different_normal_forms():
    assert not same(Linear((X, Y), (3, 5), 1), Linear((X, Y), (3, 4), 1))


@pytest.mark.parametrize("pipeline", list(PIPELINES))
def test_every_pipeline_is_proved_on_exact_rows(pipeline):
    lanes = tuple(Input("x", i, 0, 15) for i in range(6))
    rows = tuple(
        Relu(Linear(lanes, tuple((i * 37 + k * 91) % 255 - 127 for i in range(6)), k))
        for k in range(3)
    )
    circuit = Circuit("rows", (Port("x", lanes),), (Port("y", rows),))
    after = circuit
    for one in PIPELINES[pipeline]:
        after = one.run(after)
    verdict = prove_circuits(circuit, after)
    assert (verdict.status, verdict.detail) == ("proved", "linear forms")


@pytest.mark.parametrize("pipeline", list(PIPELINES))
def test_every_pipeline_is_proved_on_a_small_network(pipeline):
    circuit = network(inputs=3)
    after = circuit
    for one in PIPELINES[pipeline]:
        after = one.run(after)
    assert prove_circuits(circuit, after).status == "proved"
