"""Progress: told step by step to whoever listens; a bar on a terminal, nothing anywhere else."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_build import ROOT, write_model

from flow.pipeline.build import build
from flow.pipeline.circuit_stages import STAGES
from flow.pipeline.config import BuildConfig
from flow.pipeline.evaluating import PART, answer, ask
from flow.pipeline.verifying import verify
from flow.progress import counted, silent
from flow.targets.registry import target


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def __call__(self, what, done=0, total=None):
        self.told.append((what, done, total))

    def words(self):
        return list(dict.fromkeys(what for what, _, _ in self.told))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A whole build, and what it told: stages, and their steps."""
    place = tmp_path_factory.mktemp("small")
    model, data = write_model(place)
    config = BuildConfig(model, data=data, loss=0.1, simulator="none", prove_limit=20.0, stages=1,
                         effort="fast")  # fmt: skip
    stages, steps = Listener(), Listener()
    build(config, target("printed"), place / "out", stages=stages, progress=steps)
    return place, stages, steps


def test_counting_tells_each_item_and_the_end():
    listener = Listener()
    assert list(counted("ab", "letters", listener)) == ["a", "b"]
    assert listener.told == [("letters", 0, 2), ("letters", 1, 2), ("letters", 2, 2)]
    assert list(counted([1], "numbers", silent)) == [1]


def test_a_build_tells_every_stage_at_its_begin_and_its_end(small):
    _, stages, _ = small
    count = len(STAGES)
    assert stages.told == [
        (stage.name, i + k, count) for i, stage in enumerate(STAGES) for k in (0, 1)
    ]


def test_what_takes_time_in_a_build_tells_its_steps(small):
    _, _, steps = small
    words = set(steps.words())
    assert words >= {
        "reading the model", "reading the data", "widths tried", "quantising",
        "the network answers the samples", "linters and simulators", "scripts tried",
        "passes proved", "links proved", "area, power and timing",
    }  # fmt: skip
    assert any(word.startswith("passes: ") for word in words)
    for what, done, total in steps.told:
        assert what
        assert done >= 0
        assert total is None or done <= total


def test_verify_tells_its_steps(small):
    place, _, _ = small
    listener = Listener()
    verify(place / "out", 20.0, listener)
    assert listener.words() == [
        "hashes", "network and circuit answer the vectors", "linters and simulators",
        "passes proved", "links proved",
    ]  # fmt: skip


def test_big_data_are_answered_in_parts_with_the_same_result(small, tmp_path):
    place, _, _ = small
    rows = np.random.default_rng(3).normal(size=(2 * PART + 5, 4))
    np.save(tmp_path / "big.npy", rows)
    np.save(tmp_path / "end.npy", rows[-7:])
    listener = Listener()
    whole = answer(ask(BuildConfig(place / "out", data=tmp_path / "big.npy")), listener)
    end = answer(ask(BuildConfig(place / "out", data=tmp_path / "end.npy")))
    (name,) = whole
    assert len(whole[name]) == 2 * PART + 5
    assert np.array_equal(whole[name][-7:], end[name])
    told = [row for row in listener.told if row[0] == "samples answered"]
    total = 2 * PART + 5
    assert told == [("samples answered", n, total) for n in (0, PART, 2 * PART, total)]


def on_a_terminal(*words, cwd):
    """Exit code, stdout, and what stood on a terminal as stderr."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flow", *map(str, words)],
        cwd=cwd, stdout=subprocess.PIPE, stderr=follower, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # The other end is closed: the process has ended.
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    out = process.communicate(timeout=120)[0]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode("utf-8", "replace"))
    return process.returncode, out, text


def test_a_terminal_sees_stages_and_steps_and_stdout_the_result_alone(tmp_path):
    model, data = write_model(tmp_path)
    words = ("build", model.name, "--data", data.name, "--loss", "10%", "--to", "emit", "--json")
    code, out, shown = on_a_terminal(*words, "-o", "out", cwd=tmp_path)
    assert code == 0, shown
    assert out == '{\n  "stage": "emit",\n  "folder": "out"\n}\n'
    assert re.search(r"(import|lower|optimise|emit) .* \d/4 ", shown)
    assert re.search(r"(widths tried|quantising|reading|passes)", shown)


def test_without_a_terminal_there_is_no_progress(flow, tmp_path):
    model, data = write_model(tmp_path)
    said = flow("check", model, "--data", data)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out


@pytest.mark.parametrize("room", ["frontend", "backends", "passes", "ir", "verify", "pipeline"])
def test_no_lower_room_writes_to_the_terminal(room):
    for path in sorted((Path(ROOT) / "flow" / room).rglob("*.py")):
        assert not re.search(r"\bclick\.echo|\bprint\(|rich\.progress", path.read_text()), path
