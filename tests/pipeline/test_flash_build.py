"""A whole build of a small machine with flash cells, and its cells programmed anew."""

from __future__ import annotations

import json
import shutil

import pytest

from flow.cli.main import run
from flow.mapping.flash.programming import read_program
from flow.pipeline.folder import hashes, read_manifest

pytestmark = pytest.mark.slow

MACHINE = """.model tiny
.inputs a b c d
.outputs y z
.latch n1 s0 0
.latch n2 s1 0
.latch s1 s2 0
.names a b c n1
11- 1
1-1 1
-11 1
.names s0 d a n2
11- 1
1-1 1
.names s2 s0 y
10 1
01 1
.names s1 d z
11 1
.end
"""
WITHOUT = MACHINE.replace(".latch n1 s0 0\n.latch n2 s1 0\n.latch s1 s2 0\n", "").replace(
    "\n.outputs", " s0 s1 s2\n.outputs"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flash")
    (folder / "tiny.blif").write_text(MACHINE)
    out = folder / "out"
    file = str(folder / "tiny.blif")
    assert run(["build", file, "--target", "flash", "--effort", "fast", "-o", str(out)]) == 0
    return out


@pytest.mark.tool("yosys")
def test_flip_flops_and_their_logic_are_cells_in_verilog_and_in_the_report(built):
    text = (built / "netlist" / "flash.v").read_text()
    assert text.count("tl_ff #(") == 2
    assert text.count("dfxtp_1 ") == 1
    ports = (built / "netlist" / "ports.txt").read_text()
    assert ports == "a a\nb b\nc c\nd d\ny y\nz z\n"
    notes = json.loads((built / "report.json").read_text())["notes"]
    assert notes[0] == "2 of 3 flip-flops (67%) and the gates before them are flash threshold cells"
    assert notes[1] == "area with flash cells 52 um2, without 96 um2 (-46.5%)"
    names = [path.relative_to(built).as_posix() for path in sorted(built.glob("flash/*"))]
    assert names == [
        "flash/cells.txt", "flash/flash_1_1_1_t2.cir", "flash/flash_2_1_1_t3.cir",
        "flash/program.txt",
    ]  # fmt: skip


@pytest.mark.tool("ngspice")
def test_the_cells_are_proved_read_back_and_simulated(built):
    rows = json.loads(next(built.glob("*-cells/verdicts.json")).read_text())
    assert [(row["check"], row["status"]) for row in rows] == [
        ("netlist with flash cells = design", "proved"),
        ("programming file read back", "proved"),
        ("flash cells decide in SPICE as their gates", "passed"),
    ]


@pytest.mark.tool("yosys")
def test_retuning_adds_a_programming_file_with_a_faster_cell_to_a_whole_folder(
    built, tmp_path, capsys
):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (tmp_path / "slack.txt").write_text("# after fabrication\ns0 -9\ns1, 30\n")
    assert run(["retune", str(out), "--slack", str(tmp_path / "slack.txt"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "flash/program-2.txt"
    assert [cell["name"] for cell in told["cells"]] == ["s0"]
    before = {c.name: c for c in read_program((out / "flash/program.txt").read_text())}
    after = {c.name: c for c in read_program((out / "flash/program-2.txt").read_text())}
    assert after["s0"].delay_ps <= before["s0"].delay_ps - 9
    assert after["s1"] == before["s1"]
    assert read_manifest(out)["files"] == hashes(out)
    assert run(["retune", str(out), "--slack", str(tmp_path / "slack.txt")]) == 0
    assert (out / "flash/program-3.txt").is_file()


@pytest.mark.tool("yosys")
@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("s0 -400", "the cell s0 cannot be made 400 ps faster than"),
        ("s9 -4", "there is no flash cell 's9'"),
        ("s0 fast", "not a cell and its slack in whole ps: 's0 fast'"),
    ],
)
def test_a_report_that_cannot_be_met_leaves_the_folder_as_it_was(
    built, tmp_path, capsys, report, message
):
    before = hashes(built)
    (tmp_path / "slack.txt").write_text(report + "\n")
    assert run(["retune", str(built), "--slack", str(tmp_path / "slack.txt")]) in (2, 5)
    assert message in capsys.readouterr().err
    assert hashes(built) == before


def test_a_folder_that_is_no_build_is_refused(tmp_path, capsys):
    (tmp_path / "slack.txt").write_text("s0 -1\n")
    assert run(["retune", str(tmp_path), "--slack", str(tmp_path / "slack.txt")]) == 2
    assert "this is not the output folder of a build" in capsys.readouterr().err


@pytest.mark.tool("yosys")
def test_a_design_without_flip_flops_is_built_without_cells(tmp_path):
    (tmp_path / "plain.blif").write_text(WITHOUT)
    out = tmp_path / "out"
    file = str(tmp_path / "plain.blif")
    assert run(["build", file, "--target", "flash", "--effort", "fast", "-o", str(out)]) == 0
    assert not (out / "flash").exists()
    notes = json.loads((out / "report.json").read_text())["notes"]
    assert notes[0] == "no flash cells: the design has no flip-flop"
