"""Threshold netlists are proved equal to designs and to given gates; wrong ones are not."""

import random
from dataclasses import replace

import pytest

from flow.errors import UsageError
from flow.ir.aig import AigBuilder
from flow.ir.design import Design
from flow.ir.threshold import PlacedGate, ThresholdGate, ThresholdNetlist
from flow.mapping.threshold.cover import cover
from flow.mapping.threshold.neurons import map_neurons
from flow.verify.neurons import _compare, gates_equal, prove_neurons
from flow.verify.prove import prove_graphs
from flow.verify.threshold import mutants, prove_threshold
from flow.verify.threshold_graph import netlist_graph


def adder(bits):
    g = AigBuilder("adder", [f"{x}{i}" for i in range(bits) for x in "ab"])
    carry, outputs = 0, []
    for i in range(bits):
        total, carry = g.full_adder(4 * i + 2, 4 * i + 4, carry)
        outputs.append((f"s{i}", total))
    return Design(g.finish([*outputs, ("c", carry)]))


def neurons(inputs=24, count=4):
    rng = random.Random(5)
    gates = tuple(
        PlacedGate(
            ThresholdGate(tuple(rng.randint(-15, 15) for _ in range(inputs)), rng.randint(-9, 9)),
            tuple(rng.sample(range(inputs + k), inputs)),
            f"g{k}",
        )
        for k in range(count)
    )
    names = tuple(f"x{k}" for k in range(inputs))
    drivers = tuple(range(inputs, inputs + count))
    return ThresholdNetlist(
        "neurons", names, (), gates, tuple(f"y{k}" for k in range(count)), drivers
    )


@pytest.mark.tool("abc", "compiler")
@pytest.mark.parametrize(("bits", "method"), [(4, "exhaustive simulation"), (12, "SAT sweeping")])
def test_a_mapped_adder_is_proved_and_three_mutants_are_refused(bits, method):
    design = adder(bits)
    verdict = prove_threshold(design.graph, cover(design))
    assert (verdict.check, verdict.status) == ("threshold netlist = design", "proved")
    assert verdict.detail == f"{method}; 3 mutants refused"


@pytest.mark.tool("compiler")
def test_mutants_of_every_kind_change_one_gate_and_are_disproved():
    design = adder(4)
    netlist = cover(design)
    found = list(mutants(netlist, 3))
    assert [m.change.split()[0] for m in found] == ["weight", "threshold", "wires"]
    for mutant in found:
        pairs = zip(mutant.netlist.gates, netlist.gates, strict=True)
        assert sum(new != old for new, old in pairs) == 1
        assert prove_graphs(design.graph, netlist_graph(mutant.netlist)).status == "disproved"


@pytest.mark.tool("compiler")
def test_a_wrong_netlist_is_disproved_at_an_input():
    design = adder(4)
    netlist = cover(design)
    last = netlist.gates[-1]
    wrong = replace(last, gate=ThresholdGate(last.gate.weights, last.gate.threshold + 1))
    verdict = prove_threshold(design.graph, replace(netlist, gates=(*netlist.gates[:-1], wrong)))
    assert verdict.status == "disproved"
    assert verdict.detail.startswith("they differ at a0 = ")


def test_a_gate_becomes_a_tree_that_answers_alike():
    rng = random.Random(2)
    for _ in range(5):
        count = rng.randint(1, 7)
        gate = ThresholdGate(tuple(rng.randint(-6, 6) for _ in range(count)), rng.randint(-3, 4))
        names = tuple(f"x{i}" for i in range(count))
        placed = PlacedGate(gate, tuple(range(count)))
        netlist = ThresholdNetlist("one", names, (), (placed,), ("y",), (count,))
        g = AigBuilder("table", names)
        terms = [
            g.all([2 * i + 2 ^ (m >> i & 1 ^ 1) for i in range(count)])
            for m in range(1 << count)
            if gate.table() >> m & 1
        ]
        table = g.finish([("y", g.any(terms))])
        assert prove_graphs(table, netlist_graph(netlist)).status == "proved"


def test_a_tree_that_grows_too_large_is_refused():
    rng = random.Random(1)
    gate = ThresholdGate(tuple(rng.randint(1, 1 << 30) for _ in range(40)), 10 << 30)
    names = tuple(f"x{i}" for i in range(40))
    placed = PlacedGate(gate, tuple(range(40)))
    with pytest.raises(UsageError) as error:
        netlist_graph(ThresholdNetlist("wide", names, (), (placed,), ("y",), (40,)))
    assert error.value.message == "the tree of a gate of 40 inputs grows too large"


@pytest.mark.parametrize(("limit", "way"), [(None, "equal weights"), (4, "counters"),
                                            (8, "counters"), (9, "counters")])  # fmt: skip
def test_neurons_are_proved_by_integers_however_narrow_their_gates(limit, way):
    given = neurons()
    verdict = prove_neurons(given, map_neurons(given, limit))
    assert verdict.detail == f"4 gates by {way}; 3 mutants refused"
    assert (verdict.check, verdict.status) == ("threshold netlist = given gates", "proved")


@pytest.mark.parametrize("limit", [None, 8])
def test_a_wrong_gate_deep_in_a_neuron_is_never_proved(limit):
    given = neurons()
    made = map_neurons(given, limit)
    rng = random.Random(4)
    for _ in range(12):
        k = rng.randrange(len(made.gates))
        old = made.gates[k]
        wrong = replace(old, gate=ThresholdGate(old.gate.weights, old.gate.threshold + 1))
        changed = replace(made, gates=(*made.gates[:k], wrong, *made.gates[k + 1 :]))
        assert _compare(given, changed, 1e18)[0] != "proved"


def test_swapped_outputs_and_other_ports_are_disproved():
    given = neurons()
    made = map_neurons(given)
    swapped = replace(made, drivers=made.drivers[::-1])
    assert _compare(given, swapped, 1e18)[0] == "disproved"
    other = replace(made, outputs=tuple(f"z{k}" for k in range(4)))
    assert _compare(given, other, 1e18) == ("disproved", "the ports have other names")


def test_wide_gates_are_compared_by_integer_constraints():
    weights = (7, 5, 5, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1)
    doubled = ThresholdGate(tuple(2 * w for w in weights), 41)
    assert gates_equal(ThresholdGate(weights, 21), doubled) == ("proved", "integer constraints")
    assert gates_equal(ThresholdGate(weights, 20), doubled) == ("disproved", "integer constraints")
    assert gates_equal(doubled, doubled) == ("proved", "equal weights")
    assert gates_equal(ThresholdGate((2, 2), 3), ThresholdGate((1, 1), 2)) == (
        "proved",
        "truth tables",
    )


def test_a_given_gate_that_nothing_reads_needs_no_proof():
    given = replace(neurons(), outputs=("y0", "y3"), drivers=(24, 27))
    unread = replace(given.gates[2], inputs=given.gates[1].inputs)
    last = replace(given.gates[3], inputs=tuple(range(24)))
    given = replace(given, gates=(*given.gates[:2], unread, last))
    made = map_neurons(given)
    assert len(made.gates) == 2
    assert prove_neurons(given, made).status == "proved"
