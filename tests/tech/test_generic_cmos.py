"""The generic CMOS library: every figure follows from the assumptions named in its files."""

import math

import pytest

from flow.pipeline.synthesis import check_technology
from flow.tech.registry import load

WANTED = {
    "INV", "BUF", "NAND2", "NAND3", "NAND4", "NOR2", "NOR3", "AND2", "OR2", "AOI21", "AOI22",
    "OAI21", "OAI22", "XOR2", "XNOR2", "MUX2", "HA", "FA", "DFF", "DFFR",
}  # fmt: skip
PAIRS = {"INV": 1, "NAND2": 2, "NOR3": 3, "AOI22": 4, "XOR2": 6, "MUX2": 6, "FA": 14, "DFF": 12}


@pytest.fixture(scope="module")
def cmos():
    return load("generic_cmos")


def test_it_has_every_cell_that_mapping_wants(cmos):
    assert set(cmos.cells) == WANTED
    check_technology(cmos)
    assert (cmos.voltage, cmos.nand2, cmos.corner) == (1.0, "NAND2", "typical")


@pytest.mark.parametrize(("name", "pairs"), PAIRS.items())
def test_an_area_is_that_of_the_pairs_of_transistors_and_a_track(cmos, name, pairs):
    assert cmos.cells[name].area == pytest.approx((pairs + 1) * 8 * 0.025 * 40 * 0.025)


def test_four_inverters_delay_an_inverter_by_15_ps(cmos):
    inverter = cmos.cells["INV"]
    load_pf = 4 * inverter.capacitance["A"]
    assert inverter.arcs[0].fall.at(0.01, load_pf) == pytest.approx(0.015)


def test_a_nand_answers_by_logical_effort(cmos):
    nand = cmos.cells["NAND2"]
    assert nand.capacitance["A"] == pytest.approx(4 / 3 * cmos.cells["INV"].capacitance["A"])
    loaded = nand.arcs[0].rise.at(0.01, 3 * nand.capacitance["A"])
    assert loaded == pytest.approx(0.003 * (2 + 4 / 3 * 3))


def test_leakage_and_energy_follow_from_the_widths(cmos):
    full = cmos.cells["FA"]
    assert full.leakage == pytest.approx((87 * 0.1 / 2 * 0.01 * 1.0,) * 8)
    assert full.energy["S"].mean == pytest.approx(21 * 1e-4 / 2)


def test_the_adder_cells_add(cmos):
    full = cmos.cells["FA"]
    for state in range(8):
        ones = state.bit_count()
        assert full.truth_table("S") >> state & 1 == ones & 1
        assert full.truth_table("CO") >> state & 1 == ones >> 1


def test_a_transition_is_that_of_the_last_stage(cmos):
    arc = cmos.cells["INV"].arcs[0]
    wanted = math.log(7 / 3) * (0.003 + 10 * 0.003)
    assert arc.rise_transition.at(0.01, 0.003) == pytest.approx(wanted, rel=1e-5)
