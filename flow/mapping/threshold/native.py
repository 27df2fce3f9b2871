"""The C functions of this room, compiled once in a process for the very machine it runs on."""

from __future__ import annotations

import ctypes
import tempfile
from functools import cache
from pathlib import Path

from flow.tools.compiler import shared_library


@cache
def compiled(name: str) -> ctypes.CDLL:
    """The functions of the C text of that name beside this file.

    ToolNotFound where nothing compiles them.
    """
    source = Path(__file__).with_name(f"{name}.c").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="flow-threshold-") as folder:
        return ctypes.CDLL(str(shared_library(source, Path(folder), name)))
