"""Seconds from a model file to Verilog, area against effort, and samples a second."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cases import Options
from common import HERE, ROOT, Row, paired
from convolutional import convolutional
from designs import PYTHON, SHARED, golden_counts
from mapped import cached, key_of
from verilated import Verilated

from flow.errors import FlowError
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.targets.registry import target
from flow.verify.compiled import CompiledCircuit

RUNS, INSIDE = 3, 7
"""Whole commands, and builds in one process."""
TARGETS = ("fpga", "asic")
CURVES = (
    "da4ml_rand_mat/N=8-bw=8.keras",
    "hgq2_jsc_openml/val0.733_ebops530_traced.keras",
    "hgq2_jsc_openml/val0.758_ebops2571_traced.keras",
)
"""Files of the curves of area against time."""


def times(options: Options) -> Iterator[list[Row]]:
    """Processor seconds from each Keras 3 file to Verilog on disk, against alkaid.

    In one process that has imported all it needs, and as whole commands by turns, at default
    effort, for look-up tables and for cells.
    """
    if options.report:
        return
    if not PYTHON.is_file():
        yield [Row("file to Verilog", None, "s", note="not measured: make bench-setup")]
        return
    files = [CURVES[0]] if options.quick else [
        str(path.relative_to(SHARED)) for path in sorted(SHARED.rglob("*.keras"))
    ]  # fmt: skip
    for name in files:
        if options.only in name and (SHARED / name).is_file():
            yield _file_rows(name, options.timeout_s)


def _file_rows(name: str, timeout_s: float) -> list[Row]:
    path = SHARED / name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        inside = [PYTHON, HERE / "rival_files.py", path, folder / "inside", str(INSIDE)]
        try:
            log = _process(inside, timeout_s)
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip().splitlines()[-1][:120]
            return [Row(f"file to Verilog, {name}", None, "s", note=f"alkaid: {why}")]
        rival = json.loads(log.splitlines()[-1])["cpu"]
        commands = {
            "alkaid": [PYTHON.parent / "alkaid", "convert", path, folder / "theirs", "-n", "0"]
        } | {
            t: [sys.executable, "-m", "flow", "build", path, "--target", t, "--to", "emit",
                "-o", folder / t]
            for t in TARGETS
        }  # fmt: skip
        used: dict[str, list[float]] = {who: [] for who in commands}
        for _ in range(RUNS):
            for who, command in commands.items():
                used[who].append(_cpu(lambda c=command: _process(c, timeout_s)))
        rows = []
        for t in TARGETS:
            for what, own, other in (
                ("in one process", _inside(path, t), rival),
                ("whole commands", median(used[t]), median(used["alkaid"])),
            ):
                rows.append(
                    Row(f"file to Verilog, {what}, {t}, {name}", own, "s", "alkaid 0.8.2", other,
                        "at most 1.0", own <= other)
                )  # fmt: skip
        return rows


def _inside(path: Path, name: str) -> float:
    """Median processor seconds of our build up to the Verilog, its children counted."""
    recipe = target(name)
    config = BuildConfig(**{**recipe.defaults, "model": path, "target": name})
    found = []
    for _ in range(INSIDE + 1):
        with tempfile.TemporaryDirectory() as folder:
            found.append(_cpu(lambda f=folder: build(config, recipe, Path(f) / "o", last="emit")))
    return median(found[1:])


def _cpu(work: Callable[[], object]) -> float:
    """Processor seconds of some work and of the processes that it started and waited for."""
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    """Processor seconds of this process and of those it waited for, to the microsecond."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def _process(command: Sequence[Any], timeout_s: float) -> str:
    """What a command prints; CalledProcessError where it fails."""
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=timeout_s,
    ).stdout  # fmt: skip


def effort_curves(options: Options) -> Iterator[list[Row]]:
    """Cell area and seconds from the file to the netlist at each effort."""
    rooms = ("passes", "pipeline", "mapping")
    sources = [
        path.read_text() for room in rooms for path in sorted((ROOT / "flow" / room).rglob("*.py"))
    ]
    for name in CURVES[:1] if options.quick else CURVES:
        if options.only not in name or not (SHARED / name).is_file():
            continue
        rows = []
        for effort in ("fast", "normal", "high"):
            key = key_of("effort", name, effort, *sources)
            cell = cached(key, lambda n=name, e=effort: _at_effort(SHARED / n, e))
            note = cell.get("failed") or f"{cell['seconds']:.1f} s; {cell['how']}"
            rows.append(
                Row(f"effort curve, {name}, generic CMOS, {effort}", cell.get("um2"), "um2",
                    note=note)
            )  # fmt: skip
        yield rows


def _at_effort(path: Path, effort: str) -> dict[str, Any]:
    recipe = target("asic")
    words = {"model": path, "target": "asic", "tech": "generic_cmos", "effort": effort}
    config = BuildConfig(**{**recipe.defaults, **words})
    with tempfile.TemporaryDirectory() as folder:
        start = _used()
        done = build(config, recipe, Path(folder) / "o", last="synthesise")
        used = _used() - start
    made = done.state.synthesis
    assert made is not None
    return {"um2": min(area for _, area in made.areas), "how": made.variant, "seconds": used}


def evaluators(options: Options) -> Iterator[list[Row]]:
    """Samples a second of convolutional networks: ours, alkaid's interpreter, Verilator."""
    if options.report or options.quick:
        return
    for name, found in convolutional(options.only):
        what = f"compiled evaluator, {name}"
        if isinstance(found, str):
            yield [Row(what, None, "samples/s", reach="at least 3", note=found)]
            continue
        yield _evaluator_rows(what, found, options.timeout_s)


def _evaluator_rows(what: str, found: Any, timeout_s: float) -> list[Row]:
    circuit, x, predict = found
    rows = []
    start = time.perf_counter()
    with CompiledCircuit(circuit) as compiled:
        ready = time.perf_counter() - start
        inputs = {circuit.inputs[0].name: x}
        answers = compiled.evaluate(inputs)[circuit.outputs[0].name]

        def ours() -> object:
            return compiled.evaluate(inputs)

        def row(rival: str, own: float, other: float, note: str) -> Row:
            mine, theirs = len(x) / own, len(x) / other
            return Row(f"{what}, against {rival}", mine, "samples/s", rival, theirs,
                       "at least 3", mine >= 3 * theirs, note=note)  # fmt: skip

        if predict is not None:
            own, other = paired(ours, predict, runs=RUNS)
            rows.append(row("alkaid's interpreter", own, other, f"ready after {ready:.1f} s"))
        try:
            start = time.perf_counter()
            with Verilated(circuit, timeout_s) as simulator:
                ready = time.perf_counter() - start
                same = np.array_equal(simulator.run(x)[0], answers)
                sides = [(_wall(ours), simulator.run(x)[1]) for _ in range(RUNS)]
            note = f"ready after {ready:.1f} s" if same else "DIFFERS"
            rows.append(row("Verilator", *(median(side) for side in zip(*sides, strict=True)),
                            note))  # fmt: skip
        except FlowError as error:
            rows.append(Row(f"{what}, against Verilator", None, "samples/s", "Verilator",
                            reach="at least 3", note=error.message))  # fmt: skip
    return rows


def _wall(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def goldens(options: Options) -> Iterator[list[Row]]:
    """How many files with golden outputs are reproduced bit for bit, by running every one."""
    if options.report or options.quick:
        return
    counts, bad = golden_counts()
    if counts is None:
        yield [
            Row("models reproduced bit for bit", None, "", note="the shared models are not here")
        ]
        return
    total = sum(counts.values())
    yield [
        Row("models reproduced bit for bit", float(counts["exact"]), "", "all with golden outputs",
            float(total), "all that have integer meaning",
            counts["wrong"] == counts["crashed"] == counts["refused"] == 0,
            note="; ".join([f"{k} {v}" for k, v in counts.items()] + bad))
    ]  # fmt: skip
