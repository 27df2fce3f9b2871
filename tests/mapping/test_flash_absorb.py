"""Flip-flops that become flash cells with the logic in front of them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from flow.ir.aig import AigBuilder
from flow.ir.text import parse_circuit
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import Prices, absorb, whole_graph
from flow.pipeline.flash import design_of
from flow.verify.prove import prove_graphs

PRICES = Prices(flipflop=20.0, gate=3.0, cell=8.0, inverter=3.75)


def pipeline(make):
    """A design of three inputs and one flip-flop whose data `make` builds."""
    g = AigBuilder("one", ["a", "b", "c", "Q:s"])
    return g.finish([("y", 8), ("D:s", make(g, 2, 4, 6))])


def machine(seed, flipflops=8, gates=60):
    """A random machine."""
    rng = random.Random(seed)
    names = ["a", "b", "c", "d", *(f"Q:s{k}" for k in range(flipflops))]
    g = AigBuilder("machine", names)
    known = [2 * i for i in range(1, len(names) + 1)]
    for _ in range(gates):
        x, y, z = (rng.choice(known[-24:]) ^ rng.randint(0, 1) for _ in range(3))
        known.append(rng.choice((g.conj, g.disj, g.xor))(x, g.conj(y, z)))
    ends = known[-flipflops - 2 :]
    outputs = [("y", ends[0]), ("z", ends[1])]
    return g.finish(outputs + [(f"D:s{k}", x) for k, x in enumerate(ends[2:])])


def test_a_majority_and_its_flip_flop_are_one_cell():
    found = absorb(pipeline(lambda g, a, b, c: g.majority(a, b, c)), PRICES)
    (cell,) = found.cells
    assert (cell.name, cell.gate, cell.inputs) == (
        "s",
        ThresholdGate((1, 1, 1), 2),
        ("a", "b", "c"),
    )
    assert (found.rest.size, found.share, found.rest.outputs) == (0, 1.0, ("y",))


def test_an_inverted_input_comes_from_the_gates_that_stay():
    cheap = replace(PRICES, inverter=1.0)
    found = absorb(pipeline(lambda g, a, b, c: g.disj(a, g.conj(b, c ^ 1))), cheap)
    (cell,) = found.cells
    assert cell.gate == ThresholdGate((2, 1, 1), 2)
    assert cell.inputs == ("a", "b", "T:0")
    assert dict(zip(found.rest.outputs, found.rest.literals, strict=True)) == {"y": 8, "T:0": 7}


def test_of_what_is_no_threshold_function_the_last_gates_become_a_cell():
    graph = pipeline(lambda g, a, b, c: g.xor(a, g.xor(b, c)))
    found = absorb(graph, PRICES)
    assert [cell.gate.fan_in for cell in found.cells] == [3]
    assert 0 < found.rest.size < graph.size
    assert prove_graphs(graph, whole_graph(found)).status == "proved"


def test_the_sum_of_a_full_adder_is_a_cell_that_reads_its_carry():
    g = AigBuilder("adder", ["a", "b", "c", "Q:s", "Q:k"])
    total, carry = g.full_adder(2, 4, 6)
    graph = g.finish([("y", 8), ("z", 10), ("D:s", total), ("D:k", carry)])
    found = absorb(graph, PRICES)
    gates = {cell.name: cell.gate for cell in found.cells}
    assert gates["s"] == ThresholdGate((2, 1, 1, 1), 3)
    assert prove_graphs(graph, whole_graph(found)).status == "proved"


def test_the_adders_of_a_pipelined_circuit_are_known():
    circuit = parse_circuit("""flow-ir 1
circuit sum
%0 = input x, 0, 0, 3 : [0, 3]
%1 = input x, 1, 0, 3 : [0, 3]
%2 = add %0, %1 : [0, 6]
%3 = register %2 : [0, 6]
in x = %0, %1
out y = %3
""")
    graph = design_of(circuit).graph
    found = absorb(graph, PRICES)
    gates = [str(cell.gate) for cell in found.cells]
    assert gates == ["[2, 1, 1; 3]", "[2, 1, 1, 1; 3]", "[1, 1; 1]"]
    assert prove_graphs(graph, whole_graph(found)).status == "proved"


def test_a_bare_flip_flop_and_a_costly_cell_stay():
    bare = pipeline(lambda _, a, b, c: a)
    assert absorb(bare, PRICES).cells == ()
    dear = Prices(flipflop=20.0, gate=3.0, cell=60.0, inverter=3.75)
    assert absorb(machine(1), dear).cells == ()


def test_flip_flops_that_are_kept_stay():
    graph = machine(2)
    every = {cell.name for cell in absorb(graph, PRICES).cells}
    kept = sorted(every)[0]
    assert kept not in {cell.name for cell in absorb(graph, PRICES, keep=[kept]).cells}


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("seed", range(6))
def test_a_machine_with_cells_is_proved_equal_and_with_a_changed_cell_is_not(seed):
    graph = machine(seed)
    found = absorb(graph, PRICES)
    assert found.cells
    assert prove_graphs(graph, whole_graph(found)).status == "proved"
    first = found.cells[0]
    weights, threshold = first.gate.weights, first.gate.threshold
    changed = ThresholdGate(weights, threshold + 1 if threshold == 1 else threshold - 1)
    wrong = replace(found, cells=(replace(first, gate=changed), *found.cells[1:]))
    assert prove_graphs(graph, whole_graph(wrong)).status == "disproved"


def test_no_cell_has_more_inputs_than_asked():
    for most in (2, 3, 5):
        found = absorb(machine(3), PRICES, most_inputs=most)
        assert max(cell.gate.fan_in for cell in found.cells) <= most
