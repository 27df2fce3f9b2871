"""Synthesis maps every circuit, keeps every step, and picks the smallest result."""

from dataclasses import replace
from pathlib import Path

import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped, network

from flow.backends.aiger import read_aiger
from flow.backends.netlist_text import netlist_verilog
from flow.errors import UsageError
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Compare, Const, Input
from flow.pipeline.synthesis import synthesise
from flow.pipeline.variants import EFFORTS
from flow.tech.liberty import read_liberty
from flow.tech.registry import load
from flow.tech.technology import Technology

pytestmark = pytest.mark.tool("abc")
OSU = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")


def test_the_smallest_of_all_variants_is_kept(tmp_path):
    _, made = mapped(network(), tmp_path, effort="normal")
    areas = dict(made.areas)
    scripts = [variant.name for variant in EFFORTS["area"]["normal"].variants]
    parts = [variant.name for variant in EFFORTS["area"]["normal"].variants if not variant.whole]
    kinds = ("adders", "full-adders")
    assert list(areas) == [*scripts, *(f"{kind}-{name}" for kind in kinds for name in parts)]
    assert areas[made.variant] == min(areas.values())
    assert EGFET.area(made.netlist.histogram()) == areas[made.variant]
    assert made.notes == ()


def test_every_step_leaves_a_graph_with_the_same_signals(tmp_path):
    _, made = mapped(network(), tmp_path)
    graphs = [read_aiger(path.read_bytes()) for _, path in made.steps]
    assert made.steps[0][0] == "graph"
    assert len(made.steps) == 1 + len(made.script)
    assert {(g.inputs, g.outputs) for g in graphs} == {(made.graph.inputs, made.graph.outputs)}


def test_equal_circuits_give_equal_bytes(tmp_path):
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _, made = mapped(network(), tmp_path / name, effort="normal")
        files = [(step, path.name, path.read_bytes()) for step, path in made.steps]
        texts.append((netlist_verilog(made.netlist, EGFET), files))
    assert texts[0] == texts[1]


def test_registers_become_flipflops(tmp_path):
    emission, made = mapped(STAGED, tmp_path)
    bits = sum(width for _, width in emission.registers)
    assert made.netlist.histogram()["DFFX1"] == len(made.held) == bits
    assert [bus.name for bus in made.netlist.inputs] == ["clk", "x"]


def test_the_handshake_is_ordinary_logic(tmp_path):
    emission, made = mapped(STAGED, tmp_path, handshake=True)
    bits = sum(width for _, width in emission.registers)
    assert made.netlist.histogram()["DFFX1"] == bits + emission.latency
    assert [bus.name for bus in made.netlist.inputs] == ["clk", "rst", "in_valid", "out_ready", "x"]
    assert [bus.name for bus in made.netlist.outputs] == ["in_ready", "out_valid", "y"]


def test_the_module_is_named_as_in_the_rtl(tmp_path):
    emission, made = mapped(replace(network(), name="small"), tmp_path)
    assert made.netlist.name == emission.top != "small"


def test_constants_and_wires_need_no_cell(tmp_path):
    x = Input("x", 0, 0, 3)
    circuit = Circuit("wires", (Port("x", (x,)),), (Port("y", (x, Const(5), Const(0))),))
    made = synthesise(circuit, EGFET, tmp_path)
    assert made.netlist.instances == ()
    assert made.netlist.drivers == ("x[0]", "x[1]", "1'b1", "1'b0", "1'b1", "1'b0")


def test_an_inverted_input_is_one_inverter(tmp_path):
    x = Input("x", 0, 0, 1)
    circuit = Circuit("no", (Port("x", (x,)),), (Port("y", (Compare(x, Const(0), "eq"),)),))
    made = synthesise(circuit, EGFET, tmp_path)
    assert made.netlist.histogram() == {"INVX1": 1}


def test_a_script_of_the_users_own_is_run_as_it_stands(tmp_path):
    made = synthesise(network(), EGFET, tmp_path, script=["strash", "dc2", "amap -m"])
    assert made.script == ("strash", "dc2", "amap -m")
    assert [name for name, _ in made.steps] == ["graph", "strash", "dc2", "amap"]


def test_carbon_nanotubes_can_be_mapped_too(tmp_path):
    technology = load("cnt_tft")
    made = synthesise(network(), technology, tmp_path, effort="fast")
    assert technology.area(made.netlist.histogram()) == dict(made.areas)[made.variant] > 0


def test_a_cmos_library_can_be_mapped_too(tmp_path):
    if not OSU.is_file():
        pytest.skip("not checked: qflow-tech-osu018 is not installed")
    technology = read_liberty(OSU)
    made = synthesise(STAGED, technology, tmp_path, effort="normal")
    assert technology.area(made.netlist.histogram()) > 0
    assert made.notes == ()


def test_an_unknown_effort_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        synthesise(network(), EGFET, tmp_path, effort="heroic")
    assert caught.value.message == "no effort 'heroic'"
    assert caught.value.hint == "it is one of fast, normal, high"


def test_a_library_that_cannot_make_every_function_is_refused(tmp_path):
    cells = {name: EGFET.cells[name] for name in ("AND2X1", "OR2X1")}
    with pytest.raises(UsageError) as caught:
        synthesise(network(), Technology("t", "t", 1.0, 25.0, "", cells, "a test"), tmp_path)
    assert caught.value.message == "technology t has no complete set of gates"


def test_a_wire_takes_no_buffer(tmp_path):
    if not OSU.is_file():
        pytest.skip("not checked: qflow-tech-osu018 is not installed")
    technology = read_liberty(OSU)
    x = Input("x", 0, 0, 3)
    circuit = Circuit("wire", (Port("x", (x,)),), (Port("y", (x,)),))
    assert synthesise(circuit, technology, tmp_path).netlist.instances == ()
    (tmp_path / "own").mkdir()
    own = synthesise(circuit, technology, tmp_path / "own", script=["strash", "amap -m"])
    assert own.netlist.histogram() == {"BUFX2": 2}  # The user may want them.
