"""Checks a language chip by its folder: linters, and the first tokens by its cocotb bench."""

from __future__ import annotations

import re
from pathlib import Path

from flow.assets import asset
from flow.backends.lpu import BENCH, MODULES, WIRED
from flow.errors import UsageError
from flow.pipeline.lpu import read_chip
from flow.pipeline.lpu_base import CHIP
from flow.pipeline.reading import read_text
from flow.progress import Progress, silent
from flow.verify.lint import lint
from flow.verify.simulate import simulate_cocotb
from flow.verify.verdict import Verdict

MOST_ICARUS = 1 << 15
"""Weights of a chip up to which Icarus runs the bench, unless it is asked for: an array costs it a
thousand times what it costs Verilator, which has to be compiled first."""
BENCH_S = 1800.0
_QUIET = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|//[^\n]*|`default_nettype (?:none|wire)\n', re.DOTALL
)
_CALL = re.compile(r"[$`\\]\w*")
"""Texts, comments and the one directive that chips have; calls, directives and escaped names."""


def is_chip(folder: Path) -> bool:
    """Whether a build folder is that of a language chip."""
    return (folder / CHIP).is_file()


def token_bench(folder: Path, chosen: str, weights: int) -> tuple[Verdict, ...]:
    """The cocotb test of a chip of so many weights, where cocotb is among what was chosen."""
    if chosen not in ("icarus", "both"):
        return ()
    small = chosen == "icarus" or weights <= MOST_ICARUS
    return (simulate_cocotb(folder, "icarus" if small else "verilator", BENCH_S),)


def verify_chip(folder: Path, progress: Progress = silent) -> tuple[Verdict, ...]:
    """Verdicts on the RTL against what the model gave when the folder was written.

    The model is not in the folder; what it gave for the first tokens is, and hashes hold it.
    """
    progress("linters")
    found = lint(folder, "chip", boxes=WIRED)
    if strange := _foreign(folder):
        return (*found, Verdict("cocotb test", "not checked", strange, 0.0))
    progress("cocotb test of the first tokens")
    try:
        blocks = read_chip(folder)["blocks"]
        weights = sum(int(block["weights"]) for block in blocks)
    except (UsageError, KeyError, TypeError, ValueError):
        return (*found, Verdict("cocotb test", "failed", f"{CHIP} does not say its blocks", 0.0))
    return (*found, *token_bench(folder, "both", weights))


def _foreign(folder: Path) -> str:
    """Why the bench of a folder must not be run, as it is a program; empty where it is ours.

    A simulator runs what the RTL calls: our modules read their tables, the others call nothing.
    """
    wanted = {name: asset("sim", source).read_text(encoding="utf-8") for name, source in BENCH}
    there = {path.relative_to(folder / "tb").as_posix() for path in (folder / "tb").rglob("*")}
    for name in sorted(there | set(wanted)):
        if name not in there:
            return f"tb/{name} is missing"
        if name not in wanted or read_text(folder / "tb" / name) != wanted[name]:
            return f"tb/{name} is not what flow writes, and it is a program"
    modules = {f"{module}.v" for module in MODULES}
    for path in sorted((folder / "rtl").glob("*.v")):
        text = read_text(path)
        if path.name in modules:
            if text != asset("rtl", path.name).read_text(encoding="utf-8"):
                return f"rtl/{path.name} is not the module of this name"
        elif found := _CALL.search(_QUIET.sub(" ", text)):
            return f"rtl/{path.name} holds {found[0]!r}, which a chip does not need"
    return ""
