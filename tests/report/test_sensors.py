"""The converters of a printed classifier in every form of the report."""

from dataclasses import replace

import pytest
from report.report_demo import demo
from report.test_html import words
from report.test_report_terminal import text as shown

from flow.errors import InternalError
from flow.report.codec import from_json, to_json
from flow.report.html import to_html
from flow.report.record import SensorRow, Sensors, Supply
from flow.report.terminal import one

ROWS = (
    SensorRow("age", 4, 1, 1, 0, 80_000.0, 0.046),
    SensorRow("weight", 4, 0, 0, 0, 0.0, 0.0),
    SensorRow("height", 4, 2, 3, 2, 1_367_060.0, 0.178),
)
SENSORS = Sensors(
    "EGFET flash converters", ROWS, 1_447_060.0, 0.224, 51_176_520.0, 3.888, "Zinergy", "a paper"
)


def test_the_json_form_keeps_them_and_leaves_them_out_where_there_are_none():
    record = replace(demo(), sensors=SENSORS)
    assert from_json(to_json(record)).sensors == SENSORS
    assert '"sensors"' not in to_json(demo())


def test_the_terminal_lists_the_inputs_that_are_read_and_their_sum():
    text = shown(one(replace(demo(), sensors=SENSORS)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("converter of input"))
    assert lines[start : start + 6] == [
        "converter of input bits read comparators gates area power",
        "age 1 of 4 1 0 0.080 mm² 46.0 µW",
        "height 2 of 4 3 2 1.367 mm² 178.0 µW",
        "2 of 3 inputs 4 2 1.447 mm² 224.0 µW",
        "whole converters 51.18 mm² 3.888 mW",
        "circuit and converters run on Zinergy",
    ]


def test_the_page_says_what_pruning_saves():
    text = words(to_html(replace(demo(), sensors=SENSORS)))
    assert (
        "EGFET flash converters with the comparators that the circuit needs: 1.447 mm² and "
        "224.0 µW for 2 of 3 inputs; whole ones for all would take 51.18 mm² and 3.888 mW. "
        "Circuit and converters together run on a Zinergy. Figures: a paper."
    ) in text
    none = words(to_html(replace(demo(), sensors=replace(SENSORS, supply=""))))
    assert "No known source can drive circuit and converters together." in none


SUPPLIES = (
    Supply(0.6, 0.05, 250.0, 200.0, False, "printed energy harvester", "Zinergy"),
    Supply(1.0, 0.15, 90.0, 200.0, True, "Blue Spark", ""),
)


def test_supplies_are_told_in_every_form():
    record = replace(demo(), supplies=SUPPLIES, sensors=SENSORS)
    assert from_json(to_json(record)).supplies == SUPPLIES
    assert '"supplies"' not in to_json(demo())
    lines = [" ".join(line.split()) for line in shown(one(record)).splitlines()]
    assert "0.6 V 50 µW 250 ms 200 ms too slow printed energy harvester" in lines
    assert "1 V 150 µW 90 ms 200 ms in time Blue Spark" in lines
    text = words(to_html(record))
    assert "0.6 V 50 µW 250 ms too slow printed energy harvester Zinergy" in text
    assert "1 V 150 µW 90 ms in time Blue Spark none of those known" in text


def test_rows_that_do_not_add_up_are_refused():
    with pytest.raises(InternalError) as told:
        replace(SENSORS, power_mw=0.3)
    assert told.value.message == "the powers of the converters add up to 0.224, not 0.3"
