"""The command line in process and in a child; small model files to run it on."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from frontend import keras_files

from flow.cli.main import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def flow(capsys, monkeypatch, tmp_path):
    """Runs a command line in this process, in `cwd` (by default the test's folder)."""

    def call(*args, cwd=tmp_path):
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = run([str(arg) for arg in args])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


def start(*args, cwd, **kwargs):
    """A command line in a child process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **kwargs.pop("env", {})}
    code = "import sys; from flow.cli.main import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        **kwargs,
    )  # fmt: skip


@pytest.fixture
def child(tmp_path):
    """Runs a command line in a child process to its end."""

    def call(*args, cwd=tmp_path, **kwargs):
        process = start(*args, cwd=cwd, **kwargs)
        out, err = process.communicate(timeout=120)
        return Said(process.returncode, out, err)

    return call


def model_bytes(layer="fc1", net="net", kernel=keras_files.KERNEL, bias=keras_files.BIAS):
    """A Keras .h5 of one dense layer: two inputs, three classes."""
    model = keras_files.sequential(
        keras_files.dense(layer, 3, activation="softmax"), inputs=(2,), name=net
    )
    return keras_files.h5({layer: {"kernel": kernel, "bias": bias}}, model)


ROWS = ((0.5, 1.0, 2), (1.0, -2.0, 0), (0.0, 0.5, 2), (-1.0, 0.25, 1), (0.75, -0.5, 0))


def table(rows=ROWS, header="a,b,label"):
    """A .csv of samples of `model_bytes`, label last."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.fixture
def model(tmp_path):
    """`net.h5` and `data.csv` in the test's folder."""
    (tmp_path / "net.h5").write_bytes(model_bytes())
    (tmp_path / "data.csv").write_text(table())
    return tmp_path / "net.h5"


def tree(folder):
    """Every file below a folder by its path, as bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def npy(array):
    """The bytes of an .npy file."""
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype == object)
    return file.getvalue()
