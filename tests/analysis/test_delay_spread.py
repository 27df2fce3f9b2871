"""Delays of cells that scatter: nothing changes without spread, and shares of copies in time."""

import numpy as np
import pytest

from flow.analysis.delay_spread import delay_spread
from flow.analysis.timing import timing_of
from flow.ir.netlist import Bus, Instance, Netlist
from flow.tech.registry import load


@pytest.fixture(scope="module")
def chain():
    """Eight inverters in a row, in printed cells."""
    technology = load("egfet")
    (name,) = [c for c in technology.cells if c == "INVX1"]
    cell = technology.cell(name)
    pins = (cell.inputs[0], cell.outputs[0])
    nets = ["a", *(f"n{i}" for i in range(7)), "y"]
    instances = tuple(
        Instance(f"u{i}", name, ((pins[0], nets[i]), (pins[1], nets[i + 1]))) for i in range(8)
    )
    return Netlist("chain", (Bus("a", 1),), (Bus("y", 1),), instances, ("y",)), technology


def test_without_spread_every_copy_is_the_nominal_circuit(chain):
    nominal = timing_of(*chain).delay_ns
    found = delay_spread(*chain, 0.0, draws=3)
    assert found.nominal_ns == nominal
    assert found.drawn_ns.tolist() == [nominal] * 3


def test_a_chain_scatters_less_than_its_cells(chain):
    found = delay_spread(*chain, 0.2, draws=4000)
    # The later of the two edges counts, so that the mean lies above the nominal delay.
    assert 1.02 < found.drawn_ns.mean() / found.nominal_ns < 1.05
    assert 0.04 < found.drawn_ns.std() / found.nominal_ns < 0.1
    assert 0.2 < found.met(found.nominal_ns) < 0.5
    assert found.met(found.period(0.99)) >= 0.99
    again = delay_spread(*chain, 0.2, draws=4000)
    assert np.array_equal(found.drawn_ns, again.drawn_ns)
