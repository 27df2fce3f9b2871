"""Local search on the points of a front."""

from __future__ import annotations

from flow.progress import Progress, silent
from flow.search.costs import MappedArea
from flow.search.evolution import Archive, Problem
from flow.search.executors import Executor
from flow.search.front import Point


def refined(
    problem: Problem,
    archive: Archive,
    areas: MappedArea,
    work: Executor,
    rounds: int,
    progress: Progress = silent,
) -> list[Point]:
    """The points of a front, by area."""
    count = len(problem.y)
    points = [
        Point(tuple(map(int, g)), None, count - int(e), 0, int(a), int(a), int(k))
        for g, e, a, k in zip(
            archive.genomes, archive.errors, archive.areas, archive.leakage, strict=True
        )
    ]
    return sorted(points, key=lambda p: (p.area, -p.train))
