"""A neuron in cells and as Verilog is proved to be the netlist that it was made from."""

from dataclasses import replace

import numpy as np
import pytest

from flow.frontend.language.codes import VALUES
from flow.mapping.hardwired.embedding import base_for
from flow.mapping.hardwired.neuron import adder_tree, hardwired
from flow.pipeline.neuron_cells import map_neuron, prove_cells, prove_verilog
from flow.tech.registry import load


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(2).choice(VALUES["fp4"], (1, 40)).astype(np.int8)


@pytest.mark.tool("abc")
def test_adders_of_a_neuron_become_adder_cells_and_all_is_proved(weights):
    sky130 = load("sky130")
    neuron = hardwired(base_for(weights, 8))
    found = map_neuron(neuron, sky130)
    counts = found.netlist.histogram()
    assert counts["sky130_fd_sc_hd__fa_1"] > 25
    assert counts["sky130_fd_sc_hd__dfxtp_1"] == neuron.counts()["dff"]
    assert found.area == sky130.area(counts)
    verdict = prove_cells(found, sky130)
    assert verdict.status == "proved"
    assert "refused a mutant with" in verdict.detail


@pytest.mark.tool("abc")
def test_a_wrong_cell_is_found(weights):
    sky130 = load("sky130")
    found = map_neuron(hardwired(base_for(weights, 8)), sky130)
    netlist = found.netlist
    place = next(k for k, i in enumerate(netlist.instances) if i.cell.endswith("nand2_1"))
    wrong = replace(netlist.instances[place], cell="sky130_fd_sc_hd__nor2_1")
    instances = (*netlist.instances[:place], wrong, *netlist.instances[place + 1 :])
    broken = replace(found, netlist=replace(netlist, instances=instances))
    assert prove_cells(broken, sky130).status == "disproved"


@pytest.mark.tool("abc")
def test_a_form_without_registers_has_no_clock(weights):
    found = map_neuron(adder_tree(weights[0, :6].tolist(), 4), load("sky130"))
    assert [bus.name for bus in found.netlist.inputs] == ["x", "xn"]
    assert found.held == ()


@pytest.mark.tool("yosys")
def test_the_text_of_a_neuron_is_the_neuron(weights):
    assert prove_verilog(hardwired(base_for(weights, 4))).status == "proved"
    assert prove_verilog(adder_tree(weights[0, :6].tolist(), 4)).status == "proved"
