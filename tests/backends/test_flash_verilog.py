"""Netlists with flash cells as Verilog: read back, and simulated with the model of the cell."""

from __future__ import annotations

import random

import pytest

from flow.assets import asset
from flow.backends.flash_verilog import flash_verilog, read_flash_verilog
from flow.backends.netlist_text import cell_models
from flow.ir.netlist import Bus, Instance, Netlist, netlist_aig
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.mapping.flash.netlist import CellModel, flash_netlist, with_cells
from flow.tech.registry import load
from flow.tools.icarus import compile_verilog, simulate

GATES = (ThresholdGate((2, 1, 1), 3), ThresholdGate((5, 3, 2, 1, 1), 8))
EMPTY = Netlist("y", (), (), (), ())
TECHNOLOGY = with_cells(
    load("sky130"),
    {g: CellModel(g, EMPTY, 40.0, 0.2, 8.0, 0.4, (0.002,) * g.fan_in) for g in GATES},
)
BITS = ("a", "b", "c", "d")
INPUTS = (Bus("clk", 1), *(Bus(bit, 1) for bit in BITS))
OUTPUTS = (Bus("y", 1), Bus("z", 1))
EXPECTED = """    tl_ff #(.N(3), .WEIGHTS({8'd1, 8'd1, 8'd2}), .T(3)) u1 """
EXPECTED += """(.clk(clk), .x({n3, b, a}), .q(n1));
    tl_ff #(.N(5), .WEIGHTS({8'd1, 8'd1, 8'd2, 8'd3, 8'd5}), .T(8)) u2 """
EXPECTED += "(.clk(clk), .x({b, n1, a, d, c}), .q(n2));\n"


def design():
    """Two cells and an inverter."""
    unit = Instance("i", "sky130_fd_sc_hd__inv_1", (("A", "d"), ("Y", "nd")))
    core = Netlist(
        "two", tuple(Bus(x, 1) for x in (*BITS, "Q:s", "Q:t")),
        (*OUTPUTS, Bus("T:0", 1)), (unit,), ("Q:s", "Q:t", "nd"),
    )  # fmt: skip
    cells = (
        FlashFlipFlop("s", GATES[0], ("a", "b", "T:0")),
        FlashFlipFlop("t", GATES[1], ("c", "d", "a", "Q:s", "b")),
    )
    return flash_netlist(core, cells, TECHNOLOGY, INPUTS, OUTPUTS)


def test_each_cell_is_one_instance_and_the_text_is_read_back_as_the_same_graph():
    netlist = design()
    text = flash_verilog(netlist, TECHNOLOGY)
    assert EXPECTED in text
    assert "FLASH" not in text
    found = netlist_aig(read_flash_verilog(text, TECHNOLOGY), TECHNOLOGY, ("s", "t"))
    assert found == netlist_aig(netlist, TECHNOLOGY, ("s", "t"))


def test_another_weight_in_the_text_is_another_graph():
    netlist = design()
    text = flash_verilog(netlist, TECHNOLOGY).replace(".T(3)", ".T(2)")
    technology = with_cells(
        TECHNOLOGY,
        {g: CellModel(g, EMPTY, 40.0, 0.2, 8.0, 0.4, (0.002,) * 3)
         for g in [ThresholdGate((2, 1, 1), 2)]},
    )  # fmt: skip
    found = netlist_aig(read_flash_verilog(text, technology), technology, ("s", "t"))
    assert found != netlist_aig(netlist, TECHNOLOGY, ("s", "t"))


@pytest.mark.tool("icarus")
def test_the_model_of_the_cell_decides_as_the_gate_at_each_clock_edge(tmp_path):
    text = flash_verilog(design(), TECHNOLOGY)
    names = [n for n in design().histogram() if not n.startswith("FLASH")]
    rng = random.Random(1)
    rows = [[rng.randint(0, 1) for _ in BITS] for _ in range(60)]
    steps = "".join(
        "    {" + ", ".join(BITS) + "} = 4'b" + "".join(map(str, row)) + "; #1 clk = 1; #1 "
        'clk = 0; $display("%b%b", y, z);\n'
        for row in rows
    )
    (tmp_path / "bench.v").write_text(
        "module bench;\n  reg clk = 0, a, b, c, d; wire y, z;\n"
        "  two dut(.clk(clk), .a(a), .b(b), .c(c), .d(d), .y(y), .z(z));\n"
        f"  initial begin\n{steps}    $finish;\n  end\nendmodule\n"
    )
    (tmp_path / "two.v").write_text(text)
    (tmp_path / "cells.v").write_text(cell_models(names, TECHNOLOGY))
    files = [
        tmp_path / "bench.v",
        tmp_path / "two.v",
        tmp_path / "cells.v",
        asset("rtl", "tl_ff.v"),
    ]
    compile_verilog(files, "bench", tmp_path / "out.vvp")
    said = simulate(tmp_path / "out.vvp").log.split()
    s, expected = 0, []
    for a, b, c, d in rows:
        s, t = GATES[0].answer((a, b, 1 - d)), GATES[1].answer((c, d, a, s, b))
        expected.append(f"{s}{t}")
    assert said == expected
