"""`flow codesign`: widths within limits, a QONNX file that builds, a page, and its refusals."""

import json

import numpy as np
import pytest
from cli.test_quantisation import written

LESS = ("--epochs", 1, "--points", 0, "--widths", "3-6")
QUICK = ("--epochs", 2, "--points", 1, "--widths", "3-6", "-o", "out")


@pytest.fixture
def net(tmp_path):
    """A perceptron of three layers, and labelled data of which it decides most."""
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=s) / s[0] ** 0.5 for s in ((4, 8), (8, 6), (6, 3))]
    layers = [(f"fc{i}", k, "relu" if i < 2 else "softmax") for i, k in enumerate(kernels)]
    path = written(tmp_path / "net.h5", layers)
    x = rng.uniform(-1, 1, (300, 4))
    hidden = x
    for k in kernels[:2]:
        hidden = np.maximum(hidden @ k, 0)
    y = np.argmax(hidden @ kernels[2], axis=1)
    y[:15] = (y[:15] + 1) % 3
    np.savez(tmp_path / "d.npz", x=x, y=y)
    np.savez(tmp_path / "bare.npz", x=x)
    return path


def test_the_folder_holds_a_design_within_the_limit_that_builds(flow, net, tmp_path):
    said = flow("codesign", net, "--data", "d.npz", "--bops", "3.5k", *QUICK)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].split() == [
        "design", "sizes", "weights:reads", "BOPs", "model", "bits", "area", "rounded", "accuracy",
    ]  # fmt: skip
    assert lines[1].startswith("chosen")
    assert lines[-2:] == [
        "page: out/codesign.html", "next: flow build --config out/flow.toml -o DIR",
    ]  # fmt: skip
    found = json.loads((tmp_path / "out" / "codesign.json").read_text())
    chosen = found["designs"][0]
    assert chosen["bops"] <= 3500
    assert {d["kind"] for d in found["designs"]} == {"chosen", "mixed", "uniform"}
    assert [w["outputs"] for w in chosen["widths"]] == [8, 6, 3]
    assert found["samples"] == {"fit": 168, "choose": 57, "held out": 75}
    assert 0.5 < chosen["accuracy"] <= 1
    page = (tmp_path / "out" / "codesign.html").read_text()
    assert page.count("<svg") == 2
    assert "one width for all layers" in page
    built = flow("build", "--config", "out/flow.toml", "--to", "lower", "-o", "built")
    assert (built.code, built.err) == (0, "")
    notes = (tmp_path / "built" / "01-import" / "notes.txt").read_text()
    assert "no data" not in notes


def test_equal_commands_give_equal_folders(flow, net, tmp_path):
    files = []
    for name in ("a", "b"):
        said = flow("codesign", net, "--data", "d.npz", "--model-bits", 420, *LESS, "-o", name)
        assert said.code == 0
        files.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    assert sorted(files[0]) == [
        "codesign.html", "codesign.json", "flow.toml", "model.onnx", "test.npz",
    ]  # fmt: skip
    assert json.loads(files[0]["codesign.json"])["designs"][0]["model_bits"] <= 420


def test_sizes_are_searched_with_widths(flow, net):
    said = flow(
        "codesign", net, "--data", "d.npz", "--area", 900, "--sizes", 7, "--json", *QUICK,
        "--distil", 0.5, "--sensitivity", "exact", "--test", "d.npz",
    )  # fmt: skip
    found = json.loads(said.out)
    chosen, *others = found["designs"]
    sized = [d for d in others if d["kind"] == "sized"]
    assert said.code == 0
    assert chosen["area"] <= 900
    assert any(d["widths"][0]["outputs"] < 8 for d in sized)
    assert [d["bops"] for d in sized] == sorted(d["bops"] for d in sized)
    assert found["samples"]["held out"] == 300


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--data", "d.npz"), "no limit is given"),
        (("--data", "d.npz", "--bops", "many"), "'many' is no amount"),
        (("--data", "d.npz", "--bops", 9), "no widths keep bops at 9: the narrowest take 2,365"),
        (("--bops", "9k"), "codesign needs samples with labels"),
        (("--data", "bare.npz", "--bops", "9k"), "codesign needs samples with labels"),
        (("--data", "d.npz", "--bops", "9k", "--widths", "8-2"), "--widths 8-2 are no widths"),
        (("--data", "d.npz", "--bops", "9k", "--widths", "8"), "--widths 8 are no widths"),
        (
            ("--data", "d.npz", "--bops", "9k", "--distil", 2),
            "--distil 2.0 is no share from 0 to 1",
        ),
        (("--data", "d.npz", "--bops", "9k", "--epochs", -1), "--epochs -1 is not from 0 to 10000"),
    ],
)
def test_what_cannot_be_done_is_said(flow, net, given, message):
    said = flow("codesign", net, *QUICK, *given)
    assert said.code == 2
    assert said.err.splitlines()[0] == f"error: {message}"


def test_a_folder_of_something_else_is_left_alone(flow, net, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    said = flow("codesign", net, "--data", "d.npz", "--bops", "4k", *QUICK)
    assert said.code == 2
    assert said.err.splitlines()[0] == (
        "error: the output folder holds 'thesis.txt', which no codesign has written"
    )
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["thesis.txt"]


def test_an_output_folder_is_needed(flow, net):
    said = flow("codesign", net, "--data", "d.npz", "--bops", "4k")
    assert said.err.splitlines()[0] == "error: no output folder is named"
