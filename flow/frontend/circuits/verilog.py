"""Reads Verilog, of behaviour or of gates, through Yosys: flattened, with one kind of flip-flop."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from flow.errors import ToolFailed, UsageError
from flow.frontend.circuits.blif import parse_blif
from flow.ir.design import Design
from flow.tools.process import Limits
from flow.tools.verilog_guard import CALLS, FILES, refuse_words
from flow.tools.yosys import yosys

SECONDS = 300.0
MEMORY = 900 << 20
"""Bytes of address space of Yosys for a small file; it gets more for larger ones."""
MEMORY_FACTOR = 2000
PROCESSOR_SECONDS = 7
"""Seconds of processor time of Yosys for a small file, and one more for so many bytes."""
BYTES_A_SECOND = 2048


def read_verilog(path: Path, liberty: Path | None = None) -> Design:
    """The design of a Verilog file with one top module.

    `liberty` has the cells of a mapped netlist. Resets become part of what flip-flops take;
    memories become flip-flops. UsageError with the words of Yosys where it cannot read the file,
    also within the memory and processor time that its size gives it.
    """
    data = path.read_bytes()
    refuse_words(data.decode("utf-8", "replace"), path.name, (*CALLS, *FILES))
    size = len(data) + (0 if liberty is None else liberty.stat().st_size)
    limits = Limits(MEMORY + MEMORY_FACTOR * size, PROCESSOR_SECONDS + size // BYTES_A_SECOND)
    with tempfile.TemporaryDirectory(prefix="flow-design-") as folder:
        place = Path(folder)
        (place / "design.v").write_bytes(data)
        script = ["read_verilog -sv design.v", "hierarchy -auto-top"]
        if liberty is not None:
            shutil.copyfile(liberty, place / "cells.lib")
            script += [
                "read_liberty -overwrite -ignore_miss_func -ignore_miss_data_latch cells.lib"
            ]
        script += [
            "hierarchy -check",
            "proc",
            "flatten",
            "opt -full",
            "memory",
            "opt -full",
            "async2sync",
            "techmap",
            "opt -full -nodffe -nosdff",
            "dfflegalize -cell $_DFF_P_ 01",
            "aigmap",
            "opt_clean",
            "write_blif design.blif",
        ]
        try:
            yosys(script, cwd=place, timeout_s=SECONDS, limits=limits)
        except ToolFailed as error:
            raise UsageError(
                f"Yosys cannot read it{_within(error, limits)}: {_reason(error)}",
                where=path.name,
                hint="it takes one top module of Verilog with one clock; a mapped netlist "
                "needs --liberty with its cells",
            ) from error
        text = (place / "design.blif").read_text(encoding="utf-8")
    return parse_blif(_without_clock(text), path.name)


def _within(error: ToolFailed, limits: Limits) -> str:
    """The limits, where they may be why it ended without an error."""
    if "ERROR" in error.log:
        return ""
    return f" within {limits.memory >> 20} MiB and {limits.seconds} s of processor time"


def _reason(error: ToolFailed) -> str:
    lines = [line for line in error.log.splitlines() if "ERROR" in line]
    return (lines[-1] if lines else error.message).removeprefix("ERROR: ").strip()


def _without_clock(text: str) -> str:
    """The text without the constants of Yosys that nothing reads, and without the clock's input."""
    clocks = {
        words[4]
        for line in text.splitlines()
        if (words := line.split())[:1] == [".latch"] and len(words) > 4
    }
    if len(clocks) > 1:
        raise UsageError(
            f"the design has more than one clock: {', '.join(sorted(clocks))}",
            hint="only designs of one clock are mapped",
        )
    used = {
        word
        for line in text.splitlines()
        if line.startswith((".names", ".outputs"))
        for word in line.split()[1:]
    }
    lines = []
    for line in text.splitlines():
        if line.startswith(".inputs"):
            kept = [x for x in line.split()[1:] if x not in clocks or x in used]
            line = " ".join([".inputs", *kept])
        lines.append(line)
    return "\n".join(lines) + "\n"
