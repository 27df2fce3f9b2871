"""A trained network small enough that a whole build takes seconds, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("--simulator", "none", "--prove-limit", "60", "--weight-bits", "4", "--effort", "fast")


def write_model(folder: Path, seed: int = 3) -> tuple[Path, Path]:
    """`model.onnx`, a perceptron of 4-3-2 floats, and `data.csv` with 40 labelled samples."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)

    def weights(name, *shape):
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "hidden"),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"], "scores"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [weights("w1", 4, 3), weights("b1", 3), weights("w2", 3, 2), weights("b2", 2)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, folder / "model.onnx")
    rows = rng.integers(-8, 8, (40, 4)) / 8
    lines = ["a,b,c,d,label", *(",".join(map(str, [*r, i % 2])) for i, r in enumerate(rows))]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return folder / "model.onnx", folder / "data.csv"


def flow(*words: object, cwd: Path | None = None, **environment: str):
    """Run the command line: in this process, or with an `environment` in one of its own."""
    if not environment:
        return within(*words, cwd=cwd)
    return subprocess.run(
        [sys.executable, "-m", "flow", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def within(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Exit code, stdout and stderr of a command line that runs in this process."""
    from flow.cli.main import run

    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as held, redirect_stdout(out), redirect_stderr(err):
        held.setenv("COLUMNS", "200")
        if cwd is not None:
            held.chdir(cwd)
        code = run([str(word) for word in words])
    said = [file.buffer.getvalue().decode() for file in (out, err)]
    return subprocess.CompletedProcess(words, code, *said)
