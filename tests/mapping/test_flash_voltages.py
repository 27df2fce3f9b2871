"""Threshold voltages of flash cells: both methods, their margins, and scattered cells."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from flow.errors import CheckFailed
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.functions import positive_gates
from flow.mapping.flash.voltages import (
    best_voltages,
    max_margin,
    perceptron,
    points,
    robustness,
)
from flow.tech.flash_cell import branch_currents, flash_cell

MAJORITY = ThresholdGate((1, 1, 1), 2)
CARRY_SUM = ThresholdGate((2, 1, 1, 1), 3)
UNEVEN = ThresholdGate((5, 4, 3, 2, 2), 9)


def decides(voltages):
    """The answers of a cell to every row of bits."""
    rows = product((0, 1), repeat=voltages.gate.fan_in)
    return [left > right for left, right in map(voltages.sides, rows)]


def answers(gate):
    return [gate.answer(bits) == 1 for bits in product((0, 1), repeat=gate.fan_in)]


def test_there_are_117_positive_threshold_functions_of_at_most_five_inputs():
    assert [len(positive_gates(n)) for n in range(1, 6)] == [1, 2, 5, 17, 92]


def test_a_branch_carries_less_the_higher_its_voltage_and_nothing_at_the_highest():
    currents = list(branch_currents().values())
    assert currents == sorted(currents, reverse=True)
    assert currents[-1] == 0.0
    assert list(branch_currents()) == list(range(200, 1101, 10))


@pytest.mark.parametrize("method", [max_margin, perceptron])
@pytest.mark.parametrize("gate", [MAJORITY, CARRY_SUM, UNEVEN], ids=str)
def test_both_methods_make_cells_that_decide_as_their_gate_everywhere(method, gate):
    voltages = method(gate)
    assert decides(voltages) == answers(gate)
    cell = flash_cell()
    floor = cell.vt_min_mv + cell.reserve_mv
    for vt in (*voltages.left, *voltages.right):
        assert floor <= vt <= cell.vt_max_mv
        assert vt % cell.step_mv == 0


def test_every_class_of_four_inputs_has_voltages_with_a_margin():
    margins = [max_margin(gate).margin_ua for gate in positive_gates(4)]
    assert len(margins) == 17
    assert min(margins) > 3 * flash_cell().offset_ua


def test_the_linear_program_has_no_smaller_margin_than_the_perceptron():
    for gate in (MAJORITY, CARRY_SUM, UNEVEN):
        assert max_margin(gate).margin_ua >= perceptron(gate).margin_ua
        assert best_voltages(gate).margin_ua == max_margin(gate).margin_ua


def test_voltages_are_the_same_each_time():
    max_margin.__globals__["_max_margin"].cache_clear()
    first = max_margin(UNEVEN)
    max_margin.__globals__["_max_margin"].cache_clear()
    assert max_margin(UNEVEN) == first


def test_scattered_cells_of_a_wide_margin_are_all_right_and_of_a_narrow_one_are_not():
    good = robustness(max_margin(MAJORITY), samples=500, seed=3)
    assert (good.right, good.samples, good.share) == (500, 500, 1.0)
    nine = robustness(max_margin(ThresholdGate((9, 8, 7, 6, 5, 4, 3, 2, 1), 23)), 500, seed=3)
    assert 0.2 < nine.share < 0.9
    assert nine.low_ua < 0 < good.low_ua < good.mean_ua


def test_equal_seeds_scatter_equally():
    voltages = max_margin(CARRY_SUM)
    assert robustness(voltages, 200, seed=7) == robustness(voltages, 200, seed=7)
    assert robustness(voltages, 200, seed=7) != robustness(voltages, 200, seed=8)


def test_a_wrong_voltage_has_a_margin_that_is_not_positive():
    voltages = max_margin(MAJORITY)
    assert replace(voltages, left=(1100, *voltages.left[1:])).margin_ua <= 0


def test_points_are_the_minimal_true_and_the_maximal_false_ones():
    found = [(point.bits, point.answer) for point in points(MAJORITY)]
    assert found == [
        ((0, 0, 1), 0), ((0, 1, 0), 0), ((1, 0, 0), 0),
        ((0, 1, 1), 1), ((1, 0, 1), 1), ((1, 1, 0), 1),
    ]  # fmt: skip


def test_a_constant_gate_needs_no_cell():
    with pytest.raises(CheckFailed) as failed:
        max_margin(ThresholdGate((1, 1), 3))
    assert failed.value.message == "the gate [1, 1; 3] is a constant and needs no cell"


def test_a_speed_that_no_voltages_give_is_refused():
    with pytest.raises(CheckFailed) as failed:
        max_margin(MAJORITY, speed_ua=1e4)
    assert failed.value.message == (
        "no threshold voltages make a cell decide as the gate [1, 1, 1; 2]"
    )
