"""The bit-blasted graph means what the circuit means, and AIGER files carry it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import circuits, input_values

from flow.backends.aiger import read_aiger, write_aiger
from flow.backends.arithmetic import signed_digits
from flow.backends.bitblast import bitblast, buses, inside
from flow.backends.verilog import emit_verilog
from flow.errors import IRError, ToolFailed
from flow.ir import aig as graphs
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.evaluate import evaluate
from flow.ir.nodes import NODE_TYPES, Add, Const, Input, Register, Relu
from flow.ir.text import parse_circuit
from flow.verify.prove import transparent

COMBINATIONAL = tuple(kind for kind in NODE_TYPES if kind is not Register)


def bits_of_lanes(ports, values):
    """0/1 samples of all bits of some ports, (samples, bits)."""
    columns = []
    for port in ports:
        for i, lane in enumerate(port.lanes):
            for bit in range(lane_width(lane)):
                columns.append([(int(v) >> bit) & 1 for v in values[port.name][:, i]])
    return np.array(columns, dtype=np.uint8).T


def simulated(circuit, values):
    samples = len(next(iter(values.values())))
    words = graphs.pack(bits_of_lanes(circuit.inputs, values))
    return graphs.unpack(bitblast(circuit).simulate(words), samples)


@given(circuits(kinds=COMBINATIONAL, max_width=20), st.integers(0, 1000))
def test_the_graph_of_any_circuit_answers_as_evaluate_does(circuit, seed):
    values = input_values(circuit, 70, seed)
    expected = bits_of_lanes(circuit.outputs, evaluate(circuit, values))
    assert np.array_equal(simulated(circuit, values), expected)


@given(circuits(kinds=COMBINATIONAL, max_width=20))
def test_writing_and_reading_a_graph_gives_it_back(circuit):
    aig = bitblast(circuit)
    back = read_aiger(write_aiger(aig), aig.name)
    assert (back.inputs, back.outputs, back.literals) == (aig.inputs, aig.outputs, aig.literals)
    pairs = [{a, b} for a, b in zip(aig.left, aig.right, strict=True)]
    assert [{a, b} for a, b in zip(back.left, back.right, strict=True)] == pairs


@given(circuits(max_width=20))
def test_every_gate_belongs_to_a_node_of_the_circuit(circuit):
    nodes = set(circuit.walk())
    aig = bitblast(circuit)
    assert len(aig.owners) == aig.size
    assert all(owner in nodes for owner in aig.owners)


@given(circuits(max_width=20))
def test_a_circuit_without_its_registers_means_the_same(circuit):
    values = input_values(circuit, 20)
    bare = transparent(circuit)
    assert not any(isinstance(node, Register) for node in bare.walk())
    expected, got = evaluate(circuit, values), evaluate(bare, values)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


def test_a_full_adder_is_nine_gates_that_need_no_inverter():
    g = graphs.AigBuilder("fa", ["a", "b", "c"])
    total = g.xor(g.xor(2, 4), 6)
    carry = g.majority(2, 4, 6)
    aig = g.finish([("sum", total), ("carry", carry)])
    read = [x for x in (*aig.left, *aig.right, *aig.literals) if x >> 1 >= aig.first_gate]
    assert aig.size == 9
    assert all(x & 1 for x in read)


def test_registers_are_cut_under_the_names_of_the_emission():
    x = Input("x", 0, -2, 1)
    held = Register(Relu(x))
    circuit = Circuit("one", (Port("x", (x,)),), (Port("y", (Add(held, held),)),))
    emission = emit_verilog(circuit, handshake=True)
    name = emission.registers[0][0]
    aig = bitblast(circuit, emission)
    assert aig.inputs == (
        "rst", "in_valid", "out_ready", "Q:valid", "x[0]", "x[1]", f"Q:{name}",
    )  # fmt: skip
    assert aig.outputs == (
        "y[0]", "y[1]", "in_ready", "out_valid", f"D:{name}", "D:valid",
    )  # fmt: skip
    inputs, outputs = buses(circuit, emission)
    assert [(bus.name, bus.width) for bus in inputs] == [
        ("clk", 1), ("rst", 1), ("in_valid", 1), ("out_ready", 1), ("x", 2),
    ]  # fmt: skip
    assert [(bus.name, bus.width) for bus in outputs] == [
        ("in_ready", 1), ("out_valid", 1), ("y", 2),
    ]  # fmt: skip


def test_what_no_output_depends_on_leaves_no_register_bits():
    circuit = parse_circuit(
        "flow-ir 1\ncircuit part\n%0 = input x, 0, 0, 15 : [0, 15]\n%1 = register %0 : [0, 15]\n"
        "%2 = bits %1, 1, 2 : [0, 3]\nin x = %0\nout y = %2\n"
    )
    aig = graphs.without_unread_state(bitblast(circuit))
    assert aig.inputs == ("x[0]", "x[1]", "x[2]", "x[3]", "Q:r0[1]", "Q:r0[2]")
    assert aig.outputs == ("y[0]", "y[1]", "D:r0[1]", "D:r0[2]")


def test_inside_is_true_exactly_in_the_intervals_of_the_inputs():
    x = Input("x", 0, -3, 9)
    circuit = Circuit("r", (Port("x", (x,)),), (Port("y", (Add(x, Const(1)),)),))
    aig = inside(circuit)
    bits = np.array([[v >> i & 1 for i in range(5)] for v in range(-16, 16)])
    got = graphs.unpack(aig.simulate(graphs.pack(bits)), 32)[:, 0]
    assert [v for v, hit in zip(range(-16, 16), got, strict=True) if hit] == list(range(-3, 10))


def test_inputs_of_all_values_need_no_assumption():
    x = Input("x", 0, -8, 7)
    assert inside(Circuit("r", (Port("x", (x,)),), (Port("y", (x,)),))) is None


@given(st.integers(-5000, 5000))
def test_signed_digits_add_up_and_have_no_neighbours(value):
    digits = signed_digits(value)
    places = [place for place, _ in digits]
    assert sum(digit << place for place, digit in digits) == value
    assert all(b - a > 1 for a, b in pairwise(places))


def test_the_number_of_register_names_must_fit():
    circuit = Circuit("one", (), (Port("y", (Register(Const(1)),)),))
    plain = Circuit("one", (), (Port("y", (Const(1),)),))
    with pytest.raises(IRError, match=r"^1 registers, 0 were emitted$"):
        bitblast(circuit, emit_verilog(plain))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"not an aiger file\n", "it does not begin with 'aig'"),
        (b"aig 9 0 1 0 0\n2\n", "9 variables are not the sum of their kinds"),
        (b"aig 999999999 0 0 0 999999999\n", "it is cut off"),
        (b"aig 2 1 0 1 1\n4\n", "index out of range"),
        (b"aig 2 1 0 1 1\n4\n\x00\x00", "gate 2 is out of order"),
    ],
)
def test_a_broken_file_is_refused(data, why):
    with pytest.raises(ToolFailed) as caught:
        read_aiger(data, "broken.aig")
    assert caught.value.message == f"not a binary AIGER file: {why}"
    assert caught.value.where == "broken.aig"


def test_latches_are_cut():
    aig = read_aiger(b"aig 3 1 1 1 1\n6 0\n5\n\x02\x02i0 a\no0 y\n", "held")
    assert (aig.inputs, aig.outputs) == (("a", "Q:l0"), ("y", "D:l0"))
    assert (aig.left, aig.right, aig.literals) == ((4,), (2,), (5, 6))


def test_packing_bits_into_words_is_undone_by_unpacking():
    bits = np.random.default_rng(3).integers(0, 2, size=(131, 5))
    assert np.array_equal(graphs.unpack(graphs.pack(bits), 131), bits)
