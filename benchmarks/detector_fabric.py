"""Look-up tables, flip-flops and frequency of taggers and the muon network against alkaid.

The same Yosys script for both, the same latency in clock cycles; the clock of ours is not slower
than the rival's by the same estimate on the mapped netlists.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cases import Options
from common import Row
from designs import circuit_of
from detector_designs import (
    RIVALS,
    Fields,
    Given,
    Piped,
    checked,
    file_seconds,
    given,
    mine,
    rival,
    rival_seconds,
)
from mapped import cached, key_of

from flow.analysis.lut_timing import longest_path
from flow.backends.emission import Direction, Emission, Lane, VerilogPort
from flow.backends.folded import emit_folded
from flow.backends.verilog import emit_verilog
from flow.errors import ToolFailed, ToolTimedOut
from flow.ir.interval import IntRange
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.folding import folding_of
from flow.pipeline.lut_synthesis import NO_VERIFY, QUICK, WRITE, LutSynthesis, cells_of, module_of
from flow.pipeline.routing import route
from flow.tech.part import Part
from flow.tech.parts import load_part
from flow.tools.yosys import version, yosys

RUNS = 3
CUTOFF = 5.0
"""Levels a stage of `alkaid convert`, its default."""
PASSES = "chains"
FOLDED, INTERVALS = "hgq2_jsc_openml val0.733_ebops530", (2, 4, 8)
TRIED = (("chains", 10), ("chains", 0), ("shallow-chains", 0), ("adders", 0))
"""Passes, and percent by which a stage may be slower than need be where that saves registers."""


def tables(options: Options) -> Iterator[list[Row]]:
    """LUTs and flip-flops of each model on Xilinx 7 series, and the means of the ratios."""
    part = load_part("xilinx")
    ratios: dict[str, list[float]] = {"LUTs": [], "flip-flops": []}
    for model in _models(options):
        rows = _model_rows(model, part, options.timeout_s)
        for row in rows:
            if row.ratio:
                ratios[row.what.partition(",")[0]].append(row.ratio)
        yield rows
    if not options.only:
        yield [
            Row(f"{what}, geometric mean of the ratios", mean, "", "alkaid", 1.0, "at most 0.9",
                mean <= 0.9, note=f"{len(found)} designs")
            for what, found in ratios.items()
            if found and (mean := math.exp(sum(map(math.log, found)) / len(found)))
        ]  # fmt: skip


def frequency(options: Options) -> Iterator[list[Row]]:
    """The highest clock on ECP5 of each model, of ours and alkaid's at the same latency."""
    xilinx, part = load_part("xilinx"), load_part("ecp5")
    for model in _models(options):
        what = f"Fmax on ECP5, {model.name}"
        if isinstance(model.found, str):
            continue
        against, why = _rival(model, xilinx, options.timeout_s)
        if against is None:
            yield [Row(what, None, "MHz", "alkaid", note=why)]
            continue
        design = _fastest(model, against, part, options.timeout_s)
        own, theirs = (fmax(x, part, options.timeout_s) for x in (design, against))
        why = "; ".join(str(x["failed"]) for x in (own, theirs) if "failed" in x)
        mine_mhz, rival_mhz = own.get("mhz"), theirs.get("mhz")
        alike = len({x.get("routed", True) for x in (own, theirs)}) == 1
        met = mine_mhz >= rival_mhz if mine_mhz and rival_mhz and alike else None
        why = why or "; ".join(dict.fromkeys(x["how"] for x in (own, theirs) if "how" in x))
        note = f"{against.stages} cycles; {design.maker}" + (f"; {why}" if why else "")
        yield [Row(what, mine_mhz, "MHz", against.maker, rival_mhz, "at least 1.0", met, note=note)]


def _fastest(model: Given, against: Piped, part: Part, timeout_s: float) -> Piped:
    """Of ours that are no larger than the rival, the fastest by flow's estimate on the netlist."""
    most = sizes(against, part, timeout_s)
    found = []
    for passes in dict.fromkeys(passes for passes, _ in TRIED):
        design = piped(model, passes, against.stages, 0, part.name)
        size = sizes(design, part, timeout_s)
        if "luts" in size and not checked(design, model.network, timeout_s):
            larger = "luts" in most and size["luts"] > most["luts"]
            found.append((larger, size["ns"], design.maker, design))
    return min(found)[3]


def time_to_rtl(options: Options) -> Iterator[list[Row]]:
    """Processor seconds to pipelined Verilog, of ours and alkaid's; seconds on a clock would tell
    of what else the machine does. From the file where alkaid reads it, else from the layers."""
    if options.report:
        return
    for model in _models(options):
        if isinstance(model.found, str):
            continue
        against = rival(model, RIVALS[0], CUTOFF, options.timeout_s)
        what = f"file to pipelined RTL, {model.name}"
        if isinstance(against, str):
            yield [Row(what, None, "s", "alkaid", note=against)]
            continue
        theirs = file_seconds(model, RUNS, options.timeout_s)
        read = theirs is not None
        if theirs is None:
            theirs = rival_seconds(model, RIVALS[0], CUTOFF, options.timeout_s)
        # The first run imports modules, for both.
        found = [_own_seconds(model, against.stages, read) for _ in range(RUNS + 1)]
        own = statistics.median(found[1:])
        note = f"{against.stages} cycles; processor time, " + (
            "both from the file" if read else "both from layers in memory"
        )
        yield [Row(what, own, "s", against.maker, theirs, "at most 1.0", own <= theirs, note=note)]


def _own_seconds(model: Given, stages: int, read: bool) -> float:
    start = time.process_time()
    piped(next(given(model.name)) if read else model, "chains", stages, 0, "xilinx")
    return time.process_time() - start


def folding(options: Options) -> Iterator[list[Row]]:
    """Look-up tables of one tagger by the clocks between two samples."""
    part = load_part("xilinx")
    for model in given(FOLDED):
        if options.only not in model.name or isinstance(model.found, str):
            continue
        network = model.network
        alone = mine("flow", emit_verilog(circuit_of(network, PASSES)))
        least = sizes(alone, part, options.timeout_s)
        for interval in INTERVALS:
            circuit = LowerLayers().run(network)
            found = folding_of(circuit, network, interval, PASSES, 0)
            size = sizes(mine("flow", emit_folded(found.folded)), part, options.timeout_s)
            yield [
                Row(f"LUTs, {model.name}, a sample in {interval} clocks", size.get("luts"), "",
                    "a sample a clock", least.get("luts"),
                    note=f"estimate {found.luts:.0f}; {size.get('flipflops')} flip-flops; "
                    f"latency {found.folded.latency}")
            ]  # fmt: skip


def _models(options: Options) -> Iterator[Given]:
    found = given(options.only)
    yield from ([next(found)] if options.quick else found)


def _model_rows(model: Given, part: Part, timeout_s: float) -> list[Row]:
    if isinstance(model.found, str):
        return [Row(f"LUTs, {model.name}", None, "", note=model.found)]
    against, why = _rival(model, part, timeout_s)
    if against is None:
        return [Row(f"LUTs, {model.name}", None, "", "alkaid", note=why)]
    theirs = sizes(against, part, timeout_s)
    best = ours(model, against.stages, theirs, part, timeout_s)
    rows = []
    for what, key in (("LUTs", "luts"), ("flip-flops", "flipflops")):
        value = best[1][key] if best else None
        note = f"{against.stages} cycles; {best[0].maker if best else 'not measured'}; " + (
            f"estimated {best[1]['ns']:.2f} ns, rival {theirs['ns']:.2f} ns" if best else why
        )
        rows.append(
            Row(f"{what}, {model.name}", value, "", against.maker, theirs[key], "at most 1.0",
                value <= theirs[key] if value is not None else None, note=note)
        )  # fmt: skip
    return rows


def _rival(model: Given, part: Part, timeout_s: float) -> tuple[Piped | None, str]:
    """The smaller of alkaid's two by look-up tables and flip-flops, or why there is none."""
    found, why = [], []
    for adders in RIVALS:
        design = rival(model, adders, CUTOFF, timeout_s)
        if isinstance(design, str):
            why.append(design)
        elif bad := checked(design, model.network, timeout_s):
            why.append(bad)
        elif "luts" in (size := sizes(design, part, timeout_s)):
            found.append((size["luts"] + size["flipflops"], design))
        else:
            why.append(size["failed"])
    return (min(found, key=lambda x: x[0])[1] if found else None), "; ".join(dict.fromkeys(why))


def ours(
    model: Given, stages: int, theirs: dict[str, Any], part: Part, timeout_s: float
) -> tuple[Piped, dict[str, Any]] | None:
    """The first of ours that is neither larger nor slower by the estimate; else the best found."""
    found: list[tuple[Piped, dict[str, Any]]] = []
    for passes, slack in TRIED:
        design = piped(model, passes, stages, slack, part.name)
        if checked(design, model.network, timeout_s):
            continue
        size = sizes(design, part, timeout_s)
        if "luts" in size:
            found.append((design, size))
            if all(size[key] <= theirs[key] for key in ("luts", "flipflops", "ns")):
                break
    return min(found, key=lambda x: _rank(x, theirs), default=None)


def _rank(design: tuple[Piped, dict[str, Any]], theirs: dict[str, Any]) -> tuple[bool, float, str]:
    maker, size = design[0].maker, design[1]
    return size["ns"] > theirs["ns"], size["luts"] + size["flipflops"], maker


def piped(model: Given, passes: str, stages: int, slack: int, family: str) -> Piped:
    """Our Verilog at a latency."""
    steps = [*parse_pipeline(passes), Pipeline(stages=stages, slack=slack, family=family)]
    circuit = run_passes(LowerLayers().run(model.network), steps)
    return mine(f"{passes}, slack {slack} %", emit_verilog(circuit))


def sizes(design: Piped, part: Part, timeout_s: float) -> dict[str, Any]:
    """{"luts", "flipflops", "carries", "ns"} of Yosys for a family, or {"failed": why}."""

    def work() -> dict[str, Any]:
        found = _synthesis(design, part, timeout_s)
        if isinstance(found, str):
            return {"failed": found}
        count = part.count
        return {
            "luts": part.lut_count(found.cells),
            "flipflops": count(found.cells, part.flipflops),
            "carries": count(found.cells, part.carries),
            "ns": longest_path(module_of(found.data, design.top), part),
        }

    return cached(key_of("fabric", design.text, version(), *_script(design, part)), work)


def fmax(design: Piped, part: Part, timeout_s: float) -> dict[str, Any]:
    """{"mhz": ...} of nextpnr, or {"failed": why}; "routed" is False for a placed design alone."""

    def work() -> dict[str, Any]:
        found = _synthesis(design, part, timeout_s)
        if isinstance(found, str):
            return {"failed": found}
        routed = route(_emission(design), found, part, timeout_s=timeout_s)
        if routed.fmax_mhz is None:
            return {"failed": routed.how}
        if routed.routed:
            return {"mhz": routed.fmax_mhz}
        return {"mhz": routed.fmax_mhz, "routed": False, "how": routed.how}

    return cached(key_of("fmax", design.text, version(), *_script(design, part)), work)


def _emission(design: Piped) -> Emission:
    """What the harness must know of a design: its ports."""
    ports = []
    ways: tuple[tuple[Direction, Fields], ...] = (
        ("input", design.inputs), ("output", design.outputs),
    )  # fmt: skip
    for way, fields in ways:
        for name, own in fields.ports:
            lanes, at = [], 0
            for width, _, _ in own:
                lanes.append(Lane(at, width, IntRange(0, (1 << width) - 1)))
                at += width
            ports.append(VerilogPort(name, way, tuple(lanes), name))
    return Emission({}, design.top, tuple(ports), latency=design.stages, clocked=True)


def _script(design: Piped, part: Part) -> list[str]:
    read = "read_verilog -sv rtl.v"
    return [NO_VERIFY, QUICK, read, f"{part.synthesis} -top {design.top}", *WRITE]


def _synthesis(design: Piped, part: Part, timeout_s: float) -> LutSynthesis | str:
    script = _script(design, part)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "rtl.v").write_text(design.text)
        try:
            yosys(script, place, timeout_s)
        except ToolFailed as error:
            slow = isinstance(error, ToolTimedOut)
            return f"timed out after {timeout_s:.0f} s" if slow else error.message
        data = (place / "netlist.json").read_text()
        return LutSynthesis(
            cells_of(data, design.top), (place / "netlist.v").read_text(), data, tuple(script)
        )
