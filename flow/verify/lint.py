"""Lints the Verilog of an output folder with three independent readers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.tools import icarus, verilator, yosys
from flow.verify.verdict import Verdict, tool_verdict


def lint(
    folder: Path, top: str, timeout_s: float = 300.0, of: str = "", boxes: str = ""
) -> tuple[Verdict, ...]:
    """Verdicts of Icarus -Wall, Verilator -Wall and Yosys' checks on `rtl/`; a warning fails.

    `of` is added to the names of the checks. Of files whose names begin with `boxes`, a module
    each, Yosys reads the ports only: loops over long tables take it minutes.
    """
    files = sorted(f"rtl/{path.name}" for path in (folder / "rtl").glob("*.v"))

    def by_icarus() -> str:
        with tempfile.TemporaryDirectory(prefix="flow-lint-") as scratch:
            output = Path(scratch) / "lint.vvp"
            return icarus.compile_verilog(files, top, output, folder, timeout_s).log.strip()

    def by_verilator() -> str:
        # -O0: warnings are about the text, not about what the optimiser has made of it.
        verilator.lint(files, top, folder, timeout_s, ["-O0"])
        return ""

    def by_yosys() -> str:
        boxed = [file for file in files if boxes and Path(file).name.startswith(boxes)]
        with tempfile.TemporaryDirectory(prefix="flow-lint-") as scratch:
            ports = Path(scratch).resolve() / "boxes.v"
            ports.write_text("".join(_box(folder / file) for file in boxed))
            read: list[Path | str] = [file for file in files if file not in boxed]
            read += [ports] if boxed else []
            script = [
                *(f"read_verilog {yosys.file_name(file)}" for file in read),
                f"hierarchy -check -top {top}",
                "proc",
                "check -assert",
            ]
            log = yosys.yosys(script, folder, timeout_s).log
        return "\n".join(line for line in log.splitlines() if line.startswith("Warning:"))

    readers = (
        ("Icarus Verilog", by_icarus), ("Verilator", by_verilator), ("Yosys", by_yosys)
    )  # fmt: skip
    return tuple(_checked(f"lint{of} with {name}", work) for name, work in readers)


def _box(file: Path) -> str:
    """A module with its ports alone."""
    head, _, _ = file.read_text(encoding="utf-8").partition(");\n")
    return f"(* blackbox *)\n{head});\nendmodule\n"


def _checked(check: str, work: Callable[[], str]) -> Verdict:
    """`work` returns the warnings, which are all that can be wrong if it does not raise."""
    begin = time.monotonic()
    try:
        warnings = work()
    except (ToolNotFound, ToolTimedOut) as error:
        return tool_verdict(check, error, begin)
    except ToolFailed as error:
        detail = _first(error.log) or error.message
        return Verdict(check, "failed", detail, time.monotonic() - begin)
    if warnings:
        return Verdict(check, "failed", _first(warnings), time.monotonic() - begin)
    return Verdict(check, "passed", "no warnings", time.monotonic() - begin)


def _first(log: str) -> str:
    """The first line that complains."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    loud = [line for line in lines if "arning" in line or "rror" in line]
    return (loud or lines or [""])[0]
