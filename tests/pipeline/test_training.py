"""`flow train`: folders that `flow build` starts from, and what is refused."""

import json
from pathlib import Path

import numpy as np
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
def test_multipliers_that_only_move_bits_are_free():
    areas = multiplier_areas(load("egfet"), input_bits=2, weight_bits=4)
    assert [w for w, area in areas.items() if area == 0] == [0, 1, 2, 4, 5]
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
    assert run([*flow, "--calibrate", str(out / "fit.csv"), "-o", str(answers)]) == 0
    labels = [line.rsplit(",", 1)[1] for line in (out / "test.csv").read_text().split()[1:]]
    names = ("setosa", "versicolor", "virginica")
    said = [names[i] for i in np.load(answers).argmax(axis=1)]
    right = sum(a == b for a, b in zip(said, labels, strict=True))
    assert told["test"] == f"{right / len(labels):.4f}"
    assert 0.5 < float(told["crossed"]) < 1


@pytest.mark.parametrize(("way", "estimator"), [("--binary", "ste"), ("--ternary", "biper")])
def test_a_network_of_signs_is_a_folder_that_builds(tmp_path, capsys, way, estimator):
    spec = tmp_path / "iris.toml"
    spec.write_text('data = "sklearn:iris"\nhidden = [12]\n')
    out = tmp_path / "net"
    words = ["train", way, "--estimator", estimator, str(spec), "-o", str(out), "--json"]
    assert run(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["topology"]) == (str(out), "4-12-3")
    assert told["estimator"] == estimator
    assert sorted(path.name for path in out.iterdir()) == [
        "fit.csv", "flow.toml", "model.onnx", "test.csv",
    ]  # fmt: skip
    answers = tmp_path / "y.npy"
    assert run(["eval", "--config", str(out / "flow.toml"), "-o", str(answers)]) == 0
    labels = [line.rsplit(",", 1)[1] for line in (out / "test.csv").read_text().split()[1:]]
    names = ("setosa", "versicolor", "virginica")
    said = [names[i] for i in np.load(answers).argmax(axis=1)]
    right = sum(a == b for a, b in zip(said, labels, strict=True))
    assert told["test"] == f"{right / len(labels):.4f}"
    assert right / len(labels) > 0.7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--qat", "--genetic"],
            ["--genetic and --qat are two ways", "give one of them"],
        ),
        (["--baseline", "--loss", "1%"], ["--loss is for --clusters", "name both, or neither"]),
        (
            ["--estimator", "ste"],
            ["--estimator is for --binary and --ternary", "name one of them too"],
        ),
        (
            ["--binary", "--estimator", "adam", "-o", "out"],
            ["there is no estimator 'adam'", "choose ste, reste, biper"],
        ),
        (["--qat"], ["no output folder is named", "flow train --qat SPEC -o OUT"]),
    ],
)
def test_what_cannot_be_meant_is_refused(spec, capsys, words, message):
    assert run(["train", str(spec), *words]) == 2
    assert capsys.readouterr().err == f"error: {message[0]}\n  hint: {message[1]}\n"


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


def test_a_robust_training_says_what_is_left_beside_an_ordinary_one(tmp_path, capsys):
    spec = tmp_path / "iris.toml"
    spec.write_text('data = "sklearn:iris"\nhidden = [12]\n')
    out = tmp_path / "net"
    assert run(["train", "--robust", "faults", str(spec), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["folder"], told["topology"]) == (str(out), "4-12-3")
    assert float(told["faulty"]) > float(told["ordinary faulty"]) + 0.1
    assert sorted(path.name for path in out.iterdir()) == [
        "fit.csv", "flow.toml", "model.skops", "test.csv",
    ]  # fmt: skip
