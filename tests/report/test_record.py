"""A record adds up, or cannot be made."""

from dataclasses import replace

import pytest
from report.report_demo import bare, demo

from flow.errors import InternalError
from flow.report.record import (
    Accuracy,
    CellCount,
    Check,
    PathStep,
    Power,
    PowerSource,
    Timing,
    WidthCount,
)


def refused(message: str):
    return pytest.raises(InternalError, match=f"^{message}$")


def test_the_demo_adds_up():
    record = demo()
    assert record.area.count == sum(row.cells for row in record.layers) == 6460
    assert record.area.cm2 == pytest.approx(18.63)
    assert record.power.total_mw == pytest.approx(16.97)


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("cells", 1, "the cells of the layers add up to 6461, not 6460"),
        ("area_um2", 2000.0, r"the areas of the layers add up to 1863002000, not 1863000000"),
        ("power_mw", 0.001, r"the powers of the layers add up to 16.971, not 16.97"),
    ],
)
def test_layers_that_do_not_add_up_are_refused(field, change, message):
    record = demo()
    first = record.layers[0]
    wrong = replace(first, **{field: getattr(first, field) + change})
    with refused(message):
        replace(record, layers=(wrong, *record.layers[1:]))


def test_a_difference_of_rounding_is_not_refused():
    record = demo()
    first = record.layers[0]
    close = replace(first, area_um2=first.area_um2 + 100.0)
    assert replace(record, layers=(close, *record.layers[1:])).layers[0] == close


def test_layers_of_which_some_have_no_area_are_refused():
    record = demo()
    wrong = replace(record.layers[0], area_um2=None)
    with refused("the areas of the layers are known in part only"):
        replace(record, layers=(wrong, *record.layers[1:]))


def test_cell_types_that_do_not_add_up_to_the_area_are_refused():
    area = demo().area
    with refused(r"the areas of the cell types add up to 1863000100, not 1860000000"):
        replace(area, um2=1_860_000_000.0, cells=(*area.cells, CellCount("DFF", 1, 100.0)))


def test_a_confusion_matrix_counts_every_sample():
    matrix = ((3, 1), (0, 4))
    assert Accuracy("accuracy", 8, None, 0.875, 0.875, ("a", "b"), matrix).samples == 8
    with refused("the confusion matrix add up to 8, not 9"):
        Accuracy("accuracy", 9, None, 0.875, 0.875, ("a", "b"), matrix)
    with refused("the confusion matrix is not 3 by 3"):
        Accuracy("accuracy", 8, None, 0.875, 0.875, ("a", "b", "c"), matrix)
    with refused("the confusion matrix has a negative count"):
        Accuracy("accuracy", 8, None, 0.875, 0.875, ("a", "b"), ((5, -1), (0, 4)))


def test_the_accuracy_is_that_of_the_confusion_matrix():
    with refused("the accuracy 0.9 is not 7 of 8 samples"):
        Accuracy("accuracy", 8, None, 0.875, 0.9, ("a", "b"), ((3, 1), (0, 4)))


def test_a_path_goes_forward_and_ends_at_the_delay():
    steps = (PathStep("a", "INV", "x", 1.0), PathStep("b", "INV", "x", 2.0))
    assert Timing(2.0, "ns", steps, "abc").path == steps
    with refused("the critical path goes back in time"):
        Timing(1.0, "ns", steps[::-1], "abc")
    with refused("the critical path ends at 2.0, the delay is 3.0"):
        Timing(3.0, "ns", steps, "abc")


def test_a_source_cannot_drive_more_than_it_gives():
    with refused("'Zinergy' cannot drive the circuit, but is said to"):
        replace(demo(), sources=(PowerSource("Zinergy", 15.0, True),))
    with refused("'Zinergy' cannot drive the circuit, but is said to"):
        replace(bare(), sources=(PowerSource("Zinergy", 15.0, True),))


def test_the_source_is_the_weakest_that_suffices():
    sources = (
        PowerSource("large", 90.0, True),
        PowerSource("small", 20.0, True),
        PowerSource("low voltage", 18.0, False, "gives 0.5 V"),
    )
    assert replace(demo(), sources=sources).source == sources[1]
    assert bare().source is None


def test_widths_rise():
    with refused("the widths are not in rising order"):
        replace(demo(), widths=(WidthCount(3, 1), WidthCount(2, 1)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with refused(f"report.power.switching_mw is {value}"):
        replace(bare(), power=Power(1.0, value, "vectors", 1.0, "ns", 9))


def test_areas_powers_and_counts_are_not_negative():
    with refused("report.power.leakage_mw is -1.0"):
        replace(bare(), power=Power(-1.0, 2.0, "vectors", 1.0, "ns", 9))
    with refused(r"report.widths\[0\].wires is -1"):
        replace(bare(), widths=(WidthCount(2, -1),))


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "nothing checked"),
        (("not checked", "timed out"), "nothing checked"),
        (("proved", "passed"), "every check holds"),
        (("proved", "timed out", "not checked"), "1 of 3 checks hold, 2 not decided"),
        (("proved", "disproved", "failed", "not checked"), "failed: 2 of 4 checks"),
    ],
)
def test_the_verdict_of_all_checks(states, verdict):
    checks = tuple(Check(f"check {i}", state, "") for i, state in enumerate(states))
    assert replace(demo(), checks=checks).verdict == verdict
