"""Three copies with voters: equal to the plain netlist, deaf to faults within, least area."""

from itertools import combinations

import pytest
from cell_netlists import EGFET, drawn

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import faults_of
from flow.ir.aig import random_words
from flow.ir.netlist import netlist_aig
from flow.mapping.hardening import RegionFinder, triplicate
from flow.mapping.voters import voter_of
from flow.tech.registry import load
from flow.verify.prove import prove_graphs

VOTER = voter_of(EGFET)


@pytest.mark.parametrize("technology", ["egfet", "sky130", "generic_cmos", "cnt_tft"])
def test_every_library_has_a_voter(technology):
    found = voter_of(load(technology))
    cells = load(technology).cells
    for state in range(8):
        values = {"a": state & 1, "b": state >> 1 & 1, "c": state >> 2}
        for unit in found.cells:
            cell, pins = cells[unit.cell], dict(unit.pins)
            (output,) = (pin for pin in cell.outputs if pin in pins)
            own = sum(values[pins[pin]] << i for i, pin in enumerate(cell.inputs))
            values[pins[output]] = cell.truth_table(output) >> own & 1
        assert values["y"] == (state.bit_count() >= 2)
    assert found.area == sum(cells[unit.cell].area for unit in found.cells)


@pytest.mark.parametrize("region", [range(40), range(10, 20), (3, 17, 39), ()])
def test_the_hardened_netlist_is_equal_and_deaf_to_faults_in_copies(region):
    plain = drawn(5)
    made = triplicate(plain, EGFET, region, VOTER)
    assert made.tripled == len(region)
    proof = prove_graphs(netlist_aig(plain, EGFET), netlist_aig(made.netlist, EGFET))
    assert proof.status == "proved"
    assert len(made.netlist.instances) == 40 + 2 * len(region) + len(VOTER.cells) * made.voters


def test_only_inputs_and_voters_of_a_tripled_circuit_can_do_harm():
    plain = drawn(5)
    made = triplicate(plain, EGFET, range(40), VOTER)
    faults = faults_of(made.netlist, EGFET)
    shown = FaultSimulator(faults.gates, random_words(6, 4)).detected(faults.classes)
    harmful = {
        faults.lines[line].net
        for one, row in zip(faults.classes, shown, strict=True)
        for line, _ in one.members
        if row.any() and faults.lines[line].place >= 0 and not faults.lines[line].branch
    }
    assert set(made.netlist.drivers) <= harmful
    assert len(harmful) <= len(VOTER.cells) * made.voters == 12


def test_the_cut_finds_the_region_that_no_other_beats():
    plain = drawn(7, cells=9, inputs=3, outputs=2)
    harm = [3.0, 0.0, 5.0, 1.0, 4.0, 2.0, 6.0, 0.0, 3.0]
    finder = RegionFinder(plain, EGFET, VOTER, harm, [(h / 4, h / 4) for h in harm])
    for price in (1e5, 4e5, 1e6, 3e6):
        best = finder.best(price)
        every = [finder.region(c) for n in range(10) for c in combinations(range(9), n)]
        most = max(price * r.removed - r.area for r in every)
        assert price * best.removed - best.area == pytest.approx(most, abs=1e-3 * abs(most) + 1)


def test_a_region_stays_within_its_limit():
    plain = drawn(8)
    harm = [float(k % 5) for k in range(40)]
    finder = RegionFinder(plain, EGFET, VOTER, harm, [(0.0, 0.0)] * 40)
    area = EGFET.area(plain.histogram())
    found = finder.within(lambda region: region.area, area / 4)
    assert 0 < found.area <= area / 4
    assert found == finder.region(found.cells)
    few = finder.within(lambda region: len(region.cells), 5)
    assert 0 < len(few.cells) <= 5
