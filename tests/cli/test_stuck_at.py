"""`flow faults` and `flow build --harden` on a small build."""

import hashlib
import json

import pytest
from cli.conftest import tree
from small_build import QUICK, write_model

from flow.cli.main import run


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build of a perceptron, hardened within a quarter of its area; and its plain twin."""
    folder = tmp_path_factory.mktemp("faults")
    model, data = write_model(folder)
    words = ["build", model, "--data", data, *QUICK, "--json", "-o"]
    for name, more in (("plain", ()), ("hard", ("--harden", "25%"))):
        assert run([str(word) for word in (*words, folder / name, *more)]) == 0
    return folder


def test_a_study_lies_beside_the_build_which_stays(flow, built):
    before = tree(built / "plain")
    said = flow("faults", built / "plain", "--data", built / "data.csv", "--json")
    assert (said.code, said.err) == (0, "")
    assert tree(built / "plain") == before
    made = built / "plain-faults"
    assert sorted(tree(made)) == ["faults.csv", "faults.html", "faults.json", "manifest.json"]
    assert (made / "faults.json").read_text() == said.out
    found = json.loads(said.out)
    assert (found["metric"], found["samples"], found["margin"]) == ("accuracy", 40, 0.0)
    assert found["simulated"] == found["faults"] == 2 * found["lines"]
    rows = (made / "faults.csv").read_text().splitlines()
    assert len(rows) == 1 + found["faults"]
    assert sum(layer["faults"] for layer in found["layers"]) == found["faults"]
    assert {n["layer"] for n in found["neurons"]} == {layer["name"] for layer in found["layers"]}
    assert found["all"]["masked"] == pytest.approx(
        sum(kind["faults"] * kind["masked"] for kind in found["kinds"]) / found["faults"]
    )
    manifest = json.loads((made / "manifest.json").read_text())
    whole = (built / "plain" / "manifest.json").read_bytes()
    assert manifest["faults_of"] == hashlib.sha256(whole).hexdigest()


def test_a_sample_of_faults_says_its_margin(flow, built):
    said = flow("faults", built / "plain", "--most", "10", "-o", built / "drawn", "--json")
    found = json.loads(said.out)
    assert (said.code, found["metric"], found["value"]) == (0, "agreement", 1.0)
    assert (found["margin"], found["simulated"] < found["faults"]) == (0.01, True)


@pytest.mark.tool("icarus")
def test_vectors_show_all_that_can_be_shown(flow, built):
    said = flow("faults", built / "plain", "--vectors", "-o", built / "tester", "--json")
    found = json.loads(said.out)["vectors"]
    assert (said.code, found["undecided"]) == (0, 0)
    assert found["shown"] + found["redundant"] == found["classes"]
    assert found["agree"] == found["replayed"] > 100
    files = tree(built / "tester" / "vectors")
    assert sorted(files) == ["expected.hex", "inputs.hex", "layout.json", "stuck_at.stil"]
    assert files["inputs.hex"].count(b"\n") == found["vectors"]
    assert files["stuck_at.stil"].count(b"  V { ") == found["vectors"]


def test_hardening_leaves_less_harm_within_its_area(flow, built):
    found, area = {}, {}
    for name in ("plain", "hard"):
        out = built / f"{name}-again"
        words = ("faults", built / name, "--data", built / "data.csv", "-o", out, "--json")
        found[name] = json.loads(flow(*words).out)
        report = json.loads((built / name / "report.json").read_text())
        area[name] = report["area"]["um2"]
    harmful = {n: round(f["all"]["above"][1] * f["faults"]) for n, f in found.items()}
    assert area["plain"] < area["hard"] <= 1.25 * area["plain"]
    assert 0 < harmful["hard"] < harmful["plain"]
    checks = json.loads((built / "hard" / "manifest.json").read_text())["checks"]
    (proof,) = (c for c in checks if c["check"] == "netlist = mapped graph")
    assert proof["status"] == "proved"


def test_a_curve_begins_with_the_plain_circuit(flow, built):
    out = built / "curve"
    said = flow("faults", built / "plain", "--data", built / "data.csv", "--curve", "-o", out)
    assert said.code == 0
    points = json.loads((out / "faults.json").read_text())["curve"]
    assert [p["what"] for p in points] == ["none", "10%", "25%", "50%", "100%", "all"]
    assert points[0]["harmful"] == points[0]["before"] > points[2]["harmful"]
    limits = (0.0, 0.1, 0.25, 0.5, 1.0)
    assert all(p["area"] <= limit + 1e-9 for p, limit in zip(points, limits, strict=False))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            ("--harden", "much"),
            "--harden much is no hardening",
            "write 25% (of the area), cells=20 (the worst), registers or all",
        ),
        (
            ("--harden", "registers"),
            "--harden registers: the circuit has no registers",
            "write 25% (of the area), cells=20 (the worst), registers or all",
        ),
        (
            ("--harden", "all", "--target", "fpga"),
            "--harden is for circuits of cells, the target is fpga",
            "leave it out, or build with --target printed or asic",
        ),
        (
            ("--harden", "25%", "--stages", "1"),
            "--harden 25% needs a combinational circuit, and this one has registers",
            "write registers or all, or build without stages",
        ),
    ],
)
def test_a_hardening_that_cannot_be_is_refused(flow, model, tmp_path, options, message, hint):
    words = ("build", model, "--data", "data.csv", *QUICK, *options, "-o", "out")
    said = flow(*words)
    assert (said.code, said.err) == (2, f"error: {message}\n  hint: {hint}\n")
    assert not (tmp_path / "out").exists()


def test_registers_in_three_copies_are_proved_and_verified(flow, model, tmp_path):
    words = ("build", model, "--data", "data.csv", *QUICK, "--stages", "1", "--harden", "registers")
    said = flow(*words, "-o", "out", "--json")
    assert said.code == 0
    held = (tmp_path / "out" / "06-synthesise" / "held.txt").read_text().split()
    assert held == [name for name in dict.fromkeys(held) for _ in range(3)]
    said = flow("verify", "out", "--json")
    (proof,) = (c for c in json.loads(said.out) if c["check"] == "netlist = mapped graph")
    assert (said.code, proof["status"]) == (0, "proved")
    said = flow("faults", "out")
    assert said.code == 2
    assert said.err.startswith("error: the netlist holds state: flipflop ")
    assert said.err.endswith(
        "  hint: faults are those of combinational circuits: build without stages\n"
    )
