"""The geometry of a scatter plot: ticks, points, labels, and the front of the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

WIDTH, HEIGHT = 760.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 84.0, 48.0, 22.0, 56.0
"""Room for the ticks and titles around the plot, in the units of its view box."""
LOGARITHMIC = 20.0
"""Axes whose values differ by more than this factor are logarithmic."""
MOST_LABELS = 12
"""More points than this have no names beside them; the table's colours tell them apart."""
MOST_TICKS = 8
"""A logarithmic axis of as many has one a decade."""
LINE = 15.0
"""Height of a label."""

Point = tuple[str, int, float, float]
"""Name, hue, and the values on both axes."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A title, how a value is written, and which end of the axis is the good one.

    No tick stands beyond `most`, such as the 1 of a share.
    """

    title: str
    text: Callable[[float], str]
    better: Literal["lower", "higher"]
    most: float | None = None

    def tick(self, value: float) -> str:
        """The value of a tick, which is round: without the zeros that figures have."""
        figure, space, unit = self.text(value).partition(" ")
        if value == 0:
            return "0"
        short = figure.rstrip("0").rstrip(".") if "." in figure else figure
        return f"{short}{space}{unit}"


@dataclass(frozen=True, slots=True)
class Scale:
    """The ends of an axis, whether it is logarithmic, and its ticks."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies between both ends, 0 to 1."""
        low, high, x = self.low, self.high, value
        if self.logarithmic:
            low, high, x = math.log(low), math.log(high), math.log(x)
        return (x - low) / (high - low)


def scatter(points: Sequence[Point], x: Axis, y: Axis) -> dict[str, Any]:
    """Positions in a view box of WIDTH by HEIGHT, as texts; at least one point."""
    across, up = scale_of([p[2] for p in points], x.most), scale_of([p[3] for p in points], y.most)

    def at(p: Point) -> tuple[float, float]:
        return (
            LEFT + across.share(p[2]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up.share(p[3]) * (HEIGHT - TOP - BOTTOM),
        )

    front = _front(points, x, y)
    places = [at(point) for point in points]
    labels = _labels(places, [p[0] for p in points]) if len(points) <= MOST_LABELS else {}
    return {
        "width": f"{WIDTH:.0f}",
        "height": f"{HEIGHT:.0f}",
        "left": f"{LEFT:.1f}",
        "right": f"{WIDTH - RIGHT:.1f}",
        "top": f"{TOP:.1f}",
        "bottom": f"{HEIGHT - BOTTOM:.1f}",
        "middle": f"{(LEFT + WIDTH - RIGHT) / 2:.1f}",
        "below": f"{HEIGHT - 12:.1f}",
        "tick_text": f"{HEIGHT - BOTTOM + 20:.1f}",
        "tick_left": f"{LEFT - 10:.1f}",
        "title_x": f"{x.title}, {x.better} is better",
        "title_y": f"{y.title}, {y.better} is better",
        "ticks_x": [
            {"at": f"{LEFT + across.share(t) * (WIDTH - LEFT - RIGHT):.1f}", "text": x.tick(t)}
            for t in across.ticks
        ],
        "ticks_y": [
            {
                "at": f"{HEIGHT - BOTTOM - up.share(t) * (HEIGHT - TOP - BOTTOM):.1f}",
                "text": y.tick(t),
            }
            for t in up.ticks
        ],
        "points": [
            {
                "name": point[0],
                "hue": point[1],
                "x": f"{cx:.1f}",
                "y": f"{cy:.1f}",
                "said": f"{point[0]}: {x.title} {x.text(point[2])}, {y.title} {y.text(point[3])}",
                "front": i in front,
                "label": labels.get(i),
            }
            for i, (point, (cx, cy)) in enumerate(zip(points, places, strict=True))
        ],
        "line": " ".join(f"{px:.1f},{py:.1f}" for px, py in _steps([places[i] for i in front], x)),
    }


def scale_of(values: Sequence[float], most: float | None = None) -> Scale:
    """A scale that holds all values; no tick of it stands beyond `most`."""
    low, high = min(values), max(values)
    if low > 0 and high / low > LOGARITHMIC:
        ticks = [m * 10.0**e for e in range(-30, 31) for m in (1, 2, 5)]
        start = max((t for t in ticks if t <= low), default=low)
        end = min((t for t in ticks if t >= high), default=high)
        inside = [t for t in ticks if start <= t <= end]
        tens = [t for t in inside if f"{t:e}".startswith("1.0")]
        return Scale(start, end, True, tuple(inside if len(inside) < MOST_TICKS else tens))
    spread = (high - low) or abs(high) or 1.0
    step = _nice(spread / 4)
    first, last = math.floor(low / step - 0.25), math.ceil(high / step + 0.25)
    if low >= 0:
        first = max(first, 0)
    if most is not None and high <= most:
        last = min(last, math.ceil(most / step - 1e-9))
    ticks = [(first + k) * step for k in range(last - first + 1)]
    if most is not None and high <= most:
        ticks = [tick for tick in ticks if tick <= most * (1 + 1e-9)]
    return Scale(first * step, last * step, False, tuple(ticks))


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def _front(points: Sequence[Point], x: Axis, y: Axis) -> list[int]:
    """The points that no other beats on both axes, from left to right."""
    sign_x, sign_y = (-1 if axis.better == "lower" else 1 for axis in (x, y))
    good = [(sign_x * p[2], sign_y * p[3]) for p in points]

    def beaten(i: int) -> bool:
        a, b = good[i]
        return any(c >= a and d >= b and (c, d) != (a, b) for c, d in good)

    return sorted((i for i in range(len(points)) if not beaten(i)), key=lambda i: points[i][2:4])


def _steps(front: Sequence[tuple[float, float]], x: Axis) -> list[tuple[float, float]]:
    """The corner points of the front: what can be had at each place of the horizontal axis."""
    line: list[tuple[float, float]] = list(front[:1])
    for before, after in pairwise(front):
        corner = (after[0], before[1]) if x.better == "lower" else (before[0], after[1])
        line += [corner, after]
    return line


def _labels(places: Sequence[tuple[float, float]], names: Sequence[str]) -> dict[int, Any]:
    """A place for each name beside its point, moved until it lies on no other."""
    found: dict[int, Any] = {}
    taken: list[tuple[float, float, float]] = [(px - 7, px + 7, py) for px, py in places]
    for i in sorted(range(len(places)), key=lambda i: places[i][1]):
        px, py = places[i]
        length = 7.2 * min(len(names[i]), 28) + 4
        right = px + 11 + length < WIDTH
        begin = px + 11 if right else px - 11 - length
        for shift in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0):
            line = py + shift * LINE
            free = all(
                begin + length < a or b < begin or abs(line - c) >= LINE * 0.9
                for a, b, c in taken[:i] + taken[i + 1 :]
            )
            if free and TOP - 10 < line < HEIGHT - BOTTOM + 4:
                break
        taken.append((begin, begin + length, line))
        found[i] = {
            "x": f"{begin if right else begin + length:.1f}",
            "y": f"{line + 4:.1f}",
            "anchor": "start" if right else "end",
            "text": names[i] if len(names[i]) <= 28 else f"{names[i][:27]}…",
        }
    return found
