"""Graphs become few threshold gates, and wide gates become narrow ones, with the same answers."""

import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from flow.errors import UsageError
from flow.ir.aig import AigBuilder, pack, unpack
from flow.ir.design import Design
from flow.ir.threshold import PlacedGate, ThresholdGate, ThresholdNetlist
from flow.mapping.threshold.adders import with_carries
from flow.mapping.threshold.collapse import CollapseOptions, collapse
from flow.mapping.threshold.cover import CoverOptions, cover
from flow.mapping.threshold.neurons import map_neurons


def random_design(seed, inputs=9, gates=120, outputs=6):
    """A random graph in which two inputs are what flip-flops hold."""
    rng = random.Random(seed)
    names = [f"x{i}" for i in range(inputs - 2)] + ["Q:p", "Q:q"]
    g = AigBuilder("random", names)
    literals = [2 * i for i in range(1, inputs + 1)]
    for _ in range(gates):
        a, b = rng.sample(literals[-40:], 2)
        literals.append(g.conj(a ^ rng.getrandbits(1), b ^ rng.getrandbits(1)))
    ends = [f"y{i}" for i in range(outputs)] + ["D:p", "D:q"]
    drivers = [rng.choice(literals[-30:]) ^ rng.getrandbits(1) for _ in ends]
    return Design(g.finish(list(zip(ends, drivers, strict=True))), {"p": 1})


def ripple_adder(bits):
    g = AigBuilder("adder", [f"{x}{i}" for i in range(bits) for x in "ab"])
    carry, outputs = 0, []
    for i in range(bits):
        a, b = 4 * i + 2, 4 * i + 4
        total, carry = g.full_adder(a, b, carry)
        outputs.append((f"s{i}", total))
    return Design(g.finish([*outputs, ("c", carry)]))


def all_points(count):
    return np.array(list(product((0, 1), repeat=count)), dtype=np.uint8)


def graph_answers(design, bits):
    return unpack(design.graph.simulate(pack(bits)), len(bits))


@pytest.mark.tool("compiler")
@pytest.mark.parametrize("seed", range(6))
def test_a_covered_and_merged_graph_answers_as_before(seed):
    design = random_design(seed)
    bits = all_points(len(design.graph.inputs))
    expected = graph_answers(design, bits)
    limit = 3 + seed
    narrow = cover(design, CoverOptions(limit))
    narrow.check()
    assert narrow.widest <= limit
    assert [(f.name, f.initial) for f in narrow.flipflops] == [("p", 1), ("q", None)]
    assert np.array_equal(narrow.evaluate(bits), expected)
    for most in (limit, None):
        merged = collapse(narrow, CollapseOptions(most))
        merged.check()
        assert np.array_equal(merged.evaluate(bits), expected)
        assert merged.size <= narrow.size
        assert most is None or merged.widest <= most


@pytest.mark.tool("compiler")
def test_a_full_adder_is_two_gates_where_its_sum_reads_its_carry():
    design = ripple_adder(5)
    sums = replace(design, graph=with_carries(design.graph))
    netlist = cover(sums)
    assert np.array_equal(netlist.evaluate(all_points(10)), graph_answers(design, all_points(10)))
    assert netlist.size == 10
    assert [g.gate.fan_in for g in netlist.gates[2:]] == [3, 4] * 4


@pytest.mark.tool("compiler")
def test_a_parity_without_a_carry_gets_one_of_its_own():
    g = AigBuilder("parity", ["a", "b", "c", "d", "e"])
    total = 2
    for literal in (4, 7, 8, 10):
        total = g.xor(total, literal)
    design = Design(g.finish([("y", total)]))
    assert cover(design).size == 7
    netlist = cover(replace(design, graph=with_carries(design.graph)))
    assert np.array_equal(netlist.evaluate(all_points(5)), graph_answers(design, all_points(5)))
    assert netlist.size == 4


@pytest.mark.tool("compiler")
@pytest.mark.parametrize("seed", range(4))
def test_graphs_of_random_sums_mean_the_same_with_carries(seed):
    rng = random.Random(seed)
    g = AigBuilder("sums", [f"x{i}" for i in range(8)])
    literals = [2 * i for i in range(1, 9)]
    for _ in range(12):
        a, b, c = (x ^ rng.getrandbits(1) for x in rng.sample(literals[-9:], 3))
        literals += g.full_adder(a, b, c) if rng.random() < 0.7 else (g.xor(g.xor(a, b), c),)
    design = Design(g.finish([(f"y{k}", x) for k, x in enumerate(literals[-6:])]))
    changed = replace(design, graph=with_carries(design.graph))
    assert np.array_equal(
        graph_answers(changed, all_points(8)), graph_answers(design, all_points(8))
    )
    assert cover(changed).size <= cover(design).size


@pytest.mark.tool("compiler")
def test_outputs_that_are_constants_inputs_or_both_phases_of_a_gate_have_what_they_need():
    g = AigBuilder("ends", ["a", "b"])
    both = g.conj(2, 4)
    outputs = {"zero": 0, "one": 1, "a": 2, "not_a": 3, "both": both, "nand": both ^ 1}
    netlist = cover(Design(g.finish(list(outputs.items()))))
    bits = all_points(2)
    wanted = [[0, 1, a, 1 - a, a & b, 1 - (a & b)] for a, b in bits.tolist()]
    assert netlist.evaluate(bits).tolist() == wanted
    assert netlist.size == 3


@pytest.mark.tool("compiler")
def test_an_output_that_is_only_read_inverted_needs_no_inverter():
    g = AigBuilder("nand", ["a", "b"])
    netlist = cover(Design(g.finish([("y", g.conj(2, 4) ^ 1)])))
    assert netlist.gates == (PlacedGate(ThresholdGate((-1, -1), -1), (0, 1)),)


def test_gates_of_one_input_or_of_nine_are_not_chosen():
    for limit in (1, 9):
        with pytest.raises(UsageError) as error:
            cover(ripple_adder(1), CoverOptions(limit))
        assert error.value.message == f"gates of at most {limit} inputs cannot be chosen"


def test_gates_merge_with_more_inputs_than_a_table_has():
    # An AND of 12 bits whose answer a gate of 12 others reads: one gate of 24 inputs.
    low = PlacedGate(ThresholdGate((1,) * 12, 12), tuple(range(12)))
    high = PlacedGate(ThresholdGate((1,) * 13, 1), (*range(12, 24), 24))
    netlist = ThresholdNetlist(
        "wide", tuple(f"x{i}" for i in range(24)), (), (low, high), ("y",), (25,)
    )
    merged = collapse(netlist, CollapseOptions(None))
    assert [g.gate for g in merged.gates] == [ThresholdGate((1,) * 12 + (12,) * 12, 12)]
    assert collapse(netlist, CollapseOptions(13)).size == 2


def neurons(seed, inputs, count):
    rng = random.Random(seed)
    gates = [
        PlacedGate(
            ThresholdGate(tuple(rng.randint(-15, 15) for _ in range(inputs)), rng.randint(-9, 9)),
            tuple(rng.sample(range(inputs + k), inputs)),
        )
        for k in range(count)
    ]
    outputs = tuple(f"y{k}" for k in range(3))
    drivers = tuple(range(inputs + count - 3, inputs + count))
    names = tuple(f"x{k}" for k in range(inputs))
    return ThresholdNetlist("neurons", names, (), tuple(gates), outputs, drivers)


@pytest.mark.parametrize("limit", [4, 5, 6, 8, 9, None])
def test_wide_gates_become_narrow_ones_that_answer_alike(limit):
    given = neurons(limit or 1, 11, 5)
    made = map_neurons(given, limit)
    made.check()
    assert limit is None or made.widest <= limit
    assert np.array_equal(made.evaluate(all_points(11)), given.evaluate(all_points(11)))


def test_copies_constants_and_inputs_without_weight_vanish():
    gates = (
        PlacedGate(ThresholdGate((1, 0), 1), (0, 1)),  # a copy of a
        PlacedGate(ThresholdGate((-1,), 0), (2,)),  # not a
        PlacedGate(ThresholdGate((1, 1), 3), (0, 1)),  # never
        PlacedGate(ThresholdGate((4, 6, 2), 5), (3, 1, 4)),  # of not a, b and never
    )
    given = ThresholdNetlist("tidy", ("a", "b"), (), gates, ("y", "n"), (5, 3))
    made = map_neurons(given)
    assert [(g.gate, g.inputs) for g in made.gates] == [
        (ThresholdGate((1,), 1), (1,)),
        (ThresholdGate((-1,), 0), (0,)),
    ][1:]
    assert made.drivers == (1, 2)
    assert np.array_equal(made.evaluate(all_points(2)), given.evaluate(all_points(2)))


def test_gates_of_three_inputs_are_too_few_for_a_neuron():
    with pytest.raises(UsageError) as error:
        map_neurons(neurons(1, 11, 5), 3)
    assert error.value.message == "a gate of 10 inputs cannot be made of gates of 3"
    assert error.value.hint == "allow 4 inputs or more"
