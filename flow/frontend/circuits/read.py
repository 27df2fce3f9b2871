"""Reads the circuit that a user brings, by the suffix of its file."""

from __future__ import annotations

from pathlib import Path

from flow.errors import UsageError
from flow.frontend.circuits.blif import parse_blif
from flow.frontend.circuits.verilog import read_verilog
from flow.ir.design import Design
from flow.ir.threshold import ThresholdNetlist
from flow.ir.threshold_text import parse_threshold

SUFFIXES = (".blif", ".th", ".v", ".sv")
LARGEST_FILE = 1 << 28


def is_circuit(path: Path | None) -> bool:
    """Whether a file is a circuit by its name, and no model."""
    return path is not None and path.suffix.lower() in SUFFIXES


def read_circuit(path: Path, liberty: Path | None = None) -> Design | ThresholdNetlist:
    """The design in a BLIF or Verilog file, or the gates of a `.th` file.

    UsageError where it cannot be read, with its line.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(
            f"the circuit cannot be read: {error.strerror}", where=str(path)
        ) from error
    if size > LARGEST_FILE:
        raise UsageError(f"the file has {size} bytes, more than are read", where=path.name)
    suffix = path.suffix.lower()
    if suffix in (".v", ".sv"):
        return read_verilog(path, liberty)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("the circuit is not text", where=path.name) from error
    if suffix == ".th":
        return parse_threshold(text, path.name)
    return parse_blif(text, path.name)
