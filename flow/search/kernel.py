"""The C functions of this room, compiled once in a process for the very machine it runs on."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import ToolError
from flow.search.space import Space
from flow.tools.compiler import available, shared_library

FLAGS = ("-fwrapv",)


PARTS: Mapping[str, tuple[str, ...]] = {"count": ("count",), "area": ("gates", "area")}
"""The C texts beside this file that each library is made of, in order."""


@cache
def compiled(name: str) -> ctypes.CDLL | None:
    """The functions of one of PARTS; None where nothing compiles them."""
    if not available():
        return None
    texts = (Path(__file__).with_name(f"{part}.c") for part in PARTS[name])
    source = "\n".join(text.read_text(encoding="utf-8") for text in texts)
    with tempfile.TemporaryDirectory(prefix="flow-kernel-") as folder:
        try:
            built = shared_library(source, Path(folder), name, arguments=FLAGS)
        except ToolError:
            return None
        return ctypes.CDLL(str(built))


def plan_of(space: Space) -> NDArray[np.int32]:
    """Where a genome of the space has what: see count.c."""
    places = {(f.name, f.layer): f.start for f in space.fields}
    head = [
        space.depth, space.inputs, space.input_bits, space.classes,
        places.get(("order", space.depth), -1), places.get(("ignored", space.depth), -1),
    ]  # fmt: skip
    names = ("masks", "powers", "bias", "shifts", "bits", "alive")
    for layer in range(space.depth):
        head += [space.widths[layer], space.widths[layer + 1]]
        head += [places.get((name, layer), -1) for name in names]
    return np.array(head, dtype=np.int32)


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """The address of a contiguous array, which must outlive the call."""
    return ctypes.c_void_p(array.ctypes.data)
