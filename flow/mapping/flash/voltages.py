"""Threshold voltages of the two networks of a flash cell, so that it decides as its gate does.

At the clock edge the network that draws more current wins: input i switches a branch of the left
one where it is 1 and a branch of the right one where it is 0; the last branch of each is always
on. The cell answers 1 where the left one wins (A. Wagle et al., ICCD 2019).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from flow.errors import CheckFailed
from flow.ir.threshold import ThresholdGate
from flow.tech.flash_cell import branch_currents, flash_cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_POINTS = 4096
"""Gates of more minimal true and maximal false points get no voltages."""

_EPOCHS = 200
_GROWTH = 1.3


@dataclass(frozen=True, slots=True)
class Point:
    """One row of input bits and what the gate answers to it."""

    bits: tuple[int, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Voltages:
    """Threshold voltages in mV: of each input's branch, and last of the branch that is always on.

    The gate has weights of 0 and more: an inverted input comes inverted to the cell.
    """

    gate: ThresholdGate
    left: tuple[int, ...]
    right: tuple[int, ...]
    method: str

    def sides(self, bits: tuple[int, ...]) -> tuple[float, float]:
        """What both networks draw for one row of input bits, uA."""
        current = branch_currents()
        left, right = current[self.left[-1]], current[self.right[-1]]
        for bit, a, b in zip(bits, self.left, self.right, strict=False):
            if bit:
                left += current[a]
            else:
                right += current[b]
        return left, right

    @property
    def margin_ua(self) -> float:
        """The smallest lead of the side that should win, uA; not positive where the cell errs."""
        rows = ((self.sides(p.bits), p.answer) for p in points(self.gate))
        return min(a - b if answer else b - a for (a, b), answer in rows)

    @property
    def speed_ua(self) -> float:
        """What the winning side draws at its slowest point, uA."""
        return min(max(self.sides(p.bits)) for p in points(self.gate))


@dataclass(frozen=True, slots=True)
class Robustness:
    """Of many cells with scattered voltages: the share that is right everywhere, and margins.

    `low_ua` is the margin that 99 of 100 cells reach, `mean_ua` their mean.
    """

    samples: int
    right: int
    low_ua: float
    mean_ua: float

    @property
    def share(self) -> float:
        """The yield, 0 to 1."""
        return self.right / self.samples


def points(gate: ThresholdGate) -> tuple[Point, ...]:
    """The minimal true and the maximal false points: right there is right everywhere.

    CheckFailed where the gate is a constant, or where they are more than MOST_POINTS.
    """
    return _points(gate)


@lru_cache(maxsize=4096)
def _points(gate: ThresholdGate) -> tuple[Point, ...]:
    if gate.constant is not None:
        raise CheckFailed(f"the gate {gate} is a constant and needs no cell")
    found: list[Point] = []
    for answer, rows in ((1, gate.minimal_true()), (0, gate.maximal_false())):
        for bits in rows:
            found.append(Point(bits, answer))
            if len(found) > MOST_POINTS:
                raise CheckFailed(f"a gate of {gate.fan_in} inputs has too many points to check")
    return tuple(sorted(found, key=lambda p: (p.answer, p.bits)))


def max_margin(gate: ThresholdGate, floor_mv: int | None = None, speed_ua: float = 0.0) -> Voltages:
    """The voltages of the largest margin, by linear programs; speed decides between equals.

    No voltage is below `floor_mv` (that of the technology with its reserve), and at each point
    the winning side draws `speed_ua` or more. CheckFailed where there are no such voltages.
    """
    floor = _floor() if floor_mv is None else floor_mv
    return _max_margin(gate, floor, speed_ua)


@lru_cache(maxsize=4096)
def _max_margin(gate: ThresholdGate, floor: int, speed: float) -> Voltages:
    import numpy as np
    from scipy.optimize import linprog

    rows = points(gate)
    branches = 2 * (gate.fan_in + 1)
    most = branch_currents()[floor]
    lead, winner = np.zeros((len(rows), branches)), np.zeros((len(rows), branches))
    for r, point in enumerate(rows):
        on = [*point.bits, 1, *(1 - b for b in point.bits), 1]
        side = np.repeat([1.0, -1.0], gate.fan_in + 1) * (1 if point.answer else -1)
        lead[r] = np.array(on) * side
        winner[r] = np.array(on) * (side > 0)
    ones, zeros = np.ones((len(rows), 1)), np.zeros((len(rows), 1))
    # Unknowns: the current of each branch, the margin, the least current of a winning side.
    margin = np.hstack([-lead, ones, zeros])
    drawn = np.hstack([-winner, zeros, ones])
    bounds = [(0, most)] * branches + [(0, None), (speed, None)]
    matrix, right = np.vstack([margin, drawn]), np.zeros(2 * len(rows))
    first = linprog([0.0] * branches + [-1.0, 0.0], matrix, right, bounds=bounds, method="highs")
    if first.status != 0 or first.x[branches] <= 0:
        raise CheckFailed(f"no threshold voltages make a cell decide as the gate {gate}")
    bounds[branches] = (float(first.x[branches]) * (1 - 1e-6), None)
    second = linprog([0.0] * branches + [0.0, -1.0], matrix, right, bounds=bounds, method="highs")
    chosen = second.x if second.status == 0 else first.x
    levels = [_voltage(float(ua), floor) for ua in chosen[:branches]]
    return _checked(gate, levels, "linear program")


def perceptron(gate: ThresholdGate) -> Voltages:
    """The voltages that the perceptron rule finds, with a margin that grows until it fails.

    Voltages begin in the middle; where a point is wrong or too close, the branches that are on
    move by some pulses, fewer in each epoch (A. Wagle et al., ICCD 2019, as far as published).
    """
    return _perceptron(gate)


@lru_cache(maxsize=4096)
def _perceptron(gate: ThresholdGate) -> Voltages:
    cell, current, floor = flash_cell(), branch_currents(), _floor()
    size = gate.fan_in + 1
    levels = [(floor + cell.vt_max_mv) // 2 // cell.step_mv * cell.step_mv] * (2 * size)
    signs = [1] * size + [-1] * size
    rows = [
        (p.answer, [i for i, on in enumerate((*p.bits, 1, *(1 - b for b in p.bits), 1)) if on])
        for p in points(gate)
    ]
    best, wanted = None, 1.0
    while True:
        reached = False
        for epoch in range(_EPOCHS):
            pulses = max(1, 8 * (_EPOCHS - epoch) // _EPOCHS)
            reached = True
            for answer, on in rows:
                way = 1 if answer else -1
                if way * sum(signs[i] * current[levels[i]] for i in on) >= wanted:
                    continue
                reached = False
                for i in on:
                    moved = levels[i] - way * signs[i] * pulses * cell.step_mv
                    levels[i] = min(cell.vt_max_mv, max(floor, moved))
            if reached:
                break
        if not reached:
            break
        best, wanted = list(levels), wanted * _GROWTH
    if best is None:
        raise CheckFailed(f"the perceptron rule finds no threshold voltages for the gate {gate}")
    return _checked(gate, best, "perceptron")


def best_voltages(gate: ThresholdGate, samples: int = 400, seed: int = 1) -> Voltages:
    """The more robust of both methods; the faster one where they are equal.

    CheckFailed where neither finds any.
    """
    found = [max_margin(gate)]
    try:
        found.append(perceptron(gate))
    except CheckFailed:
        return found[0]
    return max(
        found,
        key=lambda v: (robustness(v, samples, seed).right, round(v.margin_ua, 3), v.speed_ua),
    )


def robustness(voltages: Voltages, samples: int = 1000, seed: int = 1) -> Robustness:
    """Monte Carlo: every voltage and the amplifier's offset scatter as the technology says."""
    import numpy as np

    cell, table = flash_cell(), branch_currents()
    random = np.random.default_rng(seed)
    levels = np.array([*voltages.left, *voltages.right], dtype=np.float64)
    scattered = levels + random.normal(0.0, cell.sigma_mv, (samples, len(levels)))
    currents = np.interp(scattered, list(table), list(table.values()))
    offset = random.normal(0.0, cell.offset_ua, (samples, 1))
    margins = (currents @ _leads(voltages.gate).T + offset).min(axis=1)
    return Robustness(
        samples,
        int((margins > 0).sum()),
        float(np.quantile(margins, 0.01)),
        float(margins.mean()),
    )


def _leads(gate: ThresholdGate) -> NDArray[np.float64]:
    """For each point, what each branch adds to the lead of the side that should win."""
    import numpy as np

    rows = [
        [
            (1 if p.answer else -1) * x
            for x in (*p.bits, 1, *(b - 1 for b in p.bits), -1)
        ]
        for p in points(gate)
    ]  # fmt: skip
    return np.array(rows, dtype=np.float64)


def _floor() -> int:
    cell = flash_cell()
    return cell.vt_min_mv + cell.reserve_mv


def _voltage(ua: float, floor: int) -> int:
    """The voltage whose current is nearest, mV."""
    table = [(current, vt) for vt, current in branch_currents().items() if vt >= floor]
    table.reverse()
    place = min(bisect_left(table, (ua, 0)), len(table) - 1)
    near = table[max(0, place - 1) : place + 1]
    return min(near, key=lambda row: abs(row[0] - ua))[1]


def _checked(gate: ThresholdGate, levels: list[int], method: str) -> Voltages:
    half = gate.fan_in + 1
    result = Voltages(gate, tuple(levels[:half]), tuple(levels[half:]), method)
    if result.margin_ua <= 0:
        raise CheckFailed(f"whole pulses are too coarse for the gate {gate}")
    return result
