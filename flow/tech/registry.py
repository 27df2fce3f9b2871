"""The technologies that ship with flow, by name and voltage."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any

from flow.errors import UsageError
from flow.tech.debian import LIBRARIES
from flow.tech.technology import Arc, Cell, Storage, Table, Technology, Toggle

_NAMES = ("cnt_tft", "egfet", "generic_cmos", "sky130")
_TABLES = ("rise", "fall", "rise_transition", "fall_transition")


def technologies() -> tuple[str, ...]:
    """The names that `load` knows, sorted."""
    return _NAMES


def voltages(name: str) -> tuple[float, ...]:
    """The supply voltages that a technology is known at, V, ascending."""
    return tuple(_common(name)["voltages"])


def load(name: str, voltage: float | None = None) -> Technology:
    """A technology at a voltage, by default at its usual one; `egfet@0.6` names both at once.

    UsageError that lists what there is where the name or the voltage is unknown.
    """
    name, at, text = name.partition("@")
    if at:
        voltage = _voltage(name, text)
    common = _common(name)
    chosen = common["default_voltage"] if voltage is None else float(voltage)
    if chosen not in common["voltages"]:
        known = ", ".join(f"{v:g}" for v in common["voltages"])
        raise UsageError(
            f"technology {name} has no figures at {chosen:g} V", hint=f"it has them at {known} V"
        )
    figures = _read(f"{name}_{chosen:.1f}".replace(".", "v"))
    cells = {
        cell: _cell(cell, facts, figures["cells"][cell], figures)
        for cell, facts in common["cells"].items()
    }
    return Technology(
        name=name,
        title=f"{common['title']}, {chosen:g} V",
        voltage=chosen,
        temperature=common["temperature"],
        corner=common["corner"],
        cells=cells,
        source=common["source"],
        nand2=common["nand2"],
        wire_model=common["wire_model"],
        script=tuple(common["script"]),
        notes=tuple(common["notes"]),
    )


def _cell(name: str, facts: dict[str, Any], figures: dict[str, Any], axes: dict[str, Any]) -> Cell:
    inputs, outputs = tuple(facts["inputs"]), tuple(facts["outputs"])
    storage = facts.get("storage")
    return Cell(
        name=name,
        area=float(facts["area"]),
        inputs=inputs,
        outputs=outputs,
        functions=facts["functions"],
        leakage=tuple(map(float, figures["leakage"])),
        cell_leakage=float(figures["cell_leakage"]),
        capacitance=dict(zip(inputs, map(float, figures["capacitance"]), strict=True)),
        energy={pin: Toggle(*map(float, pair)) for pin, pair in figures["energy"].items()},
        arcs=tuple(
            Arc(
                arc["from"],
                arc["to"],
                arc["sense"],
                *(
                    _table(arc[edge], axes | figures | arc) if edge in arc else None
                    for edge in _TABLES
                ),
            )
            for arc in figures.get("arcs", ())
        ),
        kind=facts["kind"],
        storage=None if storage is None else Storage(**storage),
        enable=facts.get("enable", {}),
        max_capacitance=dict.fromkeys(outputs, float(figures["max_load"])),
    )


def _table(values: list[list[float]], axes: dict[str, Any]) -> Table:
    """A table over the axes of its arc, else of its cell, else of the file."""
    return Table(
        tuple(map(float, axes["slews"])),
        tuple(map(float, axes["loads"])),
        tuple(tuple(map(float, row)) for row in values),
    )


def _common(name: str) -> dict[str, Any]:
    if name not in _NAMES:
        known = (*_NAMES, *(library.name for library in LIBRARIES))
        near = get_close_matches(name, known, n=1)
        also = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"there is no technology {name!r}",
            hint=f"choose one of {', '.join(known)}, or give a Liberty file{also}",
        )
    return _read(name)


def _voltage(name: str, text: str) -> float:
    try:
        return float(text.removesuffix("V"))
    except ValueError:
        raise UsageError(
            f"{text!r} is no voltage of technology {name}", hint="write it as in egfet@0.6"
        ) from None


@lru_cache(maxsize=8)
def _read(stem: str) -> dict[str, Any]:
    return tomllib.loads(files("flow.tech").joinpath("data", f"{stem}.toml").read_text("utf-8"))
