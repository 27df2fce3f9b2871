"""The whole chip of `examples/econ_t`, readout and divisions too, as one build makes it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cases import Options
from common import ROOT, Row
from detector_econ import AREA_SCALE, ENERGY_SCALE, PERIOD_NS, PUBLISHED

EXAMPLE = ROOT / "examples" / "econ_t"
GOOD = {"passed", "proved"}


def chip(options: Options) -> Iterator[list[Row]]:
    """Area, period, energy and checks of `flow build --config examples/econ_t/flow.toml`."""
    if options.report or options.quick or options.only not in "econ chip with readout":
        return
    with tempfile.TemporaryDirectory(prefix="flow-chip-") as folder:
        report = _built(Path(folder), options.timeout_s)
    if isinstance(report, str):
        yield [Row("econ chip with readout, cells", None, "mm2", note=report)]
    else:
        yield list(_rows(report))


def _built(folder: Path, timeout_s: float) -> dict[str, Any] | str:
    """The report of the build, or why there is none."""
    for name in ("flow.toml", "readout.toml"):
        shutil.copy(EXAMPLE / name, folder / name)
    train = [sys.executable, str(EXAMPLE / "train.py"), str(folder / "made")]
    words = [sys.executable, "-m", "flow", "build", "--config", str(folder / "flow.toml")]
    try:
        subprocess.run(train, check=True, capture_output=True, timeout=timeout_s)
        done = subprocess.run(
            [*words, "-o", str(folder / "out")],
            check=False, capture_output=True, text=True, timeout=timeout_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not built within {timeout_s:g} s"
    if not (folder / "out" / "report.json").is_file():
        return f"not built: {done.stderr.strip()[:200]}"
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return found


def _rows(report: dict[str, Any]) -> Iterator[Row]:
    notes = report["notes"]
    whole = next(note for note in notes if note.startswith("chip: "))
    um2 = float(re.findall(r"\d+", whole)[0])
    drives = next((note for note in notes if note.startswith("drives: ")), "no drives changed")
    power = report["power"]
    energy = (power["leakage_mw"] + power["switching_mw"]) * PERIOD_NS / 1000
    delay = report["timing"]["delay"]
    checks = {check["check"]: check["status"] for check in report["checks"]}
    good = sum(status in GOOD for status in checks.values())
    bad = [f"{name}: {status}" for name, status in checks.items() if status not in GOOD]
    timer = f"{report['timing']['tool']}; an answer a clock after {report['latency']['cycles']}"
    yield Row("econ chip with readout, cells", um2 / 1e6, "mm2", note=whole)
    yield Row("econ chip with readout, scaled to 65 nm", um2 / 1e6 * AREA_SCALE, "mm2",
              PUBLISHED, 3.6, "stated", note="cells alone, area x 0.25")  # fmt: skip
    yield Row("econ chip with readout, longest path", delay, "ns", "asked for", PERIOD_NS,
              "within the period", delay <= PERIOD_NS,
              note=f"{timer}; {drives}")  # fmt: skip
    yield Row("econ chip with readout, energy per inference", energy, "nJ",
              note="the circuit's cells; no glitches, no clock tree, no wires")  # fmt: skip
    yield Row("econ chip with readout, energy scaled to 65 nm", energy * ENERGY_SCALE, "nJ",
              PUBLISHED, 2.4, "stated")  # fmt: skip
    yield Row("econ chip with readout, checks that hold", good, "checks", "of", len(checks),
              "none disproved, failed or timed out",
              not {"failed", "disproved", "timed out"} & set(checks.values()),
              note="; ".join(bad)[:400])  # fmt: skip
