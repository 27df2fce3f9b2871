"""Where to cut a circuit into blocks of logic: times that few bits cross."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 400
"""Cuts are chosen among at most so many times."""


@dataclass(frozen=True, slots=True)
class Span:
    """A value on its way: settled at `start` to `end`, last read by what settles at `last`.

    `begin` is when its own operation starts to work, `bits` its width.
    """

    begin: float
    end: float
    last: float
    bits: int


class Profile:
    """The candidate times of a circuit, with the bits that cross each and the block delays.

    A cut at time t puts registers on all values that settle by t and are read later. `period`
    of two candidates is an upper bound for the delay of the logic between them.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        ends = sorted({0.0, *(span.end for span in spans)})
        step = -(-len(ends) // CANDIDATES)
        self.times = sorted({*ends[::step], ends[0], ends[-1]})
        n = len(self.times)
        change = np.zeros(n + 1, dtype=np.int64)
        begin = np.full(n, np.inf)
        for span in spans:
            # Crosses every candidate t with end <= t < last.
            change[bisect_left(self.times, span.end)] += span.bits
            change[bisect_left(self.times, span.last)] -= span.bits
            block = bisect_left(self.times, span.end)
            begin[block] = min(begin[block], span.begin)
        self.bits: NDArray[np.int64] = np.cumsum(change[:n])
        self._begin = begin

    def delays(self, i: int) -> NDArray[np.float64]:
        """For each candidate j > i, at j - i - 1, the delay of the logic from i to j."""
        times = np.array(self.times[i + 1 :])
        delays: NDArray[np.float64] = times - np.minimum.accumulate(self._begin[i + 1 :])
        return np.maximum(delays, 0.0)

    def index(self, time: float) -> int:
        """Number of candidates up to a time."""
        return bisect_right(self.times, time)


def cuts_for_period(profile: Profile, period: float) -> list[float] | None:
    """The fewest cuts, and of those the ones that the fewest bits cross; the last is the end.

    None where some operation takes longer than the period.
    """
    n = len(profile.times)
    # Best way to each candidate as a cut: (blocks, bits, previous candidate).
    best: list[tuple[int, int, int] | None] = [None] * n
    best[0] = (0, 0, -1)
    for i in range(n):
        here = best[i]
        if here is None:
            continue
        fits = np.nonzero(profile.delays(i) <= period * (1 + 1e-9))[0]
        for j in fits + i + 1:
            way = (here[0] + 1, here[1] + int(profile.bits[j]), i)
            found = best[j]
            if found is None or way < found:
                best[j] = way
    cuts: list[float] = []
    i = n - 1
    if n > 1 and best[i] is None:
        return None
    while i > 0:
        cuts.append(profile.times[i])
        here = best[i]
        assert here is not None
        i = here[2]
    return cuts[::-1] or [profile.times[0]]


def cuts_for_stages(profile: Profile, stages: int) -> list[float]:
    """So many cuts that the slowest block is as fast as possible, then the fewest bits cross."""
    times = profile.times
    slow, fast = times[-1], 0.0
    cuts = cuts_for_period(profile, slow) or [times[-1]]
    for _ in range(24):
        middle = (slow + fast) / 2
        trial = cuts_for_period(profile, middle)
        if trial is not None and len(trial) <= stages:
            slow, cuts = middle, trial
        else:
            fast = middle
    # Fewer blocks are as fast as more: the other ranks go where they cost the fewest bits.
    crossing = {t: int(profile.bits[bisect_left(times, t)]) for t in (times[0], *cuts[:-1])}
    cheapest = min(crossing, key=lambda t: (crossing[t], -t))
    return sorted([*cuts, *([cheapest] * (stages - len(cuts)))])
