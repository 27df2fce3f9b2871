"""Verilog of a chip as one graph: no two flip-flops are merged, and memories stand beside it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flow.analysis.upset_machine import Memory
from flow.backends.aiger import read_aiger
from flow.errors import ToolFailed, UsageError
from flow.ir.aig import Aig
from flow.ir.design import HELD, TAKEN, Design
from flow.tools.yosys import yosys

SECONDS = 600.0
_BOX = re.compile(r"^module (\w+).*?\);", re.MULTILINE | re.DOTALL)
_OUT = re.compile(r"^(.*)\.(write|write_address|data|read|read_address|address|q)(?:\[(\d+)\])?$")
_CLOCKED = re.compile(r"always @\(posedge (\w+)\)")
GATE = "lpu_gate"
_GATE = """module lpu_gate (input wire clk, input wire enable, output wire gated);
    assign gated = enable;
endmodule
"""


def read_chip(
    texts: Mapping[str, str],
    top: str,
    boxes: Sequence[str] = (),
    tables: Mapping[str, Sequence[int]] | None = None,
    gated: Sequence[str] = (),
) -> tuple[Design, tuple[Memory, ...]]:
    """The design below `top`, and the memories whose modules are `boxes`.

    No two flip-flops are merged, so that copies stay copies. `tables` are words by
    the end of the name of the table that they fill. In modules that are `gated` every
    clock is one of `lpu_gate`: its flip-flops take something where it is open. UsageError where
    Yosys refuses the chip.
    """
    with tempfile.TemporaryDirectory(prefix="flow-upsets-") as scratch:
        place = Path(scratch)
        for k, (name, text) in enumerate(sorted(texts.items())):
            text = _GATE if name == GATE else _box(text) if name in boxes else text
            if name in gated:
                text = _CLOCKED.sub(r"always @($global_clock) if (\1)", text)
            (place / f"{k}.v").write_text(text, encoding="utf-8")
        script = [
            *(f"read_verilog -sv {k}.v" for k in range(len(texts))),
            f"hierarchy -check -top {top}",
            "proc -norom",
            *(["blackbox A:box"] if boxes else []),
            "setattr -mod -unset keep_hierarchy *",
            "flatten",
            "opt_clean",
            *(["expose -evert"] if boxes else []),
            "memory_collect",
            "memory_map",
            "techmap",
            "opt_clean",
            "setundef -undriven -zero",
            # What is clocked must be clocked by the rising clock: AIGER does not say.
            "select -assert-none t:$_DFF_N_",
            "aigmap",
            "write_aiger -symbols -vmap names.txt read.aig",
        ]
        try:
            yosys(script, cwd=place, timeout_s=SECONDS)
        except ToolFailed as error:
            lines = [line for line in error.log.splitlines() if "ERROR" in line]
            raise UsageError(
                f"Yosys cannot read the chip: {(lines or [error.message])[-1]}", where=top
            ) from error
        graph = read_aiger((place / "read.aig").read_bytes(), top)
        rows = [row.split() for row in (place / "names.txt").read_text().splitlines()]
    names: dict[str, str] = {}
    for row in rows:
        if len(row) == 4 and row[0] == "latch":
            key, name = f"l{row[1]}", f"{row[3]}[{row[2]}]"
            # Of the nets of a flip-flop the innermost one: it is declared there.
            names[key] = min(names.get(key, name), name, key=lambda n: (-n.count("."), n))
    design = Design(_renamed(graph, names))
    return design, _memories(design, tables or {})


def _box(text: str) -> str:
    """The module without its body."""
    found = _BOX.search(text)
    if found is None:
        raise UsageError("a memory of the chip is no module")
    body = found[0].replace("output reg", "output wire")
    return f"(* box *)\n{body}\n    assign q = 0;\nendmodule\n"


def _renamed(graph: Aig, names: Mapping[str, str]) -> Aig:
    def new(name: str) -> str:
        for end in (HELD, TAKEN):
            if name.startswith(end):
                return end + names.get(name[len(end) :], name[len(end) :])
        return name

    return Aig(
        graph.name, tuple(map(new, graph.inputs)), tuple(map(new, graph.outputs)),
        graph.literals, graph.left, graph.right,
    )  # fmt: skip


def _memories(design: Design, tables: Mapping[str, Sequence[int]]) -> tuple[Memory, ...]:
    """The memories that stand at the ports of the design."""
    pins: dict[str, dict[str, dict[int, int]]] = {}
    for k, name in enumerate(design.inputs, 1):
        if (match := _OUT.match(name)) and match[2] == "q":
            pins.setdefault(match[1], {}).setdefault("q", {})[int(match[3] or 0)] = k
    for name, literal in zip(design.outputs, design.graph.literals, strict=False):
        if (match := _OUT.match(name)) and match[1] in pins:
            pins[match[1]].setdefault(match[2], {})[int(match[3] or 0)] = literal
    return tuple(_memory(name, of, tables) for name, of in sorted(pins.items()))


def _memory(
    name: str, pins: Mapping[str, Mapping[int, int]], tables: Mapping[str, Sequence[int]]
) -> Memory:
    def row(pin: str) -> tuple[int, ...]:
        own = pins.get(pin, {})
        return tuple(own[k] for k in range(len(own)))

    reading = row("read_address") or row("address")
    held = row("q")
    words = next((rows for end, rows in tables.items() if name.endswith(end)), None)
    table = None if words is None else _table(words, len(held))
    # Of an address that no word has, nothing is read.
    depth = 1 << len(reading) if table is None else len(table)
    return Memory(
        name, depth, row("write"), row("write_address"), row("data"), (*row("read"), 1)[0],
        reading, held, table,
    )  # fmt: skip


def _table(words: Sequence[int], width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array([[w >> k & 1 for k in range(width)] for w in words], dtype=np.uint8)
