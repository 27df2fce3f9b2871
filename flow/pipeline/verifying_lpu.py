"""Checks a finished language chip again: linters, and the first tokens by its cocotb bench."""

from __future__ import annotations

from pathlib import Path

from flow.pipeline.lpu_base import CHIP
from flow.progress import Progress, silent
from flow.verify.lint import lint
from flow.verify.simulate import simulate_cocotb
from flow.verify.verdict import Verdict

READERS = 2
"""Icarus and Verilator; Yosys unrolls every wire, which takes longer than all the rest."""


def is_chip(folder: Path) -> bool:
    """Whether a build folder is that of a language chip."""
    return (folder / CHIP).is_file()


def verify_chip(folder: Path, progress: Progress = silent) -> tuple[Verdict, ...]:
    """Verdicts on the RTL against what the model gave when the folder was written.

    The model is not in the folder; what it gave for the first tokens is, and hashes hold it.
    """
    progress("linters")
    found = lint(folder, "chip", by=READERS)
    progress("cocotb test in Icarus Verilog")
    return (*found, simulate_cocotb(folder))
