"""Mutants differ on some input, are chosen by the seed alone, and must be refused."""

import numpy as np
import pytest
from designs_mapped import EGFET, mapped, network

from flow.backends.bitblast import bitblast
from flow.backends.verilog import emit_verilog
from flow.errors import CheckFailed
from flow.ir.aig import AigBuilder, random_words
from flow.ir.netlist import netlist_aig
from flow.verify.chain import verilog_graph
from flow.verify.mutants import mutate_graph, mutate_netlist, mutate_verilog, unrefused
from flow.verify.prove import prove_graphs


def test_a_mutant_differs_on_some_input():
    graph = bitblast(network())
    words = random_words(len(graph.inputs), 64)
    for seed in range(10):
        mutant = mutate_graph(graph, seed)
        assert mutant is not None
        assert not np.array_equal(graph.simulate(words), mutant.graph.simulate(words))


def test_the_seed_alone_chooses_the_mutant():
    graph = bitblast(network())
    assert mutate_graph(graph, 4) == mutate_graph(graph, 4)
    assert len({mutate_graph(graph, seed).change for seed in range(10)}) > 5


def test_a_graph_without_outputs_has_no_mutant():
    assert mutate_graph(AigBuilder("none", ["a"]).finish([]), 1) is None


@pytest.mark.tool("abc")
def test_mutants_of_the_netlist_are_disproved_or_truly_equal(tmp_path):
    _, made = mapped(network(), tmp_path)
    seen = []
    for (netlist, change), _ in zip(
        mutate_netlist(made.netlist, EGFET, 3), range(12), strict=False
    ):
        outcome = prove_graphs(made.graph, netlist_aig(netlist, EGFET))
        seen.append(outcome.status)
        if outcome.status == "disproved":
            words = np.array([[outcome.counterexample[n]] for n in made.graph.inputs], np.uint64)
            ours, theirs = made.graph, netlist_aig(netlist, EGFET)
            assert not np.array_equal(ours.simulate(words) & 1, theirs.simulate(words) & 1), change
    assert seen.count("disproved") > 6


@pytest.mark.tool("yosys")
def test_mutants_of_the_verilog_are_disproved():
    circuit = network(3, 1, 2)
    emission = emit_verilog(circuit)
    graph = bitblast(circuit, emission)
    ((path, text),) = emission.files.items()
    seen = []
    for (changed, _), _ in zip(mutate_verilog(text, 2), range(4), strict=False):
        from dataclasses import replace

        mutant = verilog_graph(replace(emission, files={path: changed}))
        outputs = [mutant.outputs.index(name) for name in graph.outputs]
        literals = tuple(mutant.literals[k] for k in outputs)
        seen.append(prove_graphs(graph, replace(mutant, outputs=graph.outputs, literals=literals)))
    assert "disproved" in {outcome.status for outcome in seen}


def test_a_proof_that_accepts_its_mutant_counts_for_nothing():
    assert unrefused("disproved", "a = b", "gate 1", 0.0) is None
    with pytest.raises(CheckFailed) as caught:
        unrefused("proved", "a = b", "gate 1 inverted", 0.0)
    assert caught.value.message == "the proof of 'a = b' did not refuse a mutant"
    assert caught.value.where == "gate 1 inverted"
    assert caught.value.hint == "the answer was 'proved': report this, the checks cannot be trusted"


def test_a_mutant_that_takes_too_long_leaves_its_check_open():
    late = unrefused("timed out", "a = b", "gate 1 inverted", 0.0)
    assert (late.check, late.status) == ("a = b", "timed out")
    assert late.detail == "a mutant was not refused in time: gate 1 inverted"
