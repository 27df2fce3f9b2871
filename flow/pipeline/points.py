"""What a circuit costs by one script: a point of area and delay, and which point is the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

Objective = Literal["area", "delay", "balanced"]
"""What is to be least: the size, the longest path, or the product of both."""


@dataclass(frozen=True, slots=True)
class Point:
    """A script, the size that it gives (um2 of cells, or look-up tables), the longest path (ns).

    `delay_ns` is None where nothing was timed.
    """

    script: str
    size: float
    delay_ns: float | None = None


_COSTS: Mapping[str, Callable[[float, float], tuple[float, float]]] = {
    "area": lambda size, delay: (size, 0.0),
    "delay": lambda size, delay: (delay, size),
    "balanced": lambda size, delay: (size * delay, size),
}


def cost(point: Point, objective: Objective) -> tuple[float, float]:
    """What to compare: the smaller, the better. What was not timed counts as never ready."""
    return _COSTS[objective](point.size, inf if point.delay_ns is None else point.delay_ns)


def point_text(point: Point, unit: str) -> str:
    """A line: the script, the size in its unit, and the delay where it is known."""
    delay = "" if point.delay_ns is None else f", {point.delay_ns:.6g} ns"
    return f"{point.script}: {point.size:.0f} {unit}{delay}"
