"""Runs the C++ of a project for HLS on the vectors of its folder, without vendor software."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from flow.errors import printable
from flow.tools import compiler
from flow.tools.process import Command, run
from flow.verify.verdict import Verdict

CHECK = "HLS C++ = network"
COMPILE_S, RUN_S = 3600.0, 7200.0
"""Seconds that the compiler and the simulation may take."""


def simulate_hls(
    folder: Path, arguments: Sequence[str], samples: int, unchecked: str = ""
) -> Verdict:
    """Whether the bench of a folder finds all samples right.

    `arguments` make a C++ compiler build it. `unchecked` says why nothing can be run, if so.
    """
    begin = time.monotonic()
    if unchecked or not compiler.available("c++"):
        return Verdict(CHECK, "not checked", unchecked or "there is no C++ compiler", 0.0)
    with TemporaryDirectory(prefix="flow-hls-") as made:
        program = Path(made) / "tb"
        compiler.program(arguments, folder, program, "c++", COMPILE_S)
        done = run(
            Command((str(program),), cwd=folder, timeout_s=RUN_S, name="the HLS simulation"),
            check=False,
        )
    seconds = time.monotonic() - begin
    last = printable(done.log.splitlines()[-1] if done.log else "it said nothing")
    passed = re.fullmatch(r"PASS ([0-9]+) samples", last)
    if passed and done.returncode == 0 and int(passed[1]) == samples:
        return Verdict(CHECK, "passed", f"{samples} samples", seconds)
    return Verdict(CHECK, "failed", last, seconds)
