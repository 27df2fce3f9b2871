"""Circuits that watch themselves, and sequential ones under upsets: from the command line."""

import json

import pytest
from small_build import QUICK, flow, write_model

from flow.ir.network import evaluate_network
from flow.pipeline.fault_harm import harm_of
from flow.pipeline.faulting import open_subject

pytestmark = [pytest.mark.tool("yosys")]


def test_a_watched_circuit_is_built_and_proved_and_its_accuracy_is_that_of_its_answers(tmp_path):
    write_model(tmp_path)
    words = ("build", "model.onnx", "--data", "data.csv", *QUICK, "--json")
    done = flow(*words, "--fingerprint", "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {check["status"] for check in report["checks"]} <= {"proved", "passed", "not checked"}
    assert report["accuracy"]["samples"] == 40
    assert "the alarm is raised at 0.00 % of the samples without any fault" in report["notes"]
    subject = open_subject(tmp_path / "out", tmp_path / "data.csv")
    assert subject.design.network.outputs[-1] == "alarm"
    answers = evaluate_network(subject.design.network, {"x": subject.design.inputs["x"]})
    assert not answers["alarm"].any()
    harm = harm_of(subject.netlist, subject.technology, subject.bits, subject.judge)
    assert harm.base / harm.samples == report["accuracy"]["circuit"]
    assert harm.false_alarms == 0
    # Most of what costs accuracy is told; the alarm's own faults cost none.
    told = harm.told[harm.harmful] > 0
    assert told.mean() > 0.5
    assert (harm.told[~harm.harmful] > 0).any()
    # It has no flip-flops that could be upset.
    refused = flow("faults", "out", "--upsets", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        2, "error: the circuit has no flip-flops",
    )  # fmt: skip


def test_every_flip_flop_of_a_pipeline_is_upset_and_none_hangs(tmp_path):
    write_model(tmp_path)
    words = ("build", "model.onnx", "--data", "data.csv", *QUICK, "--stages", "2", "-o", "out")
    assert flow(*words, "--to", "emit", cwd=tmp_path).returncode == 0
    done = flow("faults", "out", "--upsets", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out-upsets" / "upsets.json").read_text())
    assert told["places"] == told["all_places"] == told["flipflops"] * told["clocks"]
    assert told["upsets"] == told["places"] * 40
    assert (told["hangs"], told["lasting"]) == (0, 0)
    assert 0 < told["wrong"] < told["upsets"]
    lines = (tmp_path / "out-upsets" / "upsets.csv").read_text().splitlines()
    assert lines[0] == "flipflop,clock,wrong,shifted,lasting,hangs"
    assert len(lines) == 1 + told["places"]
    alone = flow("faults", "out", "--upsets", "--vectors", cwd=tmp_path)
    assert (alone.returncode, alone.stderr) == (
        2, "error: --upsets stands alone\n  hint: leave out --data, --curve and --vectors\n",
    )  # fmt: skip
