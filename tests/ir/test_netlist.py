"""Mapped netlists: read from BLIF and Verilog, put in order, and simulated by Icarus."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped, network

from flow.backends.netlist_text import (
    cell_models,
    netlist_json,
    netlist_verilog,
    read_verilog_netlist,
)
from flow.errors import IRError, ToolFailed, UsageError
from flow.ir.evaluate import evaluate
from flow.ir.netlist import Bus, Instance, Netlist, flipflop, netlist_aig, read_blif, topological
from flow.tech.technology import Technology

BLIF = """# a comment
.model little
.inputs a b \\
 c
.outputs y z one zero same
.gate NAND2X1 A1=a A2=b Y=m
.gate INVX1 A=m Y=y
.gate NAND2X1 A1=m A2=c Y=z
.gate _const1_ z=one
.names zero
.names a same
1 1
.end
"""


def test_a_blif_file_becomes_a_netlist_with_short_names():
    netlist = read_blif(BLIF, EGFET)
    assert netlist == Netlist(
        "little",
        (Bus("a", 1), Bus("b", 1), Bus("c", 1)),
        tuple(Bus(name, 1) for name in ("y", "z", "one", "zero", "same")),
        (
            Instance("u1", "NAND2X1", (("A1", "a"), ("A2", "b"), ("Y", "n1"))),
            Instance("u2", "INVX1", (("A", "n1"), ("Y", "n2"))),
            Instance("u3", "NAND2X1", (("A1", "n1"), ("A2", "c"), ("Y", "n3"))),
        ),
        ("n2", "n3", "1'b1", "1'b0", "a"),
    )
    assert netlist.histogram() == {"INVX1": 1, "NAND2X1": 2}


def test_verilog_text_of_a_netlist_is_readable_and_reads_back():
    netlist = read_blif(BLIF, EGFET)
    text = netlist_verilog(netlist, EGFET)
    assert "    NAND2X1 u1 (.A1(a), .A2(b), .Y(n1));\n" in text
    assert "    assign one = 1'b1;\n    assign zero = 1'b0;\n    assign same = a;\n" in text
    assert read_verilog_netlist(text, EGFET) == netlist


def test_names_of_ports_and_nets_never_meet():
    text = BLIF.replace(" a", " n1").replace("=a", "=n1").replace(" c", " u2").replace("=c", "=u2")
    netlist = read_blif(text, EGFET)
    assert [i.name for i in netlist.instances] == ["u_1", "u_2", "u_3"]
    assert netlist.drivers[:2] == ("n_2", "n_3")


def test_json_has_every_instance():
    data = json.loads(netlist_json(read_blif(BLIF, EGFET), EGFET))
    assert data["cells"] == {"INVX1": 1, "NAND2X1": 2}
    assert data["instances"][1] == {"name": "u2", "cell": "INVX1", "pins": {"A": "n1", "Y": "n2"}}
    assert data["drivers"]["one"] == "1'b1"


def test_a_loop_is_refused():
    a = Instance("u1", "INVX1", (("A", "q"), ("Y", "p")))
    b = Instance("u2", "INVX1", (("A", "p"), ("Y", "q")))
    with pytest.raises(IRError, match=r"^INVX1 u1 is part of a loop$"):
        topological(Netlist("loop", (), (), (a, b), ()), EGFET)


def test_a_net_without_a_driver_is_refused():
    a = Instance("u1", "INVX1", (("A", "q"), ("Y", "p")))
    with pytest.raises(IRError, match=r"^nothing drives net q$"):
        topological(Netlist("open", (), (), (a,), ()), EGFET)


def test_two_drivers_of_a_net_are_refused():
    a = Instance("u1", "INVX1", (("A", "x"), ("Y", "p")))
    b = Instance("u2", "INVX1", (("A", "x"), ("Y", "p")))
    with pytest.raises(IRError, match=r"^two instances drive net p$"):
        topological(Netlist("two", (Bus("x", 1),), (), (a, b), ()), EGFET)


def test_a_table_in_a_mapped_file_is_refused():
    with pytest.raises(ToolFailed, match=r"^y is a table in a mapped BLIF file$"):
        read_blif(".model t\n.inputs a b\n.outputs y\n.names a b y\n11 1\n.end\n", EGFET)


def test_text_that_is_no_netlist_is_refused():
    with pytest.raises(ToolFailed) as caught:
        read_verilog_netlist("module m (input reg a);\nendmodule\n", EGFET)
    assert caught.value.message == "not a structural Verilog netlist: 'reg' where wire should be"


def test_the_cheapest_plain_flipflop_is_taken():
    assert [x if isinstance(x, str) else x.name for x in flipflop(EGFET)] == [
        "DFFX1", "D", "CP", "Q",
    ]  # fmt: skip


def test_a_library_without_flipflops_is_refused_for_registers():
    cells = {name: cell for name, cell in EGFET.cells.items() if cell.kind == "combinational"}
    bare = Technology("bare", "bare", 1.0, 25.0, "", cells, "a test")
    with pytest.raises(UsageError) as caught:
        flipflop(bare)
    assert caught.value.message == (
        "technology bare has no flip-flop with data and a rising clock alone"
    )


def test_flipflops_must_be_named_to_be_cut(tmp_path):
    _, made = mapped(STAGED, tmp_path)
    with pytest.raises(IRError, match=f"^{len(made.held)} flip-flops have 0 names$"):
        netlist_aig(made.netlist, EGFET)


@pytest.mark.tool("icarus")
def test_icarus_agrees_with_evaluate_on_the_mapped_text(tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("not checked: iverilog is not installed")
    circuit = network()
    _, made = mapped(circuit, tmp_path)
    rng = np.random.default_rng(5)
    x = rng.integers(0, 16, size=(200, 4))
    expected = evaluate(circuit, {"x": x})["y"][:, 0]
    words = (x << (4 * np.arange(4))).sum(axis=1)
    checks = "".join(
        f"        x = 16'd{word}; #1; if (y !== 2'd{y}) $display(\"BAD %d\", {word});\n"
        for word, y in zip(words, expected, strict=True)
    )
    bench = (
        "module bench;\n    reg [15:0] x;\n    wire [1:0] y;\n"
        "    tiny dut (.x(x), .y(y));\n    initial begin\n"
        f'{checks}        $display("DONE");\n    end\nendmodule\n'
    )
    (tmp_path / "n.v").write_text(netlist_verilog(made.netlist, EGFET))
    (tmp_path / "c.v").write_text(cell_models(made.netlist.histogram(), EGFET))
    (tmp_path / "b.v").write_text(bench)
    command = ["iverilog", "-g2005", "-Wall", "-o", "sim", "n.v", "c.v", "b.v"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    run = subprocess.run(
        ["vvp", "-N", "sim"], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )
    assert run.stdout == "DONE\n"
