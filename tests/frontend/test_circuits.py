"""Circuits of users: BLIF, Verilog and threshold netlists become designs with cut flip-flops."""

from itertools import product

import numpy as np
import pytest

from flow.errors import UsageError
from flow.frontend.circuits.blif import parse_blif
from flow.frontend.circuits.read import is_circuit, read_circuit
from flow.ir.aig import pack, unpack
from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text

BLIF = """# a counter bit and a table of zeros
.model m
.inputs a \\
  b
.outputs y z k
.latch n q re clk 1
.latch q r 2
.names a b q y
11- 1
--1 1
.names a b z
00 0
.names n
.names k
1
.clock clk
.end
"""

COUNTER = """
module counter(input clk, input rst, input en, output reg [1:0] q, output top);
  always @(posedge clk) if (rst) q <= 2'd0; else if (en) q <= q + 2'd1;
  assign top = &q;
endmodule
"""


def answers(design):
    """The outputs and what flip-flops take, for all inputs and all that they hold, in order."""
    rows = np.array(list(product((0, 1), repeat=len(design.graph.inputs))), dtype=np.uint8)
    return rows.tolist(), unpack(design.graph.simulate(pack(rows)), len(rows)).tolist()


def test_tables_and_latches_of_blif_are_read():
    design = parse_blif(BLIF)
    design.check()
    assert (design.inputs, design.outputs) == (("a", "b"), ("y", "z", "k"))
    assert (design.flipflops, design.initial) == (("q", "r"), {"q": 1})
    rows, found = answers(design)
    assert found == [[a & b | q, a | b, 1, 0, q] for a, b, q, _ in rows]


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        (".names a y\n1\n", "f:4", "a row does not fit its table of 1 inputs: '1'"),
        (".names a y\n2 1\n", "f:4", "a row holds '2'"),
        (".names a y\n1 1\n0 0\n", "f:4", "a table has rows for 0 and for 1"),
        (".names b y\n1 1\n", "f", "nothing drives the signal 'b'"),
        (".names y y\n1 1\n", "f:4", "the signal 'y' depends on itself"),
        (".names a y\n.latch a y 0\n", "f:5", "the signal 'y' is driven twice"),
        (".latch a y 7\n", "f:4", "the first value of a latch is 0, 1, 2 or 3, not '7'"),
        ("11 1\n", "f:4", "a row stands outside a table: '11 1'"),
        (".wire a\n", "f:4", "not a line of BLIF: '.wire a'"),
        (".subckt m a=a\n", "f:4", "a part of another model is not taken in a BLIF file"),
        (".gate NAND A=a\n", "f:4", "a cell of a library is not taken in a BLIF file"),
        (".model again\n", "f:4", "a second model is not taken in a BLIF file"),
    ],
)
def test_a_blif_that_cannot_be_taken_is_refused_with_its_line(body, where, message):
    with pytest.raises(UsageError) as error:
        parse_blif(".model m\n.inputs a\n.outputs y\n" + body, "f")
    assert (error.value.message, error.value.where) == (message, where)


def test_a_text_that_is_no_blif_is_refused():
    with pytest.raises(UsageError) as error:
        parse_blif("", "empty.blif")
    assert error.value.message == "this is no BLIF: it has no model"


def test_the_suffix_tells_a_circuit_from_a_model(tmp_path):
    names = ("a.blif", "a.V", "a.sv", "a.th", "a.onnx")
    assert [is_circuit(tmp_path / name) for name in names] == [True] * 4 + [False]
    with pytest.raises(UsageError) as error:
        read_circuit(tmp_path / "none.blif")
    assert error.value.message == "the circuit cannot be read: No such file or directory"
    (tmp_path / "bad.th").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError) as error:
        read_circuit(tmp_path / "bad.th")
    assert (error.value.message, error.value.where) == ("the circuit is not text", "bad.th")


@pytest.mark.tool("yosys")
def test_behavioural_verilog_is_read_through_yosys(tmp_path):
    (tmp_path / "counter.v").write_text(COUNTER)
    design = read_circuit(tmp_path / "counter.v")
    assert design.inputs == ("rst", "en")
    assert design.outputs == ("q[0]", "q[1]", "top")
    rows, found = answers(design)
    for (rst, en, low, high), row in zip(rows, found, strict=True):
        count = 0 if rst else (2 * high + low + en) % 4
        assert row == [low, high, low & high, count & 1, count >> 1]


@pytest.mark.tool("yosys")
def test_a_mapped_netlist_is_read_with_the_library_of_its_cells(tmp_path):
    (tmp_path / "cells.lib").write_text(liberty_text(load("egfet")))
    (tmp_path / "net.v").write_text(
        "module net(input a, input b, output y);\n  wire n;\n"
        "  NAND2X1 u1(.A1(a), .A2(b), .Y(n));\n  INVX1 u2(.A(n), .Y(y));\nendmodule\n"
    )
    rows, found = answers(read_circuit(tmp_path / "net.v", tmp_path / "cells.lib"))
    assert found == [[a & b] for a, b in rows]


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module m(input a; endmodule", "Yosys cannot read it: "),
        (
            "module m(input c, input d, input a, output reg y, output reg z);\n"
            "always @(posedge c) y <= a;\nalways @(posedge d) z <= a;\nendmodule\n",
            "the design has more than one clock: c, d",
        ),
    ],
    ids=["syntax", "two clocks"],
)
def test_verilog_that_cannot_be_taken_is_refused(tmp_path, text, message):
    (tmp_path / "m.v").write_text(text)
    with pytest.raises(UsageError) as error:
        read_circuit(tmp_path / "m.v")
    assert error.value.message.startswith(message)
