"""Tables of a function between two quantisers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flow.frontend.float_model import apply_function, round_float
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import Function, Quantiser
from flow.ir.interval import IntRange
from flow.ir.rounding import round_fraction

MAX_TABLE = 1 << 16
MAX_SCAN = 1 << 22
TRIMMED = 1 << 12
"""Entries from which on the constant ends of a table are cut off by a clip before it."""

_FLAT: dict[Function, float] = {"sigmoid": 45.0, "tanh": 25.0}
"""Beyond these arguments a float64 of the function no longer changes."""


def tabulate(
    function: Function, here: IntRange, m: Fraction, b: Fraction, q: Quantiser
) -> tuple[int, tuple[int, ...]]:
    """(base, entries) of quantiser(function(n * m + b)) for n in `here`.

    Constant ends of a long table are left out: entry of n beyond them is the first or the last.
    Values are float64, rounded by the quantiser. Obstacle where the table would be too long.
    """
    if not m:
        raise Obstacle(f"{function} of a constant")
    flat = Fraction(_FLAT[function])
    ends = sorted([(-flat - b) / m, (flat - b) / m])
    lo = min(max(here.lo, round_fraction(ends[0], "floor")), here.hi)
    hi = max(min(here.hi, round_fraction(ends[1], "ceil")), here.lo)
    if hi - lo >= MAX_SCAN:
        raise Obstacle(f"{function} of integers in [{lo}, {hi}]; quantise them first")
    real = np.arange(lo, hi + 1).astype(np.float64) * float(m) + float(b)
    step = Fraction(q.step.ravel()[0])
    whole = round_float(apply_function(function, real) / float(step), q.rounding).astype(np.int64)
    if q.overflow == "wrap":
        table = (whole - q.lo) % (q.hi - q.lo + 1) + q.lo
    else:
        table = np.clip(whole, q.lo, q.hi)
    first, last = 0, hi - lo
    if here.hi - here.lo >= TRIMMED:
        change = np.flatnonzero(np.diff(table))
        first, last = (int(change[0]), int(change[-1]) + 1) if change.size else (0, 0)
    if last - first >= MAX_TABLE:
        raise Obstacle(
            f"{function} needs a table of {last - first + 1} entries; quantise before it"
        )
    return lo + first, tuple(table[first : last + 1].tolist())
