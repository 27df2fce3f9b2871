"""`--target lpu` of a network: neurons of wires, proved and simulated; the folder opens again."""

import json
import shutil

import pytest
from small_build import flow, write_model

from flow.cli.main import run
from flow.pipeline.verifying import verify

pytestmark = [pytest.mark.tool("yosys"), pytest.mark.tool("icarus")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build of a perceptron of 4-3-2, and what was printed."""
    folder = tmp_path_factory.mktemp("lpu")
    write_model(folder)
    said = flow(
        "build", "model.onnx", "--data", "data.csv", "-o", "out", "--target", "lpu",
        "--simulator", "icarus", cwd=folder,
    )  # fmt: skip
    return folder, said


def test_a_network_becomes_proved_neurons(built):
    folder, said = built
    assert (said.returncode, said.stderr) == (0, "")
    report = json.loads((folder / "out" / "report.json").read_text())
    states = {check["check"]: check["status"] for check in report["checks"]}
    assert set(states.values()) == {"passed", "proved"}
    assert states["wires = weights of h"] == states["wires = weights of y"] == "proved"
    assert states["Verilog = neuron, level 0"] == "proved"
    assert states["simulation with Icarus Verilog"] == "passed"
    latency = report["latency"]
    assert latency["cycles"] == 2 * latency["interval"] + 1
    rows = {row["layer"]: row for row in report["layers"]}
    assert list(rows) == ["h", "y", "between0", "between1", "registers"]
    assert rows["h"]["weights"] == 12


def test_the_folder_is_verified_again(built):
    folder, _ = built
    checks = {verdict.check: verdict for verdict in verify(folder / "out")}
    assert not any(verdict.bad for verdict in checks.values())
    assert checks["files = the neurons of the network"].detail == "21 files"
    assert checks["wires = weights of y"].status == "proved"
    assert checks["simulation with Icarus Verilog"].detail == "40 samples"


def test_a_wire_that_was_moved_is_found(built, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(built[0] / "out", folder)
    (wires,) = (folder / "rtl").glob("*level1_wires.v")
    wires.write_text(wires.read_text().replace("[0]", "[1]", 1))
    *_, last = verify(folder)
    assert (last.status, last.detail) == (
        "failed", "rtl/model_level1_wires.v is not what flow writes for the network",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "code", "lines"),
    [
        (("--rows", "2"), 2, [
            "error: --rows means nothing to a network on the target lpu",
            "  hint: leave it out, or build for asic, fpga or printed",
        ]),
        (("--data", "data.csv", "--weight-bits", "8"), 3, [
            "error: the weights of h have 9 magnitudes",
            "  hint: at most 8 are hardwired: give --weight-bits 4",
        ]),
    ],
)  # fmt: skip
def test_what_cannot_be_hardwired_is_refused(built, capsys, monkeypatch, options, code, lines):
    monkeypatch.chdir(built[0])
    assert run(["build", "model.onnx", "-o", "no", "--target", "lpu", *options]) == code
    assert capsys.readouterr().err.splitlines() == lines
