"""Compiles and runs Verilog with Icarus Verilog (iverilog and vvp)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flow.tools.process import Command, Completed, chosen, find, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTALL = "install the package iverilog, or set IVERILOG and VVP to the paths of its programs"


def available() -> bool:
    """Whether both programs are here, without starting them."""
    return all(find(program) is not None for program in (_iverilog(), _vvp()))


def version() -> str:
    """The name and number of the compiler; ToolNotFound where there is none."""
    log = run(Command((_iverilog(), "-V"), timeout_s=60, name="Icarus", install=_INSTALL)).log
    found = re.search(r"Icarus Verilog version ([0-9.]+)", log)
    return f"Icarus Verilog {found[1]}" if found else "Icarus Verilog"


def compile_verilog(
    files: Sequence[Path | str],
    top: str,
    output: Path | str,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    arguments: Sequence[str] = (),
) -> Completed:
    """Compile Verilog-2005 with all warnings into `output`; the warnings are the log.

    ToolFailed where it does not compile.
    """
    argv = (_iverilog(), "-g2005", "-Wall", "-s", top, "-o", str(output), *arguments)
    return run(
        Command(
            (*argv, *(_file(file) for file in files)),
            cwd=cwd,
            timeout_s=timeout_s,
            name="Icarus Verilog",
            install=_INSTALL,
        )
    )


def simulate(
    compiled: Path | str,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    plusargs: Sequence[str] = (),
) -> Completed:
    """Run a compiled design to its $finish; a $stop ends it too."""
    return run(
        Command(
            (_vvp(), "-n", str(compiled), *plusargs),
            cwd=cwd,
            timeout_s=timeout_s,
            name="Icarus Verilog's vvp",
            install=_INSTALL,
        )
    )


def _file(file: Path | str) -> str:
    """A file name that cannot be taken for an option."""
    text = str(file)
    return f"./{text}" if text.startswith(("-", "@")) else text


def _iverilog() -> str:
    return chosen("IVERILOG", "iverilog")


def _vvp() -> str:
    return chosen("VVP", "vvp")
