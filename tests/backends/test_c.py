"""The C of a circuit: its tables are complete, its text is stable, its lanes are narrow."""

import pytest
from strategies import random_circuit

from flow.backends.c import RENDER, STRUCTURAL, emit_c, lane_bits
from flow.errors import InternalError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import NODE_TYPES, Add, Input, Linear, Mul, Relu, Shl


def one_input(lo: int, hi: int) -> tuple[Builder, Input]:
    intern = Builder()
    return intern, intern(Input("x", 0, lo, hi))


def circuit_of(x: Input, *lanes) -> Circuit:
    return Circuit("small", (Port("x", (x,)),), (Port("y", tuple(lanes)),))


def test_every_operation_has_its_c():
    assert set(RENDER) | set(STRUCTURAL) == set(NODE_TYPES)
    assert not set(RENDER) & set(STRUCTURAL)


@pytest.mark.parametrize(
    ("lo", "hi", "bits"),
    [
        (0, 127, 8),
        (0, 128, 16),
        (-128, 127, 8),
        (-129, 0, 16),
        (0, 65535, 32),
        (-(1 << 31), (1 << 31) - 1, 32),
        (0, 1 << 31, 64),
        (-(1 << 63), (1 << 63) - 1, 64),
        (0, 1 << 63, None),
    ],
)
def test_the_lane_is_the_narrowest_signed_one_that_holds_every_wire(lo, hi, bits):
    _, x = one_input(lo, hi)
    assert lane_bits(circuit_of(x, x)) == bits


def test_a_wire_inside_the_circuit_widens_all_lanes():
    intern, x = one_input(-8, 7)
    assert lane_bits(circuit_of(x, intern(Shl(x, 4)))) == 8
    assert lane_bits(circuit_of(x, intern(Shl(x, 5)))) == 16


def test_more_than_64_bits_are_refused():
    intern, x = one_input(0, 1 << 40)
    with pytest.raises(InternalError) as refused:
        emit_c(circuit_of(x, intern(Mul(x, x))))
    assert refused.value.show() == (
        "error: circuit 'small' has wires of more than 64 bits, so it cannot be C\n"
        "  hint: use flow.ir.evaluate, which has no limit"
    )


def test_the_body_is_one_assignment_for_each_operation():
    intern, x = one_input(-8, 7)
    text = emit_c(circuit_of(x, intern(Relu(intern(Add(x, x))))))
    body = text[text.index("static __attribute__((noinline)) void part_0") :]
    assert body[: body.index("}") + 1] == (
        "static __attribute__((noinline)) void part_0(block *restrict s) {\n"
        "    block v0 = s[0];\n"
        "    block v1 = v0 + v0;\n"
        "    block v2 = v1 & ~(v1 >> 7);\n"
        "    s[1] = v2;\n"
        "}"
    )


def test_rows_share_the_products_of_their_terms():
    intern, x = one_input(-8, 7)
    rows = [intern(Linear((x,), (3,), bias)) for bias in (1, 2)]
    rows.append(intern(Linear((x,), (-4,), 0)))
    text = emit_c(circuit_of(x, *rows))
    assert [line.strip() for line in text.splitlines() if line.startswith("    block v")] == [
        "block v0 = s[0];",
        "block v1 = v0 * K(3LL);",
        "block v2 = K(1LL) + v1;",
        "block v3 = K(2LL) + v1;",
        "block v4 = v0 << 2;",
        "block v5 = - v4;",
    ]


def test_equal_circuits_give_equal_text():
    assert emit_c(random_circuit(7)) == emit_c(random_circuit(7))


def test_functions_are_of_bounded_length_and_slots_are_used_again():
    intern, x = one_input(-1, 1)
    node = x
    for i in range(3000):
        node = intern(Relu(intern(Linear((node, x), (1, 1), -2 - i % 2))))
    text = emit_c(circuit_of(x, node))
    assert text.count("static __attribute__((noinline)) void part_") > 10
    assert max(len(part.splitlines()) for part in text.split("void part_")[1:-1]) < 600
    assert int(text.split("#define SLOTS ")[1].split()[0]) < 10
