"""Yosys and ABC as functions."""

from dataclasses import replace
from unittest.mock import ANY

import pytest

from flow.errors import ToolFailed, ToolNotFound, UsageError
from flow.tools import abc as abc_tool
from flow.tools import yosys as yosys_tool
from flow.tools.abc import abc
from flow.tools.yosys import yosys

pytestmark = pytest.mark.tool("yosys")

AND = "module top(input a, b, output y); assign y = a & b; endmodule\n"
NOT_OR = "module top(input a, b, output y); assign y = ~(~a | ~b); endmodule\n"
OR = "module top(input a, b, output y); assign y = a | b; endmodule\n"


def _aiger(folder, name, verilog):
    (folder / f"{name}.v").write_text(verilog)
    yosys([f"read_verilog {name}.v", "synth", "aigmap", f"write_aiger {name}.aig"], folder)


def test_both_are_here_and_know_their_version():
    assert (yosys_tool.available(), abc_tool.available()) == (True, True)
    assert yosys_tool.version().startswith("Yosys 0.")
    assert abc_tool.version().startswith("ABC 1.")


def test_a_script_runs_in_its_folder(tmp_path):
    (tmp_path / "and.v").write_text(AND)
    done = yosys("read_verilog and.v\nsynth -top top\nwrite_json and.json\n", tmp_path, 60)
    assert done.returncode == 0
    assert "Running command `synth -top top'" in done.log
    assert yosys(["read_verilog and.v", "synth -top top", "write_json and.json"], tmp_path) == (
        replace(done, seconds=ANY)
    )
    assert '"top"' in (tmp_path / "and.json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["and.json", "and.v"]


def test_a_failing_yosys_command_is_told():
    with pytest.raises(ToolFailed) as error:
        yosys("read_verilog nowhere.v")
    assert error.value.message == "Yosys ended with status 1"
    assert "Can't open input file `nowhere.v'" in error.value.log or (
        "File `nowhere.v' not found" in error.value.log
    )


def test_an_unknown_yosys_command_is_told():
    with pytest.raises(ToolFailed) as error:
        yosys("frobnicate")
    assert "No such command: frobnicate" in error.value.log


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("frobnicate", "ABC failed: ** cmd error: unknown command 'frobnicate'"),
        ("read nowhere.aig", 'ABC failed: Cannot open input file "nowhere.aig".'),
        (["read_lib nowhere.lib"], 'ABC failed: Cannot open input file "nowhere.lib".'),
        (["ps"], "ABC failed: Error: Empty network."),
    ],
)
def test_a_failing_abc_command_is_told_although_abc_ends_well(tmp_path, script, message):
    with pytest.raises(ToolFailed) as error:
        abc(script, tmp_path, 60)
    assert error.value.message == message


def test_equal_and_unequal_circuits_are_told_apart_by_abc(tmp_path):
    for name, verilog in (("x", AND), ("y", NOT_OR), ("z", OR)):
        _aiger(tmp_path, name, verilog)
    assert "Networks are equivalent" in abc("&r x.aig; &cec y.aig", tmp_path, 60).log
    assert "NOT EQUIVALENT" in abc(["&r x.aig", "&cec z.aig"], tmp_path, 60).log


def test_the_paths_of_the_tools_can_be_set(monkeypatch, tmp_path):
    monkeypatch.setenv("YOSYS", str(tmp_path / "yosys"))
    monkeypatch.setenv("ABC", str(tmp_path / "abc"))
    assert (yosys_tool.available(), abc_tool.available()) == (False, False)
    with pytest.raises(ToolNotFound) as error:
        yosys("help")
    assert error.value.message == "Yosys is not installed"
    assert error.value.hint == "pip install pyosys, or set YOSYS to the path of a yosys program"
    with pytest.raises(ToolNotFound) as error:
        abc("version")
    assert error.value.message == "ABC is not installed"
    (tmp_path / "yosys").write_text('#!/bin/sh\necho Yosys 9.99 "$@"\n')
    (tmp_path / "yosys").chmod(0o755)
    assert yosys_tool.version() == "Yosys 9.99"
    assert yosys("help").log == "Yosys 9.99 -s script.ys\n"


def test_file_names_are_quoted_or_refused():
    assert yosys_tool.file_name("a/b-1.v") == "a/b-1.v"
    assert yosys_tool.file_name("my design.v") == '"my design.v"'
    assert abc_tool.file_name("a/b-1.aig") == "a/b-1.aig"
    with pytest.raises(UsageError) as error:
        yosys_tool.file_name('x"; exec rm.v')
    assert error.value.message == "Yosys cannot take the path 'x\"; exec rm.v'"
    with pytest.raises(UsageError) as error:
        abc_tool.file_name("x;!ls")
    assert error.value.message == "ABC cannot take the path 'x;!ls'"


def test_yosys_reads_a_file_by_its_quoted_name(tmp_path):
    name = "my (odd) design; exec.v"
    (tmp_path / name).write_text(AND)
    done = yosys(
        [f"read_verilog {yosys_tool.file_name(name)}", "hierarchy -check -top top"], tmp_path
    )
    assert done.returncode == 0
