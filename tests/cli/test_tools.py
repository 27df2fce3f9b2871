"""A missing tool: its checks are `not checked`; what cannot do without it ends with exit code 4."""

import json

import pytest
from cli.conftest import tree

BUILD = ("build", "net.h5", "--data", "data.csv", "--effort", "fast", "-o", "out")


def undecided(folder):
    """Name and detail of every check that was not checked."""
    checks = json.loads((folder / "out" / "manifest.json").read_text())["checks"]
    assert {check["status"] for check in checks} == {"passed", "proved", "not checked"}
    return {check["check"]: check["detail"] for check in checks if check["status"] == "not checked"}


@pytest.mark.tool("yosys")
@pytest.mark.parametrize("variable", ["IVERILOG", "VVP"])
def test_without_icarus_its_checks_are_not_checked(flow, model, tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nonexistent")
    said = flow(*BUILD, "--simulator", "icarus")
    assert (said.code, said.err) == (0, "")
    program = "Icarus Verilog's vvp is not installed"
    missing = "Icarus Verilog is not installed"
    expected = {
        "cocotb test with icarus": missing,
        "simulation with Icarus Verilog": missing if variable == "IVERILOG" else program,
        "netlist in Icarus Verilog": missing if variable == "IVERILOG" else program,
    }
    if variable == "IVERILOG":
        expected["lint with Icarus Verilog"] = missing
    assert undecided(tmp_path) == expected


@pytest.mark.tool("yosys")
def test_without_verilator_its_checks_are_not_checked(flow, model, tmp_path, monkeypatch):
    monkeypatch.setenv("VERILATOR", "/nonexistent")
    said = flow(*BUILD, "--simulator", "verilator")
    assert (said.code, said.err) == (0, "")
    missing = "Verilator is not installed"
    found = undecided(tmp_path)
    found.pop("netlist in Icarus Verilog", None)
    assert found == {"lint with Verilator": missing, "simulation with Verilator": missing}


@pytest.mark.tool("yosys")
def test_without_yosys_its_checks_are_not_checked(flow, model, tmp_path, monkeypatch):
    monkeypatch.setenv("YOSYS", "/nonexistent")
    said = flow(*BUILD, "--simulator", "none")
    assert (said.code, said.err) == (0, "")
    missing = "Yosys is not installed"
    assert undecided(tmp_path) == {"lint with Yosys": missing, "Verilog = circuit": missing}


def test_without_abc_nothing_can_be_built(flow, model, tmp_path, monkeypatch):
    monkeypatch.setenv("ABC", "/nonexistent")
    said = flow(*BUILD, "--simulator", "none")
    text = (
        "error: ABC is not installed\n"
        "  hint: pip install pyosys, which contains ABC, or set ABC to the path of a yosys-abc\n"
    )
    assert (said.err, said.out, said.code) == (text, "", 4)
    assert list(tree(tmp_path)) == ["data.csv", "net.h5"]


def test_a_tool_that_fails_is_shown_with_its_last_lines(flow, model, tmp_path, monkeypatch):
    fake = tmp_path / "abc"
    fake.write_text("#!/bin/sh\necho before; echo '\033[31mred'; exit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("ABC", str(fake))
    said = flow(*BUILD, "--simulator", "none")
    lines = said.err.splitlines()
    assert (lines[0], said.code) == ("error: variant plain: ABC ended with status 3", 4)
    assert lines[-2:] == ["  | before", "  | \\x1b[31mred"]
    assert not (tmp_path / "out").exists()
