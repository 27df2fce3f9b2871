"""The C of a circuit: its tables are complete, its text is stable, its lanes are narrow."""

import pytest
from strategies import random_circuit

from flow.backends.c import RENDER, STRUCTURAL, emit_c, lane_bits
from flow.errors import InternalError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import (
    NODE_TYPES,
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


def test_the_least_number_of_64_bits_is_written_as_c_can_read_it():
    _, x = one_input(0, 1)
    lowest = -(1 << 63)
    text = emit_c(circuit_of(x, Const(lowest), Const(lowest + 1), Const((1 << 63) - 1)))
    assert [line.strip() for line in text.splitlines() if line.startswith("    block v")] == [
        "block v1 = K((-9223372036854775807LL - 1));",
        "block v2 = K(-9223372036854775807LL);",
        "block v3 = K(9223372036854775807LL);",
    ]


def assignments(text):
    return [line.strip() for line in text.splitlines() if line.startswith("    block v")]


def test_every_operation_is_one_c_expression_on_blocks():
    intern, x = one_input(-20, 20)
    low, four = intern(Bits(x, 0, 3)), intern(Bits(x, 0, 4))
    bits = tuple(intern(Bits(x, k, 1)) for k in range(3))
    lanes = (
        Clamp(x, -5, 9), Clamp(x, -30, 9), Clamp(x, -5, 30), Bits(x, 1, 3), Signed(x, 3),
        Shr(x, 40), Concat((low, Const(0), four), (3, 2, 4)), Neg(x), Sub(x, Shl(x, 2)),
        Lookup(x, -21, tuple(range(-21, 22))), Compare(x, Const(3), "le"),
        Select(Compare(x, Const(3), "ne"), x, Const(2)), FullAdder(*bits), And(low, four),
        Or(low, four), Xor(low, four), Mul(x, x),
    )  # fmt: skip
    text = emit_c(circuit_of(x, *map(intern, lanes)))
    assert assignments(text) == [
        "block v0 = s[0];",
        "block v1 = smallest(largest(v0, K(-5LL)), K(9LL));",
        "block v2 = smallest(v0, K(9LL));",
        "block v3 = largest(v0, K(-5LL));",
        "block v4 = (v0 >> 1) & K(7LL);",
        "block v5 = (v0 << 13) >> 13;",
        "block v6 = v0 >> 15;",
        "block v7 = (v0 >> 0) & K(7LL);",
        "block v8 = (v0 >> 0) & K(15LL);",
        "block v9 = v7 | (v8 << 5);",
        "block v10 = -v0;",
        "block v11 = v0 << 2;",
        "block v12 = v0 - v11;",
        "block v13 = look(v0, table_0, -20LL);",
        "block v14 = (block)(v0 <= K(3LL)) & K(1);",
        "block v15 = (block)(v0 != K(3LL)) & K(1);",
        "block v16 = either(v15, v0, K(2LL));",
        "block v17 = (v0 >> 0) & K(1LL);",
        "block v18 = (v0 >> 1) & K(1LL);",
        "block v19 = (v0 >> 2) & K(1LL);",
        "block v20 = v17 + v18 + v19;",
        "block v21 = v7 & v8;",
        "block v22 = v7 | v8;",
        "block v23 = v7 ^ v8;",
        "block v24 = v0 * v0;",
    ]
    table = ", ".join(f"{v}LL" for v in range(-20, 21))
    assert f"static const lane table_0[] = {{{table}}};\n" in text
    assert "typedef int16_t lane;" in text


def test_operations_that_change_nothing_take_no_assignment():
    intern, x = one_input(0, 7)
    lanes = (Register(x), Relu(x), Clamp(x, 0, 9), Shl(x, 0), Shr(x, 0), Bits(x, 0, 5),
             Signed(x, 5))  # fmt: skip
    assert assignments(emit_c(circuit_of(x, *map(intern, lanes)))) == []


def test_a_row_adds_few_terms_at_a_time_and_constants_once():
    intern, _ = one_input(-1, 1)
    ports = tuple(intern(Input("x", k, -1, 1)) for k in range(1, 200))
    row = intern(Linear(ports, (-1,) * len(ports), 5))
    circuit = Circuit("row", (Port("x", ports),), (Port("y", (row,)),))
    lines = [line for line in assignments(emit_c(circuit)) if " - " in line]
    assert sum(line.count(" - ") for line in lines) == len(ports)
    assert sum("K(5LL)" in line for line in lines) == 1
    assert [line.count(" - ") for line in lines] == [32] * 6 + [7]
