"""The level-by-level estimate of look-up tables."""

import pytest

from flow.analysis.lut_timing import longest_path
from flow.errors import ToolFailed
from flow.tech.parts import load_part


def cell(kind, inputs, outputs):
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    nets = {pin: list(net) for pin, net in {**inputs, **outputs}.items()}
    return {"type": kind, "port_directions": ways, "connections": nets}


def module(cells, out):
    return {"cells": cells, "ports": {"y": {"direction": "output", "bits": out}}}


def test_two_levels_of_tables_are_two_tables_and_two_nets():
    cells = {
        "a": cell("LUT2", {"I0": [2], "I1": [3]}, {"O": [4]}),
        "b": cell("LUT2", {"I0": [4], "I1": ["1"]}, {"O": [5]}),
    }
    part = load_part("xilinx")
    expected = 2 * (part.delays.wire + part.delays.lut)
    assert longest_path(module(cells, [5]), part) == pytest.approx(expected)


def test_a_carry_goes_on_without_a_net():
    cells = {
        "lut": cell("LUT2", {"I0": [2], "I1": [3]}, {"O": [4]}),
        "low": cell("CARRY4", {"CI": ["0"], "S": [4], "DI": [2]}, {"CO": [5], "O": [6]}),
        "high": cell("CARRY4", {"CI": [5], "S": [], "DI": []}, {"CO": [], "O": [7]}),
    }
    part = load_part("xilinx")
    d = part.delays
    assert longest_path(module(cells, [7]), part) == pytest.approx(
        d.wire + d.lut + d.enter + d.leave
    )


def test_a_path_begins_and_ends_at_flip_flops():
    cells = {
        "from": cell("SB_DFF", {"C": [2], "D": [3]}, {"Q": [4]}),
        "lut": cell("SB_LUT4", {"I0": [4]}, {"O": [5]}),
        "to": cell("SB_DFF", {"C": [2], "D": [5]}, {"Q": [6]}),
    }
    part = load_part("ice40")
    d = part.delays
    expected = d.clock + d.wire + d.lut + d.wire + d.setup
    assert longest_path(module(cells, [6]), part) == pytest.approx(expected)


def test_a_loop_is_refused():
    cells = {
        "a": cell("LUT1", {"I0": [2]}, {"O": [3]}),
        "b": cell("LUT1", {"I0": [3]}, {"O": [2]}),
    }
    with pytest.raises(ToolFailed, match="the netlist of look-up tables has a loop"):
        longest_path(module(cells, [3]), load_part("xilinx"))
