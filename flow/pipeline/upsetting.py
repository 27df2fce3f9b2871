"""Upsets of the flip-flops of a build folder, from its Verilog and its vectors."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from flow import __version__
from flow.analysis.upsets import Setting, Upsets, upsets
from flow.errors import UsageError
from flow.frontend.circuits.verilog import read_verilog
from flow.ir import design as logic
from flow.pipeline.fault_folder import study_facts
from flow.pipeline.fault_harm import MARGIN, sample_size
from flow.pipeline.folder import read_manifest, replacing, write_file, write_manifest
from flow.pipeline.reopening import Design, reopen
from flow.pipeline.upset_subjects import (
    Subject,
    array_subject,
    circuit_drive,
    language_subject,
    store_subject,
)
from flow.pipeline.verifying_lpu import is_chip
from flow.pipeline.verifying_tulip import is_tulip
from flow.progress import Progress, silent

FORMAT = "flow-upsets 1"
CELL_MARGIN = 0.02
"""Of shares of bits of memories, at 99 % confidence."""
TITLES = ("register", "bits", "upsets", "wrong", "shifted", "lasting", "hangs")


@dataclass(frozen=True, slots=True)
class UpsetStudy:
    """What upsets do, in JSON, a line for the reader, and a table with one row a register."""

    json: str
    line: str
    rows: tuple[tuple[str, ...], ...]
    found: Upsets
    cells: Upsets | None = None
    """Upsets of the bits of memories that the design has beside its flip-flops."""


def study_upsets(folder: Path, most: int, seed: int = 0, progress: Progress = silent) -> UpsetStudy:
    """Every flip-flop of the design in `folder` upset in every clock, on its first vectors.

    Beyond `most` places as many are drawn as give a share to one point at 99 % confidence.
    UsageError where the design holds no state.
    """
    subject = subject_of(folder, progress)
    design, drive, setting = subject.design, subject.drive, subject.setting
    if not design.flipflops:
        raise UsageError(
            "the circuit has no flip-flops",
            where=str(folder),
            hint="leave out --upsets: its faults are those of its lines",
        )

    def tried(total: int, margin: float) -> int:
        return total if total <= most else sample_size(total, margin)

    found = upsets(design, drive, partial(tried, margin=MARGIN), seed, progress, setting)
    cells = None
    if any(memory.write for memory in setting.memories):
        held = replace(setting, cells=True)
        cells = upsets(design, drive, partial(tried, margin=CELL_MARGIN), seed, progress, held)
    rows = _rows(found)
    text = _json(subject.name, found, rows, cells)
    return UpsetStudy(text, _line(found, cells), rows, found, cells)


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


def subject_of(folder: Path, progress: Progress = silent) -> Subject:
    """The design of a build folder and what drives it; UsageError where the folder has none."""
    progress("the Verilog is read")
    if is_chip(folder):
        return language_subject(folder)
    if is_tulip(read_manifest(folder)):
        return array_subject(folder)
    opened = reopen(folder)
    if opened.emission.store is not None:
        return store_subject(opened, opened.emission.store)
    return Subject(opened.emission.top, read_design(opened), circuit_drive(opened), Setting())


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


def _line(found: Upsets, cells: Upsets | None) -> str:
    hangs, lasting = int(found.hangs.sum()), int(found.lasting.sum())
    end = "none hangs" if not hangs else f"{hangs} hang"
    stays = f"{lasting} stay" if lasting else "none stays"
    text = (
        f"{found.count} upsets of {len(found.flipflops)} flip-flops in {found.clocks} clocks on "
        f"{_samples(found)}: {_tried(found, 'every flip-flop', MARGIN)}.\n"
        f"{100 * found.share(found.wrong):.2f} % give a wrong answer, {end}, "
        f"{stays} wrong, watched for {found.watched} clocks."
    )
    if cells is None:
        return text
    hangs = int(cells.hangs.sum())
    end = "none hangs" if not hangs else f"{hangs} hang"
    return (
        f"{text}\n{cells.count} upsets of {len(cells.flipflops)} bits of memories: "
        f"{_tried(cells, 'every bit', CELL_MARGIN)}. {100 * cells.share(cells.wrong):.2f} % give "
        f"a wrong answer, {100 * cells.share(cells.lasting):.2f} % until the bit is written again, "
        f"{end}."
    )


def _samples(found: Upsets) -> str:
    return f"{found.samples} sample{'s' * (found.samples != 1)}"


def _tried(found: Upsets, every: str, margin: float) -> str:
    if len(found.places) < found.total:
        drawn = f"{len(found.places)} of {found.total} places drawn"
        points = round(100 * margin)
        return f"{drawn}, shares to {points} point{'s' * (points != 1)} (99 %)"
    return f"{every} in every clock"


def _json(name: str, found: Upsets, rows: tuple[tuple[str, ...], ...], cells: Upsets | None) -> str:
    facts: dict[str, Any] = {
        "format": FORMAT, "flow": __version__, "name": name, **_facts(found),
        "registers": [dict(zip(TITLES, row, strict=True)) for row in rows[1:]],
    }  # fmt: skip
    if cells is not None:
        facts["memories"] = _facts(cells) | {
            "registers": [dict(zip(TITLES, row, strict=True)) for row in _rows(cells)[1:]]
        }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _facts(found: Upsets) -> dict[str, int]:
    return {
        "flipflops": len(found.flipflops), "clocks": found.clocks, "interval": found.interval,
        "watched": found.watched, "samples": found.samples, "upsets": found.count,
        "places": len(found.places), "all_places": found.total,
        "wrong": int(found.wrong.sum()), "shifted": int(found.shifted.sum()),
        "lasting": int(found.lasting.sum()), "hangs": int(found.hangs.sum()),
    }  # fmt: skip


def _table(found: Upsets) -> str:
    """Every place as CSV: flip-flop, clock, and samples of each kind."""
    lines = ["flipflop,clock,wrong,shifted,lasting,hangs"]
    columns = (found.wrong, found.shifted, found.lasting, found.hangs)
    for k, (flop, clock) in enumerate(found.places.tolist()):
        counts = ",".join(str(int(x[k])) for x in columns)
        lines.append(f"{found.flipflops[flop]},{clock},{counts}")
    return "\n".join(lines) + "\n"
