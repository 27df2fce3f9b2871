"""Latency, cost, layers, vectors and true intervals of a circuit."""

import numpy as np
import pytest
from hypothesis import given
from strategies import circuits, input_values

from flow.analysis.cost import Cost, Delays, adder_bits, arrivals, cost, trailing_zeros
from flow.analysis.latency import latency, stages
from flow.analysis.layers import layer_of
from flow.analysis.ranges import tight_ranges
from flow.analysis.vectors import sample
from flow.errors import IRError
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.evaluate import evaluate
from flow.ir.interval import IntRange
from flow.ir.nodes import Add, Clamp, Const, Input, Linear, Neg, Register, Relu, Shl, Sub

X = Input("x", 0, 0, 15)
Y = Input("x", 1, -8, 7)


def circuit(*lanes, origins=None):
    return Circuit("small", (Port("x", (X, Y)),), (Port("y", lanes),), origins or {})


def test_latency_counts_the_registers_on_a_path():
    once = Register(Add(X, Y))
    twice = Register(once)
    assert latency(circuit(X)) == 0
    assert latency(circuit(twice, Register(Register(Y)))) == 2
    assert stages(circuit(twice, Const(3)))[once] == 1
    assert stages(circuit(twice, Const(3)))[twice] == 2


def test_a_constant_has_no_latency():
    lane = Const(3)
    assert stages(circuit(lane))[lane] is None
    assert latency(circuit(lane)) == 0


def test_paths_of_unequal_latency_are_refused():
    with pytest.raises(IRError, match=r"^add mixes values of \[0, 1\] registers' delay$"):
        latency(circuit(Add(X, Register(Y))))
    with pytest.raises(IRError, match=r"^the outputs differ in latency: \[0, 1\] registers$"):
        latency(circuit(X, Register(Y)))


def test_cost_counts_operations_bits_and_depth():
    total = Add(X, Shl(Y, 2))
    result = cost(circuit(Register(Sub(total, X))))
    assert result == Cost(
        nodes={"input": 2, "add": 1, "sub": 1, "shl": 1, "register": 1},
        adders=2,
        adder_bits=5 + 7,
        full_adders=0,
        register_bits=7,
        depth=(1 + 0.25 * 4) + (1 + 0.25 * 6),
        latency=1,
    )


def test_positions_that_are_wires_need_no_adder():
    assert adder_bits(Add(X, Y)) == 6
    assert adder_bits(Add(X, Shl(Y, 2))) == 5
    assert adder_bits(Add(X, Shl(X, 4))) == 0
    assert adder_bits(Sub(X, Shl(X, 2))) == 5
    assert adder_bits(Neg(Shl(X, 1))) == 5
    assert adder_bits(Relu(Y)) == 0


def test_trailing_zeros_are_those_of_shifts_and_constants():
    assert [trailing_zeros(x) for x in (X, Shl(X, 3), Const(12), Const(-4), Const(0))] == [
        0, 3, 2, 2, 0
    ]  # fmt: skip


def test_a_register_starts_a_new_path():
    total = Add(X, Y)
    held = Register(total)
    settled = arrivals(circuit(Neg(held)), lambda node: float(isinstance(node, (Add, Neg))))
    assert (settled[total], settled[held]) == (1.0, 0.0)


def test_a_carry_chain_takes_time_for_each_bit():
    assert [Delays().chain(bits) for bits in (0, 1, 5)] == [0.0, 1.0, 2.0]
    assert Delays(first_bit=2.0, carry_bit=0.5).chain(3) == 3.0


def test_the_layer_of_a_node_is_its_own_its_users_or_its_operands():
    inner = Add(X, Y)
    first = Relu(inner)
    between = Shl(first, 1)
    second = Neg(between)
    after = Shl(second, 2)
    origins = {first: Origin("dense_1", "act", 0), second: Origin("dense_2", "acc", 0)}
    whole = circuit(after, origins=origins)
    assert layer_of(whole) == {
        X: "dense_1",
        Y: "dense_1",
        inner: "dense_1",
        first: "dense_1",
        between: "dense_2",
        second: "dense_2",
        after: "dense_2",
    }


def test_a_circuit_without_origins_is_one_layer():
    assert set(layer_of(circuit(Add(X, Y))).values()) == {"small"}


@given(circuit=circuits())
def test_every_node_has_a_layer(circuit):
    assert list(layer_of(circuit)) == list(circuit.walk())


def test_a_deep_circuit_needs_no_recursion():
    node = X
    for _ in range(20_000):
        node = Relu(Sub(node, Y))
        node = Clamp(node, 0, 15)
    deep = circuit(node)
    assert len(layer_of(deep)) == len(tight_ranges(deep)) == 60_002
    assert latency(deep) == 0
    assert cost(deep).adders == 20_000


def test_a_difference_of_a_value_with_itself_is_known():
    triple = Sub(Shl(X, 2), X)
    back = Sub(triple, Shl(X, 1))
    tight = tight_ranges(circuit(triple, back))
    assert (triple.range, tight[triple]) == (IntRange(-15, 60), IntRange(0, 45))
    assert (back.range, tight[back]) == (IntRange(-45, 60), IntRange(0, 15))


def test_a_nonlinear_result_is_a_new_value():
    bounded = Clamp(Y, -2, 3)
    total = Add(Linear((bounded, X), (3, 1), 1), Neg(bounded))
    assert tight_ranges(circuit(total))[total] == IntRange(-4 + 1, 6 + 15 + 1)


@given(circuit=circuits(max_nodes=40))
def test_true_intervals_hold_every_value(circuit):
    tight = tight_ranges(circuit)
    lanes = [node for node in circuit.walk() if not isinstance(node, Input)]
    if lanes:
        # The registers differ in depth, which evaluate does not mind.
        seen = evaluate(
            Circuit("all", circuit.inputs, (Port("all", tuple(lanes)),)), input_values(circuit, 40)
        )["all"]
        for node, low, high in zip(lanes, seen.min(axis=0), seen.max(axis=0), strict=True):
            assert node.range.covers(tight[node])
            assert tight[node].covers(IntRange(int(low), int(high)))


def test_vectors_are_corners_and_then_seeded_values():
    vectors = sample(circuit(Add(X, Y)), 3, seed=5)
    assert vectors["x"][:5].tolist() == [[0, -8], [15, 7], [0, 0], [15, -8], [0, 7]]
    assert vectors["x"].shape == (8, 2)
    assert np.array_equal(vectors["x"], sample(circuit(Add(X, Y)), 3, seed=5)["x"])
    assert not np.array_equal(vectors["x"], sample(circuit(Add(X, Y)), 3, seed=6)["x"])
