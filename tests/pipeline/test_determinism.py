"""Equal inputs give equal bytes, wherever, whenever and by whomever they are built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from small_build import QUICK, flow, write_model

from flow.pipeline.folder import hashes, read_manifest

HERE = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LANG": "C", "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
THERE = {
    "PYTHONHASHSEED": "4711",
    "TZ": "Pacific/Kiritimati",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "2",
    "USER": "somebody",
    "HOME": "/nonexistent",
}


LONG = "a folder/with a longer name"


def two_builds(tmp_path, options):
    """The same build in two folders of different names, with different surroundings."""
    here = built(tmp_path, "a", small, options, HERE, 0o022)
    return here, built(tmp_path, LONG, small, options, THERE, 0o077)


def built(tmp_path, name, prepare, options, environment, mask, temporary="temporary {}"):
    """A build in a folder of that name: its files and its manifest."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    scratch = tmp_path / temporary.format(len(name))
    scratch.mkdir()
    arguments = prepare(folder)
    before = os.umask(mask)
    try:
        done = flow(
            "build", *arguments, *options, "-o", "out",
            cwd=folder, TMPDIR=str(scratch), **environment,
        )  # fmt: skip
    finally:
        os.umask(before)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(scratch.iterdir()) == []
    return hashes(folder / "out"), read_manifest(folder / "out")


def small(folder):
    write_model(folder)
    return ("model.onnx", "--data", "data.csv")


@pytest.mark.tool("yosys")
def test_verilog_of_an_onnx_model_is_the_same_everywhere(tmp_path):
    first, second = two_builds(tmp_path, ("--to", "emit", *QUICK))
    assert first == second


@pytest.mark.tool("yosys")
def test_a_whole_pipelined_build_is_the_same_everywhere(tmp_path):
    first, second = two_builds(tmp_path, ("--stages", "2", *QUICK))
    assert first == second


@pytest.mark.slow
@pytest.mark.tool("yosys")
@pytest.mark.tool("icarus")
@pytest.mark.tool("verilator")
def test_the_example_is_the_same_everywhere(tmp_path, root, demo):
    def example(folder):
        shutil.copytree(root / "examples" / "breast_cancer", folder / "example")
        return ("--config", folder / "example" / "flow.toml")

    # Another home, but with the compiler's cache of Verilator's own library.
    home = tmp_path / "home"
    home.mkdir()
    (home / ".cache").symlink_to(Path.home() / ".cache")
    there = {**THERE, "HOME": str(home)}
    # Verilator's make cannot work in a temporary folder with a space.
    again = built(tmp_path, LONG, example, (), there, 0o077, "temporary-{}")
    assert again == (hashes(demo), read_manifest(demo))
