"""Look-up tables, flip-flops and frequency of taggers and the muon network against alkaid.

The same Yosys script for both, the same latency in clock cycles; the clock of ours is not slower
than the rival's by the same estimate on the mapped netlists.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import Row
from designs import circuit_of
from detector_designs import RIVALS, Given, Piped, checked, given, mine, rival
from mapped import cached, key_of

from flow.analysis.lut_timing import longest_path
from flow.backends.verilog import emit_verilog
from flow.errors import ToolFailed
from flow.passes.pipeline import Pipeline
from flow.pipeline.lut_synthesis import NO_VERIFY, QUICK, WRITE, LutSynthesis, cells_of, module_of
from flow.tech.part import Part
from flow.tech.parts import load_part
from flow.tools.yosys import version, yosys

CUTOFF = 5.0
"""Levels a stage of `alkaid convert`, its default."""
TRIED = (("chains", 10), ("chains", 0), ("adders", 0))
"""Passes, and percent by which a stage may be slower than need be where that saves registers."""


def tables(only: str, timeout_s: float) -> Iterator[list[Row]]:
    """LUTs and flip-flops of each model on Xilinx 7 series, and the means of the ratios."""
    part = load_part("xilinx")
    ratios: dict[str, list[float]] = {"LUTs": [], "flip-flops": []}
    for model in given(only):
        rows = _model_rows(model, part, timeout_s)
        for row in rows:
            if row.ratio:
                ratios[row.what.partition(",")[0]].append(row.ratio)
        yield rows
    if not only:
        yield [
            Row(f"{what}, geometric mean of the ratios", mean, "", "alkaid", 1.0, "at most 0.9",
                mean <= 0.9, note=f"{len(found)} designs")
            for what, found in ratios.items()
            if found and (mean := math.exp(sum(map(math.log, found)) / len(found)))
        ]  # fmt: skip


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
    circuit = Pipeline(stages=stages, slack=slack, family=family).run(
        circuit_of(model.network, passes)
    )
    return mine(f"{passes}, slack {slack} %", model.network, emit_verilog(circuit))


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
            slow = "took longer than" in error.message
            return f"timed out after {timeout_s:.0f} s" if slow else error.message
        data = (place / "netlist.json").read_text()
        return LutSynthesis(
            cells_of(data, design.top), (place / "netlist.v").read_text(), data, tuple(script)
        )
