"""A fault planted at each level is caught by a check; the build fails and writes nothing."""

from dataclasses import replace

import pytest
from cli.conftest import tree

from flow.ir.circuit import Port
from flow.ir.nodes import Add, And, Compare, Const, Sub

ADDERS = ("--passes", "adders")
"""Passes that leave words with a plus for a fault to swap."""

BUILD = ("build", "net.h5", "--data", "data.csv", "--effort", "fast", "-o", "out")
REPORT = (
    "  hint: nothing was written; please report it with the model or 03-optimise/circuit.flow\n"
)


@pytest.fixture
def caught(flow, model, tmp_path):
    """Builds, and expects the exit code and the begin of the message; nothing may be written."""

    def call(code, begin, *options):
        before = tree(tmp_path)
        said = flow(*BUILD, *options)
        assert said.err.startswith(f"error: {begin}"), said.err
        assert (said.code, said.out) == (code, "")
        assert tree(tmp_path) == before
        assert not (tmp_path / "out").exists()
        return said.err

    return call


def changed_first_output(circuit, change):
    """The circuit with `change` of the first lane of its first output."""
    first = circuit.outputs[0]
    lanes = (change(first.lanes[0]), *first.lanes[1:])
    return replace(circuit, outputs=(Port(first.name, lanes), *circuit.outputs[1:]))


def at_one_input(circuit):
    """1 at one input, which is neither a corner nor among the vectors of the seed, else 0."""
    wanted = None
    for lane in (lane for port in circuit.inputs for lane in port.lanes):
        here = Compare(lane, Const(lane.range.lo + 11), "eq")
        wanted = here if wanted is None else And(wanted, here)
    return wanted


def test_a_wrong_lowering_is_caught_on_the_samples(caught, monkeypatch):
    from flow.passes.lower_layers import LowerLayers

    right = LowerLayers.run
    monkeypatch.setattr(
        LowerLayers,
        "run",
        lambda self, network: changed_first_output(
            right(self, network), lambda lane: Sub(Const(2), lane)
        ),
    )
    text = caught(5, "the lowered circuit gives 2 where the network means 0\n")
    assert text.splitlines()[1] == "  at sample 0, y[0]; 5 values differ in all"


def test_a_pass_that_claims_to_be_exact_is_caught_on_vectors(caught, monkeypatch):
    from flow.passes.share import Share

    monkeypatch.setattr(
        Share,
        "run",
        lambda self, circuit: changed_first_output(circuit, lambda lane: Sub(Const(2), lane)),
    )
    text = caught(70, "share changed y[0] from ")
    assert text.splitlines()[-1].startswith("  this is a bug of flow: please report it with ")


def test_a_pass_that_breaks_the_form_of_a_circuit_is_caught(caught, monkeypatch):
    from flow.passes.share import Share

    monkeypatch.setattr(
        Share, "run", lambda self, circuit: replace(circuit, outputs=circuit.outputs * 2)
    )
    caught(70, "share made a malformed circuit: ")


@pytest.mark.tool("yosys")
def test_a_pass_that_is_wrong_at_one_input_is_caught_by_proof(caught, monkeypatch):
    from flow.passes.share import Share

    monkeypatch.setattr(
        Share,
        "run",
        lambda self, circuit: changed_first_output(
            circuit, lambda lane: Add(lane, at_one_input(circuit))
        ),
    )
    options = ("--input-bits", "16", "--head", "logits", "--simulator", "none")
    text = caught(5, "pass 02 share: disproved: ", *options)
    assert text.endswith(REPORT)


@pytest.fixture
def swapped(monkeypatch):
    """The Verilog backend writes + for -."""
    from flow.backends import operations

    def wrong(node, wires):
        width = node.range.width
        return f"{wires.fit(node.a, width)} + {wires.fit(node.b, width)}"

    monkeypatch.setitem(operations.RENDER, Sub, wrong)


@pytest.mark.tool("icarus")
def test_a_backend_that_swaps_an_operator_is_caught_by_simulation(caught, swapped):
    text = caught(5, "cocotb test with icarus: failed: ", "--simulator", "icarus", *ADDERS)
    assert text.splitlines()[0].endswith("; and 1 more checks")
    assert text.endswith(REPORT)


@pytest.mark.tool("yosys")
def test_a_backend_that_swaps_an_operator_is_caught_by_proof(caught, swapped):
    text = caught(5, "Verilog = circuit: disproved: x = [", "--simulator", "none", *ADDERS)
    assert text.endswith(REPORT)


@pytest.fixture
def synthesised(monkeypatch):
    """Plants a change of the result of the synthesis."""
    from flow.pipeline import cells

    right = cells.synthesise

    def plant(change):
        monkeypatch.setattr(
            cells, "synthesise", lambda *args, **kwargs: change(right(*args, **kwargs))
        )

    return plant


def other_cell(netlist):
    """The netlist with one NAND made a NOR."""
    at = next(k for k, i in enumerate(netlist.instances) if i.cell.startswith("NAND2"))
    cell = netlist.instances[at].cell.replace("NAND2", "NOR2")
    wrong = replace(netlist.instances[at], cell=cell)
    instances = (*netlist.instances[:at], wrong, *netlist.instances[at + 1 :])
    return replace(netlist, instances=instances)


@pytest.mark.tool("yosys")
def test_a_wrong_netlist_is_caught_by_proof(caught, synthesised):
    synthesised(lambda result: replace(result, netlist=other_cell(result.netlist)))
    text = caught(5, "netlist = mapped graph: disproved: x = [", "--simulator", "none")
    assert text.endswith(REPORT)


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_wrong_step_of_the_synthesis_is_caught_by_proof(caught, synthesised, place):
    from flow.backends.aiger import read_aiger, write_aiger

    def invert(result):
        file = result.steps[place][1]
        graph = read_aiger(file.read_bytes(), file.name)
        file.write_bytes(write_aiger(replace(graph, literals=tuple(x ^ 1 for x in graph.literals))))
        return result

    synthesised(invert)
    check = {0: "circuit = graph", 1: "graph = sweep"}.get(place, "")
    text = caught(5, check, "--simulator", "none")
    assert ": disproved: x = [" in text.splitlines()[0]
    assert text.endswith(REPORT)


@pytest.mark.tool("yosys")
def test_a_netlist_that_is_written_wrongly_is_caught_by_proof(caught, monkeypatch):
    from flow.pipeline import cells

    right = cells.netlist_verilog
    monkeypatch.setattr(
        cells,
        "netlist_verilog",
        lambda netlist, technology: right(other_cell(netlist), technology),
    )
    caught(5, "netlist = mapped graph: disproved: x = [", "--simulator", "none")


@pytest.mark.tool("icarus")
def test_cells_that_are_written_wrongly_are_caught_by_simulation(caught, monkeypatch):
    from flow.pipeline import cells

    right = cells.cell_models
    monkeypatch.setattr(
        cells,
        "cell_models",
        lambda netlist, technology: right(netlist, technology).replace("~(A1&A2)", "(A1&A2)"),
    )
    text = caught(5, "netlist in Icarus Verilog: failed: sample ", "--simulator", "icarus")
    assert text.endswith(REPORT)


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            "MISMATCH sample 3 expected 1 got 2\nFAIL 1 of 5\n",
            "sample 3, port y, lane 0: expected 1, got 2; 1 of 5 samples are wrong",
        ),
        ("PASS 4 of 5\n", "the bench ended without a result: PASS 4 of 5"),
        ("", "the bench ended without a result: nothing was printed"),
        ("STALL after 2 of 5 samples\n", "STALL after 2 of 5 samples"),
    ],
)
def test_a_simulator_that_disagrees_ends_the_build(caught, monkeypatch, log, message):
    from flow.tools import icarus
    from flow.tools.process import Completed

    monkeypatch.setattr(icarus, "simulate", lambda *args, **kwargs: Completed(log, 0.1, 0))
    text = caught(
        5, f"simulation with Icarus Verilog: failed: {message}\n", "--simulator", "icarus"
    )
    assert text.endswith(REPORT)


@pytest.mark.tool("yosys")
def test_a_prover_that_finds_everything_equal_is_caught_by_its_mutants(caught, monkeypatch):
    from flow.verify import chain
    from flow.verify.prove import Outcome

    monkeypatch.setattr(chain, "prove_graphs", lambda *args, **kwargs: Outcome("proved", "faith"))
    caught(5, "", "--simulator", "none")


def test_an_unforeseen_error_is_our_bug_and_no_traceback(caught, monkeypatch):
    from flow.passes.share import Share

    def fail(self, circuit):
        raise KeyError("\x1b[31msurprise")

    monkeypatch.setattr(Share, "run", fail)
    text = caught(70, "KeyError: '\\x1b[31msurprise'\n  at fail, line ")
    assert "Traceback" not in text


def test_an_interrupt_leaves_nothing(flow, model, tmp_path, monkeypatch):
    from flow.passes.share import Share

    def fail(self, circuit):
        raise KeyboardInterrupt

    monkeypatch.setattr(Share, "run", fail)
    said = flow(*BUILD)
    assert (said.code, said.err) == (130, "\ninterrupted; nothing was written\n")
    assert list(tree(tmp_path)) == ["data.csv", "net.h5"]
