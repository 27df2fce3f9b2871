"""The target flash from files of users to a proved netlist of threshold gates, and back again."""

import json
from dataclasses import replace

import pytest
from small_build import flow, write_model

from flow.ir.threshold import ThresholdGate
from flow.ir.threshold_text import parse_threshold, print_threshold

DESIGN = """
module small(input clk, input [3:0] a, input [3:0] b, output reg [4:0] y);
  always @(posedge clk) y <= a + b;
endmodule
"""
NEURONS = """two neurons
.model pair
.inputs a b c d e f g h i j k
.outputs y z
.threshold a b c d e f g h i j k y
3 -2 5 1 -7 4 4 2 -1 6 3 5
.threshold y a k z
-4 2 2 0
"""


def checks(folder):
    report = json.loads((folder / "report.json").read_text())
    return {check["check"]: check["status"] for check in report["checks"]}


@pytest.mark.tool("abc", "compiler", "yosys")
@pytest.mark.slow
def test_verilog_becomes_a_proved_netlist_which_flow_verify_proves_again(tmp_path):
    (tmp_path / "small.v").write_text(DESIGN)
    done = flow("build", "small.v", "--target", "flash", "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    netlist = parse_threshold((tmp_path / "out/netlist/threshold.th").read_text())
    assert (netlist.size, netlist.widest, len(netlist.flipflops)) == (8, 4, 5)
    assert checks(tmp_path / "out")["threshold netlist = design"] == "proved"
    again = flow("verify", "out", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "threshold netlist = design" in again.stdout


@pytest.mark.tool("abc", "compiler", "yosys")
@pytest.mark.slow
def test_given_gates_are_made_narrow_and_proved_by_integers(tmp_path):
    (tmp_path / "pair.th").write_text(NEURONS)
    options = ("--target", "flash", "--fan-in", "4", "-o", "out")
    done = flow("build", "pair.th", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    place = tmp_path / "out/netlist/threshold.th"
    netlist = parse_threshold(place.read_text())
    assert netlist.widest == 4
    assert checks(tmp_path / "out") == {"threshold netlist = given gates": "proved"}
    last = netlist.gates[-1]
    wrong = replace(last, gate=ThresholdGate(last.gate.weights, last.gate.threshold + 1))
    place.write_text(print_threshold(replace(netlist, gates=(*netlist.gates[:-1], wrong))))
    again = flow("verify", "out", cwd=tmp_path)
    assert again.returncode == 5
    assert "disproved" in again.stdout


@pytest.mark.tool("abc", "compiler", "yosys")
@pytest.mark.slow
def test_a_model_becomes_threshold_gates(tmp_path):
    write_model(tmp_path)
    done = flow(
        "build", "model.onnx", "--data", "data.csv", "--target", "flash", "--input-bits", "2",
        "--weight-bits", "2", "--activation-bits", "2", "--effort", "fast", "-o", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert checks(tmp_path / "out") == {"threshold netlist = given gates": "proved"}
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["accuracy"]["samples"] == 40


@pytest.mark.tool("abc", "compiler", "yosys")
@pytest.mark.shared
@pytest.mark.slow
def test_every_neuron_of_a_binary_network_is_one_gate(shared, tmp_path):
    model = shared / "models/keras_binary_3layer/KERAS_3layer_binary_smaller.json"
    options = ("--target", "flash", "--head", "decision", "--fan-in", 0, "-o", "out")
    done = flow("build", model, *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert checks(tmp_path / "out") == {"threshold netlist = given gates": "proved"}
    notes = json.loads((tmp_path / "out/report.json").read_text())["notes"]
    assert "every neuron is one gate; they answer 256 samples as the network" in notes
    given = parse_threshold((tmp_path / "out/01-read/design.th").read_text())
    assert given.size == 64 + 32 + 32 + 10 + 5 + 3


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (("--stages", "2"), "--stages is not for a circuit that is given", "leave it out"),
        (("--reuse", "2"), "--reuse is not for the target flash", "leave it out"),
        (
            ("--fan-in", "1"),
            "--fan-in 1 leaves no gate",
            "the most inputs of a gate are 2 and more, or 0",
        ),
    ],
)
def test_options_without_a_meaning_here_are_refused(tmp_path, options, message, hint):
    (tmp_path / "pair.th").write_text(NEURONS)
    done = flow("build", "pair.th", "--target", "flash", *options, "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"error: {message}", f"  hint: {hint}"]
    assert not (tmp_path / "out").exists()
