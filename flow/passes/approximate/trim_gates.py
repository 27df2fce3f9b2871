"""The approximation `trim-gates`: signals give way to near ones while enough answers stay right.

S. Venkataramani, K. Roy and A. Raghunathan, "Substitute-and-Simplify: A Unified Design Paradigm
for Approximate and Quality Configurable Circuits", DATE 2013; here quality is the number of
training samples that are classified right.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.aig import FALSE, Aig, Words
from flow.passes.approximate.gates import GateFacts, answers, remade, simulated

NEAREST = 6
"""Earlier signals, or their opposites, that a gate may give way to, beside its own operands."""

COMPARED = 4000
"""Signals up to which all pairs are compared; larger graphs try operands and constants."""

RATES = (Fraction(0), *(Fraction(2) ** k for k in range(-4, 8)))
"""Samples that may be lost for each gate saved, one round after the other."""


@dataclass(frozen=True)
class TrimGates:
    """Replace gates by earlier signals or constants, `lost` right answers fewer at most.

    The graph has the training labels in its facts. What saves most goes first, at a price in
    samples a gate that rises from round to round.
    """

    name: ClassVar[str] = "trim-gates"
    exact: ClassVar[bool] = False

    lost: int = 0

    def run_with(self, graph: Aig, facts: GateFacts) -> Aig:
        """The graph with fewer gates. UsageError without labels."""
        if facts.labels is None:
            raise UsageError("trim-gates: the training data have no labels")
        if self.lost < 0:
            raise UsageError(f"trim-gates: lost is {self.lost}, a negative number")
        kept = [place for place in facts.places if place is None]
        graph = answers(graph, facts)
        facts = GateFacts(facts.words, facts.count, tuple(kept), facts.labels)
        floor = _Trimming(graph, facts).correct - self.lost
        for rate in RATES:
            while True:
                trimming = _Trimming(graph, facts)
                if not trimming.round(rate, floor):
                    break
                graph = trimming.graph()
        return graph


class _Trimming:
    """A graph whose signals are integers with a bit for each sample, while it is changed."""

    def __init__(self, graph: Aig, facts: GateFacts) -> None:
        assert facts.labels is not None
        self._start, self._first = graph, graph.first_gate
        self._full = (1 << facts.count) - 1
        words = simulated(graph, facts)
        self._near = _nearest(words, facts.count, graph.first_gate)
        self._value = [int.from_bytes(row.astype("<u8").tobytes(), "little") for row in words]
        none = [FALSE] * self._first
        self._left, self._right = [*none, *graph.left], [*none, *graph.right]
        self._outputs = list(graph.literals)
        self._readers: list[list[int]] = [[] for _ in self._value]
        self._count = [0] * len(self._value)
        for v in range(self._first, len(self._value)):
            for x in (self._left[v] >> 1, self._right[v] >> 1):
                self._readers[x].append(v)
                self._count[x] += 1
        for x in self._outputs:
            self._count[x >> 1] += 1
        bits = (facts.labels.astype(np.int64)[:, None] >> np.arange(len(self._outputs))) & 1
        packed = np.packbits(bits.astype(np.uint8), axis=0, bitorder="little").T
        self._wanted = [int.from_bytes(row.tobytes(), "little") for row in packed]
        self._instead: dict[int, int] = {}
        self.correct = self._right_answers({})

    def round(self, rate: Fraction, floor: int) -> bool:
        """Visit every gate once, those that save most first; whether anything was replaced."""
        gates = [v for v in range(self._first, len(self._value)) if self._count[v]]
        saves = {v: self._saved(v, FALSE) for v in gates}
        changed = False
        for v in sorted(gates, key=lambda v: (-saves[v], v)):
            if self._count[v] and v not in self._instead:
                changed = self._visit(v, rate, floor) or changed
        return changed

    def graph(self) -> Aig:
        """The graph as it is now."""
        return remade(self._start, self._instead, range(len(self._outputs)))

    def _visit(self, v: int, rate: Fraction, floor: int) -> bool:
        best: tuple[tuple[Fraction, int, int], int, dict[int, int], int] | None = None
        for literal in self._candidates(v):
            value = self._read(literal, {})
            saved = self._saved(v, literal)
            if saved < 1:
                continue
            new = self._changes(v, value)
            correct = self._right_answers(new)
            if correct < max(floor, self.correct - rate * saved):
                continue
            rank = (saved * max(rate, Fraction(1, 64)) - (self.correct - correct), saved, -literal)
            if best is None or rank > best[0]:
                best = rank, literal, new, correct
        if best is None:
            return False
        _, literal, new, self.correct = best
        for x, value in new.items():
            self._value[x] = value
        self._replace(v, literal)
        return True

    def _candidates(self, v: int) -> list[int]:
        """Constants, the operands, and signals with almost the same values."""
        found = [0, 1, self._left[v], self._right[v]]
        for literal in self._near.get(v, ()):
            found.append(literal)
        resolved = [self._resolved(x) for x in found]
        return [x for x in dict.fromkeys(resolved) if x >> 1 != v]

    def _resolved(self, literal: int) -> int:
        while literal >> 1 in self._instead:
            literal = self._instead[literal >> 1] ^ literal & 1
        return literal

    def _read(self, literal: int, new: dict[int, int]) -> int:
        value = new.get(literal >> 1)
        if value is None:
            value = self._value[literal >> 1]
        return value ^ self._full if literal & 1 else value

    def _changes(self, v: int, value: int) -> dict[int, int]:
        """The new values of all signals that change when v has another one."""
        new: dict[int, int] = {v: value}
        if value == self._value[v]:
            return new
        waiting = sorted(self._readers[v], reverse=True)
        queued = set(waiting)
        while waiting:
            w = waiting.pop()
            found = self._read(self._left[w], new) & self._read(self._right[w], new)
            if found != self._value[w]:
                new[w] = found
                fresh = [x for x in self._readers[w] if x not in queued]
                if fresh:
                    queued.update(fresh)
                    waiting = sorted([*waiting, *fresh], reverse=True)
        return new

    def _right_answers(self, new: dict[int, int]) -> int:
        wrong = 0
        for literal, wanted in zip(self._outputs, self._wanted, strict=True):
            wrong |= self._read(literal, new) ^ wanted
        return (self._full & ~wrong).bit_count()

    def _saved(self, v: int, literal: int) -> int:
        """How many gates nobody reads any more when v gives way to a literal."""
        self._count[literal >> 1] += 1
        freed = self._freed(v)
        for x in freed:
            for y in (self._left[x] >> 1, self._right[x] >> 1):
                self._count[y] += 1
        self._count[literal >> 1] -= 1
        return len(freed)

    def _freed(self, v: int) -> list[int]:
        """The gates that fall away with v; what they read is counted down."""
        freed, stack = [], [v]
        while stack:
            x = stack.pop()
            freed.append(x)
            for y in (self._left[x] >> 1, self._right[x] >> 1):
                self._count[y] -= 1
                if not self._count[y] and y >= self._first:
                    stack.append(y)
        return freed

    def _replace(self, v: int, literal: int) -> None:
        self._count[literal >> 1] += self._count[v]
        for x in self._freed(v):
            for y in {self._left[x] >> 1, self._right[x] >> 1}:
                self._readers[y] = [w for w in self._readers[y] if w != x]
        self._count[v] = 0
        self._instead[v] = literal
        flip = literal & 1
        for w in dict.fromkeys(self._readers[v]):
            if self._left[w] >> 1 == v:
                self._left[w] = literal ^ self._left[w] & 1
            if self._right[w] >> 1 == v:
                self._right[w] = literal ^ self._right[w] & 1
        self._readers[literal >> 1] += self._readers[v]
        self._readers[v] = []
        self._outputs = [literal ^ x & 1 if x >> 1 == v else x for x in self._outputs]
        assert flip in (0, 1)


def _nearest(words: Words, count: int, first: int) -> dict[int, tuple[int, ...]]:
    """For each gate the earlier signals whose values, or their opposites, differ least."""
    if len(words) > COMPARED:
        return {}
    raw = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(raw, axis=1, bitorder="little")[:, :count].astype(np.float32)
    ones = bits.sum(axis=1)
    # Sums of zeros and ones below 2**24: float32 holds them without rounding.
    both: NDArray[np.float32] = bits @ bits.T
    differ = ones[:, None] + ones[None, :] - 2 * both
    found: dict[int, tuple[int, ...]] = {}
    for v in range(first, len(words)):
        row = np.stack([differ[v, 1:v], count - differ[v, 1:v]], axis=1).ravel()
        order = np.argsort(row, kind="stable")[:NEAREST]
        found[v] = tuple(int(k) + 2 for k in order)
    return found
