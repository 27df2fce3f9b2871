"""Buffers and drives: the same function, a period that is kept, and no change where none is due."""

from dataclasses import replace

import pytest
from cell_netlists import EGFET, drawn
from timed_netlists import CELL, SKY, fan_out

from flow.ir.netlist import netlist_aig
from flow.mapping.drives import drive, families_of
from flow.mapping.fanout import buffers_of
from flow.pipeline.timers import opensta_timer

LARGE = {CELL.format("inv")[:-1] + "4"} | {f"{CELL.format('buf')[:-1]}{n}" for n in (2, 4, 8, 16)}


def short(name):
    return name.removeprefix("sky130_fd_sc_hd__")


def test_drives_of_one_function_are_a_family_by_area():
    families = families_of(SKY)
    assert [short(n) for n in families[CELL.format("inv")]] == ["inv_1", "inv_4"]
    assert CELL.format("nand2") not in families
    names = [short(b.cell.name) for b in buffers_of(SKY)]
    assert names == ["buf_1", "buf_2", "buf_4", "buf_8", "buf_16"]


@pytest.mark.tool("sta")
@pytest.mark.parametrize("period", [2.6, 2.0])
def test_a_net_with_many_readers_keeps_a_period_that_it_missed(period):
    netlist = fan_out(90)
    assert opensta_timer(netlist, SKY, period).delay_ns > period
    made = drive(netlist, SKY, period)
    assert opensta_timer(made.netlist, SKY, period).delay_ns <= period
    assert made.buffers > 0
    assert made.after_ns < made.before_ns


@pytest.mark.parametrize("period", [2.6, 2.0, 0.1])
def test_what_is_computed_and_held_is_the_same(period):
    netlist = fan_out(90)
    made = drive(netlist, SKY, period).netlist
    held = ("f0", "f1")
    assert netlist_aig(made, SKY, held) == netlist_aig(netlist, SKY, held)
    assert (made.inputs, made.outputs) == (netlist.inputs, netlist.outputs)


def test_a_netlist_that_keeps_its_period_stays_as_it_is():
    netlist = fan_out(90)
    made = drive(netlist, SKY, 50.0)
    assert (made.netlist, made.buffers, made.resized) == (netlist, 0, 0)


def test_a_period_out_of_reach_gives_the_fastest_netlist_that_was_seen():
    netlist = fan_out(200)
    made = drive(netlist, SKY, 0.1)
    assert made.before_ns > 2 * made.after_ns > 0.2
    assert set(made.netlist.histogram()) - set(netlist.histogram()) <= LARGE


def test_a_library_of_one_drive_without_buffers_changes_nothing():
    bare = replace(
        SKY, cells={n: c for n, c in SKY.cells.items() if n not in LARGE and "buf" not in n}
    )
    netlist = fan_out(90)
    made = drive(netlist, bare, 0.1)
    assert (made.netlist, made.buffers, made.resized) == (netlist, 0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_random_netlist_computes_the_same_in_any_library(seed):
    netlist = drawn(seed, cells=80)
    made = drive(netlist, EGFET, 1.0)
    assert netlist_aig(made.netlist, EGFET) == netlist_aig(netlist, EGFET)


def test_equal_netlists_give_equal_netlists():
    assert drive(fan_out(90), SKY, 2.0) == drive(fan_out(90), SKY, 2.0)
