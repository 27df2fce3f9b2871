"""Lines of a netlist, classes of equal faults, and their simulation by two programs."""

from dataclasses import replace

import numpy as np
import pytest
from cell_netlists import EGFET, drawn, redundant

from flow.analysis.activity import Simulator
from flow.analysis.fault_simulation import FaultSimulator, kernel
from flow.analysis.stuck_at import faults_of, gates_of, stuck, weights
from flow.errors import UsageError
from flow.ir.aig import random_words
from flow.ir.netlist import ONE, ZERO, Bus, Instance, Netlist


def test_equal_faults_are_one_class():
    faults = faults_of(redundant(), EGFET)
    named = [
        [f"{faults.lines[line]}/{value}" for line, value in one.members] for one in faults.classes
    ]
    assert named == [
        ["x[0]/0"],
        ["x[0]/1"],
        ["x[0] at A1/0", "x[1] at A2/0", "n1/0"],
        ["x[0] at A1/1"],
        ["x[0] at A1/0", "x[1] at A/1", "n2/0", "n3/0"],
        ["x[0] at A1/1"],
        ["x[1]/0"],
        ["x[1]/1"],
        ["x[1] at A2/1"],
        ["x[1] at A/0", "n2/1"],
        ["x[2]/0"],
        ["x[2]/1"],
        ["n1/1", "n3/1", "n4/1"],
        ["n4/0"],
        ["n4 at A1/0"],
        ["n4 at A1/1"],
        ["n5/0"],
        ["n5/1"],
    ]
    assert (faults.count, sum(weights(faults))) == (26, 26)


def test_an_input_of_a_table_is_stuck():
    assert (stuck(0b1000, 2, 0, 0), stuck(0b1000, 2, 0, 1)) == (0b0000, 0b1100)
    assert (stuck(0b0110, 2, 1, 0), stuck(0b0110, 2, 1, 1)) == (0b1010, 0b0101)


def faulty(netlist, line, value):
    """The netlist with a line tied to a constant, by text alone."""
    tie = ONE if value else ZERO

    def tied(k, one):
        outputs = EGFET.cell(one.cell).outputs
        pins = tuple(
            (p, tie)
            if p not in outputs
            and net == line.net
            and (not line.branch or (k, p) == (line.place, line.pin))
            else (p, net)
            for p, net in one.pins
        )
        return replace(one, pins=pins)

    drivers = netlist.drivers
    if not line.branch:
        drivers = tuple(tie if net == line.net else net for net in drivers)
    units = tuple(tied(k, one) for k, one in enumerate(netlist.instances))
    return replace(netlist, instances=units, drivers=drivers)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_fault_is_the_netlist_with_a_line_tied(seed, compiled):
    if compiled and kernel() is None:
        pytest.skip("not checked: no C compiler")
    netlist, words = drawn(seed), random_words(6, 2, seed)
    faults = faults_of(netlist, EGFET)
    simulator = FaultSimulator(faults.gates, words, compiled)
    (answers,) = simulator.answers(faults.classes)
    inputs = dict(zip(netlist.input_bits, words, strict=True))
    for one, answer in zip(faults.classes, answers, strict=True):
        for line, value in one.members:
            tied = faulty(netlist, faults.lines[line], value)
            nets = Simulator(tied, EGFET)
            rows = nets.run(inputs)[[nets.index[net] for net in tied.drivers]]
            assert (rows == answer).all(), f"{faults.lines[line]} stuck at {value}"
    differs = np.bitwise_or.reduce(answers ^ simulator.outputs, axis=1)
    assert (simulator.detected(faults.classes) == differs).all()


def test_a_netlist_with_state_is_refused():
    unit = Instance("f1", "DFFX1", (("CP", "clk"), ("D", "x"), ("Q", "n1")))
    netlist = Netlist("held", (Bus("x", 1), Bus("clk", 1)), (Bus("y", 1),), (unit,), ("n1",))
    with pytest.raises(UsageError) as caught:
        gates_of(netlist, EGFET)
    assert caught.value.message == "the netlist holds state: flipflop f1"
    assert caught.value.hint == "faults are those of combinational circuits: build without stages"
