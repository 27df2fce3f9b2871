"""Slacks of a netlist in arrays: the numbers of OpenSTA, and those worked out by hand."""

import numpy as np
import pytest
from cell_netlists import EGFET, drawn, instance
from timed_netlists import fan_out

from flow.analysis.slack import NetlistArrays, Tables, library, worst
from flow.ir.netlist import Bus, Netlist
from flow.pipeline.timers import opensta_timer
from flow.tech.registry import load
from flow.tech.technology import Table

SKY = load("sky130")


def timed(netlist, technology, period=1.0):
    arrays = NetlistArrays(netlist, technology, library(technology, sorted(netlist.histogram())))
    return arrays, arrays.time(arrays.cells(), period)


def test_a_table_goes_on_beyond_its_loads_and_stops_at_its_largest_slew():
    square = Table((1.0, 3.0), (1.0, 2.0), ((10.0, 20.0), (30.0, 50.0)))
    tables = Tables([square, Table((1.0,), (1.0,), ((7.0,),))])
    slews, loads = np.array([2.0, 9.0, 0.0, 5.0]), np.array([1.5, 3.0, 1.0, 5.0])
    found = tables.at(np.array([0, 0, 0, 1]), slews, loads)
    assert found.tolist() == [27.5, 70.0, 0.0, 7.0]


@pytest.mark.tool("sta")
@pytest.mark.parametrize("readers", [1, 6, 90])
def test_the_longest_path_is_that_of_opensta(readers):
    netlist = fan_out(readers)
    arrays, slacks = timed(netlist, SKY)
    theirs = opensta_timer(netlist, SKY, 1.0).delay_ns
    assert worst(arrays, slacks) == pytest.approx(theirs, rel=1e-5)


def test_slack_is_what_the_longest_path_through_a_net_leaves():
    # x -> u1 -> u2 -> y, and x -> u3 -> z: two inverters and one.
    netlist = Netlist(
        "chain",
        (Bus("x", 1),),
        (Bus("y", 1), Bus("z", 1)),
        (
            instance("u1", "INVX1", "x", "n1"),
            instance("u2", "INVX1", "n1", "n2"),
            instance("u3", "INVX1", "x", "n3"),
        ),
        ("n2", "n3"),
    )
    arrays, slacks = timed(netlist, EGFET, 1e7)
    left = dict(zip(arrays.names, slacks.of_nets().tolist(), strict=True))
    least = pytest.approx(1e7 - worst(arrays, slacks), rel=1e-12)
    assert (left["x"], left["n1"], left["n2"]) == (least, least, least)
    assert left["n3"] > left["n2"]


def test_every_slack_of_a_random_netlist_is_at_least_that_of_the_longest_path():
    netlist = drawn(3)
    arrays, slacks = timed(netlist, EGFET, 0.0)
    assert slacks.of_nets().min() == pytest.approx(-worst(arrays, slacks), rel=1e-12)
