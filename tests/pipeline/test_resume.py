"""`--to` ends early, `--from` goes on from an earlier build and gives the same bytes."""

from __future__ import annotations

import json
import shutil

import pytest
from small_build import QUICK, flow, write_model

from flow.pipeline.build import own_folder
from flow.pipeline.circuit_stages import STAGES
from flow.pipeline.folder import hashes, read_manifest

NAMES = [stage.name for stage in STAGES]
pytestmark = [pytest.mark.tool("yosys"), pytest.mark.tool("icarus")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with the model and a finished build in `out`."""
    folder = tmp_path_factory.mktemp("resume")
    write_model(folder)
    done = run(folder, "out")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def again(whole, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def run(folder, out, *options, quick=QUICK):
    return flow(
        "build", "model.onnx", "--data", "data.csv", "-o", out, *quick, *options, cwd=folder
    )


def tree(folder):
    """Hashes of all files, and the manifest."""
    return hashes(folder), read_manifest(folder)


@pytest.mark.parametrize("last", ["import", "optimise", "emit", "synthesise"])
def test_a_build_ends_after_the_stage_that_is_named(whole, tmp_path, last):
    done = run(whole, tmp_path / "part", "--to", last)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["ended", "after", "stage", last + ":", str(tmp_path / "part")]
    manifest = read_manifest(tmp_path / "part")
    until = NAMES.index(last) + 1
    assert (manifest["whole"], manifest["stages"]) == (False, NAMES[:until])
    folders = sorted(p.name for p in (tmp_path / "part").iterdir() if p.name[0].isdigit())
    assert folders == [own_folder(i, stage) for i, stage in enumerate(STAGES[:until])]


def test_a_whole_build_says_so(whole):
    manifest = read_manifest(whole / "out")
    assert (manifest["whole"], manifest["stages"]) == (True, NAMES)


@pytest.mark.parametrize("first", ["import", "synthesise"])
def test_going_on_from_a_stage_gives_the_same_bytes(whole, again, first):
    done = run(again, "out", "--from", first)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(again / "out") == tree(whole / "out")


@pytest.mark.campaign
@pytest.mark.parametrize("first", [n for n in NAMES if n not in ("import", "synthesise")])
def test_going_on_from_any_stage_gives_the_same_bytes(whole, again, first):
    done = run(again, "out", "--from", first)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(again / "out") == tree(whole / "out")


def test_a_part_and_the_rest_give_the_same_bytes_as_a_whole(whole, again):
    shutil.rmtree(again / "out")
    assert run(again, "out", "--to", "emit").returncode == 0
    assert run(again, "out", "--from", "simulate").returncode == 0
    assert tree(again / "out") == tree(whole / "out")


def test_a_part_does_not_serve_for_later_stages(again):
    shutil.rmtree(again / "out")
    assert run(again, "out", "--to", "lower").returncode == 0
    done = run(again, "out", "--from", "simulate")
    assert (done.returncode, done.stderr) == (
        2,
        "error: the earlier build ended after stage lower\n"
        "  at out\n"
        "  hint: give --from optimise, or an earlier stage\n",
    )


CHOICES = "error: the earlier build was made with other choices\n"
CHANGED = "error: the earlier build has been changed since it was made\n"
REST = "  at out\n  hint: build it anew without --from\n"


def other_weights(folder):
    write_model(folder, seed=1)
    return ()


def other_data(folder):
    text = (folder / "data.csv").read_text().splitlines()
    (folder / "data.csv").write_text("\n".join(text[:-1]) + "\n")
    return ()


def other_seed(folder):
    return ("--seed", "3")


def other_file(folder):
    path = folder / "out" / "03-optimise" / "circuit.flow"
    path.write_text(path.read_text().replace(" 1\n", " 2\n", 1))
    return ()


def one_more_file(folder):
    (folder / "out" / "rtl" / "more.v").write_text("module more;\nendmodule\n")
    return ()


def one_file_less(folder):
    (folder / "out" / "01-import" / "notes.txt").unlink()
    return ()


def other_version(folder):
    path = folder / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "flow": "0.0.0"}))
    return ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_weights, CHOICES),
        (other_data, CHOICES),
        (other_seed, CHOICES),
        (other_file, CHANGED),
        (one_more_file, CHANGED),
        (one_file_less, CHANGED),
    ],
)
def test_a_build_does_not_go_on_from_something_else(again, change, message):
    options = change(again)
    before = hashes(again / "out")
    done = run(again, "out", "--from", "prove", *options)
    assert (done.returncode, done.stderr) == (2, message + REST)
    assert hashes(again / "out") == before


def test_a_build_does_not_go_on_from_another_version(again):
    from flow import __version__

    other_version(again)
    done = run(again, "out", "--from", "prove")
    assert (done.returncode, done.stderr) == (
        2,
        f"error: the earlier build was made by flow 0.0.0, this is {__version__}\n{REST}",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--from", "emit", "--to", "lower"),
            "error: --from emit comes after --to lower\n",
        ),
        (
            ("--to", "optimize"),
            "error: --to: there is no stage 'optimize'\n"
            f"  hint: one of {', '.join(NAMES)}; did you mean 'optimise'?\n",
        ),
        (
            ("--from", "emit"),
            "error: this is not the output folder of a build\n"
            "  at nothing\n"
            "  hint: a build folder has a manifest.json\n",
        ),
    ],
)
def test_bounds_that_make_no_sense_are_refused(whole, options, message):
    done = run(whole, "nothing", *options)
    assert (done.returncode, done.stderr) == (2, message)
    assert not (whole / "nothing").exists()
