"""A build that is ended from outside: no output, no program left behind, the old output intact."""

import signal
import subprocess
import time

import pytest
from cli.conftest import start, tree

BUILD = ("build", "net.h5", "--data", "data.csv", "--effort", "fast", "-o", "out")


def descendants(pid):
    """Process ids below a process, those that wait to be collected left out."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,stat="], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        below = [int(p) for p, above, stat in rows if int(above) == parent and stat[0] != "Z"]
        found += below
        todo += below
    return found


def running(pid):
    """Whether a process is there and does not just wait to be collected."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return listed.returncode == 0 and not listed.stdout.strip().startswith("Z")


def wait_for(what, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.tool("verilator")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_signal_in_the_middle_of_a_build_leaves_the_old_output(flow, model, tmp_path, name):
    number = signal.Signals[name]
    assert flow(*BUILD, "--to", "emit").code == 0
    before = tree(tmp_path)
    with start(*BUILD, "--simulator", "verilator", "--seed", "3", cwd=tmp_path) as process:
        # Grandchildren too: Verilator starts make, and make a compiler.
        wait_for(lambda: len(descendants(process.pid)) >= 5)
        below = descendants(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert out == ""
    if name == "SIGKILL":
        assert (process.returncode, err) == (-number, "")
    else:
        assert (process.returncode, err) == (128 + number, "interrupted; nothing was written\n")
        assert tree(tmp_path) == before
    wait_for(lambda: not any(running(pid) for pid in below), 10)
    assert {k: v for k, v in tree(tmp_path).items() if not k.startswith(".")} == before
    assert flow(*BUILD, "--to", "emit", "--seed", "4").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "net.h5", "out"]


def test_two_builds_into_one_folder_leave_one_whole_result(flow, model, tmp_path):
    both = [start(*BUILD, "--to", "emit", "--seed", seed, cwd=tmp_path) for seed in (1, 2, 3)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "ended after stage emit: out\n", "")
    alone = []
    for seed in (1, 2, 3):
        name = tmp_path / f"alone{seed}"
        name.mkdir()
        for file in ("net.h5", "data.csv"):
            (name / file).symlink_to(tmp_path / file)
        assert flow(*BUILD, "--to", "emit", "--seed", seed, cwd=name).code == 0
        alone.append(tree(name / "out"))
    assert tree(tmp_path / "out") in alone
    assert not list(tmp_path.glob(".*"))


def test_a_reader_that_goes_away_is_no_error(model, tmp_path):
    with start("list", "passes", cwd=tmp_path) as process:
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


def test_help_and_errors_of_the_real_program(child, model, tmp_path):
    assert child("--version").code == 0
    said = child("build", "gone.h5", "--data", "data.csv", "-o", "out")
    text = "error: no such file\n  at gone.h5\n  hint: check the path\n"
    assert (said.err, said.out, said.code) == (text, "", 2)
    assert not (tmp_path / "out").exists()
