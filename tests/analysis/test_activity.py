"""The simulated netlist answers as evaluate does, and its states and toggles are counted right."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped, sample_bits
from hypothesis import given, settings
from strategies import circuits, input_values

from flow.analysis.activity import (
    Simulator,
    clocked_activity,
    later,
    simulate_activity,
    uniform_activity,
)
from flow.backends.verilog import SUPPORTS
from flow.errors import CheckFailed
from flow.ir.aig import unpack
from flow.ir.evaluate import evaluate
from flow.ir.netlist import Bus, Instance, Netlist
from flow.ir.nodes import Register
from flow.tech.registry import load

NAND = Netlist(
    "nand",
    (Bus("a", 1), Bus("b", 1)),
    (Bus("y", 1),),
    (Instance("u1", "NAND2X1", (("A1", "a"), ("A2", "b"), ("Y", "n1"))),),
    ("n1",),
)


@pytest.mark.tool("abc")
@settings(max_examples=10)
@given(circuits(kinds=tuple(k for k in SUPPORTS if k is not Register), max_nodes=12, max_width=12))
def test_the_simulated_netlist_equals_evaluate(circuit):
    values = input_values(circuit, 70)
    expected = sample_bits(circuit.outputs, evaluate(circuit, values))
    with tempfile.TemporaryDirectory() as folder:
        _, made = mapped(circuit, Path(folder))
    simulator = Simulator(made.netlist, EGFET)
    nets = simulator.stream(sample_bits(circuit.inputs, values))
    rows = nets[[simulator.index[net] for net in made.netlist.drivers]]
    assert np.array_equal(unpack(rows, 70), expected)


@pytest.mark.tool("abc")
@pytest.mark.parametrize("handshake", [False, True])
def test_a_pipeline_answers_as_many_samples_later_as_it_has_stages(tmp_path, handshake):
    emission, made = mapped(STAGED, tmp_path, handshake)
    values = input_values(STAGED, 100)
    bits = sample_bits(STAGED.inputs, values)
    if handshake:  # rst, in_valid, out_ready
        bits = np.concatenate([np.tile(np.array([[0, 1, 1]], np.uint8), (100, 1)), bits], axis=1)
    simulator = Simulator(made.netlist, EGFET)
    nets = simulator.stream(bits)
    drivers = dict(zip(made.netlist.output_bits, made.netlist.drivers, strict=True))
    rows = [simulator.index[net] for bit, net in drivers.items() if bit.startswith("y")]
    expected = sample_bits(STAGED.outputs, evaluate(STAGED, values))
    assert emission.latency == 2
    assert np.array_equal(unpack(nets[rows], 100)[2:], expected[:-2])


def test_states_and_toggles_of_one_gate():
    bits = np.array([[0, 0], [1, 0], [1, 1], [1, 1], [0, 1]])
    activity = simulate_activity(NAND, EGFET, bits)
    assert activity.states == ((0.2, 0.2, 0.2, 0.4),)
    assert activity.toggles == {"1'b0": 0.0, "1'b1": 0.0, "a": 0.5, "b": 0.25, "n1": 0.5}
    assert (activity.label, activity.samples) == ("vectors", 5)


def test_without_vectors_all_states_are_alike():
    activity = uniform_activity(NAND, EGFET)
    assert activity.states == ((0.25, 0.25, 0.25, 0.25),)
    assert activity.toggles["n1"] == 2 * 0.75 * 0.25
    assert activity.label == "vectorless, uniform states"


def test_a_stream_one_sample_later_crosses_words():
    words = np.array([1 << 63, 5], dtype=np.uint64)
    assert later(words).tolist() == [0, 11]


def test_no_samples_are_refused():
    with pytest.raises(CheckFailed, match=r"^there are no samples to simulate$"):
        simulate_activity(NAND, EGFET, np.zeros((0, 2), dtype=np.uint8))


def test_a_machine_is_clocked_from_zero_at_random_inputs():
    """A flip-flop that toggles in every clock, and one that takes a random input."""
    technology = load("sky130")
    cell = "sky130_fd_sc_hd__dfxtp_1"
    netlist = Netlist(
        "toggle",
        (Bus("clk", 1), Bus("a", 1)),
        (Bus("y", 1), Bus("z", 1)),
        (
            Instance("u1", cell, (("CLK", "clk"), ("D", "n3"), ("Q", "n1"))),
            Instance("u2", cell, (("CLK", "clk"), ("D", "a"), ("Q", "n2"))),
            Instance("u3", "sky130_fd_sc_hd__inv_1", (("A", "n1"), ("Y", "n3"))),
        ),
        ("n1", "n2"),
    )
    found = clocked_activity(netlist, technology, clocks=64, settle=4, seed=2)
    assert (found.toggles["n1"], found.toggles["n3"], found.toggles["clk"]) == (1.0, 1.0, 2.0)
    assert found.toggles["n2"] == pytest.approx(0.5, abs=0.03)
    assert (found.samples, found.label) == (3840, "random inputs, 60 clocks of 64 runs")
    assert found.states[2] == (0.5, 0.5)
    assert found == clocked_activity(netlist, technology, clocks=64, settle=4, seed=2)
