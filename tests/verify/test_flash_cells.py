"""Flash cells in ngspice: they decide as their gates, and wrong ones are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flow.backends.flash_spice import flash_deck, in_turn
from flow.errors import ToolFailed
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.voltages import max_margin, perceptron, points
from flow.tools import ngspice
from flow.verify.flash_cells import check_cells, check_program

MAJORITY = ThresholdGate((1, 1, 1), 2)
NEURON = ThresholdGate((2, 1, 1, 1), 3)


@pytest.mark.tool("ngspice")
def test_cells_of_both_methods_decide_in_spice_at_every_point():
    verdict = check_cells([max_margin(MAJORITY), perceptron(MAJORITY), max_margin(NEURON)])
    assert verdict.status == "passed", verdict.detail
    assert verdict.detail.startswith(
        "3 cells, 20 minimal true and maximal false points, slowest decision "
    )


@pytest.mark.tool("ngspice")
def test_a_cell_of_the_wrong_threshold_is_found_in_spice():
    good = max_margin(MAJORITY)
    # Without its branch that is always on, the right network loses where one input is 1.
    wrong = replace(good, right=(*good.right[:-1], 1100), left=(300, 300, 300, 300))
    verdict = check_cells([replace(wrong, right=(1100, 1100, 1100, 1100))])
    assert verdict.status == "failed"
    assert verdict.detail == "[1, 1, 1; 2]: at 001 the cell gives 1.10 V, the gate 0"


def test_without_ngspice_cells_are_not_checked(monkeypatch):
    monkeypatch.setenv("NGSPICE", "/nonexistent")
    verdict = check_cells([max_margin(MAJORITY)])
    assert (verdict.status, verdict.detail) == ("not checked", "ngspice is not installed")


@pytest.mark.tool("ngspice")
def test_ngspice_tells_its_version_and_what_is_wrong_with_a_deck():
    assert ngspice.version().startswith("ngspice ")
    with pytest.raises(ToolFailed) as failed:
        ngspice.measure("* nothing\nr1 a 0 1k\nv1 a 0 1\n.op\n.end\n")
    assert failed.value.message == "ngspice failed: it measured nothing"


@pytest.mark.tool("ngspice")
def test_ngspice_measures_a_divider():
    deck = (
        "* divider\nr1 a b 1k\nr2 b 0 3k\nv1 a 0 2\n.tran 1n 10n\n.meas tran half find v(b) at=5n\n"
    )
    assert ngspice.measure(deck + ".end\n") == {"half": pytest.approx(1.5)}


def test_a_deck_clocks_the_cell_once_for_each_point_answers_in_turn():
    voltages = max_margin(MAJORITY)
    rows = in_turn(points(MAJORITY))
    assert [row.answer for row in rows] == [0, 1] * 3
    deck = flash_deck(voltages)
    assert deck.count(".meas tran q") == 6
    assert ".tran 2p 4.8n" in deck


def test_a_program_that_cannot_be_used_is_a_failed_check():
    verdict = check_program("flow-flash-program 1\nerased_mv 200 pulse_mv 10\n", ())
    assert (verdict.status, verdict.check) == ("proved", "programming file read back")
