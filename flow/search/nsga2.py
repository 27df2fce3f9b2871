"""NSGA-II on integer genomes and integer objectives: who stays, who mates, what children are.

K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm:
NSGA-II", IEEE Trans. Evolutionary Computation 6(2), 2002; the sorting is that of F.-A. Fortin,
S. Grenier, M. Parizeau, "Generalizing the improved run-time complexity algorithm for
non-dominated sorting", GECCO 2013, as DEAP has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray

INFEASIBLE = 1 << 50
"""Added to the objectives of a candidate beyond the bound; all values stay exact as floats."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Who stays, best first: places, the front of each (0 is the best), its crowding distance."""

    places: IntArray
    rank: IntArray
    crowding: NDArray[np.float64]


def constrained(objectives: IntArray, violation: IntArray) -> IntArray:
    """Objectives (P, 2) in which any feasible candidate dominates any other (Deb, section VI).

    `violation` (P,) is 0 where a candidate is feasible; among the others less of it dominates.
    """
    beyond = (violation > 0)[:, None]
    result: IntArray = np.where(beyond, INFEASIBLE + violation[:, None], objectives)
    return result


def select(objectives: IntArray, violation: IntArray, keep: int) -> Ranked:
    """The `keep` best of P candidates by front, then by crowding; earlier ones win ties."""
    from deap.tools.emo import assignCrowdingDist, sortLogNondominated

    rows = constrained(objectives, violation).tolist()
    points = [_Point(place, _Fitness((a, b))) for place, (a, b) in enumerate(rows)]
    chosen: list[_Point] = []
    ranks: list[int] = []
    for rank, front in enumerate(sortLogNondominated(points, keep)):
        front.sort(key=lambda point: point.place)
        assignCrowdingDist(front)
        if len(chosen) + len(front) > keep:
            front.sort(key=lambda point: -point.fitness.crowding_dist)
            front = front[: keep - len(chosen)]
        chosen += front
        ranks += [rank] * len(front)
    return Ranked(
        np.array([point.place for point in chosen], dtype=np.int64),
        np.array(ranks, dtype=np.int64),
        np.array([point.fitness.crowding_dist for point in chosen], dtype=np.float64),
    )


def first_front(objectives: IntArray) -> IntArray:
    """Places (ascending) of the candidates (P, 2) that nobody dominates; of equals the first."""
    order = np.lexsort((np.arange(len(objectives)), objectives[:, 1], objectives[:, 0]))
    second = objectives[order, 1]
    best = np.minimum.accumulate(second)
    kept = np.concatenate([[True], second[1:] < best[:-1]]) if len(order) else order.astype(bool)
    return np.sort(order[kept])


def distinct(rows: IntArray) -> IntArray:
    """Places (ascending) of the rows (P, G) that equal no earlier one."""
    first: dict[bytes, int] = {}
    for place, row in enumerate(np.ascontiguousarray(rows)):
        first.setdefault(row.tobytes(), place)
    return np.array(list(first.values()), dtype=np.int64)


def spread(objectives: IntArray) -> IntArray:
    """The order of candidates in which those with objectives of their own come first, stably."""
    first = np.zeros(len(objectives), dtype=bool)
    first[distinct(objectives)] = True
    return np.argsort(~first, kind="stable")


def parents(ranked: Ranked, count: int, rng: np.random.Generator) -> IntArray:
    """Rows of `ranked` (count,) that win binary tournaments by front, then by crowding."""
    pairs = rng.integers(0, len(ranked.places), size=(count, 2))
    rank, crowding = ranked.rank[pairs], ranked.crowding[pairs]
    second = (rank[:, 1] < rank[:, 0]) | (
        (rank[:, 1] == rank[:, 0]) & (crowding[:, 1] > crowding[:, 0])
    )
    return np.where(second, pairs[:, 1], pairs[:, 0])


def hypervolume(objectives: IntArray, reference: tuple[int, int]) -> int:
    """The area that candidates (P, 2) dominate up to the reference point, exactly."""
    inside = objectives[(objectives < np.array(reference)).all(axis=1)]
    total, ceiling = 0, reference[1]
    order = inside[np.lexsort((inside[:, 1], inside[:, 0]))].tolist()
    for first, second in order:
        if second < ceiling:
            total += (reference[0] - first) * (ceiling - second)
            ceiling = second
    return total


class _Fitness:
    """What DEAP reads of a fitness: both objectives are minimised."""

    __slots__ = ("crowding_dist", "values", "wvalues")

    def __init__(self, values: tuple[int, int]) -> None:
        self.values = values
        self.wvalues = (-float(values[0]), -float(values[1]))
        self.crowding_dist = 0.0


@dataclass(slots=True)
class _Point:
    """A candidate as DEAP sees it."""

    place: int
    fitness: _Fitness
