"""`flow train`: folders that `flow build` starts from, and what is refused."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from flow.cli.main import run
from flow.pipeline.multiplier_areas import multiplier_areas
from flow.tech.registry import load

SPEC = 'data = "sklearn:iris"\nhidden = [1]\n'


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "iris.toml"
    path.write_text(SPEC)
    return path


@pytest.mark.tool("yosys")
def test_multipliers_by_a_power_of_two_are_free_and_shifts_cost_nothing():
    areas = multiplier_areas(load("egfet"), input_bits=2, weight_bits=4)
    assert [w for w, area in areas.items() if area == 0] == [0, 1, 2, 4]
    assert areas[3] == areas[6] > 0
    assert sorted(areas) == list(range(8))


def test_the_baseline_is_a_folder_that_builds(spec, tmp_path, capsys):
    out = tmp_path / "base"
    assert run(["train", "--baseline", str(spec), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["topology"]) == (str(out), "4-1-3")
    assert sorted(path.name for path in out.iterdir()) == [
        "fit.csv", "flow.toml", "model.skops", "test.csv",
    ]  # fmt: skip
    answers = tmp_path / "y.npy"
    flow = ["eval", str(out / "model.skops"), "--data", str(out / "test.csv")]
    assert run([*flow, "--calibrate", str(out / "fit.csv"), "-o", str(answers), "--json"]) == 0
    accuracy = Fraction(str(json.loads(capsys.readouterr().out)["accuracy"]["network"]))
    assert abs(accuracy - Fraction(told["test"])) < Fraction(1, 1000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--baseline", "--genetic"], "error: --genetic and --baseline are two ways\n  hint: give one of them\n"),
        (["--baseline", "--loss", "1%"], "error: --loss is for --clusters\n  hint: name both, or neither\n"),
        (["--baseline"], "error: no output folder is named\n  hint: flow train --baseline SPEC -o OUT\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(spec, capsys, words, message):
    assert run(["train", str(spec), *words]) == 2
    assert capsys.readouterr().err == message


def test_a_folder_of_others_is_left_alone(spec, tmp_path, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    Path(out / "notes.txt").write_text("mine")
    assert run(["train", "--baseline", str(spec), "-o", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "error: the output folder holds 'notes.txt', which no training has written",
        f"  at {out}",
        "  hint: name another folder with -o",
    ]
