"""Ranks of registers: within the period, and against every other place on small circuits."""

import random
from itertools import product

import numpy as np
import pytest

from flow.analysis.bit_sources import Roots, nets
from flow.analysis.cost import cost
from flow.analysis.timing_graph import word_graph
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Bits, Compare, Concat, Input, Register
from flow.passes.base import check_exact, run_passes
from flow.passes.pipeline import Pipeline
from flow.passes.retime import cheapest, earliest, latest, shortest_period, stored_bits


def small(seed, size=6):
    """Sums of earlier values, by chance, of which the last two are outputs."""
    rng, intern = random.Random(seed), Builder()
    values = [intern(Input("x", i, 0, rng.choice([1, 7, 63]))) for i in range(3)]
    lanes = tuple(values)
    for _ in range(size):
        a, b = rng.sample(values[-4:], 2)
        if rng.random() < 0.3:
            b = intern(Bits(b, 0, 1))
        values.append(intern(Add(a, b)))
    return Circuit("small", (Port("x", lanes),), (Port("y", tuple(values[-2:])),))


def graph_of(circuit):
    roots = Roots(circuit)
    graph = word_graph(roots, lambda node: 0.0 if isinstance(node, Input) else 1.0)
    return graph, nets(circuit, roots)


def legal(graph, stage, period):
    return (stage[graph.pairs[:, 0]] <= stage[graph.pairs[:, 1]]).all() and (
        graph.arrivals(stage).max() <= period
    )


@pytest.mark.parametrize("seed", range(8))
def test_one_rank_is_where_the_fewest_bits_cross(seed):
    graph, wires = graph_of(small(seed))
    period = shortest_period(graph, 2)
    found = cheapest(graph, wires, period, 2)
    free = graph.count - 3
    best = min(
        stored_bits(wires, stage, 2)
        for choice in product((0, 1), repeat=free)
        if legal(graph, stage := np.array([0, 0, 0, *choice]), period)
    )
    assert legal(graph, found, period)
    assert stored_bits(wires, found, 2) == best


@pytest.mark.parametrize("seed", range(4))
def test_two_ranks_keep_the_period_and_are_no_dearer_than_where_they_began(seed):
    graph, wires = graph_of(small(seed))
    period = shortest_period(graph, 3)
    found = cheapest(graph, wires, period, 3)
    starts = earliest(graph, period), latest(graph, period, 3)
    assert all(legal(graph, stage, period) for stage in (found, *starts))
    starts[1][:3] = 0
    best = min(
        stored_bits(wires, stage, 3)
        for choice in product((0, 1, 2), repeat=graph.count - 3)
        if legal(graph, stage := np.array([0, 0, 0, *choice]), period)
    )
    bits = stored_bits(wires, found, 3)
    assert best <= bits <= min(stored_bits(wires, stage, 3) for stage in starts)


def test_the_shortest_period_of_a_chain_is_shared_by_its_stages():
    x = tuple(Input("x", i, 0, 1) for i in range(8))
    total = x[0]
    for lane in x[1:]:
        total = Add(total, lane)
    graph, _ = graph_of(Circuit("chain", (Port("x", x),), (Port("y", (total,)),)))
    periods = [round(shortest_period(graph, stages), 3) for stages in (1, 2, 3, 4, 7, 9)]
    assert periods == [7, 4, 3, 2, 1, 1]


def test_only_the_bits_that_go_on_are_stored():
    x = tuple(Input("x", i, 0, 255) for i in range(2))
    total = Add(x[0], x[1])
    upper = Concat((Bits(total, 5, 2), Bits(total, 7, 1)), (2, 1))
    circuit = Circuit("top", (Port("x", x),), (Port("y", (Add(upper, upper),)),))
    after = run_passes(circuit, [Pipeline(every=1)], check_exact())
    assert [node.range.width for node in after.walk() if isinstance(node, Register)] == [3, 4]


def test_slack_gives_registers_for_time():
    tight = cost(Pipeline(stages=3, family="xilinx").run(small(5, 12)))
    loose = cost(Pipeline(stages=3, family="xilinx", slack=60).run(small(5, 12)))
    assert loose.register_bits < tight.register_bits
    assert loose.latency == tight.latency == 3


def test_an_operation_stays_behind_many_late_ones_whose_wires_it_passes_by():
    """Eight times the capacity that no cut may cross was no capacity once, in 32 bits."""
    x = tuple(Input("x", i, 0, 1) for i in range(16))
    wide = tuple(Input("x", 16 + i, 0, 255) for i in range(2))
    late = tuple(Add(Add(x[i], x[i - 1]), x[i - 2]) for i in range(16))
    joined = Concat((*(Bits(value, 0, 1) for value in late), wide[0]), (*[1] * 16, 8))
    early = Compare(Bits(joined, 16, 8), wide[1], "lt")
    outputs = Port("y", (early, *late))
    circuit = Circuit("by", (Port("x", (*x, *wide)),), (outputs,))
    graph, wires = graph_of(circuit)
    assert legal(graph, cheapest(graph, wires, 1.0, 2), 1.0)
    run_passes(circuit, [Pipeline(every=1)], check_exact())
