"""Checks the chip around a circuit of a build folder again: its registers and its netlist."""

from __future__ import annotations

import time
from pathlib import Path

from flow.backends.emission import Store
from flow.errors import FlowError, printable
from flow.pipeline.chip import REGISTERS, copies_verdict, measure_chip
from flow.pipeline.reading import read_text
from flow.pipeline.reopening import Design
from flow.tech.technology import Technology
from flow.verify.chip import prove_chip
from flow.verify.verdict import Verdict

NETLIST = "the chip's netlist"


def verify_store(
    design: Design, store: Store, technology: Technology, limit_s: float, seed: int
) -> tuple[Verdict, ...]:
    """Whether every copy of every register is in the netlist of the files, and whether that
    netlist is the Verilog, module by module within so many seconds; nothing of it is run."""
    begin = time.monotonic()
    try:
        found = _copies(design.folder, store, technology)
    except FlowError as error:
        found = _failed(REGISTERS, error, begin)
    begin = time.monotonic()
    try:
        proved = prove_chip(design.folder, design.emission, store, timeout_s=limit_s, seed=seed)
    except FlowError as error:
        proved = (_failed(NETLIST, error, begin),)
    except (OSError, UnicodeDecodeError) as error:
        # The verdict on the files names the one that is missing or is no text.
        proved = (Verdict(NETLIST, "failed", f"it cannot be read: {type(error).__name__}", 0.0),)
    return (found, *proved)


def _copies(folder: Path, store: Store, technology: Technology) -> Verdict:
    text = read_text(folder / "netlist" / f"{store.top}.json")
    try:
        measured = measure_chip(text, store.top, technology)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return Verdict(REGISTERS, "failed", f"not a netlist of Yosys: {printable(str(error))}", 0.0)
    return copies_verdict(measured, store)


def _failed(check: str, error: FlowError, begin: float) -> Verdict:
    return Verdict(check, "failed", printable(error.message), time.monotonic() - begin)
