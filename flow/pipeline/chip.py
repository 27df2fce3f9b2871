"""The chip around a circuit: registers and port mapped by Yosys, counted, simulated."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow.backends.emission import Emission, Store
from flow.errors import ToolFailed
from flow.pipeline.reading import read_text
from flow.tech.technology import Technology
from flow.tools.yosys import yosys
from flow.verify.verdict import Verdict

MAPPING = "+strash;dc2;amap,-m"
"""What ABC runs on the logic between the registers: the least area in one go."""
SECONDS = 1800.0
REGISTERS = "copies of registers in the netlist"
"""The check that no copy was merged with another."""
LARGE = 20_000
"""Evaluations of a sample beyond which a chip is simulated around its circuit's own Verilog."""
COPY = "register_copy"
PARTS = {COPY: "q", "weight_slice": "weights"}
"""Modules that are kept, and the port whose width tells those of one kind apart."""
COPIES = ("copy_a", "triple.copy_b", "triple.copy_c")


@dataclass(frozen=True)
class ChipMeasures:
    """The mapped registers and serial port of a chip, without its circuit.

    `copies` has the flip-flops of every copy of a register by its path; `cells` counts every
    cell; areas are in um2.
    """

    top: str
    copies: Mapping[str, int]
    cells: Mapping[str, int]
    um2: float
    flipflop_um2: float

    @property
    def flipflops(self) -> int:
        """Flip-flops of all copies."""
        return sum(self.copies.values())


def map_chip(emission: Emission, store: Store, out: Path, technology: Technology) -> ChipMeasures:
    """Map everything of the chip but its circuit; netlist/<chip>.v and .json below `out`.

    The copies of registers keep modules of their own, so nothing is merged across them.
    """
    files = sorted(emission.primitives)
    script = (
        "read_liberty -lib synth/cells.lib",
        f"read_verilog -lib rtl/{emission.top}.v",
        *(f"read_verilog rtl/{name}.v" for name in (*files, store.top)),
        f"hierarchy -check -top {store.top}",
        f"synth -flatten -noabc -top {store.top}",
        "dfflibmap -liberty synth/cells.lib",
        f"abc -liberty synth/cells.lib -script {MAPPING}",
        "opt_clean -purge",
        "check -assert",
        "delete t:$scopeinfo",
        "setattr -unset src *",
        "setattr -mod -unset src *",
        f"write_verilog -noattr netlist/{store.top}.v",
        f"write_json netlist/{store.top}.json",
    )
    yosys(script, cwd=out, timeout_s=SECONDS)
    verilog, table = (out / "netlist" / f"{store.top}.{kind}" for kind in ("v", "json"))
    texts = read_text(verilog), read_text(table)
    for name, plain in _plain_names(texts[1]).items():
        texts = (
            texts[0].replace(f"\\{name} ", f"{plain} "),
            texts[1].replace(json.dumps(name), json.dumps(plain)),
        )
    for file, text in zip((verilog, table), texts, strict=True):
        file.write_text(text)
    return measure_chip(texts[1], store.top, technology)


def _plain_names(text: str) -> dict[str, str]:
    """For every module that Yosys made of one with parameters, a name that needs no escape."""
    found = {}
    for name, module in json.loads(text)["modules"].items():
        for known, port in PARTS.items():
            if name.startswith("$paramod") and known in name:
                found[name] = f"{known}_{len(module['ports'][port]['bits'])}"
    return dict(sorted(found.items()))


def measure_chip(text: str, top: str, technology: Technology) -> ChipMeasures:
    """The figures of a mapped chip from Yosys' JSON; ToolFailed where it holds unknown cells."""
    modules: Mapping[str, Any] = json.loads(text)["modules"]
    counted: dict[str, tuple[Counter[str], dict[str, int]]] = {}

    def count(module: str) -> tuple[Counter[str], dict[str, int]]:
        """Cells of a module by kind, and the flip-flops of the copies in it by path."""
        if module in counted:
            return counted[module]
        kinds: Counter[str] = Counter()
        copies: dict[str, int] = {}
        for name, cell in modules[module]["cells"].items():
            kind = cell["type"]
            if kind in technology.cells:
                kinds[kind] += 1
            elif kind.startswith(tuple(PARTS)) and kind in modules:
                inner, paths = count(kind)
                kinds += inner
                copies |= {f"{name}.{path}" if path else name: n for path, n in paths.items()}
            elif "attributes" not in modules.get(kind, {}) or not _black(modules[kind]):
                raise ToolFailed(f"{kind} in the mapped chip is no cell of {technology.name}")
        if module.startswith(COPY):
            held = sum(n for k, n in kinds.items() if technology.cell(k).kind == "flipflop")
            copies[""] = held
        counted[module] = kinds, copies
        return counted[module]

    kinds, copies = count(top)
    cells = dict(sorted(kinds.items()))
    flipflops = {k: n for k, n in cells.items() if technology.cell(k).kind == "flipflop"}
    return ChipMeasures(
        top, dict(sorted(copies.items())), cells,
        technology.area(cells), technology.area(flipflops),
    )  # fmt: skip


def _black(module: Mapping[str, Any]) -> bool:
    """Whether a module is the circuit, which was not read."""
    return "blackbox" in module["attributes"]


def register_bits(store: Store) -> dict[str, tuple[int, bool]]:
    """Bits of every register of a chip by path, and whether it has three copies."""
    control = store.tmr_control
    each = 9 if store.tmr_weights else 8
    found = {
        f"bank.slices[{k}].slice.bytes": (
            each * min(store.bank, store.bytes - k * store.bank),
            store.tmr_weights,
        )
        for k in range(store.banks)
    } | {
        "target.held": (35, control),
        "target.scl_filter.held": (6, control),
        "target.sda_filter.held": (6, control),
    }
    if store.counters:
        found["bank.counters.totals"] = (16 * store.counters, control)
    return found


def copies_verdict(found: ChipMeasures, store: Store) -> Verdict:
    """Whether every copy of every register has all its flip-flops in the mapped netlist."""
    wanted = {
        f"{path}.{copy}": bits
        for path, (bits, triple) in register_bits(store).items()
        for copy in (COPIES if triple else COPIES[:1])
    }
    wrong = [
        f"{path} has {found.copies.get(path, 0)} flip-flops of {wanted.get(path, 0)}"
        for path in sorted({*wanted, *found.copies})
        if found.copies.get(path) != wanted.get(path)
    ]
    if wrong:
        return Verdict(REGISTERS, "failed", wrong[0], 0.0)
    triple = sum(bits for bits, three in register_bits(store).values() if three)
    detail = f"{found.flipflops} flip-flops, {triple} bits of them in three copies"
    return Verdict(REGISTERS, "passed", detail, 0.0)


def area_notes(found: ChipMeasures, circuit_um2: float, held_bits: int) -> tuple[str, ...]:
    """What the weights cost, in lines."""
    whole = found.um2 + circuit_um2
    logic = found.um2 - found.flipflop_um2
    return (
        f"chip: {whole:.0f} um2 of cells, of which the circuit takes {circuit_um2:.0f}, "
        f"{found.flipflops} flip-flops of {held_bits} bits of weights and the I2C port "
        f"{found.flipflop_um2:.0f}, their logic {logic:.0f}",
    )


def scratch_chip(out: Path, emission: Emission, store: Store) -> tempfile.TemporaryDirectory[str]:
    """A folder like `out` whose rtl/ holds the mapped netlist of the chip and its circuit.

    A circuit of more than LARGE evaluations a sample stays as it was emitted: its own netlist is
    checked by itself.
    """
    made = tempfile.TemporaryDirectory(prefix="flow-chip-")
    place = Path(made.name)
    for part in ("tb", "vectors"):
        (place / part).mkdir()
        for file in (out / part).iterdir():
            (place / part / file.name).write_bytes(file.read_bytes())
    (place / "rtl").mkdir()
    for path in emission.files:
        if path.parts[0] == "rtl":
            (place / path).write_text("")
    netlist = out / "netlist"
    circuit = netlist if emission.work <= LARGE else out / "rtl"
    for source, name in ((circuit, emission.top), (netlist, store.top)):
        (place / "rtl" / f"{name}.v").write_bytes((source / f"{name}.v").read_bytes())
    cells = (netlist / "cells.v").read_text()
    (place / "rtl" / f"{COPY}.v").write_text(cells)
    return made
