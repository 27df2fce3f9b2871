"""Mapped sizes of Verilog, cached: one Yosys run reads a design, then one run a script.

A design is checked against its integer model before any size of it counts: the graph that Yosys
reads, and the one with adder cells, are simulated on random inputs.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE

from flow.backends.aiger import read_aiger
from flow.errors import ToolFailed, ToolTimedOut
from flow.ir.aig import pack, unpack
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text
from flow.tools.abc import abc
from flow.tools.yosys import version, yosys

CACHE = HERE / "cache"
CACHED_ONLY = False
"""Whether nothing is measured that is not there yet; the command line sets it."""
PREPARE = "strash;ifraig;scorr;dc2;dc2;strash;dch -f"
MAPPERS = {"map": "map -B 0.9;topo", "amap": "amap -m"}
SCRIPTS = ("abc map", "abc amap", "adders amap", "extract amap")
"""What becomes adder cells (nothing, $add and $sub, what extract_fa finds), and ABC's mapper."""
LARGEST_EXTRACT = 22_000
"""Gates above which extract_fa is not tried: it takes longer than all else together."""
Sizes = dict[tuple[str, str], dict[str, Any]]
_MODELS = """module FULL_ADD(input A, B, CI, output CO, S);
  assign S = A ^ B ^ CI; assign CO = (A & B) | (CI & (A | B)); endmodule
module HALF_ADD(input A, B, output CO, S); assign S = A ^ B; assign CO = A & B; endmodule
"""
_CELLS = {
    "fa": "FAX1 c(.A(A), .B(B), .C(CI), .YC(CO), .YS(S));",
    "ha": "HAX1 c(.A(A), .B(B), .YC(CO), .YS(S));",
    "nands": """wire n1, n2, n3, p, n4, n5, n6;
  NAND2X1 g1(.A1(A), .A2(B), .Y(n1)); NAND2X1 g2(.A1(A), .A2(n1), .Y(n2));
  NAND2X1 g3(.A1(B), .A2(n1), .Y(n3)); NAND2X1 g4(.A1(n2), .A2(n3), .Y(p));
  NAND2X1 g5(.A1(p), .A2(CI), .Y(n4)); NAND2X1 g6(.A1(p), .A2(n4), .Y(n5));
  NAND2X1 g7(.A1(CI), .A2(n4), .Y(n6)); NAND2X1 g8(.A1(n5), .A2(n6), .Y(S));
  NAND2X1 g9(.A1(n1), .A2(n4), .Y(CO));""",
    "gates": "assign S = A ^ B; assign CO = A & B;",
}


@dataclass(frozen=True)
class Library:
    """Cells to map onto; `full` and `half` are the keys of what stands for an adder."""

    name: str
    technology: Technology
    full: str
    half: str

    @cached_property
    def liberty(self) -> str:
        """The text that Yosys and ABC read."""
        return liberty_text(self.technology, combinational_only=True)

    @property
    def adders(self) -> str:
        """The techmap of FULL_ADD and HALF_ADD."""
        return (
            f"module FULL_ADD(input A, B, CI, output CO, S);\n{_CELLS[self.full]}\nendmodule\n"
            f"module HALF_ADD(input A, B, output CO, S);\n{_CELLS[self.half]}\nendmodule\n"
        )


@dataclass(frozen=True)
class Design:
    """One RTL of one function. Fields of a port are (bits, signed, fraction) from bit 0 up."""

    case: str
    maker: str
    text: str
    top: str
    inputs: tuple[str, tuple[tuple[int, int, int], ...]]
    outputs: tuple[str, tuple[tuple[int, int, int], ...]]
    grid: tuple[np.ndarray, np.ndarray, np.ndarray]
    """The least and the largest integer of each input element, and the real size of a step."""
    model: Callable[[np.ndarray], np.ndarray]
    """Real outputs for real inputs of shape (samples, elements) on the grid."""


def key_of(*parts: str) -> str:
    """The name of a cache entry."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def cached(key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is in the cache under the key, else what the work gives, which is then kept there."""
    path = CACHE / f"{key}.json"
    if not path.is_file():
        if CACHED_ONLY:
            return {"failed": "not measured yet"}
        CACHE.mkdir(exist_ok=True)
        found = work()
        if not found.get("failed", "timed out").startswith("timed out"):
            return found
        path.write_text(json.dumps(found) + "\n")
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def prepared(design: Design, timeout_s: float) -> Path | str:
    """The folder with the design as gates, read and checked once; or what failed."""
    folder = CACHE / key_of("read", design.text, version(), (HERE / "adder_maps.v").read_text(),
                            (HERE / "fa_map.v").read_text())  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rtl.v").write_text(design.text)
    (folder / "models.v").write_text(_MODELS)
    for name in ("adder_maps.v", "fa_map.v"):
        (folder / name).write_text((HERE / name).read_text())
    script = [
        "read_verilog -sv rtl.v", f"hierarchy -check -top {design.top}", "proc", "flatten",
        "opt", "wreduce", "opt_clean", "write_rtlil coarse.il",
        f"synth -noabc -run coarse: -top {design.top}", "aigmap",
        "write_aiger -symbols gates.aig",
    ]  # fmt: skip
    return _step(design, folder, "gates", script, timeout_s)


_SIMULATED = ("read_verilog models.v", "flatten", "techmap", "opt_clean", "aigmap")


def _added(design: Design, folder: Path, timeout_s: float) -> Path | str:
    """The folder again, with `$add` and `$sub` as adder cells; or what failed."""
    script = [
        "read_rtlil coarse.il", "techmap -map adder_maps.v", "opt", "techmap -map fa_map.v", "opt",
        "alumacc", "opt", "memory -nomap", "memory_map", "techmap -map fa_map.v", "techmap",
        "opt -full", "delete t:$scopeinfo", "write_rtlil adders.il", *_SIMULATED,
        "write_aiger -symbols adders.aig",
    ]  # fmt: skip
    return _step(design, folder, "adders", script, timeout_s)


def _extracted(design: Design, folder: Path, timeout_s: float) -> Path | str:
    """The folder again, with the adders that extract_fa finds among the gates; or what failed."""
    size = int((folder / "gates.aig").read_bytes().split(maxsplit=6)[5])
    if size > LARGEST_EXTRACT:
        return f"extract_fa is for graphs of at most {LARGEST_EXTRACT} gates"
    script = [
        "read_rtlil coarse.il", f"synth -noabc -run coarse: -top {design.top}",
        "extract_fa -fa -ha", "techmap -map fa_map.v", "opt", "delete t:$scopeinfo",
        "write_rtlil extract.il", *_SIMULATED, "write_aiger -symbols extract.aig",
    ]  # fmt: skip
    return _step(design, folder, "extract", script, timeout_s)


def _step(
    design: Design, folder: Path, graph: str, script: list[str], timeout_s: float
) -> Path | str:
    """Run Yosys once for a graph and compare it with the integer model."""
    done = folder / f"{graph}.txt"
    if not done.is_file():
        try:
            yosys(script, folder, timeout_s)
        except ToolFailed as error:
            return _why(error, timeout_s)
        same = agrees(design, folder / f"{graph}.aig")
        done.write_text("" if same else f"the {graph} differ from the integer model")
    return done.read_text() or folder


def agrees(design: Design, file: Path, samples: int = 640) -> bool:
    """Whether a graph with the ports of the design answers as its integer model."""
    graph = read_aiger(file.read_bytes(), file.name)
    rng = np.random.default_rng(5)
    port, fields = design.inputs
    lo, hi, step = design.grid
    real = rng.integers(lo, hi + 1, size=(samples, len(lo))) * step
    values = np.rint(real * np.array([2.0**f for _, _, f in fields])).astype(np.int64)
    bits = np.concatenate(
        [values[:, [i]] >> np.arange(w)[None, :] & 1 for i, (w, _, _) in enumerate(fields)], 1
    )
    place = {f"{port}[{i}]": i for i in range(bits.shape[1])} | {port: 0}
    words = pack(bits[:, [place[name] for name in graph.inputs]].astype(np.uint8))
    found = unpack(graph.simulate(words), samples).astype(np.int64)
    port, rows = design.outputs
    column = {name: i for i, name in enumerate(graph.outputs)}
    answers, at = [], 0
    for w, s, f in rows:
        names = [f"{port}[{at + i}]" for i in range(w)] if sum(r[0] for r in rows) > 1 else [port]
        got = sum((found[:, column[n]] << i for i, n in enumerate(names)), np.zeros(samples, int))
        answers.append((got - ((got >> w - 1 & 1) << w) * s) * 2.0**-f if w else got * 0.0)
        at += w
    return bool(np.array_equal(np.stack(answers, 1), design.model(real)))


def areas(design: Design, libraries: Sequence[Library], timeout_s: float) -> Sizes:
    """By (library, script): {"um2": ..., "cells": ...} or {"failed": why}."""
    found: Sizes = {}
    for name, cells in _alone(design, libraries, timeout_s).items():
        for library in libraries:
            found[library.name, f"abc {name}"] = cells.get(library.name, cells)
    for script in SCRIPTS[2:]:
        for library in libraries:
            found[library.name, script] = _with_adders(design, script, library, timeout_s)
    return found


def _alone(
    design: Design, libraries: Sequence[Library], timeout_s: float
) -> dict[str, dict[str, Any]]:
    """ABC alone by each mapper: one run prepares the graph once and maps it onto every library."""
    key = key_of("alone", design.text, PREPARE, *MAPPERS.values(), *(x.liberty for x in libraries))

    def work() -> dict[str, Any]:
        place = prepared(design, timeout_s)
        if isinstance(place, str):
            return {"failed": place}
        own = place / key
        own.mkdir(exist_ok=True)
        lines = ["read_aiger ../gates.aig", *PREPARE.split(";"), "backup"]
        for i, library in enumerate(libraries):
            (own / f"{i}.lib").write_text(library.liberty)
            lines.append(f"read_lib -w {i}.lib")
            for name, commands in MAPPERS.items():
                lines += ["restore", *commands.split(";"), f"write_blif {i}-{name}.blif"]
        start = time.perf_counter()
        try:
            abc(lines, own, timeout_s)
        except ToolFailed as error:
            return {"failed": _why(error, timeout_s)}
        sizes = {
            name: {x.name: _netlist(own / f"{i}-{name}.blif", x) for i, x in enumerate(libraries)}
            for name in MAPPERS
        }
        return {**sizes, "seconds": time.perf_counter() - start}

    found = cached(key, work)
    return {name: found.get(name, found) for name in MAPPERS}


def _netlist(file: Path, library: Library) -> dict[str, Any]:
    """What the cells of a mapped BLIF file take."""
    lines = file.read_text().splitlines()
    names = (line.split()[1] for line in lines if line.startswith(".gate "))
    cells = dict(Counter(name for name in names if not name.startswith("_const")))
    return {"um2": library.technology.area(cells), "cells": cells}


def _with_adders(design: Design, script: str, library: Library, timeout_s: float) -> dict[str, Any]:
    """Adder cells first, then ABC for what is left."""
    what, mapper = script.split()
    commands = "+" + f"{PREPARE};{MAPPERS[mapper]}".replace(" ", ",")
    key = key_of("area", design.text, script, commands, library.liberty, library.adders)

    def work() -> dict[str, Any]:
        place = prepared(design, timeout_s)
        if isinstance(place, Path):
            step = _extracted if what == "extract" else _added
            place = step(design, place, timeout_s)
        if isinstance(place, str):
            return {"failed": place}
        own = place / key
        own.mkdir(exist_ok=True)
        (own / "cells.lib").write_text(library.liberty)
        (own / "adders.v").write_text(library.adders)
        lines = [
            f"read_rtlil ../{what}.il", "read_liberty -lib cells.lib", "techmap -map adders.v",
            "techmap", "opt_clean", f"abc -liberty cells.lib -script {commands}", "clean",
            "tee -q -o stat.json stat -json -liberty cells.lib",
        ]  # fmt: skip
        start = time.perf_counter()
        try:
            yosys(lines, own, timeout_s)
        except ToolFailed as error:
            return {"failed": _why(error, timeout_s)}
        found = json.loads((own / "stat.json").read_text())["design"]
        return {
            "um2": found["area"],
            "cells": found["num_cells_by_type"],
            "seconds": time.perf_counter() - start,
        }

    return cached(key, work)


def luts(design: Design, timeout_s: float) -> dict[str, Any]:
    """{"luts": ..., "carry4": ..., "seconds": ...} of Yosys for Xilinx, or {"failed": why}."""
    command = f"synth_xilinx -flatten -noiopad -nodsp -top {design.top}"

    def work() -> dict[str, Any]:
        place = prepared(design, timeout_s)
        if isinstance(place, str):
            return {"failed": place}
        start = time.perf_counter()
        try:
            yosys(["read_verilog -sv rtl.v", command, "tee -q -o luts.json stat -json"],
                  place, timeout_s)  # fmt: skip
        except ToolFailed as error:
            return {"failed": _why(error, timeout_s)}
        cells = json.loads((place / "luts.json").read_text())["design"]["num_cells_by_type"]
        return {
            "luts": sum(n for name, n in cells.items() if re.fullmatch(r"LUT\d", name)),
            "carry4": cells.get("CARRY4", 0),
            "cells": cells,
            "seconds": time.perf_counter() - start,
        }

    return cached(key_of("luts", design.text, command), work)


def _why(error: ToolFailed, timeout_s: float) -> str:
    slow = isinstance(error, ToolTimedOut)
    return f"timed out after {timeout_s:.0f} s" if slow else " ".join(error.log.split())[-200:]
