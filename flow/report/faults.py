"""A fault study for readers: what single faults of a circuit cost, as JSON, a table and a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flow import __version__
from flow.report import figures as fig
from flow.report.html import rendered

TEMPLATE = "faults.html.j2"
FORMAT = "flow-faults 1"
STEPS = (1.0, 5.0, 20.0)
"""Losses, in points of accuracy, above which faults are counted."""
MOST_COLUMNS = 64
"""Neurons of a layer that the heat map shows; the worst ones of a wider layer."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Faults of one kind or place, and the shares of them by what they cost.

    `silent`: no output differs on any sample; `masked`: nothing is lost; `above` belongs to
    STEPS. `mean` is the mean loss in points of accuracy, gains counted as nothing.
    """

    name: str
    faults: int
    silent: float
    masked: float
    above: tuple[float, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Neuron:
    """An element of a layer and what its faults cost; -1 is what no element owns."""

    layer: str
    index: int
    shares: Shares


@dataclass(frozen=True, slots=True)
class Site:
    """A line stuck at a value; `loss` in points. `cell` drives it, or reads it at `pin`."""

    line: str
    stuck: int
    cell: str
    layer: str
    index: int
    loss: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A hardened circuit: what was done, its area over that of the plain one, and its harm.

    `harmful` counts faults that cost more than 5 points, `before` those of the plain circuit;
    `chosen_on` says which samples the places were chosen on.
    """

    what: str
    tripled: int
    voters: int
    area: float
    faults: int
    harmful: int
    before: int
    mean: float


@dataclass(frozen=True, slots=True)
class Vectors:
    """A set of test vectors: classes of faults that it shows (so many by random vectors), that
    are proved redundant, and that were not decided in time.

    `replayed` of the faults were simulated in Icarus Verilog too, `agree` of them with the same
    first vector; None where Icarus is not here.
    """

    vectors: int
    classes: int
    shown: int
    by_chance: int
    redundant: int
    undecided: int
    replayed: int | None
    agree: int | None


@dataclass(frozen=True, slots=True)
class FaultStudy:
    """What every single stuck-at fault of a netlist costs on some samples.

    `metric` is accuracy, or agreement with the circuit without faults where there are no labels.
    `simulated` of the `faults` were tried, one of each of `classes` equal circuits; `margin` is
    the error of a share where they are a sample, 0 where they are all. `areas` are um2.
    """

    name: str
    technology: str
    metric: str
    value: float
    samples: int
    cells: int
    area: float
    lines: int
    faults: int
    simulated: int
    classes: int
    margin: float
    all: Shares
    kinds: tuple[Shares, ...]
    layers: tuple[Shares, ...]
    neurons: tuple[Neuron, ...]
    worst: tuple[Site, ...]
    curve: tuple[CurvePoint, ...] = ()
    vectors: Vectors | None = None


def to_json(study: FaultStudy) -> str:
    """All figures; equal studies give equal bytes."""
    facts = {"format": FORMAT, "flow": __version__, **asdict(study)}
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def to_html(study: FaultStudy) -> str:
    """One page that needs nothing else."""
    return rendered(TEMPLATE, fault_page(study))


def fault_page(study: FaultStudy) -> dict[str, Any]:
    """Every text and shade of the page."""
    return {
        "title": study.name,
        "lead": f"{study.technology}, {fig.whole(study.cells)} cells",
        "verdict": verdict(study),
        "cards": _cards(study),
        "tables": [
            {"id": "kinds", "title": "Places", "rows": [_shares(s) for s in study.kinds]},
            {"id": "layers", "title": "Layers", "rows": [_shares(s) for s in study.layers]},
        ],
        "heat": _heat(study),
        "worst": [site_row(site) for site in study.worst],
        "vectors": None if study.vectors is None else vector_lines(study.vectors),
        "curve": [curve_row(point) for point in study.curve],
        "version": __version__,
    }


def verdict(study: FaultStudy) -> str:
    """One line on how many faults were tried, and how."""
    tried = (
        f"all {fig.whole(study.faults)} single stuck-at faults"
        if study.simulated == study.faults
        else f"{fig.whole(study.simulated)} of {fig.whole(study.faults)} single stuck-at faults by "
        f"chance (shares are right to {100 * study.margin:.2g} points at 99 % confidence)"
    )
    return (
        f"{tried}, one of each of {fig.whole(study.classes)} classes, on "
        f"{fig.whole(study.samples)} samples"
    )


def _cards(study: FaultStudy) -> list[dict[str, str]]:
    shares = study.all
    cards = [
        (study.metric, fig.percent(study.value), "without faults"),
        ("masked", fig.percent(shares.masked, 1), "nothing is lost"),
        *(
            (f"above {step:g}", fig.percent(share, 1), "points are lost")
            for step, share in zip(STEPS, shares.above, strict=True)
        ),
        ("mean loss", f"{shares.mean:.2f}", "points"),
    ]
    return [{"title": title, "value": value, "line": line} for title, value, line in cards]


TITLES = ("", "faults", "silent", "masked", "> 1 point", "> 5 points", "> 20 points", "mean loss")


def _shares(shares: Shares) -> tuple[str, ...]:
    return (
        shares.name,
        fig.whole(shares.faults),
        fig.percent(shares.silent, 1),
        fig.percent(shares.masked, 1),
        *(fig.percent(share, 1) for share in shares.above),
        f"{shares.mean:.2f}",
    )


def share_rows(study: FaultStudy) -> list[tuple[str, ...]]:
    """A row of texts for all faults, each kind of place and each layer; titles are TITLES."""
    return [_shares(s) for s in (study.all, *study.kinds, *study.layers)]


SITE_TITLES = ("line", "stuck at", "cell", "layer", "neuron", "points lost")


def site_row(site: Site) -> tuple[str, ...]:
    """The texts of a site; titles are SITE_TITLES."""
    index = str(site.index) if site.index >= 0 else fig.NONE
    return (site.line, str(site.stuck), site.cell, site.layer, index, f"{site.loss:.2f}")


CURVE_TITLES = (
    "hardening", "cells tripled", "voters", "area", "faults", "harmful", "of before", "mean loss",
)  # fmt: skip


def curve_row(point: CurvePoint) -> tuple[str, ...]:
    """The texts of a hardened circuit; titles are CURVE_TITLES."""
    share = point.harmful / point.before if point.before else 0.0
    return (
        point.what,
        fig.whole(point.tripled),
        fig.whole(point.voters),
        f"{100 * point.area:+.1f} %",
        fig.whole(point.faults),
        fig.whole(point.harmful),
        fig.percent(share, 1),
        f"{point.mean:.2f}",
    )


def vector_lines(found: Vectors) -> list[str]:
    """What a reader must know of a set of test vectors, a sentence a line."""
    open_ones = f"; {fig.whole(found.undecided)} are not decided" if found.undecided else ""
    replayed = (
        "The replay in Icarus Verilog is not checked: it is not installed."
        if found.replayed is None
        else f"Icarus Verilog saw {fig.whole(found.agree or 0)} of {fig.whole(found.replayed)} "
        "replayed faults at the same vector, or at none where they are redundant."
    )
    return [
        f"{fig.whole(found.vectors)} vectors show {fig.whole(found.shown)} of "
        f"{fig.whole(found.classes)} classes of faults ({fig.whole(found.by_chance)} of them found "
        f"by chance, the rest by SAT).",
        f"{fig.whole(found.redundant)} are proved redundant: no input shows them{open_ones}.",
        replayed,
    ]


def _heat(study: FaultStudy) -> list[dict[str, Any]]:
    """For each layer the neurons in order, shaded by the share of faults above 5 points."""
    rows = []
    for layer in dict.fromkeys(neuron.layer for neuron in study.neurons):
        own = [n for n in study.neurons if n.layer == layer]
        shown: Sequence[Neuron] = own
        if len(own) > MOST_COLUMNS:
            worst = sorted(own, key=lambda n: (-n.shares.above[1], n.index))[:MOST_COLUMNS]
            shown = sorted(worst, key=lambda n: n.index)
        cells = [
            {
                "name": str(n.index) if n.index >= 0 else fig.NONE,
                "heat": min(10, round(10 * n.shares.above[1])),
                "share": fig.percent(n.shares.above[1], 0),
                "said": f"{n.shares.name}: {fig.whole(n.shares.faults)} faults, "
                f"{fig.percent(n.shares.above[1], 1)} cost more than 5 points, "
                f"mean {n.shares.mean:.2f}",
            }
            for n in shown
        ]
        rows.append({"layer": layer, "cells": cells, "more": len(own) - len(shown)})
    return rows
