"""Threshold gates and netlists of them: their meaning, their extreme points, their text."""

from itertools import product

import numpy as np
import pytest

from flow.errors import IRError, UsageError
from flow.ir.threshold import (
    FlipFlop,
    PlacedGate,
    ThresholdGate,
    ThresholdNetlist,
    constant_gate,
    histogram,
)
from flow.ir.threshold_text import parse_threshold, print_threshold

GATES = [
    ThresholdGate((2, 1, 1, 1), 3),
    ThresholdGate((2, -1, -1), 1),
    ThresholdGate((3, -2, 0, 1, -4), -1),
    ThresholdGate((1, 1), 5),
    ThresholdGate((-1, -1), -2),
    ThresholdGate((), 0),
]


def answers(gate):
    return {bits: gate.answer(bits) for bits in product((0, 1), repeat=gate.fan_in)}


def adder():
    """A full adder whose sum comes back through a flip-flop that begins with 1."""
    carry = PlacedGate(ThresholdGate((1, 1, 1), 2), (0, 1, 2), "carry")
    total = PlacedGate(ThresholdGate((1, 1, 1, -2), 1), (0, 1, 2, 3))
    held = FlipFlop("s", 4, 1)
    return ThresholdNetlist("adder", ("a", "b"), (held,), (carry, total), ("c",), (3,))


def test_the_programmable_neuron_has_the_functions_of_every_threshold():
    tables = [ThresholdGate((1, 1, 1, 2), t).table() for t in range(7)]
    # Input 3 has weight 2 and is the highest bit of the index, so a table reads from its left.
    assert [f"{table:016b}"[::-1] for table in tables] == [
        "1" * 16,
        "0" + "1" * 15,
        "0001011111111111",
        "0000000101111111",
        "0000000000010111",
        "0" * 15 + "1",
        "0" * 16,
    ]


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_a_table_and_the_answers_to_samples_are_those_of_the_sum(gate):
    rows = answers(gate)
    table = sum(bit << sum(b << i for i, b in enumerate(bits)) for bits, bit in rows.items())
    assert gate.table() == table
    samples = np.array(list(rows), dtype=np.uint8).reshape(len(rows), gate.fan_in)
    assert gate.evaluate(samples).tolist() == list(rows.values())
    assert answers(gate.inverted()) == {bits: 1 - bit for bits, bit in rows.items()}
    if gate.fan_in:
        changed = gate.with_inverted_input(0)
        assert answers(changed) == {(1 - b[0], *b[1:]): bit for b, bit in rows.items()}
    assert gate.constant == (next(iter(rows.values())) if len(set(rows.values())) == 1 else None)


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_minimal_true_and_maximal_false_points_are_the_corners_of_the_function(gate):
    rows = answers(gate)
    adds = [0 if w < 0 else 1 for w in gate.weights]
    real = [i for i, w in enumerate(gate.weights) if w]

    def others(bits, value):
        """The points with one more, or one less, of the bits that add to the sum."""
        for i in real:
            if bits[i] != value[i]:
                yield (*bits[:i], 1 - bits[i], *bits[i + 1 :])

    off = [1 - a for a in adds]
    unused = {i: 0 for i in range(gate.fan_in) if i not in real}
    true = {
        b for b, bit in rows.items()
        if bit and not any(rows[o] for o in others(b, off)) and all(b[i] == 0 for i in unused)
    }  # fmt: skip
    false = {
        b for b, bit in rows.items()
        if not bit and all(rows[o] for o in others(b, adds)) and all(b[i] == 1 for i in unused)
    }  # fmt: skip
    assert set(gate.minimal_true()) == true
    assert set(gate.maximal_false()) == false


def test_a_gate_of_many_inputs_has_no_table():
    with pytest.raises(IRError) as error:
        ThresholdGate((1,) * 17, 3).table()
    assert error.value.message == "a gate of 17 inputs has no table"


def test_a_netlist_adds_clock_after_clock():
    netlist = adder()
    netlist.check()
    bits = np.array([[0, 1], [1, 1], [0, 0], [1, 0]], dtype=np.uint8)
    assert netlist.run(bits).tolist() == [[1], [1], [0], [0]]
    assert (netlist.size, netlist.widest, netlist.depth) == (2, 4, 2)
    assert netlist.fan_outs() == (2, 2, 2, 2, 1)
    assert histogram(netlist) == {3: 1, 4: 1}


def test_a_constant_is_a_gate_without_inputs():
    netlist = ThresholdNetlist("one", (), (), (PlacedGate(constant_gate(1), ()),), ("y",), (0,))
    assert netlist.evaluate(np.zeros((2, 0), dtype=np.uint8)).tolist() == [[1], [1]]
    assert (netlist.size, netlist.depth) == (0, 0)


def test_a_gate_that_reads_what_comes_after_it_is_refused():
    gate = PlacedGate(ThresholdGate((1,), 1), (1,))
    with pytest.raises(IRError) as error:
        ThresholdNetlist("loop", ("a",), (), (gate,), ("y",), (1,)).check()
    assert error.value.message == "gate 1 of loop reads a signal that comes after it"


def test_the_text_form_is_read_back_as_the_same_netlist():
    text = print_threshold(adder())
    assert text.splitlines() == [
        "A threshold netlist",
        ".model adder",
        ".inputs a b",
        ".outputs c",
        ".latch n4 s 1",
        ".threshold a b s c",
        "1 1 1 2",
        ".threshold a b s c n4",
        "1 1 1 -2 1",
        ".end",
    ]
    assert parse_threshold(text) == adder()


def test_gates_in_any_order_and_outputs_that_are_inputs_are_read():
    text = "x\n.model m\n.input a b\n.output y a\n.threshold t b y\n1 1 2\n.threshold a t\n-1 0\n"
    netlist = parse_threshold(text)
    assert [g.name for g in netlist.gates] == ["t", "y"]
    assert netlist.drivers == (3, 0)
    assert parse_threshold(print_threshold(netlist)) == netlist


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        (".threshold a y\n1 x\n", "f.th:4", "a gate of 1 inputs needs 2 integers below it"),
        (".threshold a y\n1\n", "f.th:4", "a gate of 1 inputs needs 2 integers below it"),
        (".threshold b y\n1 1\n", "f.th", "nothing drives the signal 'b'"),
        (".threshold y y\n1 1\n", "f.th", "the gate 'y' depends on itself"),
        (".threshold a y\n1 1\n.latch a y 0\n", "f.th:6", "the signal 'y' is driven twice"),
        (".gate a y\n", "f.th:4", "not a line of a threshold netlist: '.gate a y'"),
    ],
)
def test_a_text_that_is_no_netlist_is_refused_with_its_line(body, where, message):
    with pytest.raises(UsageError) as error:
        parse_threshold(".model m\n.inputs a\n.outputs y\n" + body, "f.th")
    assert (error.value.message, error.value.where) == (message, where)
