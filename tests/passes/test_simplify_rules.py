"""Each rule of simplify, proved on every value of its inputs."""

from itertools import product

import pytest

from flow.ir.circuit import Circuit, Port
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
    Lookup,
    Mul,
    Neg,
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
from flow.passes.base import check_exact, run_passes
from flow.passes.simplify import RULES, Simplify

X = Input("x", 0, -5, 6)
Y = Input("y", 0, -3, 9)
U = Input("u", 0, 0, 11)
V = Input("v", 0, 2, 15)
P = Input("p", 0, 0, 1)
Q = Input("q", 0, 0, 1)
C = Const

CASES = {
    "add_zero": [Add(X, C(0)), Add(C(0), X)],
    "add_constant_twice": [
        Add(Add(X, C(3)), C(-7)),
        Add(Add(C(3), X), C(4)),
        Add(C(2), Add(X, C(3))),
        Add(C(2), Add(C(3), X)),
        Add(Sub(C(9), X), C(-2)),
        Add(C(-2), Sub(C(9), X)),
    ],
    "add_negation": [Add(X, Neg(Y)), Add(Neg(X), Y)],
    "add_itself": [Add(X, X)],
    "add_back": [Add(Sub(X, Y), Y), Add(Y, Sub(X, Y))],
    "sub_itself": [Sub(X, X)],
    "sub_constant": [
        Sub(X, C(4)),
        Sub(C(0), X),
        Sub(C(5), Add(X, C(2))),
        Sub(C(5), Add(C(2), X)),
        Sub(C(5), Sub(C(2), X)),
    ],
    "sub_negation": [Sub(X, Neg(Y))],
    "sub_back": [
        Sub(Add(X, Y), Y),
        Sub(Add(X, Y), X),
        Sub(Sub(X, Y), X),
        Sub(X, Sub(X, Y)),
        Sub(X, Add(X, Y)),
        Sub(X, Add(Y, X)),
    ],
    "negation": [Neg(Neg(X)), Neg(Sub(X, Y)), Neg(Add(X, C(3))), Neg(Add(C(3), X))],
    "shl_of_shl": [Shl(X, 0), Shl(Shl(X, 2), 3)],
    "shr_of_shift": [Shr(X, 0), Shr(Shr(X, 1), 1), Shr(Shl(X, 3), 1), Shr(Shl(X, 1), 3)],
    "shr_of_field": [
        Shr(Bits(X, 1, 3), 2),
        Shr(Concat((U, V, P), (4, 5, 1)), 4),
        Shr(Concat((U, V, P), (4, 5, 1)), 9),
    ],
    "product": [Mul(X, C(-6)), Mul(C(5), X), Mul(P, Q), Mul(X, P), Mul(P, X)],
    "linear_terms": [
        Linear((X, Y, X), (2, 3, -2), 1),
        Linear((Shl(X, 2), Neg(Y), C(7), U), (3, 5, -2, 0), 4),
    ],
    "linear_of_power": [Linear((X,), (1,), 0), Linear((X,), (-1,), 0), Linear((X,), (8,), 0)],
    "bits_that_are_all": [Bits(U, 0, 4), Bits(U, 0, 9), Bits(U, 2, 2)],
    "bits_of_shift": [
        Bits(Shr(X, 1), 1, 2),
        Bits(Shl(X, 1), 2, 2),
        Bits(Shl(X, 3), 0, 3),
    ],
    "bits_of_field": [
        Bits(Bits(X, 1, 3), 1, 4),
        Bits(Bits(X, 1, 3), 3, 2),
        Bits(Signed(Y, 4), 1, 3),
    ],
    "bits_of_concat": [
        Bits(Concat((U, V, P), (5, 4, 1)), 6, 2),
        Bits(Concat((U, V, P), (5, 4, 1)), 5, 5),
        Bits(Concat((U, V, P), (5, 4, 1)), 5, 8),
    ],
    "bits_of_mask": [
        Bits(And(U, C(6)), 1, 2),
        Bits(And(C(9), U), 1, 2),
    ],
    "signed_that_fits": [Signed(X, 4), Signed(U, 5)],
    "signed_of_field": [
        Signed(Signed(Y, 4), 3),
        Signed(Signed(Y, 3), 4),
        Signed(Bits(Y, 0, 4), 3),
    ],
    "cut_of_sum": [
        Signed(Add(Signed(Y, 4), X), 3),
        Signed(Linear((Signed(Y, 4), Bits(U, 0, 3)), (3, -5), 7), 3),
        Bits(Sub(X, Bits(U, 0, 4)), 1, 3),
        Bits(Neg(Signed(Y, 4)), 0, 4),
        Signed(Shr(Add(Signed(Y, 4), X), 1), 3),
    ],
    "concat_parts": [
        Concat((U,), (6,)),
        Concat((U, C(0), C(1), P), (4, 1, 1, 1)),
        Concat((U, C(0)), (4, 3)),
        Concat((Concat((P, Q), (1, 1)), U), (3, 4)),
    ],
    "concat_of_one_word": [
        Concat((Bits(X, 0, 2), Bits(X, 2, 2)), (2, 2)),
        Concat((Bits(X, 1, 1), Bits(X, 2, 1), Bits(X, 3, 1)), (1, 1, 2)),
        Concat((Bits(U, 0, 1), Shr(U, 1)), (1, 4)),
    ],
    "full_adder_of_equals": [
        FullAdder(C(0), C(0), P),
        FullAdder(C(0), P, C(0)),
        FullAdder(P, C(0), C(0)),
        FullAdder(P, P, Q),
        FullAdder(P, Q, Q),
        FullAdder(P, Q, P),
    ],
    "bitwise_with_itself": [And(U, U), Or(U, U), Xor(U, U)],
    "bitwise_with_zero": [Or(U, C(0)), Or(C(0), U), Xor(U, C(0)), Xor(C(0), U)],
    "mask": [And(U, C(31)), And(C(15), U), And(U, C(3)), And(U, C(21))],
    "bitwise_twice": [
        And(And(U, C(6)), C(11)),
        Or(Or(U, C(6)), C(9)),
        Xor(Xor(U, C(6)), C(11)),
        And(U, And(U, V)),
        And(And(V, U), U),
        Or(U, Or(U, V)),
        Or(Or(V, U), U),
    ],
    "compare_with_itself": [Compare(X, X, r) for r in ("lt", "le", "eq", "ne")],
    "compare_at_most": [
        Compare(X, C(2), "le"),
        Compare(C(2), X, "le"),
        Compare(C(2), X, "eq"),
        Compare(C(2), X, "ne"),
    ],
    "compare_sum": [
        case
        for r in ("lt", "le", "eq", "ne")
        for case in (
            Compare(Add(X, C(2)), C(3), r),
            Compare(C(3), Add(C(2), X), r),
            Compare(Sub(C(2), X), C(3), r),
            Compare(C(3), Sub(C(2), X), r),
        )
    ],
    "compare_difference": [
        case
        for r in ("lt", "le", "eq", "ne")
        for case in (Compare(Sub(X, Y), C(0), r), Compare(C(0), Sub(X, Y), r))
    ],
    "compare_shifted": [
        case
        for c in (-9, -8, -1, 0, 3, 4, 8)
        for case in (
            Compare(Shl(X, 2), C(c), "lt"),
            Compare(C(c), Shl(X, 2), "lt"),
            Compare(Shl(X, 2), C(c), "eq"),
            Compare(Shl(X, 2), C(c), "ne"),
        )
    ],
    "compare_relu": [
        Compare(Relu(X), C(1), "lt"),
        Compare(Relu(X), C(4), "lt"),
        Compare(C(0), Relu(X), "lt"),
        Compare(C(3), Relu(X), "lt"),
    ],
    "compare_bit": [
        Compare(P, C(1), "lt"),
        Compare(C(0), P, "lt"),
        Compare(P, C(1), "eq"),
        Compare(P, C(0), "ne"),
        Compare(P, C(1), "ne"),
        Compare(P, C(5), "eq"),
        Compare(C(-1), P, "lt"),
    ],
    "compare_choice": [
        Compare(Select(P, C(3), C(8)), C(3), "eq"),
        Compare(Select(P, C(3), C(8)), C(5), "lt"),
        Compare(Select(P, C(8), C(3)), C(5), "lt"),
        Compare(C(5), Select(P, C(8), C(3)), "lt"),
        Compare(C(1), Select(P, C(8), C(3)), "eq"),
    ],
    "xor_one": [Xor(P, C(1)), Xor(C(1), P)],
    "relu_of_nonnegative": [Relu(U)],
    "relu_of_clamp": [Relu(Clamp(X, -3, 4)), Relu(Clamp(X, -3, -1))],
    "clamp_that_never_binds": [Clamp(X, -5, 6), Clamp(X, 0, 9)],
    "clamp_bounds": [Clamp(X, -9, 2), Clamp(X, 2, 9)],
    "clamp_of_clamp": [
        Clamp(Clamp(X, -3, 4), -1, 9),
        Clamp(Clamp(X, -3, 1), 2, 4),
        Clamp(Clamp(X, 2, 5), -3, 1),
        Clamp(Relu(X), -2, 4),
        Clamp(Relu(X), 2, 4),
    ],
    "select_known": [Select(C(1), X, Y), Select(C(0), X, Y), Select(P, X, X)],
    "select_inverted": [Select(Compare(P, C(0), "eq"), X, Y)],
    "select_bits": [
        Select(P, C(1), C(0)),
        Select(P, C(0), C(1)),
        Select(P, Q, C(0)),
        Select(P, C(1), Q),
    ],
    "select_twice": [Select(P, Select(P, X, Y), U), Select(P, X, Select(P, Y, U))],
    "select_of_sign": [
        Select(Compare(X, C(0), "lt"), C(0), X),
        Select(Compare(X, C(1), "lt"), C(0), X),
        Select(Compare(C(0), X, "lt"), X, C(0)),
        Select(Compare(C(-1), X, "lt"), X, C(0)),
    ],
    "lookup_reached": [Lookup(P, -2, (9, 8, 3, 4, 5)), Lookup(P, 0, (3, 4, 5))],
    "lookup_of_bit": [Lookup(P, 0, (7, -2))],
    "lookup_affine": [Lookup(V, 2, tuple(5 - 3 * i for i in range(14)))],
    "lookup_step": [
        Lookup(V, 2, (1,) * 5 + (0,) * 9),
        Lookup(V, 2, (0,) * 5 + (1,) * 9),
        Lookup(V, 2, (1,) + (0,) * 13),
        Lookup(V, 2, (0,) * 13 + (1,)),
    ],
    "lookup_of_map": [
        Lookup(Lookup(V, 0, tuple(i * i % 5 for i in range(16))), -1, (9, 1, 4, 1, 5, 9)),
        Lookup(Add(X, C(5)), 0, tuple(i * i for i in range(12))),
        Lookup(Add(C(5), X), 0, tuple(i * i for i in range(12))),
        Lookup(Neg(X), -6, tuple(i * i for i in range(12))),
    ],
}


def value(node, inputs):
    if isinstance(node, Input):
        return inputs[node.port]
    return node.evaluate(*(value(x, inputs) for x in node.operands))


def inputs_of(node):
    if isinstance(node, Input):
        return {node}
    return set().union(*(inputs_of(x) for x in node.operands))


def rule_named(name):
    return next(rule for rules in RULES.values() for rule in rules if rule.__name__ == name)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_keeps_every_value(name):
    for node in CASES[name]:
        after = rule_named(name)(node)
        assert after is not None, node
        ports = sorted(inputs_of(node), key=lambda x: x.port)
        for values in product(*(range(x.lo, x.hi + 1) for x in ports)):
            given = {x.port: v for x, v in zip(ports, values, strict=True)}
            assert value(after, given) == value(node, given), (node, after, given)
            assert value(after, given) in after.range


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Compare(C(3), C(3), "eq"), 1),
        (Xor(C(5), C(3)), 6),
        (Signed(C(5), 3), -3),
        (Bits(C(-3), 1, 3), 6),
        (Lookup(C(4), 3, (7, 8, 9)), 8),
        (Input("x", 0, 4, 4), 4),
        (And(U, C(0)), 0),
        (Register(C(5)), 5),
    ],
)
def test_what_is_constant_becomes_a_constant(node, expected):
    ports = (Port("u", (U,)), Port("x", (Input("x", 0, 4, 4),)))
    if isinstance(node, Input):
        ports = (Port("x", (node,)),)
    after = Simplify().run(Circuit("constant", ports, (Port("y", (node,)),)))
    assert isinstance(after.outputs[0].lanes[0], Const)
    assert after.outputs[0].lanes[0].value == expected


def test_a_mask_becomes_the_least_operation():
    mask = rule_named("mask")
    assert [mask(And(U, C(c))) for c in (15, 31, 47)] == [U, U, U]
    cut = mask(And(U, C(7)))
    assert (type(cut), cut.x, cut.low, cut.width) == (Bits, U, 0, 3)
    less = mask(And(C(16 + 5), U))
    assert (type(less), less.a, less.b.value) == (And, U, 5)
    assert mask(And(U, C(5))) is None


@pytest.mark.parametrize("first", range(4))
def test_a_sum_that_is_cut_at_more_bits_than_it_wrapped_stays(first):
    for width in range(1, 5):
        inner = Add(Signed(Y, 4), X)
        for node in (Signed(Shr(inner, first), width), Bits(inner, first, width)):
            circuit = Circuit("cut", (Port("x", (X,)), Port("y", (Y,))), (Port("z", (node,)),))
            run_passes(circuit, [Simplify()], check_exact(60))
            assert (rule_named("cut_of_sum")(node) is not None) == (first + width <= 4)


def test_every_rule_is_proved():
    assert {rule.__name__ for rules in RULES.values() for rule in rules} == set(CASES)


def test_every_rule_states_its_equation():
    for rules in RULES.values():
        for rule in rules:
            assert "->" in rule.__doc__, rule.__name__
