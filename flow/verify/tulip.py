"""Checks an array: its cycle model against the network, and the RTL against both."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from flow.errors import ToolError, ToolNotFound, printable
from flow.ir.tensor import IntArray
from flow.mapping.tulip.execute import Execution, host_scores
from flow.mapping.tulip.plan import Plan
from flow.mapping.tulip.timeline import timeline
from flow.tools import verilator
from flow.tools.process import Command, run
from flow.verify.layout import read_layout
from flow.verify.verdict import Verdict, tool_verdict

MODEL = "cycle model = network"
RTL = "RTL with Verilator = network"
CLOCKS = "clocks of the RTL = cycle model"
LIMIT = 2_000_000_000
"""Evaluations of gates that the model and the compiled RTL may spend on a build."""
_RESULT = re.compile(r"^(PASS|FAIL) (\d+) of (\d+)$", re.MULTILINE)
_CLOCKS = re.compile(r"^(\d+) clocks$", re.MULTILINE)
_MISMATCH = re.compile(r"^(?:MISMATCH|STALL)[^\n]*$", re.MULTILINE)


def check_model(plan: Plan, inputs: IntArray, answers: IntArray) -> Verdict:
    """Whether the elements, step by step, give the answers (samples, lanes) of the network."""
    begin = time.monotonic()
    each = sum(layer.tiles * layer.positions * layer.steps for layer in plan.layers)
    samples = min(len(inputs), max(64, LIMIT // (each * 2 * plan.shape.rows) // 64 * 64))
    got = Execution(plan, samples).run(inputs[:samples])
    have = got.classes[:, None] if plan.argmax else host_scores(plan, got.scores)
    wrong = np.flatnonzero((have != answers[:samples].reshape(samples, -1)).any(axis=1))
    seconds = time.monotonic() - begin
    if len(wrong):
        detail = f"sample {wrong[0]} differs; {len(wrong)} of {samples} samples are wrong"
        return Verdict(MODEL, "failed", detail, seconds)
    of = "" if samples == len(inputs) else f"the first {samples} of "
    return Verdict(MODEL, "passed", f"{of}{len(inputs)} samples, every step", seconds)


def check_rtl(folder: Path, plan: Plan, timeout_s: float = 900.0) -> tuple[Verdict, ...]:
    """Whether the bench in Verilator finds every answer right, in as many clocks as foreseen."""
    begin = time.monotonic()
    try:
        samples, log = run_verilator(folder, plan, timeout_s)
    except ToolError as error:
        return (tool_verdict(RTL, error, begin),)
    seconds = time.monotonic() - begin
    result = _RESULT.search(log)
    if result is None or result[1] != "PASS" or result[2] != result[3] != str(samples):
        said = _MISMATCH.search(log)
        detail = said[0] if said else (log.strip().splitlines() or ["nothing was printed"])[-1]
        return (Verdict(RTL, "failed", printable(detail), seconds),)
    total = read_layout(folder).samples
    of = f"{total} samples" if samples == total else f"the first {samples} of {total} samples"
    clocks = _CLOCKS.search(log)
    have = int(clocks[1]) if clocks else -1
    want = timeline(plan, -(-samples // plan.shape.cols))[-1].finished
    same = Verdict(CLOCKS, "passed" if have == want else "failed", f"{have} of {want}", 0.0)
    return (Verdict(RTL, "passed", of, seconds), same)


def run_verilator(
    folder: Path,
    plan: Plan,
    timeout_s: float = 900.0,
    samples: int | None = None,
    trace: Path | None = None,
) -> tuple[int, str]:
    """The number of samples that the compiled bench runs, and what it prints.

    `trace` gets the registers of all elements after every clock. ToolFailed, ToolNotFound.
    """
    layout = read_layout(folder)
    steady = timeline(plan, 1)[0].finished
    most = max(plan.shape.cols, LIMIT // (steady * 200) * plan.shape.cols)
    samples = min(layout.samples, most) if samples is None else samples
    with TemporaryDirectory(prefix="flow-tulip-") as made:
        scratch = Path(made).resolve()
        if re.search(r"\s", str(scratch)):
            raise ToolNotFound(
                "Verilator's make cannot work where the path of the temporary folder has a space"
            )
        names = [f"tb/tb_{layout.top}.v", *(f"rtl/{p.name}" for p in _sources(folder))]
        for name in names:
            (scratch / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, scratch / name)
        arguments = [
            *("--timing", "-Wno-fatal", "-Wno-lint", "-Wno-TIMESCALEMOD", "--output-split", "0"),
            *("-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"),
            *(("-DTRACE",) if trace else ()),
        ]
        verilator.build(names, f"tb_{layout.top}", "made", scratch, timeout_s, arguments)
        program = str(scratch / "made" / f"Vtb_{layout.top}")
        words = (f"+samples={samples}", *((f"+trace={trace}",) if trace else ()))
        command = Command(
            (program, *words), cwd=folder, timeout_s=timeout_s, name="the Verilator bench"
        )
        return samples, run(command, check=False).log


def _sources(folder: Path) -> list[Path]:
    return sorted((folder / "rtl").glob("*.v"))
