"""The vector engine of a chip in cells of a library, by Yosys and ABC; memories are not in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from flow.errors import ToolError
from flow.pipeline.lpu import Block
from flow.pipeline.planning import LIBRARY
from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text
from flow.tools import yosys

PARTS = ("lpu_control", "lpu_lane", "lpu_unit", "lpu_planes")
TIMEOUT_S = 300.0
_CELL = re.compile(r"^\s+(\d+)\s+(?:[\d.e+]+\s+)?(sky130_\w+)\s*$", re.MULTILINE)
_INPUTS = re.compile(r"lpu_planes #\(\.INPUTS\((\d+)\)\)")


def engine_block(folder: Path) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """Sequencer, lane, slow unit and input registers as blocks; a note where Yosys cannot."""
    technology = load(LIBRARY)
    found = []
    wide = _INPUTS.search((folder / "rtl" / "chip.v").read_text(encoding="utf-8"))
    inputs = int(wide[1]) if wide else 1
    try:
        with tempfile.TemporaryDirectory(prefix="flow-engine-") as scratch:
            liberty = Path(scratch) / "cells.lib"
            liberty.write_text(liberty_text(technology, helper_buffer=True))
            for part in PARTS:
                log = yosys.yosys(
                    [
                        f"read_verilog {yosys.file_name(folder.resolve() / 'rtl' / f'{part}.v')}",
                        *([f"chparam -set INPUTS {inputs} {part}"] if part == PARTS[3] else []),
                        f"synth -flatten -top {part}",
                        f"dfflibmap -liberty {yosys.file_name(liberty)}",
                        f"abc -liberty {yosys.file_name(liberty)}",
                        "opt_clean -purge",
                        "stat",
                    ],
                    timeout_s=TIMEOUT_S,
                ).log
                found.append(_block(part, log.rpartition("Printing statistics")[2]))
    except ToolError as error:
        return (), (f"the vector engine is not measured: {error.message}",)
    return tuple(found), ()


def _block(part: str, log: str) -> Block:
    cells = {m[2]: int(m[1]) for m in _CELL.finditer(log)}
    areas = load(LIBRARY).cells
    known = tuple(sorted((name, count) for name, count in cells.items() if name in areas))
    area = sum(areas[name].area * count for name, count in known)
    what = {"lpu_control": "sequencer", "lpu_lane": "vector lane", "lpu_unit": "root and quotient"}
    return Block(part, what.get(part, "inputs of the arrays"), (), 0, known, area)
