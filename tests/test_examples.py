"""The example builds, and its report says what was built."""

import json

import numpy as np
import pytest

from flow.cli.main import run
from flow.pipeline.folder import hashes, read_manifest

pytestmark = [pytest.mark.slow, pytest.mark.tool("icarus"), pytest.mark.tool("verilator")]

FOLDERS = [
    "01-import", "02-lower", "03-optimise", "04-emit", "05-simulate", "06-synthesise",
    "07-prove", "08-measure", "09-report", "constraints", "netlist", "rtl", "synth", "tb",
    "vectors",
]  # fmt: skip
FILES = ["README.md", "breast_cancer.core", "breast_cancer.f", "manifest.json", "report.html",
         "report.json"]  # fmt: skip


@pytest.fixture(scope="module")
def report(demo):
    return json.loads((demo / "report.json").read_text())


def test_the_output_folder_holds_what_the_readme_promises(demo):
    assert sorted(p.name for p in demo.iterdir() if p.is_dir()) == FOLDERS
    assert sorted(p.name for p in demo.iterdir() if p.is_file()) == sorted(FILES)
    assert read_manifest(demo)["files"] == hashes(demo)


def test_every_check_ran_and_holds(report):
    status = {check["check"]: check["status"] for check in report["checks"]}
    assert {name: s for name, s in status.items() if s not in ("proved", "passed")} == {}
    proved = {name for name, s in status.items() if s == "proved"}
    assert {"Verilog = circuit", "netlist = mapped graph"} <= proved
    simulated = {
        "cocotb test with icarus",
        "simulation with Icarus Verilog",
        "simulation with Verilator",
        "netlist in Icarus Verilog",
    }
    assert simulated <= set(status) - proved


def test_the_circuit_is_nearly_as_accurate_as_the_model(report):
    accuracy = report["accuracy"]
    assert accuracy["samples"] == 171
    assert accuracy["circuit"] == accuracy["network"]
    assert accuracy["framework"] - accuracy["circuit"] <= 0.01
    assert sum(map(sum, accuracy["confusion"])) == 171


def test_a_printed_battery_can_drive_it(report):
    assert any(source["drives"] for source in report["sources"])
    assert report["power"]["how"] == "vectors"


def test_its_converters_have_only_the_comparators_that_it_needs(report):
    sensors = report["sensors"]
    assert [row["name"] for row in sensors["rows"]][:2] == ["worst_radius", "worst_texture"]
    assert all(row["bits_read"] <= row["bits"] for row in sensors["rows"])
    assert 0 < sensors["area_um2"] < sensors["whole_area_um2"]
    assert 0 < sensors["power_mw"] < sensors["whole_power_mw"]


def test_it_is_measured_at_every_supply(report):
    rows = report["supplies"]
    assert [row["voltage"] for row in rows] == [0.6, 0.8, 1.0, 1.2]
    powers = [row["power_mw"] for row in rows]
    assert powers == sorted(powers)
    measured = report["power"]["leakage_mw"] + report["power"]["switching_mw"]
    assert np.isclose(powers[0], measured)  # The example is built at 0.6 V.
    assert all(row["in_time"] == (row["delay_ms"] <= row["period_ms"]) for row in rows)


def test_the_layers_add_up(report):
    assert sum(row["cells"] for row in report["layers"]) == sum(
        cell["count"] for cell in report["area"]["cells"]
    )
    assert np.isclose(sum(row["area_um2"] for row in report["layers"]), report["area"]["um2"])


def test_the_build_folder_answers_like_the_model(demo, root, tmp_path):
    data = root / "examples/breast_cancer/test.csv"
    assert run(["eval", str(demo), "--data", str(data), "-o", str(tmp_path / "y.npy")]) == 0
    answers = np.load(tmp_path / "y.npy").ravel()
    expected = np.load(demo / "vectors/expected.npy").ravel()
    assert (answers == expected).all()


def test_no_file_names_a_place_on_this_machine(demo, root):
    for path in sorted(p for p in demo.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for place in (str(root), str(demo.parent), "/tmp/"):
            assert place.encode() not in content, path
