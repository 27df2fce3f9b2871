"""What was tried for the objective of a build: points of size and delay, and the one that won."""

from __future__ import annotations

from dataclasses import dataclass

from flow.report import figures as fig

TITLES = ("passes", "script", "size", "longest path", "")
EXPLAINED = (
    "What was tried that nothing else beats in both size and delay, and what was built. Flip-flops "
    "are not in the sizes; delays are those of our own timer, before pipelining where the passes "
    "were chosen."
)


@dataclass(frozen=True, slots=True)
class Tried:
    """A circuit that was mapped: its passes, the script, its size and longest path (ns)."""

    passes: str
    script: str
    size: float
    delay_ns: float | None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was to be least, how much was tried for it, the unit of the sizes, and all points."""

    objective: str
    effort: str
    unit: str
    tried: tuple[Tried, ...]


def front(tuning: Tuning) -> tuple[Tried, ...]:
    """The timed points that none beats in size and delay, and the chosen one; least size first.

    Equal points stand once.
    """
    best: list[Tried] = []
    for point in sorted(tuning.tried, key=lambda t: (t.size, _delay(t), not t.chosen)):
        beaten = any(_delay(other) <= _delay(point) for other in best)
        if point.chosen or (not beaten and point.delay_ns is not None):
            best.append(point)
    return tuple(best)


def rows(tuning: Tuning) -> list[tuple[str, ...]]:
    """A row of text for each point of the front."""
    return [
        (
            point.passes,
            point.script,
            size(point, tuning.unit),
            fig.NONE if point.delay_ns is None else fig.duration(point.delay_ns, "ns"),
            "built" if point.chosen else "",
        )
        for point in front(tuning)
    ]


def line(tuning: Tuning) -> str:
    """One line: the objective, how much was tried, and between which ends."""
    words = f"least {_OBJECTIVES[tuning.objective]}, effort {tuning.effort}"
    count = len(tuning.tried)
    if count < 2:
        return words
    words = f"{words}; {count} tried"
    ends = [point for point in front(tuning) if point.delay_ns is not None]
    if len(ends) < 2:
        return words
    return f"{words}, {_end(ends[0], tuning)} to {_end(ends[-1], tuning)}"


_OBJECTIVES = {"area": "area", "delay": "delay", "balanced": "area times delay"}


def size(point: Tried, unit: str) -> str:
    """The size with its unit."""
    return fig.area(point.size) if unit == "um2" else f"{point.size:.0f} {unit}"


def _end(point: Tried, tuning: Tuning) -> str:
    return f"{size(point, tuning.unit)} in {fig.duration(point.delay_ns, 'ns')}"


def _delay(point: Tried) -> float:
    return float("inf") if point.delay_ns is None else point.delay_ns
