"""A report on the terminal: one build in full, or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flow.errors import printable
from flow.report import figures as fig
from flow.report import tuning
from flow.report.quantisation import TITLES, QuantisedLayer, rows
from flow.report.record import Check, Fpga, Record, Sensors, Status, Supply

STYLES: dict[Status, str] = {
    "proved": "bold green",
    "passed": "green",
    "disproved": "bold red reverse",
    "failed": "bold red",
    "timed out": "yellow",
    "not checked": "dim",
}

MOST_PATH_STEPS = 12
MOST_SENSORS = 12


def one(record: Record) -> RenderableType:
    """Everything about one build that fits a terminal."""
    parts: list[RenderableType] = [_summary(record), checks(record.checks)]
    if record.layers:
        parts.append(_layers(record))
    if record.quantisation:
        parts.append(quantisation(record.quantisation))
    if record.timing is not None and record.timing.path:
        parts.append(_path(record))
    if record.sources:
        parts.append(_sources(record))
    if record.sensors is not None:
        parts.append(_sensors(record.sensors))
    if record.supplies:
        parts.append(_supplies(record.supplies))
    parts += [_text(f"note: {note}", "yellow") for note in record.notes]
    return Group(*(piece for part in parts for piece in (part, "")))


def side_by_side(
    records: Sequence[tuple[str, Record]], best: Mapping[str, frozenset[int]] | None = None
) -> RenderableType:
    """A column for each named build, a row for each figure; `best` are those to mark, by title."""
    table = _table("", *[name for name, _ in records])
    for title, figure in FIGURES:
        cells = [figure(record) for _, record in records]
        if any(cell != fig.NONE for cell in cells):
            marked = (best or {}).get(title, frozenset())
            styles = ["bold green" if i in marked else "" for i in range(len(cells))]
            table.add_row(_text(title), *map(_text, cells, styles))
    return table


def _accuracy(level: str) -> Callable[[Record], str]:
    def figure(r: Record) -> str:
        if r.accuracy is None:
            return fig.NONE
        return fig.metric(r.accuracy.metric, getattr(r.accuracy, level))

    return figure


def _latency(r: Record) -> str:
    if r.latency is None:
        return fig.NONE
    if r.latency.cycles == 0:
        return "combinational"
    unit = "cycle" if r.latency.cycles == 1 else "cycles"
    return f"{r.latency.cycles} {unit}, {fig.interval(r.latency.interval)}"


def _technology(r: Record) -> str:
    tech = r.summary.technology
    voltage = "" if tech.voltage_v is None else f" at {fig.digits(tech.voltage_v)} V"
    return f"{tech.name}{voltage}, {tech.corner}" if tech.corner else f"{tech.name}{voltage}"


def _nand2(r: Record) -> str:
    known = r.area is not None and r.area.nand2 is not None
    return fig.digits(r.area.nand2) if known else fig.NONE  # type: ignore[union-attr, arg-type]


def _source(r: Record) -> str:
    if not r.sources:
        return fig.NONE
    return r.source.name if r.source else "none of those known"


def _power_how(r: Record) -> str:
    if r.power is None:
        return fig.NONE
    if r.power.how == "vectorless":
        return "vectorless"
    return f"from {fig.whole(r.power.vectors)} vectors"


def _fpga(figure: Callable[[Fpga], str]) -> Callable[[Record], str]:
    return lambda r: figure(r.fpga) if r.fpga else fig.NONE


FIGURES: tuple[tuple[str, Callable[[Record], str]], ...] = (
    ("model", lambda r: r.summary.model_name),
    ("task", lambda r: r.summary.task),
    ("target", lambda r: r.summary.target),
    ("technology", _technology),
    ("objective", lambda r: tuning.line(r.tuning) if r.tuning else fig.NONE),
    ("checks", lambda r: r.verdict),
    ("metric", lambda r: r.accuracy.metric if r.accuracy else fig.NONE),
    ("  framework", _accuracy("framework")),
    ("  integer network", _accuracy("network")),
    ("  circuit", _accuracy("circuit")),
    ("  samples", lambda r: fig.whole(r.accuracy.samples) if r.accuracy else fig.NONE),
    ("area", lambda r: fig.area(r.area.um2) if r.area else fig.NONE),
    ("  NAND2 equivalents", _nand2),
    ("  cells", lambda r: fig.whole(r.area.count) if r.area else fig.NONE),
    ("look-up tables", _fpga(lambda f: fig.whole(f.luts))),
    ("  carry cells", _fpga(lambda f: fig.whole(f.carries))),
    ("  flip-flops", _fpga(lambda f: fig.whole(f.flipflops))),
    ("  wide multiplexers", _fpga(lambda f: fig.whole(f.muxes))),
    ("  DSP blocks", _fpga(lambda f: fig.whole(f.dsps))),
    ("  counted by", _fpga(lambda f: f.counted_by)),
    ("maximum frequency", _fpga(lambda f: fig.rate(f.fmax_mhz))),
    ("  obtained", _fpga(lambda f: f.route)),
    ("  limited by", _fpga(lambda f: f.limit or fig.NONE)),
    ("estimated path", _fpga(lambda f: fig.duration(f.estimate_ns, "ns"))),
    ("  estimated by", _fpga(lambda f: f.estimate_by)),
    ("power", lambda r: fig.power(r.power.total_mw) if r.power else fig.NONE),
    ("  leakage", lambda r: fig.power(r.power.leakage_mw) if r.power else fig.NONE),
    ("  switching", lambda r: fig.power(r.power.switching_mw) if r.power else fig.NONE),
    ("  obtained", _power_how),
    (
        "clock period",
        lambda r: fig.duration(r.power.clock_period, r.power.clock_unit) if r.power else fig.NONE,
    ),
    (
        "critical path",
        lambda r: fig.duration(r.timing.delay, r.timing.unit) if r.timing else fig.NONE,
    ),
    ("  timed by", lambda r: r.timing.tool if r.timing else fig.NONE),
    ("latency", _latency),
    ("power source", _source),
)
"""The figures of the summary, in reading order: title and text of a record."""


def _summary(record: Record) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for title, figure in FIGURES:
        if (text := figure(record)) != fig.NONE:
            table.add_row(_text(title, "dim"), _text(text))
    return table


def checks(rows: Sequence[Check]) -> Table:
    """A table of checks with their verdicts."""
    table = _table("check", "verdict", "detail")
    for check in rows:
        verdict = _text(check.status, STYLES[check.status])
        table.add_row(_text(check.check), verdict, _text(check.detail))
    return table


def _layers(record: Record) -> Table:
    table = _table("layer", "type", "shape", "weights", "bits", "adders", "cells", "area", "power")
    for column in table.columns[3:]:
        column.justify = "right"
    area = record.area.um2 if record.area else None
    power = record.power.total_mw if record.power else None
    for row in record.layers:
        bits = fig.bits(row.weight_bits, row.activation_bits)
        table.add_row(
            _text(row.layer), _text(row.kind), _text(fig.shape(row.shape)),
            fig.whole(row.weights), bits, fig.counted([row.adders]),
            fig.whole(row.cells) if record.area else fig.NONE,
            fig.area(row.area_um2, area), fig.power(row.power_mw, power),
        )  # fmt: skip
    table.add_row(
        "total", "", "", fig.whole(sum(row.weights for row in record.layers)), "",
        fig.counted(row.adders for row in record.layers),
        fig.whole(sum(row.cells for row in record.layers)) if record.area else fig.NONE,
        fig.area(area, area), fig.power(power, power), style="bold",
    )  # fmt: skip
    return table


def quantisation(layers: Sequence[QuantisedLayer]) -> Table:
    """What the quantisation of each layer costs."""
    table = _table(*TITLES)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in rows(layers):
        table.add_row(*[_text(cell) for cell in row])
    return table


def _path(record: Record) -> Table:
    timing = record.timing
    assert timing is not None
    table = _table("critical path: net", "cell", "layer", "stable after")
    table.columns[3].justify = "right"
    hidden = len(timing.path) - MOST_PATH_STEPS
    steps = timing.path if hidden <= 0 else timing.path[-MOST_PATH_STEPS:]
    if hidden > 0:
        table.add_row(f"... {hidden} nets before", "", "", "")
    for step in steps:
        table.add_row(
            _text(step.net), _text(step.cell), _text(step.layer),
            fig.duration(step.arrival, timing.unit, timing.delay),
        )  # fmt: skip
    return table


def _sources(record: Record) -> Table:
    table = _table("power source", "gives up to", "")
    table.columns[1].justify = "right"
    for source in record.sources:
        word = _text("drives it", "green") if source.drives else _text("cannot drive it", "red")
        if source.detail:
            word.append_text(_text(f": {source.detail}", "dim"))
        table.add_row(_text(source.name), fig.power(source.limit_mw), word)
    return table


def _sensors(sensors: Sensors) -> Table:
    table = _table("converter of input", "bits read", "comparators", "gates", "area", "power")
    for column in table.columns[1:]:
        column.justify = "right"
    used = [row for row in sensors.rows if row.comparators]
    area, power = sensors.area_um2, sensors.power_mw
    for row in used[:MOST_SENSORS]:
        table.add_row(
            _text(row.name), f"{row.bits_read} of {row.bits}", fig.whole(row.comparators),
            fig.whole(row.gates), fig.area(row.area_um2, area), fig.power(row.power_mw, power),
        )  # fmt: skip
    if len(used) > MOST_SENSORS:
        table.add_row(f"... {len(used) - MOST_SENSORS} inputs more", "", "", "", "", "")
    table.add_row(
        f"{len(used)} of {len(sensors.rows)} inputs", "",
        fig.whole(sum(row.comparators for row in used)), fig.whole(sum(row.gates for row in used)),
        fig.area(area, area), fig.power(power, power), style="bold",
    )  # fmt: skip
    whole = sensors.whole_area_um2, sensors.whole_power_mw
    table.add_row("whole converters", "", "", "", fig.area(whole[0]), fig.power(whole[1]))
    table.add_row("circuit and converters run on", sensors.supply or "none of those known")
    return table


def _supplies(supplies: Sequence[Supply]) -> Table:
    table = _table("supply", "power", "longest path", "between samples", "", "runs on")
    for column in table.columns[:4]:
        column.justify = "right"
    for row in supplies:
        word = _text("in time", "green") if row.in_time else _text("too slow", "red")
        table.add_row(
            f"{row.voltage:g} V", fig.power(row.power_mw), fig.duration(row.delay_ms, "ms"),
            fig.duration(row.period_ms, "ms"), word, _text(row.source or "none of those known"),
        )  # fmt: skip
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), title_justify="left")
    for title in titles:
        table.add_column(_text(title), overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    """Text in which nothing is markup and nothing controls the terminal."""
    return Text(printable(text), style=style)
