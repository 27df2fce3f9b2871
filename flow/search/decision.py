"""Which bits a decision needs: pairings and bit subsets of an approximate argmax, from data.

The tournament that compares chosen bits of permuted pairs is that of the circuits of Afentaki et
al., "Bespoke Approximation of Multiplication-Accumulation and Activation Targeting Printed
Multilayer Perceptrons", ICCAD 2023. The search is a greedy descent from many random pairings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flow.errors import UsageError
from flow.ir.approximate import Rounds, exact_rounds
from flow.ir.interval import IntRange
from flow.ir.tensor import IntArray


@dataclass(frozen=True, slots=True)
class BitCosts:
    """What bits of a decision cost, in any one unit.

    `compare`: a bit of a comparator. `carry`: a bit of a winner that is read again. `column`: a
    column of a score up to the highest bit that is read. `read`: a bit of a score that is read.
    """

    compare: int = 8
    carry: int = 9
    column: int = 7
    read: int = 8


@dataclass(frozen=True, slots=True)
class Decision:
    """A tournament, how many samples it decides right, and its cost."""

    rounds: Rounds
    correct: int
    cost: int


def search_decision(
    scores: IntArray,
    labels: IntArray,
    interval: IntRange,
    lost: int = 0,
    *,
    trials: int = 32,
    seed: int = 0,
    costs: BitCosts | None = None,
) -> Decision:
    """The cheapest tournament found that is right for `lost` samples less than argmax at most.

    `scores` are integers (samples, classes) in the interval, `labels` the classes. Equal seeds
    give equal answers; more trials never a dearer one.
    """
    samples, classes = scores.shape
    if samples != len(labels) or classes < 2 or not samples:
        raise UsageError(f"scores {scores.shape} do not fit {len(labels)} labels")
    if lost < 0 or trials < 1:
        raise UsageError(f"a search of {trials} trials that may lose {lost} samples")
    if scores.min() < interval.lo or scores.max() > interval.hi:
        raise UsageError(f"a score lies outside {interval}")
    costs = costs or BitCosts()
    floor = int((np.argmax(scores, axis=1) == labels).sum()) - lost
    best: Decision | None = None
    for trial in range(trials):
        rng = np.random.default_rng((seed, trial))
        descent = _Descent(scores, labels, interval, _pairing(classes, rng, trial), costs)
        found = descent.run(rng, floor)
        if found.correct >= floor and (best is None or _rank(found) < _rank(best)):
            best = found
    assert best is not None  # The first trial starts at the exact argmax.
    return best


def _rank(decision: Decision) -> tuple[int, int]:
    return decision.cost, -decision.correct


def _pairing(classes: int, rng: np.random.Generator, trial: int) -> list[tuple[int, int]]:
    """Who meets whom: neighbours first, then random orders, every third of them a chain."""
    if trial == 0:
        return [(left, right) for left, right, _ in exact_rounds(classes)]
    queue = [int(i) for i in rng.permutation(classes)]
    pairs: list[tuple[int, int]] = []
    while len(queue) > 1:
        pairs.append((queue[0], queue[1]))
        winner = classes + len(pairs) - 1
        queue = [winner, *queue[2:]] if trial % 3 == 0 else [*queue[2:], winner]
    return pairs


def decision_cost(rounds: Rounds, interval: IntRange, classes: int, costs: BitCosts) -> int:
    """The cost of a tournament over scores in an interval."""
    width = max(1, interval.width)
    full = (1 << width) - 1
    read = [0] * (classes + len(rounds))
    total = 0
    for c in range(len(rounds) - 1, -1, -1):
        left, right, mask = rounds[c]
        carried = read[classes + c]
        total += costs.compare * (mask & full).bit_count() + costs.carry * carried.bit_count()
        for place in (left, right):
            read[place] |= mask & full | carried
    for bits in read[:classes]:
        total += costs.column * bits.bit_length() + costs.read * bits.bit_count()
    return total


class _Descent:
    """One pairing whose comparators lose bits as long as enough samples stay right."""

    def __init__(
        self,
        scores: IntArray,
        labels: IntArray,
        interval: IntRange,
        pairs: list[tuple[int, int]],
        costs: BitCosts,
    ) -> None:
        self._labels, self._interval, self._costs = labels, interval, costs
        self._classes = scores.shape[1]
        self._width = max(1, interval.width)
        self._rounds = [(left, right, -1) for left, right in pairs]
        kind = np.int32 if self._width < 31 else np.int64
        self._values = [np.ascontiguousarray(s) for s in scores.T.astype(kind)]
        self._winners = [np.full(len(labels), i, dtype=np.int16) for i in range(self._classes)]
        self._play(0)

    def run(self, rng: np.random.Generator, floor: int) -> Decision:
        """Take bits away as long as `floor` samples stay right; a step may lose more each time."""
        correct = self._correct()
        step = 0
        while True:
            correct, changed = self._sweep(rng, step, floor, correct)
            if not changed and step >= correct - floor:
                break
            step = 2 * step or 1
        rounds = tuple(self._rounds)
        cost = decision_cost(rounds, self._interval, self._classes, self._costs)
        return Decision(rounds, correct, cost)

    def _sweep(
        self, rng: np.random.Generator, step: int, floor: int, correct: int
    ) -> tuple[int, bool]:
        """Try every change once; how many samples are right then, and whether one was made."""
        changed = False
        for c, bit in self._order(rng, step):
            left, right, mask = self._rounds[c]
            if bit < 0:
                new, least = (right, left, mask), correct + 1
            elif self._bits(mask) >> bit & 1:
                new = left, right, self._mask(self._bits(mask) & ~(1 << bit))
                least = max(floor, correct - step)
            else:
                continue
            old = self._values[self._classes + c :], self._winners[self._classes + c :]
            self._rounds[c] = new
            self._play(c)
            found = self._correct()
            if found >= least:
                correct, changed = found, True
            else:
                self._rounds[c] = (left, right, mask)
                self._values[self._classes + c :], self._winners[self._classes + c :] = old
        return correct, changed

    def _order(self, rng: np.random.Generator, step: int) -> list[tuple[int, int]]:
        """Each comparator's exchange of sides, then every bit: the lowest first, then at random."""
        places = range(len(self._rounds))
        sides = [(c, -1) for c in places]
        bits = [(c, bit) for bit in range(self._width) for c in places]
        if step:
            bits = [bits[i] for i in rng.permutation(len(bits)).tolist()]
        return sides + bits

    def _bits(self, mask: int) -> int:
        return mask & ((1 << self._width) - 1)

    def _mask(self, bits: int) -> int:
        """The mask of these low bits; the highest is the sign where scores may be negative."""
        full = (1 << self._width) - 1
        signed = self._interval.signed and bits >> (self._width - 1) & 1
        return bits - full - 1 if signed or bits == full else bits

    def _correct(self) -> int:
        return int((self._winners[-1] == self._labels).sum())

    def _play(self, first: int) -> None:
        """Play all comparators from `first` on."""
        del self._values[self._classes + first :], self._winners[self._classes + first :]
        for left, right, mask in self._rounds[first:]:
            a, b = self._values[left], self._values[right]
            stays = (a & mask) >= (b & mask)
            self._values.append(np.where(stays, a, b))
            self._winners.append(np.where(stays, self._winners[left], self._winners[right]))
