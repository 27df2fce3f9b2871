"""Synthesis of the emitted Verilog onto the look-up tables of an FPGA family, by Yosys."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from flow.backends.emission import Emission, write_files
from flow.errors import ToolFailed
from flow.tech.part import Part
from flow.tools.yosys import yosys

SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class LutSynthesis:
    """A circuit as primitives of an FPGA family: how many of each, and the netlist as text.

    `netlist` is Verilog, `data` the JSON that nextpnr reads; `script` is what Yosys ran.
    """

    cells: Mapping[str, int]
    netlist: str
    data: str
    script: tuple[str, ...]


def synthesise_luts(
    emission: Emission, part: Part, *, quick: bool = False, timeout_s: float = SECONDS
) -> LutSynthesis:
    """Map the Verilog of an emission onto a family; `quick` leaves out the slow optimisations.

    What was mapped last is not mapped again: comments aside, equal texts give equal netlists.
    ToolFailed where Yosys cannot.
    """
    files = tuple(
        (str(path), re.sub(r"^//.*$", "//", text, flags=re.MULTILINE))
        for path, text in sorted(emission.files.items())
        if path.suffix == ".v"
    )
    return _mapped(files, emission.top, part.synthesis, quick, timeout_s)


@lru_cache(maxsize=2)
def _mapped(
    files: tuple[tuple[str, str], ...], top: str, synthesis: str, quick: bool, timeout_s: float
) -> LutSynthesis:
    script = (
        NO_VERIFY,
        *((QUICK,) if quick else ()),
        *(f"read_verilog {file}" for file, _ in files),
        f"{synthesis} -top {top}",
    )
    with tempfile.TemporaryDirectory(prefix="flow-luts-") as scratch:
        place = Path(scratch)
        write_files({PurePosixPath(file): text for file, text in files}, place)
        yosys([*script, *WRITE], cwd=place, timeout_s=timeout_s)
        data = (place / "netlist.json").read_text(encoding="utf-8")
        netlist = (place / "netlist.v").read_text(encoding="utf-8")
    return LutSynthesis(cells_of(data, top), netlist, data, script)


NO_VERIFY = "scratchpad -set abc9.verify 0"
"""ABC need not check its own result: the netlist is compared with the circuit."""
QUICK = "scratchpad -set abc9.script +&sweep;&dc2;&if,{W}"
"""Without `&dch` and `&mfs`, which take most of the time and some 4 % of the tables."""
WRITE = (
    # Scopes and places in the source say nothing of the circuit.
    "delete t:$scopeinfo",
    "setattr -unset src *",
    "setattr -mod -unset src *",
    "write_verilog -noattr netlist.v",
    "write_json netlist.json",
)
"""The commands that leave the netlist."""


def module_of(data: str, top: str) -> Mapping[str, Any]:
    """The module of that name in the JSON of a netlist; ToolFailed where it is not there."""
    try:
        module = json.loads(data)["modules"][top]
    except (ValueError, KeyError) as error:
        raise ToolFailed(f"Yosys left no module {top}: {error}") from error
    assert isinstance(module, dict)
    return module


def cells_of(data: str, top: str) -> dict[str, int]:
    """How many there are of each primitive, by name."""
    kinds = Counter(str(cell["type"]) for cell in module_of(data, top)["cells"].values())
    return dict(sorted(kinds.items()))
