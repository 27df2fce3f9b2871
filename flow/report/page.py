"""The view of a Record that the HTML template places: every text and every length, computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flow.report import figures as fig
from flow.report import tuning
from flow.report.quantisation import EXPLAINED, TITLES, rows
from flow.report.record import Accuracy, Check, Latency, Record, Sensors, Status, Supply, Timing

HUES = 10
MOST_CLASSES = 32
MOST_MISTAKES = 20
MOST_STEPS = 200

LOOKS: dict[Status, tuple[str, str]] = {
    "proved": ("proved", "\u220e"),
    "passed": ("passed", "\u2713"),
    "disproved": ("disproved", "\u2260"),
    "failed": ("failed", "\u2717"),
    "timed out": ("timed-out", "\u2026"),
    "not checked": ("not-checked", "\u2013"),
}
"""Class and sign of each verdict; the word itself always stands beside the sign."""

MEANINGS: dict[Status, str] = {
    "proved": "holds for every input",
    "passed": "holds on every vector tried",
    "disproved": "a counterexample is known",
    "failed": "differs on a vector",
    "timed out": "not decided in the time given",
    "not checked": "could not run here",
}


def page(record: Record) -> dict[str, Any]:
    """Every text and length of the page, ready to be placed."""
    return {
        "title": record.summary.model_name,
        "summary": record.summary,
        "technology": _technology(record),
        "verdict": record.verdict,
        "verdict_class": verdict_class(record.checks),
        "cards": _cards(record),
        "checks": [
            {"check": c.check, "status": c.status, "look": LOOKS[c.status], "detail": c.detail}
            for c in record.checks
        ],
        "legend": [
            {"status": status, "look": LOOKS[status], "meaning": MEANINGS[status]}
            for status in LOOKS
            if any(check.status == status for check in record.checks)
        ],
        "layers": _layers(record) if record.layers else None,
        "quantisation": _quantisation(record),
        "tuning": _tuning(record),
        "cells": _cells(record),
        "confusion": _confusion(record.accuracy) if record.accuracy else None,
        "mistakes": _mistakes(record.accuracy) if record.accuracy else None,
        "path": _path(record.timing) if record.timing and record.timing.path else None,
        "sources": _sources(record),
        "sensors": _sensors(record.sensors) if record.sensors else None,
        "supplies": [_supply(row) for row in record.supplies],
        "widths": _widths(record),
        "notes": record.notes,
        "provenance": _provenance(record),
        "command": record.summary.command,
    }


def _technology(record: Record) -> str:
    tech = record.summary.technology
    words = [tech.name]
    if tech.voltage_v is not None:
        words.append(f"{fig.digits(tech.voltage_v)} V")
    return ", ".join([*words, *([tech.corner] if tech.corner else [])])


def verdict_class(checks: Sequence[Check]) -> str:
    """The class of the style sheet for how all checks ended together."""
    states = {check.status for check in checks}
    if states & {"failed", "disproved"}:
        return "bad"
    if not states or states & {"timed out", "not checked"}:
        return "open"
    return "good"


def _card(title: str, value: str, *lines: str) -> dict[str, Any]:
    figure, _, unit = value.rpartition(" ") if " " in value else (value, "", "")
    return {"title": title, "value": _keep(figure), "unit": unit, "lines": [x for x in lines if x]}


def _keep(figure: str) -> str:
    """A figure that no line end may part from its unit."""
    return figure.replace(" ", "\u00a0")


def _cards(record: Record) -> list[dict[str, Any]]:
    cards = []
    if (a := record.accuracy) is not None:
        framework = (
            f"framework {_keep(fig.metric(a.metric, a.framework))}"
            if a.framework is not None
            else ""
        )
        cards.append(
            _card(
                a.metric,
                fig.metric(a.metric, a.circuit),
                f"circuit, {fig.whole(a.samples)} samples",
                f"integer network {_keep(fig.metric(a.metric, a.network))}",
                framework,
            )
        )
    if (area := record.area) is not None:
        nand2 = f"{fig.digits(area.nand2)} NAND2 equivalents" if area.nand2 is not None else ""
        cells = f"{fig.whole(area.count)} cells"
        value = fig.area(area.um2) if area.um2 is not None else cells
        cards.append(_card("area", value, nand2, cells if area.um2 is not None else ""))
    if (power := record.power) is not None:
        how = f"from {fig.whole(power.vectors)} vectors"
        cards.append(
            _card(
                "power",
                fig.power(power.total_mw),
                f"leakage {_keep(fig.power(power.leakage_mw))}",
                f"switching {_keep(fig.power(power.switching_mw))}",
                how if power.how == "vectors" else "vectorless",
            )
        )
    if (timing := record.timing) is not None:
        cards.append(_card("critical path", fig.duration(timing.delay, timing.unit), timing.tool))
    cards += _fpga_cards(record)
    if record.latency is not None:
        cards.append(_latency_card(record, record.latency))
    if record.sources:
        source = record.source
        cards.append(
            {"title": "power source", "value": source.name if source else "none fits",
             "unit": "", "words": True,
             "lines": [f"gives up to {fig.power(source.limit_mw)}" if source else
                       "no known source can drive it"]}
        )  # fmt: skip
    return cards


def _fpga_cards(record: Record) -> list[dict[str, Any]]:
    if (fpga := record.fpga) is None:
        return []
    estimate = f"estimate {_keep(fig.duration(fpga.estimate_ns, 'ns'))}: {fpga.estimate_by}"
    counts = [("carry cells", fpga.carries), ("flip-flops", fpga.flipflops),
              ("wide multiplexers", fpga.muxes), ("DSP blocks", fpga.dsps)]  # fmt: skip
    lines = [f"{_keep(fig.whole(count))} {name}" for name, count in counts]
    frequency = fig.rate(fpga.fmax_mhz)
    return [
        _card("look-up tables", f"{fig.whole(fpga.luts)} LUT", *lines, fpga.counted_by),
        _card("maximum frequency", frequency, fpga.route, fpga.limit, estimate),
    ]


def _latency_card(record: Record, latency: Latency) -> dict[str, Any]:
    power = record.power
    clock = ""
    if power is not None and power.clock_period:
        period = fig.duration(power.clock_period, power.clock_unit)
        clock = f"clock period {period} ({fig.frequency(power.clock_period, power.clock_unit)})"
    if latency.cycles == 0:
        return {"title": "latency", "value": "combinational", "unit": "", "words": True,
                "lines": [clock] if clock else []}  # fmt: skip
    unit = "cycle" if latency.cycles == 1 else "cycles"
    return _card("latency", f"{latency.cycles} {unit}", fig.interval(latency.interval), clock)


def _layers(record: Record) -> dict[str, Any]:
    area = record.area.um2 if record.area else None
    power = record.power.total_mw if record.power else None
    rows = [
        {
            "layer": row.layer,
            "kind": row.kind,
            "hue": i % HUES,
            "shape": fig.shape(row.shape),
            "weights": fig.whole(row.weights),
            "bits": fig.bits(row.weight_bits, row.activation_bits),
            "adders": fig.counted([row.adders]),
            "cells": fig.whole(row.cells) if record.area else fig.NONE,
            "area": fig.area(row.area_um2, area),
            "area_share": _share(row.area_um2, area),
            "power": fig.power(row.power_mw, power),
            "power_share": _share(row.power_mw, power),
        }
        for i, row in enumerate(record.layers)
    ]
    strips = [
        {"name": name, "total": total,
         "parts": [{"layer": r["layer"], "hue": r["hue"], "share": r[f"{name}_share"]}
                   for r in rows if r[f"{name}_share"] != "0%"]}
        for name, total, known in (("area", fig.area(area), area),
                                   ("power", fig.power(power), power))
        if known
    ]  # fmt: skip
    return {
        "rows": rows,
        "strips": strips,
        "weights": fig.whole(sum(row.weights for row in record.layers)),
        "adders": fig.counted(row.adders for row in record.layers),
        "cells": fig.whole(sum(row.cells for row in record.layers)) if record.area else fig.NONE,
        "area": fig.area(area, area),
        "area_known": area is not None,
        "power": fig.power(power, power),
        "power_known": power is not None,
    }


def _quantisation(record: Record) -> dict[str, Any] | None:
    if not record.quantisation:
        return None
    return {"titles": TITLES, "explained": EXPLAINED, "rows": rows(record.quantisation)}


def _tuning(record: Record) -> dict[str, Any] | None:
    if record.tuning is None or len(record.tuning.tried) < 2:
        return None
    return {
        "line": tuning.line(record.tuning),
        "titles": tuning.TITLES,
        "explained": tuning.EXPLAINED,
        "rows": tuning.rows(record.tuning),
    }


def _cells(record: Record) -> list[dict[str, str]]:
    if record.fpga is not None and record.fpga.primitives:
        most = max(cell.count for cell in record.fpga.primitives)
        return [
            {"name": cell.name, "count": fig.whole(cell.count), "share": _share(cell.count, most),
             "area": fig.NONE}
            for cell in record.fpga.primitives
        ]  # fmt: skip
    if record.area is None or not record.area.cells:
        return []
    area = record.area
    most = max(cell.count for cell in area.cells)
    return [
        {"name": cell.name, "count": fig.whole(cell.count), "share": _share(cell.count, most),
         "area": fig.area(cell.area_um2, area.um2)}
        for cell in area.cells
    ]  # fmt: skip


def _confusion(accuracy: Accuracy) -> dict[str, Any] | None:
    if not 0 < len(accuracy.confusion) <= MOST_CLASSES:
        return None
    rows = []
    for i, counts in enumerate(accuracy.confusion):
        total = sum(counts)
        rows.append(
            {
                "name": accuracy.classes[i],
                "cells": [
                    {"count": fig.whole(n), "heat": round(10 * n / total) if total else 0,
                     "right": i == j}
                    for j, n in enumerate(counts)
                ],
                "right": fig.percent(counts[i] / total, 1) if total else fig.NONE,
                "total": fig.whole(total),
            }
        )  # fmt: skip
    return {"classes": accuracy.classes, "rows": rows, "samples": fig.whole(accuracy.samples)}


def _mistakes(accuracy: Accuracy) -> dict[str, Any] | None:
    """The most frequent mistakes, where a matrix of all classes would be too large to read."""
    if len(accuracy.confusion) <= MOST_CLASSES:
        return None
    found = [
        (-n, i, j)
        for i, row in enumerate(accuracy.confusion)
        for j, n in enumerate(row)
        if n and i != j
    ]
    names = accuracy.classes
    rows = [(names[i], names[j], fig.whole(-n)) for n, i, j in sorted(found)[:MOST_MISTAKES]]
    return {"rows": rows, "classes": len(names), "samples": fig.whole(accuracy.samples)}


def _path(timing: Timing) -> dict[str, Any]:
    steps, before = [], 0.0
    for step in timing.path:
        steps.append(
            {
                "net": step.net,
                "cell": step.cell,
                "layer": step.layer,
                "arrival": fig.duration(step.arrival, timing.unit, timing.delay),
                "start": _share(before, timing.delay),
                "length": _share(step.arrival - before, timing.delay),
            }
        )
        before = step.arrival
    hidden = max(0, len(steps) - MOST_STEPS)
    return {
        "steps": steps[hidden:],
        "hidden": hidden,
        "tool": timing.tool,
        "delay": fig.duration(timing.delay, timing.unit),
    }


def _sources(record: Record) -> dict[str, Any] | None:
    if not record.sources:
        return None
    needed = record.power.total_mw if record.power else 0.0
    most = max([needed, *(source.limit_mw for source in record.sources)])
    return {
        "needed": fig.power(needed) if record.power else "",
        "mark": _share(needed, most),
        "rows": [
            {"name": s.name, "limit": fig.power(s.limit_mw), "drives": s.drives,
             "share": _share(s.limit_mw, most), "detail": s.detail}
            for s in record.sources
        ],
    }  # fmt: skip


def _sensors(sensors: Sensors) -> dict[str, Any]:
    area, power = sensors.area_um2, sensors.power_mw
    used = [row for row in sensors.rows if row.comparators]
    return {
        "rows": [
            {"name": row.name, "read": f"{row.bits_read} of {row.bits}",
             "comparators": fig.whole(row.comparators), "gates": fig.whole(row.gates),
             "area": fig.area(row.area_um2, area), "power": fig.power(row.power_mw, power)}
            for row in used
        ],
        "inputs": f"{len(used)} of {len(sensors.rows)} inputs",
        "comparators": fig.whole(sum(row.comparators for row in used)),
        "gates": fig.whole(sum(row.gates for row in used)),
        "area": fig.area(area, area),
        "power": fig.power(power, power),
        "whole_area": fig.area(sensors.whole_area_um2),
        "whole_power": fig.power(sensors.whole_power_mw),
        "supply": sensors.supply,
        "title": sensors.title,
        "source": sensors.source,
    }  # fmt: skip


def _supply(row: Supply) -> dict[str, Any]:
    return {
        "voltage": f"{row.voltage:g} V",
        "power": fig.power(row.power_mw),
        "delay": fig.duration(row.delay_ms, "ms"),
        "period": fig.duration(row.period_ms, "ms"),
        "in_time": row.in_time,
        "source": row.source,
        "with_sensors": row.source_with_sensors,
    }


def _widths(record: Record) -> dict[str, Any] | None:
    if not record.widths:
        return None
    most = max(width.wires for width in record.widths)
    wires = sum(width.wires for width in record.widths)
    return {
        "columns": [
            {"bits": w.bits, "wires": fig.whole(w.wires), "share": _share(w.wires, most)}
            for w in record.widths
        ],
        "wires": fig.whole(wires),
        "widest": record.widths[-1].bits,
    }


def _provenance(record: Record) -> list[tuple[str, str]]:
    summary = record.summary
    return [
        ("model", summary.model_name),
        ("model sha256", summary.model_sha256),
        ("technology", _technology(record)),
        ("cells from", summary.technology.source),
        ("flow", summary.flow_version),
        *((tool.name, tool.value) for tool in summary.tools),
        ("seed", str(summary.seed)),
        *((fact.name, fact.value) for fact in record.provenance),
    ]


def _share(part: float | None, total: float | None) -> str:
    """A length in percent of the total, for a style."""
    if not part or not total:
        return "0%"
    return f"{min(100.0, max(0.0, 100 * part / total)):.3f}".rstrip("0").rstrip(".") + "%"
