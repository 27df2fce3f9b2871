"""A design with and without flash cells: what the published ratios make of it."""

from __future__ import annotations

import pytest

from flow.ir.aig import AigBuilder
from flow.ir.netlist import flipflop, netlist_aig
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.functions import positive_gates
from flow.pipeline.flash_models import flash_library
from flow.pipeline.flash_result import cell_delays, flash_result
from flow.pipeline.variants import PLAIN
from flow.tech.flash_cell import flash_cell
from flow.tech.registry import load
from flow.verify.prove import prove_graphs

TECHNOLOGY = load("sky130")


def majority(bare=False):
    """A majority behind a flip-flop, and another flip-flop on its input."""
    g = AigBuilder("one", ["a", "b", "c", "Q:s", *(["Q:t"] if bare else [])])
    outputs = [("y", 8), ("D:s", g.majority(2, 4, 6))]
    return g.finish(outputs + ([("z", 10), ("D:t", 2)] if bare else []))


def of(graph, library):
    return flash_result(graph, TECHNOLOGY, variants=(PLAIN,), period_ns=10.0, library=library)


@pytest.fixture(scope="module")
def library():
    return flash_library(TECHNOLOGY)


@pytest.fixture(scope="module")
def result(library):
    return of(majority(bare=True), library)


@pytest.mark.tool("yosys")
def test_the_footprint_is_the_published_share_of_the_mean_of_117_equivalents(library):
    gates = [gate for n in range(1, 6) for gate in positive_gates(n)]
    areas = [library.models[gate].equivalent_um2 for gate in gates]
    assert len(areas) == 117
    assert library.mean_um2 == pytest.approx(sum(areas) / 117)
    assert library.footprint_um2 == pytest.approx(0.206 * library.mean_um2)
    assert {model.area_um2 for model in library.models.values()} == {library.footprint_um2}


@pytest.mark.tool("yosys")
def test_an_equivalent_is_the_function_in_gates_and_a_flip_flop(library):
    for gate in (ThresholdGate((1,), 1), ThresholdGate((1, 1), 2), ThresholdGate((2, 1, 1), 2)):
        model = library.models[gate]
        inputs = [f"x{i}" for i in range(gate.fan_in)]
        table = netlist_aig(model.equivalent, TECHNOLOGY)
        assert (list(table.inputs), table.outputs) == (inputs, ("y",))
        area = TECHNOLOGY.area(model.equivalent.histogram()) + flipflop(TECHNOLOGY)[0].area
        assert model.equivalent_um2 == area
    assert library.models[ThresholdGate((1,), 1)].equivalent.instances == ()


@pytest.mark.tool("yosys")
def test_the_area_is_that_of_cells_and_of_flip_flops_that_stay(result):
    assert [cell.name for cell in result.absorption.cells] == ["s"]
    flop = flipflop(TECHNOLOGY)[0].area
    assert result.with_cells.area_um2 == pytest.approx(result.footprint_um2 + flop)
    assert result.gates_only.area_um2 > 2 * flop
    assert result.absorption.share == 0.5


@pytest.mark.tool("yosys")
def test_the_power_of_a_cell_is_the_share_of_its_equivalent_at_the_same_activity(result, library):
    alone = of(majority(), library)
    # What drives the inputs stays: so a little less than the published 61.6 % is saved.
    assert 0.5 < alone.saved_power < flash_cell().ratios.power
    assert result.saved_power < alone.saved_power
    assert alone.clock_pj == pytest.approx(0.0405342)


@pytest.mark.tool("yosys")
def test_the_delay_of_a_cell_is_the_share_of_flip_flop_and_gates(result, library):
    model = library.models[ThresholdGate((1, 1, 1), 2)]
    (delay,) = cell_delays(result).values()
    base = max(0.2692, 0.2652)  # clk to Q of dfxtp_1 at the smallest slew and load, ns
    assert delay == pytest.approx(1e3 * 0.597 * (base + model.logic_ns), abs=6)


@pytest.mark.tool("yosys")
def test_the_netlist_takes_what_the_design_takes(result):
    mapped = netlist_aig(result.netlist, result.technology, result.held)
    assert prove_graphs(majority(bare=True), mapped).status == "proved"
