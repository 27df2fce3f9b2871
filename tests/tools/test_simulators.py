"""Icarus and Verilator as functions."""

import pytest

from flow.errors import ToolFailed, ToolNotFound
from flow.tools import icarus, verilator
from flow.tools.process import Command, run

DESIGN = "module half(input a, b, output s, c);\n  assign {c, s} = a + b;\nendmodule\n"
WARNED = "module warned(input [3:0] a, output [1:0] y);\n  assign y = a;\nendmodule\n"
BENCH = """module bench;
  reg a, b; wire s, c; integer i;
  half dut(.a(a), .b(b), .s(s), .c(c));
  initial begin
    for (i = 0; i < 4; i = i + 1) begin {b, a} = i[1:0]; #1 $display("%0d %b%b", i, c, s); end
    $finish;
  end
endmodule
"""
MAIN = """#include "Vhalf.h"
#include <cstdio>
int main() {
    Vhalf top;
    for (int i = 0; i < 4; i++) {
        top.a = i & 1; top.b = i >> 1; top.eval();
        std::printf("%d %d%d\\n", i, top.c, top.s);
    }
}
"""
# The build of the runtime library is most of the time, so it is not optimised here.
FAST = ("-MAKEFLAGS", "OPT_GLOBAL=-O0 OPT_FAST=-O0")
ROWS = "0 00\n1 01\n2 01\n3 10\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in (("half.v", DESIGN), ("warned.v", WARNED), ("bench.v", BENCH)):
        (tmp_path / name).write_text(text)
    (tmp_path / "main.cpp").write_text(MAIN)
    return tmp_path


@pytest.mark.tool("icarus")
def test_icarus_compiles_and_simulates(folder):
    assert icarus.available()
    assert icarus.version().startswith("Icarus Verilog 1")
    compiled = icarus.compile_verilog(["half.v", "bench.v"], "bench", "bench.vvp", folder, 60)
    assert compiled.log == ""
    log = icarus.simulate("bench.vvp", folder, 60).log
    assert "".join(f"{line}\n" for line in log.splitlines() if line[:1].isdigit()) == ROWS


@pytest.mark.tool("icarus")
def test_what_icarus_cannot_compile_is_told(folder):
    (folder / "bad.v").write_text("module bad(input a; endmodule\n")
    with pytest.raises(ToolFailed) as error:
        icarus.compile_verilog(["bad.v"], "bad", "bad.vvp", folder, 60)
    assert error.value.message.startswith("Icarus Verilog ended with status ")
    assert "bad.v:1: syntax error" in error.value.log


@pytest.mark.tool("icarus")
def test_a_simulation_without_end_is_stopped(folder):
    (folder / "loop.v").write_text("module loop; always #1; endmodule\n")
    icarus.compile_verilog(["loop.v"], "loop", "loop.vvp", folder, 60)
    with pytest.raises(ToolFailed) as error:
        icarus.simulate("loop.vvp", folder, timeout_s=1)
    assert error.value.message == "Icarus Verilog's vvp took longer than 1 s and was stopped"


def test_a_missing_icarus_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("IVERILOG", str(tmp_path / "none"))
    assert not icarus.available()
    with pytest.raises(ToolNotFound) as error:
        icarus.compile_verilog(["x.v"], "x", "x.vvp")
    assert error.value.hint == (
        "install the package iverilog, or set IVERILOG and VVP to the paths of its programs"
    )


@pytest.mark.tool("verilator")
def test_verilator_finds_no_fault_in_a_clean_design(folder):
    assert verilator.available()
    assert verilator.version().startswith("Verilator 5.")
    assert verilator.lint(["half.v"], "half", folder, 60).returncode == 0


@pytest.mark.tool("verilator")
def test_a_warning_of_verilator_is_a_failure(folder):
    with pytest.raises(ToolFailed) as error:
        verilator.lint(["warned.v"], "warned", folder, 60)
    assert "WIDTHTRUNC" in error.value.log


@pytest.mark.tool("verilator")
@pytest.mark.slow
def test_verilator_builds_a_program_around_a_design(folder):
    verilator.build(["half.v", "main.cpp"], "half", "obj", folder, 500, FAST)
    assert run(Command((str(folder / "obj" / "Vhalf"),))).log == ROWS


@pytest.mark.tool("verilator")
@pytest.mark.slow
def test_verilator_builds_a_bench_with_delays(folder):
    verilator.build(["half.v", "bench.v"], "bench", "obj", folder, 500, ("-Wno-fatal", *FAST))
    log = run(Command((str(folder / "obj" / "Vbench"),))).log
    assert "".join(f"{line}\n" for line in log.splitlines() if line[:1].isdigit()) == ROWS


def test_a_verilator_of_the_users_is_taken_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("VERILATOR", str(tmp_path / "none"))
    assert verilator.environment() == {}
    assert not verilator.available()
    with pytest.raises(ToolNotFound) as error:
        verilator.lint(["x.v"], "x")
    assert error.value.message == "Verilator is not installed"


def test_a_ccache_is_used_where_it_can_write(monkeypatch, tmp_path):
    program = tmp_path / "ccache"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert verilator.environment()["OBJCACHE"] == "ccache"
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert "OBJCACHE" not in verilator.environment()
    monkeypatch.setenv("HOME", str(tmp_path))
    program.unlink()
    assert "OBJCACHE" not in verilator.environment()
