"""Writing Liberty: the text, and what Yosys and ABC make of it."""

import re
from dataclasses import replace

import pytest

from flow.errors import ToolFailed, UsageError
from flow.tech.liberty import parse_liberty, read_liberty
from flow.tech.registry import load
from flow.tech.technology import Cell, Storage, Technology
from flow.tech.write_liberty import HELPER_BUFFER, liberty_text
from flow.tools.abc import abc
from flow.tools.yosys import yosys

INVERTER = Cell(
    name="INV",
    area=2.0,
    inputs=("A",),
    outputs=("Y",),
    functions={"Y": "A'"},
    leakage=(0.5, 1.5),
    cell_leakage=1.0,
    capacitance={"A": 0.25},
)
TINY = Technology(
    name="tiny",
    title="Tiny",
    voltage=1.5,
    temperature=25.0,
    corner="typical",
    cells={"INV": INVERTER},
    source="this test",
)
ADDER = """module adder(input [3:0] a, b, input c, output [4:0] y);
  assign y = a + b + c;
endmodule
"""
COUNTER = """module counter(input clk, rst_n, output reg [2:0] q, output reg d);
  always @(posedge clk or negedge rst_n) if (!rst_n) q <= 0; else q <= q + 1;
  always @(posedge clk) d <= q[2];
endmodule
"""
AREA_SCRIPT = "+strash;ifraig;scorr;dc2;dc2;strash;dch,-f;amap,-m"


def test_a_library_is_written_as_text():
    assert (
        liberty_text(TINY)
        == """library (tiny_1_5v) {
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  leakage_power_unit : "1uW";
  pulling_resistance_unit : "1kohm";
  capacitive_load_unit (1, pf);
  nom_voltage : 1.5;
  nom_temperature : 25;
  nom_process : 1;
  input_threshold_pct_fall : 50;
  input_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50;
  slew_lower_threshold_pct_fall : 30;
  slew_lower_threshold_pct_rise : 30;
  slew_upper_threshold_pct_fall : 70;
  slew_upper_threshold_pct_rise : 70;
  cell (INV) {
    area : 2;
    cell_leakage_power : 1;
    leakage_power () { when : "!A"; value : 0.5; }
    leakage_power () { when : "A"; value : 1.5; }
    pin (A) {
      direction : input;
      capacitance : 0.25;
    }
    pin (Y) {
      direction : output;
      function : "!A";
    }
  }
}
"""
    )


def test_a_name_that_would_break_the_file_is_refused():
    cells = {"x": replace(INVERTER, name="x) { }")}
    with pytest.raises(UsageError) as error:
        liberty_text(replace(TINY, cells=cells))
    assert error.value.message == "the name 'x) { }' cannot stand in a Liberty file"


def test_cells_not_to_be_used_and_sequential_cells_can_be_left_out():
    tech = load("egfet")
    cells = dict(tech.cells) | {"XOR2X1": replace(tech.cells["XOR2X1"], dont_use=True)}
    text = liberty_text(replace(tech, cells=cells), combinational_only=True)
    assert re.findall(r"cell \((\w+)\)", text) == [
        "AND2X1", "INVX1", "NAND2X1", "NOR2X1", "OR2X1", "XNOR2X1",
    ]  # fmt: skip


def test_a_helper_buffer_is_two_inverters_and_only_where_no_buffer_is():
    text = liberty_text(TINY, helper_buffer=True)
    cell = parse_liberty(text, "x.lib").cells[HELPER_BUFFER]
    assert (cell.area, cell.truth_table("Y"), cell.leakage) == (4.0, 0b10, (2.0, 2.0))
    buffered = {"BUF": replace(INVERTER, name="BUF", functions={"Y": "A"}), **TINY.cells}
    assert HELPER_BUFFER not in liberty_text(replace(TINY, cells=buffered), helper_buffer=True)


@pytest.mark.parametrize(
    "name", ["egfet@0.6", "egfet@0.8", "egfet@1.0", "egfet@1.2", "cnt_tft", "sky130"]
)
def test_what_is_written_reads_back_as_the_same_cells(name):
    tech = load(name)
    again = parse_liberty(liberty_text(tech), "x.lib")
    assert sorted(again.cells) == sorted(tech.cells)
    assert (again.voltage, again.nand2) == (tech.voltage, tech.nand2)
    for cell in tech.cells.values():
        other = again.cells[cell.name]
        assert (other.kind, other.area, other.inputs) == (cell.kind, cell.area, cell.inputs)
        assert other.leakage == pytest.approx(cell.leakage)
        assert other.capacitance == pytest.approx(cell.capacitance)
        assert other.clock == cell.clock
        assert other.worst_delay() == pytest.approx(cell.worst_delay())
        assert {k: e.mean for k, e in other.energy.items()} == pytest.approx(
            {k: e.mean for k, e in cell.energy.items()}
        )
        assert [(a.related, a.output, a.sense) for a in other.arcs] == [
            (a.related, a.output, a.sense) for a in cell.arcs
        ]


def test_slow_cells_count_in_microseconds_and_keep_their_delay_for_longer_slews():
    tech = load("egfet")
    text = liberty_text(tech)
    assert 'time_unit : "1us";' in text
    assert 'time_unit : "1ns";' in liberty_text(load("cnt_tft"))
    (arc,) = parse_liberty(text, "x.lib").cells["INVX1"].arcs
    (known,) = tech.cells["INVX1"].arcs
    longest = max(arc.rise.slews)
    assert arc.rise.at(longest, 10000.0) == pytest.approx(known.rise.at(5000.0, 10000.0))
    assert longest == pytest.approx(
        max(
            value
            for cell in tech.cells.values()
            for a in cell.arcs
            for table in (a.rise_transition, a.fall_transition)
            if table
            for row in table.values
            for value in row
        )
    )


def test_a_flip_flop_ends_a_path_with_a_set_up_time_of_zero():
    flop = replace(
        INVERTER,
        name="FLOP",
        kind="flipflop",
        inputs=("D", "CK"),
        outputs=("Q",),
        functions={"Q": "IQ"},
        leakage=(1.0,),
        storage=Storage("IQ", "IQN", data="D", clock="!CK"),
    )
    text = liberty_text(replace(TINY, cells={"FLOP": flop}))
    assert (
        text[text.index("    ff (") :]
        == """    ff (IQ, IQN) {
      next_state : "D";
      clocked_on : "!CK";
    }
    pin (D) {
      direction : input;
      capacitance : 0;
      timing () {
        related_pin : "CK";
        timing_type : setup_falling;
        rise_constraint (scalar) { values ("0"); }
        fall_constraint (scalar) { values ("0"); }
      }
    }
    pin (CK) {
      direction : input;
      clock : true;
      capacitance : 0;
    }
    pin (Q) {
      direction : output;
      function : "IQ";
    }
  }
}
"""
    )


def _mapped(folder, library, verilog, top, script, *before):
    """Cells of a mapped design, and the area that Yosys states."""
    (folder / "design.v").write_text(verilog)
    (folder / "cells.lib").write_text(library)
    yosys(
        [
            "read_verilog design.v",
            f"synth -flatten -noabc -top {top}",
            *before,
            f"abc -liberty cells.lib -script {script}",
            "opt_clean",
            "tee -q -o stat.txt stat -liberty cells.lib",
        ],
        cwd=folder,
        timeout_s=120,
    )
    stat = (folder / "stat.txt").read_text()
    rows = re.findall(r"^ +(\d+) +[0-9.E+]+ +([A-Za-z]\w*)$", stat, re.MULTILINE)
    counts = {name: int(count) for count, name in rows if name != "cells"}
    return counts, float(re.search(r"Chip area for module .*: ([0-9.]+)", stat)[1])


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(
    ("name", "area"), [("egfet@0.6", 10772680.0), ("egfet@1.0", 10772680.0), ("cnt_tft", 108000.0)]
)
def test_an_adder_is_mapped_by_area_and_the_areas_agree(tmp_path, name, area):
    tech = load(name)
    text = liberty_text(tech, combinational_only=True)
    counts, stated = _mapped(tmp_path, text, ADDER, "adder", AREA_SCRIPT)
    assert tech.area(counts) == stated == area


@pytest.mark.tool("yosys")
@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("egfet", "PPDK_Standard_Library_1.0V_25C_TYP_X1.lib"),
        ("cnt_tft", "CNT_TFT_pseudo_Standard_Library_3.0V_25C_TYP_X1.lib"),
    ],
)
def test_our_library_and_the_published_file_map_an_adder_alike(shared, tmp_path, name, file):
    path = shared / "liberty" / file
    (tmp_path / "ours").mkdir()
    ours = liberty_text(load(name), combinational_only=True)
    own, own_area = _mapped(tmp_path / "ours", ours, ADDER, "adder", AREA_SCRIPT)
    theirs, area = _mapped(tmp_path, path.read_text(), ADDER, "adder", AREA_SCRIPT)
    assert own == {cell.removesuffix("_psuedo"): count for cell, count in theirs.items()}
    assert own_area == area == read_liberty(path).area(theirs)


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(
    "script", ["+strash;&get,-n;&nf;&put", "+strash;ifraig;scorr;dc2;strash;dch,-f;map,-B,0.9;topo"]
)
def test_the_other_mappers_of_abc_take_the_library_with_a_helper_buffer(tmp_path, script):
    tech = load("egfet")
    text = liberty_text(tech, combinational_only=True, helper_buffer=True)
    counts, stated = _mapped(tmp_path, text, ADDER, "adder", script)
    assert HELPER_BUFFER not in counts
    assert tech.area(counts) == stated


@pytest.mark.tool("yosys")
def test_flip_flops_are_mapped_with_and_without_reset(tmp_path):
    tech = load("egfet")
    text = liberty_text(tech)
    before = "dfflibmap -liberty cells.lib"
    counts, stated = _mapped(tmp_path, text, COUNTER, "counter", AREA_SCRIPT, before)
    assert (counts["DFFNRX1"], counts["DFFX1"]) == (3, 1)
    assert tech.area(counts) == stated


@pytest.mark.tool("yosys")
def test_abc_alone_reads_the_library_and_states_the_same_area(tmp_path):
    tech = load("egfet")
    (tmp_path / "cells.lib").write_text(liberty_text(tech, combinational_only=True))
    (tmp_path / "design.v").write_text(ADDER)
    yosys(
        ["read_verilog design.v", "synth -flatten -noabc", "aigmap", "write_aiger x.aig"], tmp_path
    )
    log = abc(
        ["read_lib -w cells.lib", "read_aiger x.aig", *tech.script, "print_gates"], tmp_path
    ).log
    gates = re.findall(r"^(\w+) +Fanin = +\d+ +Instance = +(\d+)", log, re.MULTILINE)
    total = re.search(r"TOTAL .*Area = +([0-9.]+)", log)
    assert tech.area({name: int(count) for name, count in gates}) == float(total[1])


@pytest.mark.tool("yosys")
def test_two_libraries_of_one_file_name_are_never_confused(tmp_path):
    areas = []
    for name in ("egfet", "cnt_tft", "egfet"):
        folder = tmp_path / str(len(areas))
        folder.mkdir()
        text = liberty_text(load(name), combinational_only=True)
        areas.append(_mapped(folder, text, ADDER, "adder", AREA_SCRIPT)[1])
    assert areas == [10772680.0, 108000.0, 10772680.0]


@pytest.mark.tool("yosys")
def test_nf_without_a_buffer_ends_as_a_failed_tool_and_not_as_a_crash_of_ours(tmp_path):
    text = liberty_text(load("egfet"), combinational_only=True)
    with pytest.raises(ToolFailed) as error:
        _mapped(tmp_path, text, ADDER, "adder", "+strash;&get,-n;&nf;&put")
    assert error.value.message == "Yosys ended with status 1"
    assert "Cannot find buffer gate in the library." in error.value.log
