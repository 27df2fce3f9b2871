"""Reads a Liberty file into a Technology, with its units normalised; tolerant of real files."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow.errors import UsageError
from flow.tech.function import parse
from flow.tech.liberty_groups import parse_groups, read_groups
from flow.tech.liberty_leakage import leakage_table
from flow.tech.liberty_timing import read_arcs, read_energy, read_templates
from flow.tech.technology import Cell, Kind, Storage, Technology, find_nand2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flow.tech.liberty_groups import Group
    from flow.tech.liberty_timing import Template

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_UNIT = re.compile(r"\s*([0-9.eE+-]*?)\s*([fpnumkM]?)([a-zA-Z]+)\s*")
_UNSUPPORTED = ("bus", "bundle", "statetable", "memory", "ff_bank", "latch_bank")


@dataclass(frozen=True, slots=True)
class Units:
    """What one unit of the file is: in uW, ns, pF, V."""

    leakage: float
    time: float
    capacitance: float
    voltage: float

    @property
    def energy(self) -> float:
        """One unit of internal energy, pJ: by the format's definition, capacitance times V^2."""
        return self.capacitance * self.voltage**2


def read_liberty(path: Path) -> Technology:
    """The technology that a Liberty file holds; the area unit is taken as um2.

    Cells that are no gates (macros, buses, state tables) are left out and named in `notes`.
    UsageError with file and line where the file cannot be read.
    """
    return _technology(read_groups(path), path.name)


def parse_liberty(text: str, name: str) -> Technology:
    """The technology that a Liberty text holds; `name` stands for the file in messages."""
    return _technology(parse_groups(text, name), name)


def _technology(library: Group, file: str) -> Technology:
    units = _units(library, file)
    voltage = _number(library, "nom_voltage", file)
    temperature = _number(library, "nom_temperature", file)
    templates = read_templates(library, units, file)
    cells: dict[str, Cell] = {}
    notes: list[str] = []
    default_leakage = _number(library, "default_cell_leakage_power", file) or 0.0
    for group in library.all("cell"):
        if not group.arguments:
            raise UsageError("a cell has no name", where=f"{file}, line {group.line}")
        name = group.arguments[0]
        reason = _obstacle(group)
        if reason:
            notes.append(f"cell {name} is left out: {reason}")
            continue
        if name in cells:
            notes.append(f"cell {name} occurs twice; the later one counts")
        cells[name] = _cell(group, name, units, templates, default_leakage, file)
    if not cells:
        raise UsageError(
            "the Liberty file holds no cell that can be used",
            where=file,
            hint="; ".join(notes[:5]) or "give a library of standard cells",
        )
    title = library.arguments[0] if library.arguments else file
    corner = library.values.get("default_operating_conditions") or _first_condition(library)
    return Technology(
        name=title,
        title=f"{title}, {len(cells)} cells, {voltage or 0:g} V",
        voltage=(voltage or 0.0) * units.voltage,
        temperature=25.0 if temperature is None else temperature,
        corner=corner or "",
        cells=cells,
        source=f"Liberty file {file}",
        nand2=find_nand2(cells),
        notes=tuple(notes),
    )


def _units(library: Group, file: str) -> Units:
    load = library.list("capacitive_load_unit") or ("1", "pf")
    capacitance = _unit("".join(load), "f", file, "capacitive_load_unit")
    return Units(
        leakage=_unit(library.values.get("leakage_power_unit", "1nW"), "w", file) / 1e-6,
        time=_unit(library.values.get("time_unit", "1ns"), "s", file) / 1e-9,
        capacitance=capacitance / 1e-12,
        voltage=_unit(library.values.get("voltage_unit", "1V"), "v", file),
    )


def _unit(text: str, symbol: str, file: str, name: str = "unit") -> float:
    """A unit such as 1ns, 100 ps or 1,pf in SI."""
    found = _UNIT.fullmatch(text)
    if found and found[3].lower() != symbol and (found[2] + found[3]).lower() == symbol:
        scale = 1.0  # "1f" is one farad, not a prefix without a unit
    elif found and found[3].lower() == symbol and found[2] in _PREFIX:
        scale = _PREFIX[found[2]]
    else:
        raise UsageError(
            f"the {name} {text!r} is not understood",
            where=file,
            hint=f"write it as a number, a prefix and {symbol!r}, for instance 1n{symbol}",
        )
    try:
        return float(found[1] or 1) * scale
    except ValueError:
        raise UsageError(f"the {name} {text!r} has no number", where=file) from None


def _obstacle(group: Group) -> str | None:
    """Why a cell is no gate that flow can use, or None."""
    found = next(group.all(*_UNSUPPORTED), None)
    if found is not None:
        return f"it has a {found.keyword} group"
    outputs = [pin for pin in group.all("pin") if _direction(pin) == "output"]
    if not outputs:
        return "it has no output"
    if any(_direction(pin) not in ("input", "output", "internal") for pin in group.all("pin")):
        return "it has a pin that is both input and output"
    if all("function" not in pin.values for pin in outputs):
        return "no output has a function"
    return None


def _cell(
    group: Group,
    name: str,
    units: Units,
    templates: Mapping[str, Template],
    default_leakage: float,
    file: str,
) -> Cell:
    pins = [(pin_name, pin) for pin in group.all("pin") for pin_name in pin.arguments]
    inputs = tuple(dict.fromkeys(name_ for name_, pin in pins if _direction(pin) == "input"))
    out = {pin_name: pin for pin_name, pin in pins if _direction(pin) == "output"}
    functions = {
        pin_name: _expression(pin, "function", file)
        for pin_name, pin in out.items()
        if "function" in pin.values
    }
    enable = {
        pin_name: f"!({_expression(pin, 'three_state', file)})"
        for pin_name, pin in out.items()
        if "three_state" in pin.values
    }
    kind, storage = _storage(group, file)
    cell_leakage = _number(group, "cell_leakage_power", file)
    leakage, mean = leakage_table(
        group,
        inputs,
        functions if kind == "combinational" and not enable else {},
        default_leakage if cell_leakage is None else cell_leakage,
        file,
    )
    return Cell(
        name=name,
        area=_number(group, "area", file) or 0.0,
        inputs=inputs,
        outputs=tuple(functions),
        functions=functions,
        leakage=tuple(value * units.leakage for value in leakage),
        cell_leakage=(mean if cell_leakage is None else cell_leakage) * units.leakage,
        capacitance={
            pin_name: _capacitance(pin, file) * units.capacitance
            for pin_name, pin in pins
            if pin_name in inputs
        },
        energy={
            pin_name: energy
            for pin_name in functions
            if (energy := read_energy(out[pin_name], group, units, templates, file))
        },
        arcs=tuple(
            arc
            for pin_name in functions
            for arc in read_arcs(out[pin_name], pin_name, units, templates, file)
        ),
        kind="tristate" if kind == "combinational" and enable else kind,
        storage=storage,
        enable=enable,
        max_capacitance={
            pin_name: limit * units.capacitance
            for pin_name in functions
            if (limit := _number(out[pin_name], "max_capacitance", file)) is not None
        },
        dont_use=group.values.get("dont_use", "false").lower() == "true",
    )


def _storage(group: Group, file: str) -> tuple[Kind, Storage | None]:
    found = next(group.all("ff", "latch"), None)
    if found is None:
        return "combinational", None
    names = (*found.arguments, "IQ", "IQN")[:2]
    data, clock = ("next_state", "clocked_on") if found.keyword == "ff" else ("data_in", "enable")
    fields = {
        key: _expression(found, name, file) if name in found.values else None
        for key, name in (
            ("data", data),
            ("clock", clock),
            ("clear", "clear"),
            ("preset", "preset"),
        )
    }
    kind: Kind = "flipflop" if found.keyword == "ff" else "latch"
    return kind, Storage(names[0], names[1], **fields)


def _direction(pin: Group) -> str:
    return pin.values.get("direction", "").strip().lower()


def _expression(group: Group, name: str, file: str) -> str:
    """A Boolean expression, as the file has it, once it is known to be one."""
    text = group.values[name]
    try:
        parse(text)
    except UsageError as error:
        raise UsageError(
            error.message, where=f"{file}, line {group.line}, {name}", hint=error.hint
        ) from None
    return text


def _capacitance(pin: Group, file: str) -> float:
    """The capacitance of a pin; where only that of the edges is given, the larger of them."""
    given = _number(pin, "capacitance", file)
    if given is not None:
        return given
    edges = [_number(pin, f"{edge}_capacitance", file) or 0.0 for edge in ("rise", "fall")]
    return max(edges)


def _number(group: Group, name: str, file: str) -> float | None:
    text = group.values.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{name} is {text!r}, which is no number",
            where=f"{file}, line {group.line}",
            hint=f"correct the attribute {name} of the group {group.keyword!r} there",
        )
    return value


def _first_condition(library: Group) -> str | None:
    first = next(library.all("operating_conditions"), None)
    return first.arguments[0] if first is not None and first.arguments else None
