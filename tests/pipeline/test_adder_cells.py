"""Circuits on libraries with adder cells: the netlist is proved equal, simulated and measured."""

from pathlib import Path

import numpy as np
import pytest
from designs_adders import FULL, HALF, library, sums
from designs_mapped import EGFET

from flow.analysis.activity import Simulator, uniform_activity
from flow.analysis.area import area_of
from flow.analysis.power import power_of
from flow.analysis.timing import timing_of
from flow.backends.aiger import read_aiger
from flow.backends.netlist_text import cell_models, netlist_verilog, read_verilog_netlist
from flow.backends.verilog import emit_verilog
from flow.ir.aig import random_words
from flow.ir.netlist import netlist_aig
from flow.passes.base import run_passes
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.adder_forms import adder_forms
from flow.pipeline.synthesis import inverter_area, synthesise
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text
from flow.tools import icarus
from flow.verify.chain import prove_chain

pytestmark = pytest.mark.tool("abc")
LIBRARIES = {
    "full": library(FULL),
    "half": library(HALF),
    "both": library(FULL, HALF),
    "none": EGFET,
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("seed", range(3))
def test_the_netlist_is_the_circuit(name, seed, tmp_path):
    technology = LIBRARIES[name]
    made = synthesise(sums(seed), technology, tmp_path, effort="fast")
    graph = netlist_aig(made.netlist, technology)
    words = random_words(len(graph.inputs), 16)
    assert np.array_equal(graph.simulate(words), made.graph.simulate(words))
    assert made.notes == ()
    used = set(made.netlist.histogram())
    if name in ("full", "both"):
        assert "ADD3" in used
        assert made.variant.startswith("adders-")
    assert used <= set(technology.cells)


@pytest.mark.tool("yosys")
def test_every_link_of_the_chain_is_proved(tmp_path):
    technology = LIBRARIES["both"]
    circuit = run_passes(sums(7), parse_pipeline("plain"))
    emission = emit_verilog(circuit)
    made = synthesise(circuit, technology, tmp_path, emission=emission, effort="fast")
    assert {"ADD2", "ADD3"} & set(made.netlist.histogram())
    text = netlist_verilog(made.netlist, technology)
    verdicts = prove_chain(circuit, emission, technology, steps=made.steps, netlist=text)
    assert {verdict.status for verdict in verdicts} == {"proved"}
    assert verdicts[-1].check == "netlist = mapped graph"


def test_two_output_cells_are_timed_measured_and_simulated(tmp_path):
    technology = LIBRARIES["full"]
    made = synthesise(sums(2), technology, tmp_path, effort="fast")
    counts = made.netlist.histogram()
    assert area_of(made.netlist, technology).by_cell["ADD3"] == 600_000.0 * counts["ADD3"]
    found = timing_of(made.netlist, technology)
    assert {hop.pin for hop in found.path if hop.cell == "ADD3"} <= {"CN", "SN"}
    assert sum(hop.cell == "ADD3" for hop in found.path) > 1
    activity = uniform_activity(made.netlist, technology)
    power = power_of(made.netlist, technology, activity, 1e6)
    share = [p for p, i in zip(power.by_instance, made.netlist.instances, strict=True)
             if i.cell == "ADD3"]  # fmt: skip
    # The eight states leak 0.5 to 7.5 uW; two outputs toggle every other sample, 2 pJ each.
    assert min(share) >= 4.0e-3 + 2 * 0.5 * 2.0 / 1e6
    words = random_words(len(made.netlist.input_bits), 2)
    simulator = Simulator(made.netlist, technology)
    values = simulator.run(dict(zip(made.netlist.input_bits, words, strict=True)))
    rows = [simulator.index[net] for net in made.netlist.drivers]
    assert np.array_equal(values[rows], made.graph.simulate(words))


@pytest.mark.tool("icarus")
def test_the_text_with_its_cell_models_runs_in_icarus(tmp_path):
    technology = LIBRARIES["both"]
    (tmp_path / "steps").mkdir()
    made = synthesise(sums(4), technology, tmp_path / "steps", effort="fast")
    text = netlist_verilog(made.netlist, technology)
    assert netlist_aig(read_verilog_netlist(text, technology), technology).literals
    (tmp_path / "netlist.v").write_text(text)
    (tmp_path / "cells.v").write_text(cell_models(made.netlist.histogram(), technology))
    (x,), (y,) = made.netlist.inputs, made.netlist.outputs
    words = random_words(x.width, 1)
    bits = [[int(row[0]) >> s & 1 for row in words] for s in range(64)]
    wanted = made.graph.simulate(words)
    lines = [
        f'x = {x.width}\'b{"".join(map(str, reversed(sample)))}; #1 $display("%b", y);'
        for sample in bits
    ]
    (tmp_path / "bench.v").write_text(
        f"module bench; reg [{x.width - 1}:0] x; wire [{y.width - 1}:0] y;\n"
        f"{made.netlist.name} dut (.x(x), .y(y));\ninitial begin\n"
        + "\n".join(lines)
        + "\nend endmodule\n"
    )
    files = ["bench.v", "netlist.v", "cells.v"]
    icarus.compile_verilog(files, "bench", tmp_path / "b.vvp", tmp_path, 60)
    got = icarus.simulate(tmp_path / "b.vvp", tmp_path, 60).log.split()
    assert got == [
        "".join(str(int(row[0]) >> s & 1) for row in reversed(wanted)) for s in range(64)
    ]


def test_a_printed_adder_is_nine_nands_in_the_polarities_of_sums_and_differences():
    found = adder_forms(EGFET, liberty(EGFET), inverter_area(EGFET) or 0.0)
    nine = {form.polarity for form in found[3] if form.area == 9 * EGFET.cells["NAND2X1"].area}
    assert {(0, 0, 0, 0, 0), (0, 0, 1, 1, 0), (0, 1, 0, 1, 0), (1, 0, 0, 1, 0)} <= nine
    assert {i.cell for f in found[3] if f.polarity in nine for i in f.instances} == {"NAND2X1"}


def liberty(technology: Technology) -> str:
    """The library as ABC reads it."""
    return liberty_text(technology, combinational_only=True, helper_buffer=True)


def test_the_steps_are_whole_graphs(tmp_path):
    made = synthesise(sums(1), LIBRARIES["full"], tmp_path, effort="fast")
    graphs = [read_aiger(Path(path).read_bytes()) for _, path in made.steps]
    words = random_words(len(made.graph.inputs), 4)
    want = made.graph.simulate(words)
    assert made.variant.startswith("adders-")
    assert all(np.array_equal(g.simulate(words), want) for g in graphs)
