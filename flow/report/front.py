"""The page of a search: its front beside published designs, and what each point is made of.

Two plots of one front, over area and over power, with the limits of printed sources of power as
lines. The page has no script: which plot and which rivals are shown are controls of the form
kind, which the style sheet follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flow import __version__
from flow.report import figures as fig
from flow.report.html import rendered
from flow.report.published import Published, published_for
from flow.report.scatter import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Scale, scale_of
from flow.search.front import Front
from flow.tech.power_sources import drivable_by, sources

TEMPLATE = "front.html.j2"
ACCURACY = Axis("accuracy", lambda share: fig.percent(share, 1), "higher", 1.0)
AREA = Axis("area", lambda cm2: fig.area(cm2 * 1e8), "lower")
POWER = Axis("power", fig.power, "lower")
LEAST_CM2, LEAST_MW = 1e-4, 1e-4
"""A circuit of no cells stands there on a logarithmic axis."""
FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("perceptrons", "approximate perceptrons", ("approximate MLP",)),
    ("trees", "approximate trees", ("approximate tree",)),
    ("exact", "exact circuits", ("exact MLP", "exact tree")),
    ("others", "other classifiers", ()),
)
"""Groups of published designs that are shown or hidden together; the last takes the rest."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one layer of a point is made of."""

    layer: str
    neurons: int
    connections: int
    bits: int
    shown: int


def front_to_html(front: Front, folder: str, rivals: Sequence[Published] | None = None) -> str:
    """The page of a front; `folder` is how the search folder is called, in the commands.

    Published designs are those of the data set of the front's name, unless `rivals` are given.
    """
    return rendered(TEMPLATE, front_page(front, folder, rivals))


def front_page(
    front: Front, folder: str, rivals: Sequence[Published] | None = None
) -> dict[str, Any]:
    """Every text and place of the page."""
    known = published_for(front.name) if rivals is None else tuple(rivals)
    return {
        "name": front.name,
        "technology": f"{front.technology}, {front.voltage:g} V",
        "generations": fig.whole(front.generations),
        "seed": front.seed,
        "samples": [(name, fig.whole(count)) for name, count in front.samples.items()],
        "hypervolume": fig.digits(front.hypervolume[-1]) if front.hypervolume else "",
        "agreement": "" if front.agreement is None else fig.digits(front.agreement),
        "plots": [
            {"id": "area", **_plot(front, known, AREA, _cm2, lambda d: d.area_cm2, False)},
            {"id": "power", **_plot(front, known, POWER, _mw, _same_supply(front.voltage), True)},
        ],
        "families": [
            {"id": name, "title": title}
            for name, title, _ in FAMILIES
            if any(_family(d) == name for d in known)
        ],
        "rows": [_row(front, index, folder) for index in range(len(front.points))],
        "rivals": [_rival(d) for d in known],
        "citations": sorted({(d.paper, d.citation) for d in known}),
        "version": __version__,
    }


def parts_of(front: Front, index: int) -> tuple[Part, ...]:
    """The layers of a point: living neurons, connections, summand bits, bits that neurons show."""
    genome = front.space.canonical(np.array(front.points[index].genome))
    found = []
    for number, genes in enumerate(front.space.layers(genome), 1):
        masks = genes.masks[0]
        last = number == front.space.depth
        alive = np.ones(len(masks), bool) if genes.alive is None else genes.alive[0] != 0
        shown = 0 if genes.bits is None else int(genes.bits[0][alive].sum())
        bits = sum(int(mask).bit_count() for mask in masks[alive].ravel())
        name = "decision" if last else f"hidden {number}"
        found.append(Part(name, int(alive.sum()), int(np.count_nonzero(masks[alive])), bits, shown))
    return tuple(found)


def inputs_of(front: Front, index: int) -> tuple[str, ...]:
    """The columns that a point reads."""
    if (gates := front.points[index].gates) is not None:
        signals = {literal >> 1 for literal in (*gates.literals, *gates.word)}
        bits = front.space.input_bits
        read = [
            any(1 + i * bits + k in signals for k in range(bits)) for i in range(len(front.columns))
        ]
        return tuple(name for name, used in zip(front.columns, read, strict=True) if used)
    genome = front.space.canonical(np.array(front.points[index].genome))
    genes = front.space.layers(genome)[0]
    found = (genes.masks[0] != 0).any(axis=0).tolist()
    return tuple(name for name, used in zip(front.columns, found, strict=True) if used)


def _cm2(front: Front, index: int) -> float:
    return max(front.points[index].area / 1e8, LEAST_CM2)


def _mw(front: Front, index: int) -> float:
    return max(front.points[index].leakage / 1e6, LEAST_MW)


def _same_supply(voltage: float) -> Callable[[Published], float | None]:
    """The power of a published design, if it is told at that supply."""
    return lambda d: d.power_mw if d.voltage == voltage else None


def _plot(
    front: Front,
    rivals: Sequence[Published],
    axis: Axis,
    ours: Callable[[Front, int], float],
    theirs: Callable[[Published], float | None],
    limits: bool,
) -> dict[str, Any]:
    points = [(ours(front, i), front.accuracy(p)) for i, p in enumerate(front.points)]
    drawn = [
        (d, value, d.accuracy)
        for d in rivals
        if d.accuracy is not None and (value := theirs(d)) is not None
    ]
    marks = [(s.title, s.limit_mw) for s in sources()] if limits else []
    xs = [x for x, _ in points] + [x for _, x, _ in drawn] + [x for _, x in marks]
    ys = [y for _, y in points] + [y for _, _, y in drawn]
    across, up = scale_of(xs or [1.0]), scale_of(ys or [1.0], 1.0)

    def at(x: float, y: float) -> dict[str, str]:
        return {"x": _across(across, x), "y": _up(up, y)}

    return {
        "title": axis.title,
        "width": f"{WIDTH:.0f}", "height": f"{HEIGHT:.0f}", "left": f"{LEFT:.1f}",
        "right": f"{WIDTH - RIGHT:.1f}", "top": f"{TOP:.1f}", "bottom": f"{HEIGHT - BOTTOM:.1f}",
        "middle": f"{(LEFT + WIDTH - RIGHT) / 2:.1f}", "below": f"{HEIGHT - 12:.1f}",
        "tick_text": f"{HEIGHT - BOTTOM + 20:.1f}", "tick_left": f"{LEFT - 10:.1f}",
        "title_x": f"{axis.title}, lower is better",
        "title_y": "accuracy, higher is better",
        "ticks_x": [{"at": _across(across, t), "text": axis.tick(t)} for t in across.ticks],
        "ticks_y": [{"at": _up(up, t), "text": ACCURACY.tick(t)} for t in up.ticks],
        "limits": [{"at": _across(across, x), "text": title} for title, x in marks],
        "points": [
            {**at(x, y), "index": i,
             "said": f"point {i}: {axis.text(x)}, {ACCURACY.text(y)} in training and validation"}
            for i, (x, y) in enumerate(points)
        ],
        "rivals": [
            {**at(x, y), "family": _family(d), "bound": d.at_least,
             "said": f"{d.paper}, {d.title}, {d.kind}: {axis.text(x)}, {_bound(d)}"
                     f"{ACCURACY.text(y)} on test data ({d.how})"}
            for d, x, y in drawn
        ],
        "line": " ".join(
            f"{place['x']},{place['y']}" for place in _stairs([at(*p) for p in sorted(points)])
        ),
    }  # fmt: skip


def _stairs(places: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Corners of the best that can be had from left to right."""
    line: list[dict[str, str]] = []
    for place in places:
        if line and float(place["y"]) >= float(line[-1]["y"]):
            continue
        if line:
            line.append({"x": place["x"], "y": line[-1]["y"]})
        line.append(place)
    return line


def _across(scale: Scale, x: float) -> str:
    return f"{LEFT + scale.share(x) * (WIDTH - LEFT - RIGHT):.1f}"


def _up(scale: Scale, y: float) -> str:
    return f"{HEIGHT - BOTTOM - scale.share(y) * (HEIGHT - TOP - BOTTOM):.1f}"


def _family(design: Published) -> str:
    return next((name for name, _, kinds in FAMILIES if design.kind in kinds), FAMILIES[-1][0])


def _row(front: Front, index: int, folder: str) -> dict[str, Any]:
    point = front.points[index]
    power = point.leakage / 1e6
    able = drivable_by(power)
    read = inputs_of(front, index)
    valid = front.validated(point)
    return {
        "index": index,
        "train": fig.percent(point.train / front.samples["train"]),
        "valid": fig.NONE if valid is None else fig.percent(valid),
        "area": fig.area(point.area),
        "power": fig.power(power),
        "source": able[0].title if able else "none of those known",
        "inputs": f"{len(read)} of {len(front.columns)}",
        "read": ", ".join(read),
        "parts": [
            {"layer": part.layer, "neurons": fig.whole(part.neurons),
             "connections": fig.whole(part.connections), "bits": fig.whole(part.bits),
             "shown": fig.whole(part.shown) if part.shown else fig.NONE}
            for part in parts_of(front, index)
        ],
        "gates": fig.whole(len(point.gates.literals) // 2) if point.gates is not None else "",
        "command": f"flow build {folder} --pick {index} -o OUT",
    }  # fmt: skip


def _bound(design: Published) -> str:
    return "at least " if design.at_least else ""


def _rival(design: Published) -> dict[str, str]:
    known = design.accuracy is not None
    return {
        "paper": design.paper,
        "title": design.title,
        "kind": design.kind,
        "family": _family(design),
        "accuracy": _bound(design) + fig.percent(design.accuracy, 1) if known else fig.NONE,
        "area": fig.area(design.area_cm2 * 1e8),
        "power": fig.power(design.power_mw),
        "supply": f"{design.voltage:g} V",
        "how": design.how,
        "note": design.note,
    }
