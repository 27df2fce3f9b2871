"""Delay tables and switching energies, from the timing and power groups of a Liberty pin."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from flow.errors import UsageError
from flow.tech.technology import Arc, Sense, Table, Toggle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flow.tech.liberty_groups import Group

Axes = tuple[tuple[float, ...], tuple[float, ...]]

# Whether the first index is the load, and the two axes.
Template = tuple[bool, Axes]

_SENSES: tuple[Sense, ...] = ("positive_unate", "negative_unate", "non_unate")
# Checks and widths are no delays; what switches an output off has no next stage to wait for it.
_DELAYS = (
    "combinational", "combinational_rise", "combinational_fall", "rising_edge", "falling_edge",
    "clear", "preset", "three_state_enable",
)  # fmt: skip
_SLEW = ("input_net_transition", "input_transition_time", "related_pin_transition")
_EDGES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")


class Units(Protocol):
    """What one unit of the file is, in ns, pF and pJ."""

    @property
    def time(self) -> float:
        """One unit of time, ns."""

    @property
    def capacitance(self) -> float:
        """One unit of capacitance, pF."""

    @property
    def energy(self) -> float:
        """One unit of energy, pJ."""


def read_templates(library: Group, units: Units, file: str) -> dict[str, Template]:
    """Name of a table template -> (whether its first index is the load, its two axes)."""
    found: dict[str, Template] = {}
    for group in library.all("lu_table_template", "power_lut_template"):
        if group.arguments:
            first = group.values.get("variable_1", _SLEW[0])
            turned = first not in _SLEW and "capacitance" in first
            axes = (_axis(group, "index_1", file), _axis(group, "index_2", file))
            found[group.arguments[0]] = turned, axes
    return found


def read_arcs(
    pin: Group,
    output: str,
    units: Units,
    templates: Mapping[str, Template],
    file: str,
) -> Iterator[Arc]:
    """Yield one arc for each pin that an output's timing groups name, in their order."""
    merged: dict[str, list[Group]] = {}
    for timing in pin.all("timing"):
        if timing.values.get("timing_type", "combinational") in _DELAYS:
            for related in timing.values.get("related_pin", "").split():
                merged.setdefault(related, []).append(timing)
    for related, timings in merged.items():
        tables: dict[str, Table] = {}
        for timing in timings:
            for edge in _EDGES:
                table = _table(timing, edge, units.time, units, templates, file)
                if table is not None:
                    tables[edge] = _worst(tables.get(edge), table)
        if tables:
            yield Arc(
                related,
                output,
                _sense(timings),
                tables.get("cell_rise"),
                tables.get("cell_fall"),
                tables.get("rise_transition"),
                tables.get("fall_transition"),
            )


def read_energy(
    pin: Group,
    cell: Group,
    units: Units,
    templates: Mapping[str, Template],
    file: str,
) -> Toggle | None:
    """Mean energy of an output's edges over its conditions and tables, or None without figures.

    A rail that the cell calls ground is left out: at 0 V it delivers no energy.
    """
    grounds = {
        name
        for rail in cell.all("pg_pin")
        if rail.values.get("pg_type") in ("primary_ground", "backup_ground", "internal_ground")
        for name in rail.arguments
    }
    powers = [g for g in pin.all("internal_power") if g.values.get("related_pg_pin") not in grounds]
    means: dict[str, list[float]] = {"rise_power": [], "fall_power": [], "power": []}
    for power in powers:
        for edge, seen in means.items():
            table = _table(power, edge, units.energy, units, templates, file)
            if table is not None:
                seen.append(_mean([value for row in table.values for value in row]))
    both = means["power"]
    rise, fall = means["rise_power"] or both, means["fall_power"] or both
    if not rise and not fall:
        return None
    return Toggle(_mean(rise), _mean(fall))


def _table(
    group: Group,
    name: str,
    scale: float,
    units: Units,
    templates: Mapping[str, Template],
    file: str,
) -> Table | None:
    """The table of that name, with slew in rows and load in columns, or None."""
    found = next((g for g in group.all(name) if g.list("values") is not None), None)
    if found is None:
        return None
    template = found.arguments[0] if found.arguments else "scalar"
    turned, (first, second) = templates.get(template, (False, ((), ())))
    first = _axis(found, "index_1", file) or first
    second = _axis(found, "index_2", file) or second
    values = [
        value * scale
        for text in found.list("values") or ()
        for value in _numbers(text, found, file)
    ]
    rows, columns = len(first) or 1, len(second) or 1
    if len(values) != rows * columns:
        raise UsageError(
            f"the table {name} has {len(values)} values, but its indices ask for {rows * columns}",
            where=f"{file}, line {found.line}",
            hint="correct its index_1, index_2 or values",
        )
    grid = tuple(tuple(values[r * columns : (r + 1) * columns]) for r in range(rows))
    if turned:
        grid = tuple(zip(*grid, strict=True))
        first, second = second, first
    slews = tuple(slew * units.time for slew in first) or (0.0,)
    loads = tuple(load * units.capacitance for load in second) or (0.0,)
    return Table(slews, loads, grid)


def _worst(known: Table | None, new: Table) -> Table:
    """The larger value at each place; tables over other axes are compared by their last corner."""
    if known is None:
        return new
    if (known.slews, known.loads) != (new.slews, new.loads):
        return max(known, new, key=lambda table: table.largest_corner)
    rows = zip(known.values, new.values, strict=True)
    return Table(
        known.slews,
        known.loads,
        tuple(tuple(max(pair) for pair in zip(a, b, strict=True)) for a, b in rows),
    )


def _sense(timings: Sequence[Group]) -> Sense:
    """The sense that all timing groups agree on, or non_unate."""
    texts = {timing.values.get("timing_sense", "non_unate") for timing in timings}
    return next((sense for sense in _SENSES if texts == {sense}), "non_unate")


def _axis(group: Group, name: str, file: str) -> tuple[float, ...]:
    axis = tuple(v for text in group.list(name) or () for v in _numbers(text, group, file))
    if any(b <= a for a, b in pairwise(axis)):
        raise UsageError(
            f"{name} of {group.keyword} does not increase",
            where=f"{file}, line {group.line}",
            hint="sort the index and its values",
        )
    return axis


def _numbers(text: str, group: Group, file: str) -> Iterator[float]:
    for part in text.replace(",", " ").split():
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(
                f"{part!r} in {group.keyword} is no number",
                where=f"{file}, line {group.line}",
                hint="correct that table",
            )
        yield value


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
