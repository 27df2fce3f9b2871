"""Writes a technology as the Liberty text that Yosys, ABC and OpenSTA read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from flow.errors import UsageError
from flow.tech.function import parse
from flow.tech.technology import Arc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flow.tech.technology import Cell, Storage, Table, Technology

Axes = tuple[tuple[float, ...], tuple[float, ...]]
HELPER_BUFFER = "flow_buffer"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*(\[[0-9]+\])?")
_WAYS = ("fall", "rise")
_FIELDS = ("rise", "fall", "rise_transition", "fall_transition")
_EDGES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")


def liberty_text(
    tech: Technology, combinational_only: bool = False, helper_buffer: bool = False
) -> str:
    """The library as Liberty, in um2, ns or us, pF, uW and pJ; equal technologies, equal text.

    Without `combinational_only`, flip-flops, latches and tri-state buffers are in it too. Cells
    marked `dont_use` are left out. `helper_buffer` adds HELPER_BUFFER, twice the area of the
    smallest inverter, where the library has no buffer: ABC's &nf ends with a segmentation fault
    without one. Whoever asks for it replaces it by two inverters, or by a wire.
    UsageError where a name cannot stand in a Liberty file.
    """
    cells = _cells(tech, combinational_only)
    slow = _slow(cells)
    if slow:
        cells = [_changed(cell, _microseconds) for cell in cells]
    if helper_buffer:
        cells += _buffer(cells)
    templates = _templates(cells)
    unit = "1us" if slow else "1ns"
    lines = [f"library ({_library_name(tech)}) {{", *_head(tech, unit)]
    lines += _template_lines(templates)
    for cell in cells:
        lines += _cell(cell, templates)
    lines.append("}")
    return "\n".join(lines) + "\n"


def time_unit(tech: Technology) -> Literal["ns", "us"]:
    """The unit of times in `liberty_text(tech)`."""
    return "us" if _slow(_cells(tech, combinational_only=False)) else "ns"


def _cells(tech: Technology, combinational_only: bool) -> list[Cell]:
    """What is written, in order, times in ns."""
    cells = [
        cell
        for _, cell in sorted(tech.cells.items())
        if not cell.dont_use and (cell.kind == "combinational" or not combinational_only)
    ]
    return _held([_changed(cell, _with_middle) for cell in cells])


def _slow(cells: list[Cell]) -> bool:
    # ABC's map refuses gates slower than 1e7 of whatever the unit is, so slow cells count in us.
    return max((cell.worst_delay() for cell in cells), default=0.0) >= 1e5


def _head(tech: Technology, unit: str) -> list[str]:
    return [
        "  delay_model : table_lookup;",
        f'  time_unit : "{unit}";',
        '  voltage_unit : "1V";',
        '  current_unit : "1mA";',
        '  leakage_power_unit : "1uW";',
        '  pulling_resistance_unit : "1kohm";',
        "  capacitive_load_unit (1, pf);",
        f"  nom_voltage : {_number(tech.voltage)};",
        f"  nom_temperature : {_number(tech.temperature)};",
        "  nom_process : 1;",
        *(f"  {edge}_threshold_pct_{way} : 50;" for edge in ("input", "output") for way in _WAYS),
        *(f"  slew_lower_threshold_pct_{way} : 30;" for way in _WAYS),
        *(f"  slew_upper_threshold_pct_{way} : 70;" for way in _WAYS),
    ]


def _changed(cell: Cell, change: Callable[[Table], Table]) -> Cell:
    """The cell with every table changed."""

    def of(table: Table | None) -> Table | None:
        return None if table is None else change(table)

    return replace(
        cell,
        arcs=tuple(
            Arc(
                arc.related,
                arc.output,
                arc.sense,
                *(of(getattr(arc, field)) for field in _FIELDS),
            )
            for arc in cell.arcs
        ),
    )


def _microseconds(table: Table) -> Table:
    values = tuple(tuple(value / 1000 for value in row) for row in table.values)
    return replace(table, slews=tuple(slew / 1000 for slew in table.slews), values=values)


def _with_middle(table: Table) -> Table:
    """The same bilinear table with a third load between its two: with two, ABC's map aborts."""
    if len(table.loads) != 2:
        return table
    first, last = table.loads
    values = tuple((a, (a + b) / 2, b) for a, b in table.values)
    return replace(table, loads=(first, (first + last) / 2, last), values=values)


def _held(cells: list[Cell]) -> list[Cell]:
    """The cells with tables that stay at their border for all slews that their outputs have.

    A timer extrapolates the last two rows. Printed cells are characterised for slews hundreds of
    times shorter than those they produce, which would give negative delays.
    """
    slopes = [t for c in cells for a in c.arcs for t in (a.rise_transition, a.fall_transition) if t]
    longest = max((value for t in slopes for row in t.values for value in row), default=0.0)

    def hold(table: Table) -> Table:
        if len(table.slews) == 1 or table.slews[-1] >= longest:
            return table
        values = (*table.values, table.values[-1])
        return replace(table, slews=(*table.slews, longest), values=values)

    return [_changed(cell, hold) for cell in cells]


def _buffer(cells: list[Cell]) -> list[Cell]:
    """The helper buffer, made of two of the smallest inverter; none where a buffer is there."""
    ones = [c for c in cells if c.kind == "combinational" and len(c.inputs) == len(c.outputs) == 1]
    if any(cell.truth_table(cell.outputs[0]) == 0b10 for cell in ones):
        return []
    inverters = [cell for cell in ones if cell.truth_table(cell.outputs[0]) == 0b01]
    if not inverters:
        return []
    inverter = min(inverters, key=lambda cell: (cell.area, cell.name))
    (pin,), (output,) = inverter.inputs, inverter.outputs
    return [
        replace(
            inverter,
            name=HELPER_BUFFER,
            area=2 * inverter.area,
            functions={output: pin},
            leakage=(sum(inverter.leakage),) * 2,
            cell_leakage=2 * inverter.cell_leakage,
            energy={},
            arcs=tuple(replace(arc, sense="positive_unate") for arc in inverter.arcs),
        )
    ]


def _templates(cells: list[Cell]) -> dict[Axes, str]:
    """A name for each pair of axes, in order of first use."""
    axes = [
        (table.slews, table.loads) for cell in cells for arc in cell.arcs for table in _tables(arc)
    ]
    return {pair: f"delay_{i}" for i, pair in enumerate(dict.fromkeys(axes))}


def _template_lines(
    templates: Mapping[Axes, str],
) -> Iterator[str]:
    for (slews, loads), name in templates.items():
        yield f"  lu_table_template ({name}) {{"
        yield "    variable_1 : input_net_transition;"
        yield "    variable_2 : total_output_net_capacitance;"
        yield f'    index_1 ("{_numbers(slews)}");'
        yield f'    index_2 ("{_numbers(loads)}");'
        yield "  }"


def _cell(cell: Cell, templates: Mapping[Axes, str]) -> Iterator[str]:
    yield f"  cell ({_name(cell.name)}) {{"
    yield f"    area : {_number(cell.area)};"
    yield f"    cell_leakage_power : {_number(cell.cell_leakage)};"
    if len(cell.leakage) > 1:
        for state, value in enumerate(cell.leakage):
            when = _state(cell, state)
            yield f'    leakage_power () {{ when : "{when}"; value : {_number(value)}; }}'
    if cell.storage is not None:
        yield from _storage(cell.kind, cell.storage)
    clock = cell.clock
    for pin in cell.inputs:
        yield f"    pin ({_name(pin)}) {{"
        yield "      direction : input;"
        if pin == clock:
            yield "      clock : true;"
        yield f"      capacitance : {_number(cell.capacitance.get(pin, 0.0))};"
        if cell.kind == "flipflop" and cell.storage is not None and clock is not None:
            yield from _setup(cell.storage, pin, clock)
        yield "    }"
    for pin in cell.outputs:
        yield f"    pin ({_name(pin)}) {{"
        yield "      direction : output;"
        yield f'      function : "{cell.function(pin)}";'
        if pin in cell.enable:
            # OpenSTA 2.0.17 cannot read two negations in a row.
            text = f"!{parse(cell.enable[pin])}".replace("!!", "")
            yield f'      three_state : "{text}";'
        if pin in cell.max_capacitance:
            yield f"      max_capacitance : {_number(cell.max_capacitance[pin])};"
        for arc in cell.arcs:
            if arc.output == pin and arc.related in cell.inputs:
                yield from _arc(cell, arc, templates)
        if pin in cell.energy:
            energy = cell.energy[pin]
            yield "      internal_power () {"
            yield f'        rise_power (scalar) {{ values ("{_number(energy.rise)}"); }}'
            yield f'        fall_power (scalar) {{ values ("{_number(energy.fall)}"); }}'
            yield "      }"
        yield "    }"
    yield "  }"


def _storage(kind: str, storage: Storage) -> Iterator[str]:
    group, data, clock = (
        ("ff", "next_state", "clocked_on") if kind == "flipflop" else ("latch", "data_in", "enable")
    )
    yield f"    {group} ({_name(storage.state)}, {_name(storage.inverted)}) {{"
    for attribute, text in (
        (data, storage.data),
        (clock, storage.clock),
        ("clear", storage.clear),
        ("preset", storage.preset),
    ):
        if text is not None:
            yield f'      {attribute} : "{parse(text)}";'
    if storage.clear is not None and storage.preset is not None:
        yield "      clear_preset_var1 : L;"
        yield "      clear_preset_var2 : L;"
    yield "    }"


def _arc(cell: Cell, arc: Arc, templates: Mapping[Axes, str]) -> Iterator[str]:
    yield "      timing () {"
    yield f'        related_pin : "{_name(arc.related)}";'
    yield f"        timing_sense : {arc.sense};"
    kind = _timing_type(cell, arc)
    if kind is not None:
        yield f"        timing_type : {kind};"
    for edge, field in zip(_EDGES, _FIELDS, strict=True):
        table = getattr(arc, field)
        if table is not None:
            yield f"        {edge} ({templates[table.slews, table.loads]}) {{"
            yield f'          index_1 ("{_numbers(table.slews)}");'
            yield f'          index_2 ("{_numbers(table.loads)}");'
            rows = ", ".join(f'"{_numbers(row)}"' for row in table.values)
            yield f"          values ({rows});"
            yield "        }"
    yield "      }"


def _setup(storage: Storage, pin: str, clock: str) -> Iterator[str]:
    """A set-up time of zero at a data pin: none is known, and without one no path ends there."""
    if pin not in parse(storage.data or "0").inputs:
        return
    yield "      timing () {"
    yield f'        related_pin : "{clock}";'
    yield f"        timing_type : setup_{_edge(storage)};"
    yield '        rise_constraint (scalar) { values ("0"); }'
    yield '        fall_constraint (scalar) { values ("0"); }'
    yield "      }"


def _edge(storage: Storage) -> str:
    return "rising" if parse(storage.clock or "1").truth_table() == 0b10 else "falling"


def _timing_type(cell: Cell, arc: Arc) -> str | None:
    """The Liberty type of an arc where it is not plainly combinational."""
    if cell.kind == "tristate" and arc.related in parse(cell.enable.get(arc.output, "1")).inputs:
        return "three_state_enable"
    if cell.storage is None:
        return None
    if arc.related == cell.clock:
        return f"{_edge(cell.storage)}_edge"
    for text in (cell.storage.clear, cell.storage.preset):
        if text is not None and arc.related in parse(text).inputs:
            return "clear" if arc.rise is None else "preset" if arc.fall is None else None
    return None


def _tables(arc: Arc) -> list[Table]:
    return [table for field in _FIELDS if (table := getattr(arc, field)) is not None]


def _state(cell: Cell, state: int) -> str:
    return " & ".join(name if state >> i & 1 else f"!{name}" for i, name in enumerate(cell.inputs))


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"the name {name!r} cannot stand in a Liberty file",
            hint="use letters, digits and underscores",
        )
    return name


def _library_name(tech: Technology) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{tech.name}_{tech.voltage:g}v")


def _number(value: float) -> str:
    """The shortest text that reads back as the same value to ten digits."""
    return f"{value:.10g}"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(map(_number, values))
