"""Several builds side by side: which is best in what, and how the figures trade off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flow.report import figures as fig
from flow.report.page import HUES, verdict_class
from flow.report.record import Record
from flow.report.scatter import Axis, scatter
from flow.report.terminal import FIGURES

Named = tuple[str, Record]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that can be compared; `value` is None where a build has none.

    `kind` tells figures apart that bear one name and cannot be compared, such as two metrics.
    """

    title: str
    better: Literal["lower", "higher"]
    value: Callable[[Record], float | None]
    text: Callable[[float], str]
    kind: Callable[[Record], str] = lambda r: ""


def _delay(r: Record) -> float | None:
    return None if r.timing is None else fig.seconds(r.timing.delay, r.timing.unit)


def _metric(r: Record) -> str:
    return "" if r.accuracy is None else r.accuracy.metric


AREA = Measure("area", "lower", lambda r: r.area.um2 if r.area else None, fig.area)
LUTS = Measure(
    "look-up tables", "lower", lambda r: r.fpga.luts if r.fpga else None,
    lambda x: f"{fig.digits(x)} LUT",
)  # fmt: skip
ACCURACY = Measure(
    "  circuit", "higher", lambda r: r.accuracy.circuit if r.accuracy else None, fig.percent,
    _metric,
)  # fmt: skip
POWER = Measure("power", "lower", lambda r: r.power.total_mw if r.power else None, fig.power)
DELAY = Measure("critical path", "lower", _delay, lambda x: fig.duration(x, "s"))
ESTIMATE = Measure(
    "estimated path", "lower", lambda r: r.fpga.estimate_ns if r.fpga else None,
    lambda x: fig.duration(x, "ns"),
)  # fmt: skip
MEASURES: tuple[Measure, ...] = (
    ACCURACY, AREA, POWER, DELAY, LUTS, ESTIMATE,
    Measure("  NAND2 equivalents", "lower", lambda r: r.area.nand2 if r.area else None, fig.digits),
    Measure("  cells", "lower", lambda r: r.area.count if r.area else None, fig.digits),
    Measure(
        "  flip-flops", "lower", lambda r: r.fpga.flipflops if r.fpga else None, fig.digits
    ),
    Measure("maximum frequency", "higher", lambda r: r.fpga.fmax_mhz if r.fpga else None, fig.rate),
)  # fmt: skip
"""What one build can be better at than another; the titles are those of FIGURES."""

PLOTS = (
    (AREA, ACCURACY), (LUTS, ACCURACY), (AREA, POWER), (AREA, DELAY), (LUTS, ESTIMATE),
)  # fmt: skip
"""Pairs of measures for the plot: the first that most builds have is taken."""


def best(records: Sequence[Record]) -> dict[str, frozenset[int]]:
    """The best builds by title of a figure, where at least two have it and they differ."""
    found: dict[str, frozenset[int]] = {}
    for measure in MEASURES:
        values = {i: v for i, r in enumerate(records) if (v := measure.value(r)) is not None}
        kinds = {measure.kind(records[i]) for i in values}
        if len(set(values.values())) > 1 and len(kinds) == 1:
            goal = (min if measure.better == "lower" else max)(values.values())
            found[measure.title] = frozenset(i for i, v in values.items() if v == goal)
    return found


def comparison(named: Sequence[Named]) -> dict[str, Any]:
    """Every text and length of the page on several builds."""
    records = [record for _, record in named]
    winners = best(records)
    rows = []
    for title, figure in FIGURES:
        texts = [figure(record) for record in records]
        if any(text != fig.NONE for text in texts):
            marked = winners.get(title, frozenset())
            rows.append(
                {
                    "title": title.strip(),
                    "part": title.startswith(" "),
                    "cells": [{"text": t, "best": i in marked} for i, t in enumerate(texts)],
                }
            )
    return {
        "builds": [
            {
                "name": name,
                "hue": i % HUES,
                "verdict": record.verdict,
                "verdict_class": verdict_class(record.checks),
            }
            for i, (name, record) in enumerate(named)
        ],
        "rows": rows,
        "plot": _plot(named),
        "version": records[0].summary.flow_version if records else "",
    }


def _plot(named: Sequence[Named]) -> dict[str, Any] | None:
    """The plot of the pair that most builds have, if two of them have one."""

    def both(pair: tuple[Measure, Measure]) -> list[int]:
        x, y = pair
        there = [
            i for i, (_, r) in enumerate(named) if x.value(r) is not None and y.value(r) is not None
        ]
        kinds = [y.kind(named[i][1]) for i in there]
        return [i for i, kind in zip(there, kinds, strict=True) if kind == kinds[0]]

    x, y = pair = max(PLOTS, key=lambda pair: len(both(pair)))
    shown = both(pair)
    if len(shown) < 2:
        return None
    points = []
    for i in shown:
        name, record = named[i]
        across, up = x.value(record), y.value(record)
        assert across is not None
        assert up is not None
        points.append((name, i % HUES, across, up))
    metric = y.kind(named[shown[0]][1])
    most = 1.0 if metric == "accuracy" else None
    vertical = Axis(metric or y.title, _text_of(y, metric), y.better, most)
    return scatter(points, Axis(x.title, x.text, x.better), vertical) | {
        "left_out": [name for i, (name, _) in enumerate(named) if i not in shown]
    }


def _text_of(measure: Measure, metric: str) -> Callable[[float], str]:
    return (lambda value: fig.metric(metric, value)) if metric else measure.text
