"""Programming files of flash cells: written, read back, refused, and made anew for speed."""

from __future__ import annotations

import pytest

from flow.errors import CheckFailed, UsageError
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.mapping.flash.programming import (
    Programmed,
    program_text,
    read_back,
    read_program,
    rounds,
)
from flow.mapping.flash.retune import retune
from flow.mapping.flash.voltages import Voltages, max_margin

AND, MAJORITY = ThresholdGate((1, 1), 2), ThresholdGate((1, 1, 1), 2)
CELLS = (Programmed("s0", max_margin(AND), 300), Programmed("s[1]", max_margin(MAJORITY), 280))
DESIGN = (
    FlashFlipFlop("s0", AND, ("a", "b")),
    FlashFlipFlop("s[1]", MAJORITY, ("a", "b", "c")),
)
TEXT = """flow-flash-program 1
erased_mv 200 pulse_mv 10
cell s0 [1, 1; 2] delay_ps 300
device 0 L0 vt_mv 300 pulses 10
device 1 L1 vt_mv 300 pulses 10
device 2 L2 vt_mv 1100 pulses 90
device 3 R0 vt_mv 300 pulses 10
device 4 R1 vt_mv 300 pulses 10
device 5 R2 vt_mv 300 pulses 10
"""


def test_a_file_has_a_line_for_each_device_in_the_order_of_the_chain():
    assert program_text(CELLS[:1]) == TEXT


def test_a_file_is_read_as_it_was_written():
    found = read_program(program_text(CELLS))
    assert [(one.name, one.delay_ps) for one in found] == [("s0", 300), ("s[1]", 280)]
    for one, cell in zip(found, CELLS, strict=True):
        assert (one.voltages.left, one.voltages.right) == (cell.voltages.left, cell.voltages.right)
    assert read_back(program_text(CELLS), DESIGN) is None


def test_each_round_selects_the_devices_that_need_one_more_pulse():
    found = list(rounds(CELLS[:1]))
    assert found[:2] == [(0, 1, 2, 3, 4, 5)] * 2
    assert (len(found), found[9], found[10], found[-1]) == (90, (0, 1, 2, 3, 4, 5), (2,), (2,))


def test_reading_back_finds_a_missing_a_foreign_and_a_wrong_cell():
    assert read_back(program_text(CELLS[:1]), DESIGN) == "cell s[1] is missing"
    assert read_back(program_text(CELLS), DESIGN[:1]) == "cell s[1] is not of the design"
    left = (1100, *CELLS[1].voltages.left[1:])
    wrong = Voltages(MAJORITY, left, CELLS[1].voltages.right, "")
    text = program_text([CELLS[0], Programmed("s[1]", wrong, 280)])
    assert read_back(text, DESIGN) == "cell s[1] does not decide as [1, 1, 1; 2]"


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("flow-flash-program 1", "other", "this is no programming file of these cells", None),
        ("pulses 90", "pulses 89", "89 pulses do not give 1100 mV", 6),
        ("device 3 R0 vt_mv 300 pulses 10\n", "", "device R0 of cell s0 is missing", 7),
        ("device 1 L1", "device 2 L1", "device L1 is not at place 1", 5),
        ("cell s0", "cells s0", "a line that names no cell", 3),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(old, new, message, line):
    with pytest.raises(UsageError) as failed:
        read_program(TEXT.replace(old, new), "p.txt")
    if line is None:
        assert (failed.value.message, failed.value.where) == (message, "p.txt")
    else:
        assert failed.value.message == f"the programming file cannot be used: {message}"
        assert failed.value.where == f"p.txt, line {line}"


def test_a_late_cell_gets_faster_by_what_is_missing_and_decides_as_before():
    (changed,) = retune(CELLS, {"s[1]": -20, "s0": 5})
    assert changed.after.name == "s[1]"
    assert changed.gained_ps >= 20
    assert changed.after.voltages.speed_ua > changed.before.voltages.speed_ua
    assert changed.after.voltages.margin_ua > 0
    assert read_back(program_text([CELLS[0], changed.after]), DESIGN) is None


def test_more_than_the_voltages_give_is_refused_with_what_they_do():
    with pytest.raises(CheckFailed) as failed:
        retune(CELLS, {"s0": -140})
    assert failed.value.message == "the cell s0 cannot be made 140 ps faster than 300 ps"
    assert failed.value.hint == ("29 ps is what its voltages give; slow the clock for the rest")


def test_a_cell_that_is_not_there_and_a_report_without_late_cells_are_refused():
    with pytest.raises(UsageError) as failed:
        retune(CELLS, {"s7": -1})
    assert failed.value.message == "there is no flash cell 's7'"
    with pytest.raises(UsageError) as failed:
        retune(CELLS, {"s0": 0})
    assert failed.value.message == "no cell of the report is late"
