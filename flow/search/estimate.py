"""The area of candidates without synthesis: their gates, merged and covered, in C.

A candidate becomes a graph of ANDs and inverters. Gates that agree on a thousand samples of the
inputs count as one (as sweeping by simulation does: Kuehlmann et al., IEEE TCAD 2002), gates that
no output can see are dropped, and what is left is covered with the smallest gates of two inputs,
shared ones counted by area flow (Manohararajah et al., IEEE TCAD 2006). Mapped candidates then
tell how much of that synthesis leaves. Whole numbers throughout: every machine finds the same.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.errors import ToolNotFound
from flow.ir.tensor import IntArray
from flow.search.kernel import compiled, plan_of, pointer
from flow.search.space import Space
from flow.tech.technology import Technology

UNIT = 1000
"""Parts of a square micrometre that areas of cells are counted in."""

RATIO = 1024
"""Parts of a ratio between mapped and counted area."""


@dataclass(frozen=True)
class AreaEstimate:
    """Estimates of the area under a technology; see `Estimator` of evolution.py.

    ToolNotFound where there is no C compiler.
    """

    technology: Technology

    def fit(self, space: Space, genomes: IntArray, areas: IntArray) -> NDArray[np.float64]:
        """The usual ratio of the mapped areas (P,) of genomes (P, genes) to their counted areas.

        The median of small, middle and large ones (by thirds), each in RATIO parts, and the
        counted areas in um2 that part them.
        """
        counted = self.counted(space, genomes)[:, 0]
        areas = np.asarray(areas, dtype=np.int64)
        there = counted > 0
        order = np.argsort(counted[there], kind="stable")
        counted, areas = counted[there][order], areas[there][order]
        if len(counted) < 3:
            return np.zeros(0)
        thirds = np.array_split(np.arange(len(counted)), 3)
        middles = [np.sort(areas[t] * RATIO // counted[t])[len(t) // 2] for t in thirds]
        points = [counted[t[len(t) // 2]] for t in thirds]
        return np.array([*middles, *points], dtype=np.float64)

    def areas(
        self, space: Space, genomes: IntArray, coefficients: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """The estimated areas (P,) in um2; without coefficients the counted ones."""
        counted = self.counted(space, genomes)[:, 0]
        if not len(coefficients):
            return counted
        small, middle, large, *points = (int(c) for c in coefficients)
        ratio = _between(counted, (small, middle, large), (points[0], points[1], points[2]))
        return counted * ratio // RATIO

    def counted(self, space: Space, genomes: IntArray) -> NDArray[np.int64]:
        """The area of the cover in um2 and its number of gates (P, 2)."""
        kernel = compiled("area")
        if kernel is None:
            raise ToolNotFound(
                "the estimate of areas needs a C compiler",
                hint="install gcc or clang, or set CC to the path of a C compiler",
            )
        genomes = np.ascontiguousarray(space.canonical(genomes), dtype=np.int32)
        plan = np.append(plan_of(space), np.int32(space.hidden_bits))
        cells = np.array(cell_areas(self.technology), dtype=np.int64)
        found = np.zeros((len(genomes), 2), np.int64)
        failed = kernel.flow_area(
            pointer(genomes), ctypes.c_int64(len(genomes)), ctypes.c_int64(space.genes),
            pointer(plan), pointer(cells), pointer(found),
        )  # fmt: skip
        if failed:
            raise MemoryError
        found[:, 0] //= UNIT
        return found


def agreement(estimated: IntArray, mapped: IntArray) -> float | None:
    """Spearman's rank correlation of estimated and mapped areas (P,), to four digits.

    None where there are fewer than three candidates, or all of one area: they have no order.
    """
    from scipy.stats import rankdata

    if len(mapped) < 3:
        return None
    ranks = np.stack([rankdata(estimated), rankdata(mapped)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    sizes = (ranks**2).sum(axis=1)
    if not sizes.all():
        return None
    return round(float((ranks[0] * ranks[1]).sum() / np.sqrt(sizes[0] * sizes[1])), 4)


def cell_areas(technology: Technology) -> tuple[int, int, int, int, int]:
    """The smallest areas of an inverter, NAND, NOR, AND and OR of two inputs, in um2 / UNIT.

    What the technology has no cell for is made of others.
    """
    least: dict[tuple[int, int], int] = {}
    for cell in technology.cells.values():
        if cell.kind == "combinational" and not cell.dont_use and len(cell.outputs) == 1:
            if not 1 <= len(cell.inputs) <= 2:
                continue
            key = len(cell.inputs), cell.truth_table(cell.outputs[0])
            area = round(cell.area * UNIT)
            least[key] = min(area, least.get(key, area))
    none = 1 << 40
    nand, nor, both, either = (least.get((2, t), none) for t in (0b0111, 0b0001, 0b1000, 0b1110))
    inverter = min(least.get((1, 0b01), none), nand, nor)
    for _ in range(3):
        nand = min(nand, both + inverter, either + 2 * inverter)
        nor = min(nor, either + inverter, both + 2 * inverter)
        both = min(both, nand + inverter, nor + 2 * inverter)
        either = min(either, nor + inverter, nand + 2 * inverter)
    return inverter, nand, nor, both, either


def _between(
    counted: NDArray[np.int64], values: tuple[int, int, int], points: tuple[int, int, int]
) -> NDArray[np.int64]:
    """The values at the points, in straight lines between them, rounded down."""
    result = np.full(len(counted), values[0], np.int64)
    for k in range(2):
        span = max(1, points[k + 1] - points[k])
        line = values[k] + (values[k + 1] - values[k]) * (counted - points[k]) // span
        result = np.where(counted >= points[k], line, result)
    return np.where(counted >= points[2], values[2], result)
