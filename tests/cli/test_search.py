"""From a specification to a front, and from the front to a build, on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from flow.pipeline import searching
from flow.search.front import pick, read_front
from flow.train.ensembles import Recipe

SPEC = """\
data = "sklearn:iris"
hidden = [4, 3]
hidden_bits = 2
exponents = 2
population = 24
generations = 1
refine = 0
mapped = 4
"""

pytestmark = pytest.mark.tool("yosys")


@pytest.fixture(scope="module", autouse=True)
def _one_ensemble():
    """One tree is trimmed beside the points, in place of a dozen ensembles."""
    with pytest.MonkeyPatch.context() as held:
        held.setattr(searching, "recipes_for", lambda data, start, named: (Recipe("trees", 1, 4),))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from flow.cli.main import run

    place = tmp_path_factory.mktemp("search")
    (place / "iris.toml").write_text(SPEC)
    assert run(["search", str(place / "iris.toml"), "-o", str(place / "out")]) == 0
    return place


def test_a_search_shows_its_front_and_repeats_it_from_its_folder(flow, folder):
    said = flow("search", folder / "iris.toml", "-o", folder / "out")
    front = read_front(folder / "out")
    lines = said.out.splitlines()
    assert lines[0].split() == ["point", "train", "valid", "cm2", "mW"]
    assert len(lines) == len(front.points) + 3
    told = f"areas: rank correlation of estimate and mapping {front.agreement:.3f}"
    assert lines[-2] == told
    assert lines[-1] == f"front: {folder / 'out' / 'front.json'}"
    said = flow("search", folder / "iris.toml", "-o", folder / "out", "--json")
    assert json.loads(said.out) == json.loads((folder / "out" / "front.json").read_text())


def test_an_interrupted_search_says_what_is_kept_and_goes_on(flow, folder, monkeypatch):
    def stopped(*arguments):
        raise KeyboardInterrupt

    out = folder / "stopped"
    with monkeypatch.context() as held:
        held.setattr(searching, "seeds", stopped)
        said = flow("search", folder / "iris.toml", "-o", out)
    assert (said.code, said.err.splitlines()[-1]) == (
        130,
        "interrupted; the search has no generation yet: "
        "it begins anew when the command is repeated",
    )
    with monkeypatch.context() as held:
        held.setattr(searching, "points", stopped)
        said = flow("search", folder / "iris.toml", "-o", out)
    assert (said.code, said.err.splitlines()[-1]) == (
        130,
        f"interrupted; generation 1 and 0 rounds of refinement are kept in {out}: "
        "repeat the command to go on from there",
    )
    assert flow("search", folder / "iris.toml", "-o", out).code == 0
    assert (out / "front.json").read_bytes() == (folder / "out" / "front.json").read_bytes()


def test_training_by_genes_or_gradients_gives_a_front_too(flow, folder, monkeypatch):
    monkeypatch.setattr("flow.pipeline.searching.STEPS", 4)
    for option in ((), ("--genetic", "--generations", "0")):
        out = folder / f"train{len(option)}"
        said = flow("train", folder / "iris.toml", "-o", out, *option)
        assert said.code == 0, said.err
        assert read_front(out).generations == 0
        assert read_front(out).points


def test_a_point_is_checked_answered_and_built(flow, folder):
    out, wish = folder / "out", ("--pick", "loss<=1%")
    said = flow("check", out, *wish)
    assert said.out.splitlines()[-1] == "nothing stands in the way"
    front = read_front(out)
    index = pick(front, "loss<=1%")
    note = f"note: point {index} of {len(front.points)} of the front of iris: "
    assert any(line.startswith(note) for line in said.out.splitlines())
    said = flow("eval", out, *wish, "-o", "y.npy")
    assert said.out == "45 samples -> y.npy\n"
    assert np.load("y.npy").shape == (45, 1)
    said = flow("build", out, *wish, "-o", "built", "--to", "optimise")
    assert (said.code, said.out) == (0, "ended after stage optimise: built\n"), said.err
    choices = json.loads(Path("built/manifest.json").read_text())["choices"]
    assert (choices["pick"], choices["model"]["name"]) == ("loss<=1%", "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "out"), "the folder holds a front of {n} points, and none is picked"),
        (("check", "out", "--pick", "best"), "--pick 'best' is no choice of a point"),
        (("search", "iris.toml"), "no output folder is named"),
        (("search", "iris.toml", "-o", "out", "--seed", "2"),
         "the output folder holds another search"),
        (("search", "iris.toml", "-o", "out", "--workers", "2", "--scheduler", "tcp://a:1"),
         "--workers and --scheduler name two places"),
        (("search", "none.toml", "-o", "out"),
         "the specification cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_what_a_user_can_get_wrong_is_told(flow, folder, arguments, message):
    said = flow(*arguments, cwd=folder)
    count = len(read_front(folder / "out").points)
    assert said.code == 2
    assert said.err.splitlines()[0] == "error: " + message.format(n=count)
