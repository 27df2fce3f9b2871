"""Equal forms are equal functions; different functions never have equal forms."""

import numpy as np
import pytest
from designs_mapped import network
from hypothesis import given
from hypothesis import strategies as st
from strategies import circuits, input_values

from flow.errors import IRError
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Clamp,
    Compare,
    Concat,
    Const,
    FullAdder,
    Input,
    Linear,
    Node,
    Or,
    Register,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
    Xor,
)
from flow.passes.base import run_passes
from flow.passes.pipelines import PIPELINES
from flow.verify.algebra import equal_by_algebra
from flow.verify.passes import mutate_circuit, prove_pass
from flow.verify.prove import prove_circuits

X, Y = Input("x", 0, -8, 7), Input("x", 1, 0, 15)
A, B, C = Bits(Y, 0, 1), Bits(Y, 1, 1), Bits(Y, 2, 1)


def single(node: Node) -> Circuit:
    return Circuit("c", (Port("x", (X, Y)),), (Port("y", (node,)),))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Add(X, Y), Add(Y, X)),
        (Sub(Shl(X, 3), X), Linear((X,), (7,), 0)),
        (Clamp(X, 0, 7), Relu(X)),
        (Clamp(Register(X), -20, 20), X),
        (Compare(X, Y, "le"), Compare(X, Add(Y, Const(1)), "lt")),
        (Compare(Add(X, Const(4)), Y, "lt"), Compare(X, Sub(Y, Const(4)), "lt")),
        (Compare(X, Y, "ne"), Sub(Const(1), Compare(Y, X, "eq"))),
        (Bits(X, 3, 1), Compare(X, Const(0), "lt")),
        (Compare(A, Const(0), "eq"), Sub(Const(1), A)),
        (Xor(A, B), Sub(Or(A, B), And(B, A))),
        (Signed(Add(Y, Const(32)), 5), Y),
        (Shr(Add(Shl(X, 2), Bits(Y, 0, 2)), 2), X),
        (Concat((Bits(Y, 0, 2), Bits(Y, 2, 2)), (2, 2)), Y),
        (Select(Compare(X, Y, "lt"), X, X), X),
        (Select(Compare(X, Const(0), "lt"), Const(5), Const(2)),
         Linear((Compare(X, Const(0), "lt"),), (3,), 2)),
        (Add(Bits(FullAdder(A, B, C), 0, 1), Shl(Bits(FullAdder(A, B, C), 1, 1), 1)),
         Add(Add(A, B), C)),
        (Concat((Bits(FullAdder(A, B, C), 0, 1), Bits(FullAdder(A, B, C), 1, 1)), (1, 1)),
         Linear((A, B, C), (1, 1, 1), 0)),
        (Xor(Bits(Concat((Bits(X, 0, 4), Y), (4, 4)), 1, 6), Const(5)),
         Concat((Xor(Bits(X, 1, 3), Const(5)), Bits(Y, 0, 3)), (3, 3))),
        (Bits(Add(Concat((Const(1), Y), (1, 4)), Const(7)), 1, 5), Add(Y, Const(4))),
        (Signed(Add(Sub(Const(100), Shl(X, 4)), Const(20 + 512)), 9), Linear((X,), (-16,), 120)),
    ],
)  # fmt: skip
def test_two_ways_to_say_the_same_are_equal(left, right):
    values = {"x": np.array([[x, y] for x in range(-8, 8) for y in range(16)])}
    assert (evaluate(single(left), values)["y"] == evaluate(single(right), values)["y"]).all()
    assert equal_by_algebra(single(left), single(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Linear((X, Y), (3, 5), 1), Linear((X, Y), (3, 4), 1)),
        (Clamp(X, 0, 6), Relu(X)),
        (Compare(X, Y, "le"), Compare(X, Y, "lt")),
        (Compare(X, Y, "lt"), Compare(Y, X, "lt")),
        (Shr(X, 1), Shr(Add(X, Const(1)), 1)),
        (Bits(X, 0, 3), X),
        (Signed(Y, 4), Y),
        (Select(Compare(X, Y, "lt"), X, Y), Select(Compare(X, Y, "lt"), Y, X)),
        (And(Y, Const(7)), Y),
        (Xor(A, B), Or(A, B)),
    ],
)
def test_different_functions_are_never_equal(left, right):
    assert not equal_by_algebra(single(left), single(right))


@given(circuits(max_width=16), st.integers(0, 1000))
def test_a_circuit_equals_itself_and_none_of_its_mutants(circuit, seed):
    assert equal_by_algebra(circuit, circuit)
    mutant = mutate_circuit(circuit, seed)
    assert mutant is None or not equal_by_algebra(circuit, mutant)


@given(circuits(max_width=12), st.data())
def test_lanes_with_equal_forms_have_equal_values(circuit, data):
    """Any two nodes of one circuit that the algebra calls equal are equal on samples."""
    order = list(circuit.walk())
    left, right = (data.draw(st.sampled_from(order)) for _ in range(2))
    try:
        pair = [Circuit("c", circuit.inputs, (Port("out", (node,)),)) for node in (left, right)]
    except IRError:
        return
    if equal_by_algebra(*pair):
        values = input_values(circuit, 40, 1)
        first, second = (evaluate(one, values)["out"] for one in pair)
        assert (first == second).all()


@pytest.mark.parametrize("pipeline", list(PIPELINES))
def test_every_pass_on_a_network_is_proved_and_refuses_a_mutant(pipeline):
    def prove(step):
        verdict = prove_pass(step.name, step.before, step.after)
        assert verdict.status == "proved", verdict

    run_passes(network(inputs=3), PIPELINES[pipeline], prove)


@pytest.mark.parametrize("pipeline", ["heaps", "chains"])
@pytest.mark.parametrize(("low", "high"), [(-8, 7), (0, 15), (-3, 9)])
def test_shared_sums_of_bits_are_proved_by_algebra_alone(low, high, pipeline):
    chance = np.random.default_rng(1)
    x = tuple(Input("x", i, low, high) for i in range(5))
    rows = [Linear(x, tuple(int(c) for c in chance.integers(-32, 32, 5)), 7) for _ in range(5)]
    outputs = (*rows[:3], Relu(rows[3]), Clamp(Shr(rows[4], 3), 0, 15))
    circuit = Circuit("rows", (Port("x", x),), (Port("y", outputs),))

    def prove(step):
        assert equal_by_algebra(step.before, step.after), step.name
        mutant = mutate_circuit(step.after, 1)
        assert mutant is None or not equal_by_algebra(step.before, mutant)

    after = run_passes(circuit, PIPELINES[pipeline], prove)
    adders = FullAdder if pipeline == "heaps" else Add
    assert sum(isinstance(node, adders) for node in after.walk()) > (
        100 if adders is FullAdder else 20
    )


def test_circuits_that_the_algebra_proves_need_no_sweep():
    verdict = prove_circuits(single(Add(X, Y)), single(Add(Y, X)))
    assert (verdict.status, verdict.detail) == ("proved", "algebra")
