"""Programs the cells of a built folder anew, so that those on late paths are faster."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.errors import UsageError
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.mapping.flash.programming import Programmed, program_text, read_program
from flow.mapping.flash.retune import Retuned, retune
from flow.pipeline.folder import MANIFEST, read_manifest, replacing, write_file, write_manifest
from flow.pipeline.reading import read_text
from flow.pipeline.verdicts import require_good
from flow.progress import Progress, silent
from flow.verify.flash_cells import check_cells, check_program
from flow.verify.verdict import Verdict

FIRST = "flash/program.txt"
_LATER = re.compile(r"program-(\d+)\.txt")
_ROW = re.compile(r"(\S+?)[\s,]+([-+]?\d+)")


@dataclass(frozen=True)
class Outcome:
    """The new programming file, the cells that it changes, and what proves them."""

    file: str
    cells: tuple[Retuned, ...]
    verdicts: tuple[Verdict, ...]


def retune_folder(folder: Path, slack: Path, progress: Progress = silent) -> Outcome:
    """Write the next programming file into a build folder, which stays whole.

    `slack` has a line for each cell: its name, and its slack in ps, negative where it is late.
    The last programming file is taken; the gates are those of the first. UsageError where a file
    cannot be used, CheckFailed where a cell cannot be made fast enough; then nothing is written.
    """
    facts = read_manifest(folder)
    if not (folder / FIRST).is_file():
        raise UsageError(
            "the build has no flash cells",
            where=str(folder),
            hint="build a design with flip-flops with --target flash",
        )
    number = max([1, *_numbers(folder)])
    last = FIRST if number == 1 else f"flash/program-{number}.txt"
    original = read_program(read_text(folder / FIRST), FIRST)
    cells = read_program(read_text(folder / last), last)
    progress("threshold voltages")
    changed = retune(cells, read_slack(read_text(slack), slack.name))
    new = {one.after.name: one.after for one in changed}
    text = program_text([new.get(one.name, one) for one in cells])
    verdicts = (
        check_program(text, _gates(original)),
        check_cells([one.after.voltages for one in changed], progress=progress),
    )
    require_good(verdicts)
    name = f"flash/program-{number + 1}.txt"
    with replacing(folder) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        (fresh / MANIFEST).unlink()
        write_file(fresh, name, text)
        kept = {key: value for key, value in facts.items() if key not in ("format", "files")}
        write_manifest(fresh, kept)
    return Outcome(name, changed, verdicts)


def read_slack(text: str, where: str) -> dict[str, int]:
    """The slack (ps) of each cell of a report: `NAME SLACK` lines, `#` begins a comment."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].strip()
        if not words:
            continue
        row = _ROW.fullmatch(words)
        if row is None:
            raise UsageError(
                f"not a cell and its slack in whole ps: {words[:80]!r}",
                where=f"{where}, line {number}",
                hint="write for instance: state_reg_3 -20",
            )
        found[row[1]] = min(int(row[2]), found.get(row[1], int(row[2])))
    return found


def _gates(cells: Sequence[Programmed]) -> tuple[FlashFlipFlop, ...]:
    return tuple(FlashFlipFlop(one.name, one.voltages.gate, ()) for one in cells)


def _numbers(folder: Path) -> list[int]:
    names = [_LATER.fullmatch(path.name) for path in (folder / "flash").iterdir()]
    return sorted(int(found[1]) for found in names if found)
