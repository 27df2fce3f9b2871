"""What the Verilog looks like: golden texts, tables, and what three linters say of it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from designs import SMALL, STAGED, several
from hypothesis import given
from strategies import circuits

from flow.backends.emission import Lane, write_files
from flow.backends.names import RESERVED
from flow.backends.operations import RENDER, UNSUPPORTED
from flow.backends.verilog import SUPPORTS, Header, _runs, emit_verilog, lane_table
from flow.errors import InternalError
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import NODE_TYPES, Add, Bits, Const, Input, Linear, Register
from flow.verify.lint import lint

HEADER = Header("small.h5", "flow build small.h5 --target printed", 7, "0.1.0")


@pytest.mark.parametrize(
    ("name", "circuit", "handshake"),
    [("little", SMALL, False), ("staged", STAGED, False), ("stalling", STAGED, True)],
)
def test_the_text_of_a_circuit_is_the_golden_one(request, root, name, circuit, handshake):
    emission = emit_verilog(replace(circuit, name=name), header=HEADER, handshake=handshake)
    text = emission.files[PurePosixPath(f"rtl/{name}.v")]
    golden = root / "tests" / "golden" / "verilog" / f"{name}.v"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_operation_is_rendered_or_refused():
    assert set(RENDER) | UNSUPPORTED == set(NODE_TYPES)
    assert set(RENDER) & UNSUPPORTED == set()
    assert set(RENDER) == SUPPORTS


def test_a_linear_is_refused():
    x = Input("x", 0, 0, 3)
    circuit = Circuit("c", (Port("x", (x,)),), (Port("y", (Linear((x,), (5,), 1),)),))
    with pytest.raises(InternalError) as caught:
        emit_verilog(circuit)
    assert str(caught.value) == (
        "the Verilog backend met 'linear', which a pass has to expand before"
    )


def test_a_handshake_needs_registers():
    with pytest.raises(InternalError, match="little has no registers to hold a handshake"):
        emit_verilog(SMALL, handshake=True)


def test_registers_stand_in_the_order_of_the_walk():
    emission = emit_verilog(STAGED, handshake=True)
    assert emission.registers == (
        ("dense_1_stage_0", 8),
        ("dense_1_r4", 4),
        ("dense_1_r7", 8),
    )
    assert (emission.latency, emission.initiation_interval) == (2, 1)
    assert (emission.clocked, emission.handshake) == (True, True)


def test_a_constant_register_has_no_flip_flop():
    x = Input("x", 0, 0, 3)
    y = Add(Register(x), Register(Const(5)))
    emission = emit_verilog(Circuit("c", (Port("x", (x,)),), (Port("y", (y,)),)))
    assert emission.registers == (("r1", 2), ("", 0))


def test_hostile_names_do_not_reach_the_text():
    x = Input("wire", 0, 0, 3)
    y = Add(x, Const(1))
    circuit = Circuit(
        "endmodule", (Port("wire", (x,)),), (Port("clk", (Register(y),)),),
        {y: Origin("module", "x\nendmodule", 3)},
    )  # fmt: skip
    header = Header("a */ `include b\nmodule pwn;", "x\r\ny", 0, "é")
    text = emit_verilog(circuit, header=header).files[PurePosixPath("rtl/endmodule_x.v")]
    assert "// model    a * / ?include b?module pwn;" in text
    assert "module endmodule_x (" in text
    assert "    input  wire [1:0] wire_x," in text
    assert "    output wire [2:0] clk_2\n" in text
    assert "    wire [2:0] module_x_endmodule_3 = {1'd0, wire_0} + 3'd1;" in text
    assert text.isascii()
    assert "wire" in RESERVED


@given(circuits(kinds=tuple(SUPPORTS)))
def test_equal_circuits_have_equal_bytes_and_the_text_is_plain(circuit):
    first, second = emit_verilog(circuit), emit_verilog(circuit)
    assert first == second
    (text,) = first.files.values()
    assert text.isascii()
    assert text.count("always") == (1 if any(w for _, w in first.registers) else 0)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_bytes_do_not_depend_on_the_order_of_hashes(root, hash_seed):
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from designs import several\n"
        "from flow.backends.verilog import emit_verilog\n"
        "print(*emit_verilog(several(range(8), 1)).files.values(), end='')\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, check=True
    )
    (text,) = emit_verilog(several(range(8), 1)).files.values()
    assert done.stdout.decode() == text


@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
@pytest.mark.tool("yosys")
@pytest.mark.parametrize(
    ("stages", "wide", "handshake"),
    [(0, False, False), (0, True, False), (2, False, False), (1, True, True)],
)
def test_three_linters_have_no_warning(tmp_path, stages, wide, handshake):
    emission = emit_verilog(several(range(40), stages, wide), handshake=handshake)
    write_files(emission.files, tmp_path)
    assert [(v.check, v.status, v.detail) for v in lint(tmp_path, emission.top)] == [
        ("lint with Icarus Verilog", "passed", "no warnings"),
        ("lint with Verilator", "passed", "no warnings"),
        ("lint with Yosys", "passed", "no warnings"),
    ]


@pytest.mark.tool("verilator")
def test_a_linter_that_warns_fails_the_check(tmp_path):
    emission = emit_verilog(SMALL)
    write_files(emission.files, tmp_path)
    file = tmp_path / "rtl" / "little.v"
    narrow = file.read_text().replace("wire [4:0] dense_1_act_0", "wire [3:0] dense_1_act_0")
    file.write_text(narrow)
    assert [v.status for v in lint(tmp_path, "little")][1] == "failed"


def lanes(*runs):
    """Lanes of one range after another: how many, and their ends."""
    ranges = [IntRange(lo, hi) for count, lo, hi in runs for _ in range(count)]
    offsets = [sum(r.width for r in ranges[:k]) for k in range(len(ranges))]
    return [Lane(offset, r.width, r) for offset, r in zip(offsets, ranges, strict=True)]


def test_many_lanes_are_told_in_runs_of_equal_ones():
    assert list(lane_table(lanes((2, 0, 3), (1, -4, 3)))) == [
        "0: bits 1:0, unsigned, [0, 3]",
        "1: bits 3:2, unsigned, [0, 3]",
        "2: bits 6:4, signed, [-4, 3]",
    ]
    assert len(list(lane_table(lanes((64, 0, 3))))) == 64
    assert list(lane_table(lanes((1, 0, 1), (60, 0, 3), (4, -4, 3)))) == [
        "0: bits 0:0, unsigned, [0, 1]",
        "1..60: bits 120:1, 2 each, unsigned, [0, 3]",
        "61..64: bits 132:121, 3 each, signed, [-4, 3]",
    ]
    assert list(lane_table([])) == []


@pytest.mark.parametrize(
    ("mask", "runs"),
    [
        (0, []), (63, ["a"]), (1, ["a[0]"]), (32, ["a[5]"]), (0b11000, ["a[4:3]"]),
        (0b101101, ["a[0]", "a[3:2]", "a[5]"]), (0b011111, ["a[4:0]"]),
    ],
)  # fmt: skip
def test_bits_of_a_mask_are_named_in_runs(mask, runs):
    assert list(_runs("a", mask, 6)) == runs


def test_the_work_of_a_sample_is_bounded_by_the_length_of_ways():
    x = tuple(Input("x", k, 0, 7) for k in range(2))
    total = Add(*x)
    # A wire of an input changes once, a sum of sums once for each way to it; a register begins
    # anew, and what is constant never changes.
    for lane, work in (
        (x[0], 1), (total, 1 + 1 + 2), (Add(total, x[0]), 1 + 1 + 2 + 3),
        (Add(Register(total), Const(1)), 1 + 1 + 2 + 1 + 2), (Const(3), 1),
    ):  # fmt: skip
        circuit = Circuit("c", (Port("x", x),), (Port("y", (lane,)),))
        assert emit_verilog(circuit).work == work


def test_one_bit_of_a_wire_is_read_where_it_is():
    wide, bit, sign = Input("x", 0, 0, 7), Input("x", 1, 0, 1), Input("x", 2, -1, 0)
    lanes = tuple(Add(Bits(x, 0, 1), Const(1)) for x in (wide, bit, sign))
    circuit = Circuit("c", (Port("x", (wide, bit, sign)),), (Port("y", lanes),))
    (text,) = emit_verilog(circuit).files.values()
    # A number of one bit with a sign is no bit: that is a wire of its own.
    made = [line.split("  //")[0].strip() for line in text.splitlines() if " t" in line]
    assert [line for line in made if line.startswith("wire")] == [
        "wire [1:0] t4 = {1'd0, x_0[0]} + 2'd1;",
        "wire [1:0] t6 = {1'd0, x_1} + 2'd1;",
        "wire t7 = x_2;",
        "wire [1:0] t8 = {1'd0, t7} + 2'd1;",
    ]
