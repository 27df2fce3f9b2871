"""The muon example: angles of its integer network against the best fit, and its build."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import ROOT, Row
from mapped import cached, key_of

from flow.errors import FlowError
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.targets.fpga import FPGA

EXAMPLE = ROOT / "examples" / "muon"
MODEL = EXAMPLE / "muon.h5"
EVENTS = 20_000
VECTORS = 200
CLOCK_NS, BUDGET_NS = 6.25, 100.0
PASSES = "packed"
"""Each neuron its own tree, single bits looked up six at a time: the shortest pipeline."""


def muon(options: Options) -> Iterator[list[Row]]:
    """Resolution against the chi-square fit of the same events; look-up tables and latency."""
    if options.only not in "muon":
        return
    yield _resolution(2000 if options.quick else EVENTS)
    if not options.quick:
        yield _build()


def _resolution(events: int) -> list[Row]:
    sys.path.insert(0, str(EXAMPLE))
    try:
        import resolution
    finally:
        sys.path.pop(0)
    sources = [(EXAMPLE / f"{name}.py").read_text() for name in ("chamber", "chi_square")]

    def work() -> dict[str, Any]:
        found = resolution.measure(MODEL, events)
        pair = (("network", found.of_network), ("fit", found.of_fit))
        return {f"{name} {key}": getattr(value, key)
                for name, value in pair for key in ("rms", "core", "beyond")}  # fmt: skip

    found = cached(key_of("muon", MODEL.read_bytes().hex(), str(events), *sources), work)
    if "failed" in found:
        return [Row("muon, RMS of angles within 30 mrad", None, "mrad", note=found["failed"])]
    beyond = f"{found['network beyond']:.3%} and {found['fit beyond']:.3%}"
    note = f"{events} muons, beyond 30 mrad {beyond}"
    return [
        Row("muon, RMS of angles within 30 mrad", found["network rms"], "mrad", "chi-square fit",
            found["fit rms"], "at most 1.1",
            found["network rms"] <= 1.1 * found["fit rms"], note=note),
        Row("muon, half the middle 68 % of angles", found["network core"], "mrad",
            "chi-square fit", found["fit core"]),
    ]  # fmt: skip


def _build() -> list[Row]:
    """One result a clock of 160 MHz, or why there is none."""
    what = "muon, latency at 160 MHz"
    sources = [path.read_text() for path in sorted((ROOT / "flow" / "passes").rglob("*.py"))]

    def work() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            return _built(Path(folder))

    found = cached(key_of("muon build", MODEL.read_bytes().hex(), *sources), work)
    if "failed" in found:
        return [Row(what, None, "ns", note=found["failed"])]
    latency = found["cycles"] * CLOCK_NS
    met = latency < BUDGET_NS and found["interval"] == 1
    return [
        Row(what, latency, "ns", "asked for", BUDGET_NS, "below 100 ns, a result a clock", met,
            note=f"{found['cycles']} clocks, a result every {found['interval']}"),
        Row("muon, longest path by flow's estimate", found["ns"], "ns", "the clock", CLOCK_NS,
            "at most 6.25", found["ns"] <= CLOCK_NS, note="Xilinx 7 series, mapped, not placed"),
        Row("muon, look-up tables", found["luts"], "", note="Yosys, Xilinx 7 series"),
        Row("muon, flip-flops", found["flipflops"], "", note="Yosys, Xilinx 7 series"),
    ]  # fmt: skip


def _built(folder: Path) -> dict[str, Any]:
    sys.path.insert(0, str(EXAMPLE))
    try:
        import chamber
    finally:
        sys.path.pop(0)
    first, second, third = chamber.simulate(VECTORS, 7).inputs()
    np.savez(folder / "events.npz", x0=first, x1=second, x2=third)
    config = BuildConfig(
        model=MODEL, data=folder / "events.npz", target="fpga", period=CLOCK_NS,
        latency=f"{BUDGET_NS:g}ns", handshake=False, passes=PASSES, effort="fast",
        simulator="icarus", **FPGA.defaults,
    )  # fmt: skip
    try:
        report = build(config, FPGA, folder / "out").state.report
    except FlowError as error:
        return {"failed": f"not built: {error.message}"}
    assert report is not None
    assert report.fpga is not None
    assert report.latency is not None
    return {"cycles": report.latency.cycles, "interval": report.latency.interval,
            "ns": report.fpga.estimate_ns, "luts": report.fpga.luts,
            "flipflops": report.fpga.flipflops}  # fmt: skip
