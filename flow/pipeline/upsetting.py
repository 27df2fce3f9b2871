"""Upsets of the flip-flops of a build folder, from its Verilog and its vectors."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow import __version__
from flow.analysis.upsets import SAMPLES, Upsets, upsets
from flow.errors import UsageError
from flow.frontend.circuits.verilog import read_verilog
from flow.ir import design as logic
from flow.pipeline.fault_folder import study_facts
from flow.pipeline.fault_harm import sample_size
from flow.pipeline.folder import replacing, write_file, write_manifest
from flow.pipeline.reopening import Design, reopen
from flow.progress import Progress, silent

FORMAT = "flow-upsets 1"
TITLES = ("register", "bits", "upsets", "wrong", "shifted", "lasting", "hangs")


@dataclass(frozen=True, slots=True)
class UpsetStudy:
    """What upsets do, in JSON, a line for the reader, and a table with one row a register."""

    json: str
    line: str
    rows: tuple[tuple[str, ...], ...]
    found: Upsets


def study_upsets(folder: Path, most: int, seed: int = 0, progress: Progress = silent) -> UpsetStudy:
    """Every flip-flop of the design in `folder` upset in every clock, on its first vectors.

    Beyond `most` places as many are drawn as give a share to one point at 99 % confidence.
    UsageError where the design holds no state.
    """
    opened = reopen(folder)
    design = read_design(opened)
    if not design.flipflops:
        raise UsageError(
            "the circuit has no flip-flops",
            where=str(folder),
            hint="leave out --upsets: its faults are those of its lines",
        )
    drive = drive_of(opened)
    few = upsets(design, drive, 1, seed)
    size = None if few.total <= most else sample_size(few.total)
    found = upsets(design, drive, size, seed, progress)
    rows = _rows(found)
    return UpsetStudy(_json(opened, found, rows), _line(found), rows, found)


def write_upsets(
    folder: Path, out: Path, most: int, seed: int, progress: Progress = silent
) -> UpsetStudy:
    """`study_upsets` into the folder `out`, which is replaced whole."""
    found = study_upsets(folder, most, seed, progress)
    with replacing(out) as fresh:
        write_file(fresh, "upsets.json", found.json)
        write_file(fresh, "upsets.csv", _table(found.found))
        write_manifest(fresh, study_facts(folder, {}, seed, {"most": most, "upsets": True}))
    return found


def read_design(opened: Design) -> logic.Design:
    """The Verilog of a build as one graph, through Yosys; its flip-flops have no reset of their
    own: it is part of what they take."""
    texts = [
        str(opened.emission.files[path])
        for path in sorted(opened.emission.files)
        if path.parts[0] == "rtl" and path.suffix == ".v"
    ]
    with tempfile.TemporaryDirectory(prefix="flow-upsets-") as scratch:
        place = Path(scratch) / f"{opened.emission.top}.v"
        place.write_text("\n".join(texts), encoding="utf-8")
        return read_verilog(place)


def drive_of(opened: Design) -> dict[str, NDArray[np.uint8]]:
    """The bits of every data input for the first vectors of the folder."""
    found: dict[str, NDArray[np.uint8]] = {}
    for port in opened.emission.inputs:
        values = np.asarray(opened.inputs[port.source])[:SAMPLES]
        for i, lane in enumerate(port.lanes):
            for bit in range(lane.width):
                name = port.name if port.width == 1 else f"{port.name}[{lane.offset + bit}]"
                found[name] = ((values[:, i] >> bit) & 1).astype(np.uint8)
    return found


def _rows(found: Upsets) -> tuple[tuple[str, ...], ...]:
    """A row for all, then one a register, those with most wrong answers first."""
    members: dict[str, list[int]] = defaultdict(list)
    bits: dict[str, set[int]] = defaultdict(set)
    for k, flop in enumerate(found.places[:, 0].tolist()):
        name = re.sub(r"\[\d+\]$", "", found.flipflops[flop])
        members[name].append(k)
        bits[name].add(flop)

    def row(name: str, count: int, own: list[int]) -> tuple[str, ...]:
        tried = len(own) * found.samples
        shares = (found.wrong, found.shifted, found.lasting, found.hangs)
        texts = (f"{100 * int(x[own].sum()) / max(1, tried):.2f} %" for x in shares)
        return (name, str(count), str(tried), *texts)

    rows = [row(name, len(bits[name]), own) for name, own in members.items()]
    order = sorted(rows, key=lambda r: (-float(r[3].removesuffix(" %")), r[0]))
    return (row("all", len(found.flipflops), list(range(len(found.places)))), *order)


def _line(found: Upsets) -> str:
    tried = "every flip-flop in every clock"
    if len(found.places) < found.total:
        tried = f"{len(found.places)} of {found.total} places drawn, shares to 1 point (99 %)"
    hangs, lasting = int(found.hangs.sum()), int(found.lasting.sum())
    end = "none hangs" if not hangs else f"{hangs} hang"
    return (
        f"{found.count} upsets of {len(found.flipflops)} flip-flops in {found.clocks} clocks on "
        f"{found.samples} samples: {tried}.\n"
        f"{100 * found.share(found.wrong):.2f} % give a wrong answer, {end}, "
        f"{lasting or 'none'} stays wrong, watched for {found.watched} clocks."
    )


def _json(opened: Design, found: Upsets, rows: tuple[tuple[str, ...], ...]) -> str:
    facts = {
        "format": FORMAT, "flow": __version__, "name": opened.emission.top,
        "flipflops": len(found.flipflops), "clocks": found.clocks, "interval": found.interval,
        "watched": found.watched, "samples": found.samples, "upsets": found.count,
        "places": len(found.places), "all_places": found.total,
        "wrong": int(found.wrong.sum()), "shifted": int(found.shifted.sum()),
        "lasting": int(found.lasting.sum()), "hangs": int(found.hangs.sum()),
        "registers": [dict(zip(TITLES, row, strict=True)) for row in rows[1:]],
    }  # fmt: skip
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _table(found: Upsets) -> str:
    """Every place as CSV: flip-flop, clock, and samples of each kind."""
    lines = ["flipflop,clock,wrong,shifted,lasting,hangs"]
    columns = (found.wrong, found.shifted, found.lasting, found.hangs)
    for k, (flop, clock) in enumerate(found.places.tolist()):
        counts = ",".join(str(int(x[k])) for x in columns)
        lines.append(f"{found.flipflops[flop]},{clock},{counts}")
    return "\n".join(lines) + "\n"
