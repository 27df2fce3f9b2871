"""The approximation `trim-gates`: signals give way to others while enough answers stay right.

S. Venkataramani, K. Roy and A. Raghunathan, "Substitute-and-Simplify: A Unified Design Paradigm
for Approximate and Quality Configurable Circuits", DATE 2013; here quality is the number of
training samples that are classified right, and every earlier signal is tried for every gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.aig import FALSE, Aig, Words, pack
from flow.passes.approximate.compiled_trim import CompiledTrimming, kernel
from flow.passes.approximate.gates import GateFacts, answers, remade, simulated

RATES = (Fraction(0), *(Fraction(n, 64) * 2**k for k in range(14) for n in (2, 3)))
"""Samples that may be lost for each gate saved, one after the other."""

ENOUGH = 32
"""A round is repeated at its price as long as it takes away one gate of so many."""

INSIDE = 8
"""Substitutes out of the logic that would fall away which are tried for a gate."""


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
        graph = answers(graph, facts)
        for found in trimmings(graph, facts, self.lost):
            graph = found
        return graph


def trimmings(
    graph: Aig, facts: GateFacts, lost: int, gently: bool = False, compiled: bool = True
) -> Iterator[Aig]:
    """Ever smaller graphs without the scores, down to `lost` right answers fewer.

    `gently` lets gates first give way to constants and to what they are made of alone, at no
    price: of all signals there are, many fit a few samples by chance. `compiled` says whether C
    does the work; Python finds the same without it.
    """
    if facts.labels is None:
        raise UsageError("trim-gates: the training data have no labels")
    if lost < 0:
        raise UsageError(f"trim-gates: lost is {lost}, a negative number")
    graph = answers(graph, facts)
    facts = replace(facts, places=(None,) * len(graph.outputs))
    make = CompiledTrimming if compiled and kernel() is not None else _Trimming
    trimming: CompiledTrimming | _Trimming = make(graph, facts)
    floor = trimming.correct - lost
    for near, rate in [*([(True, RATES[0])] if gently else []), *((False, r) for r in RATES)]:
        while trimming.round(rate, floor, near):
            before, graph = graph.size, trimming.graph()
            yield graph
            trimming = make(graph, facts)
            if graph.size > before - before // ENOUGH:
                break


class _Trimming:
    """A graph with its values on the training data, while gates give way to other signals.

    A substitute has a smaller number than its gate, so the order of the gates stays one.
    """

    def __init__(self, graph: Aig, facts: GateFacts) -> None:
        self._start, self._first = graph, graph.first_gate
        # Single signals are integers of a bit a sample, which is faster than short arrays.
        self._values = simulated(graph, facts)
        self._bytes = 8 * self._values.shape[1]
        self._bits = [_integer(row) for row in self._values]
        self._full = (1 << facts.count) - 1
        total = len(self._values)
        none = [FALSE] * self._first
        self._left, self._right = [*none, *graph.left], [*none, *graph.right]
        self._outputs = list(graph.literals)
        self._readers: list[list[int]] = [[] for _ in range(total)]
        self._count = [0] * total
        self._alive = np.ones(total, dtype=np.bool_)
        for v in range(self._first, total):
            for x in (self._left[v] >> 1, self._right[v] >> 1):
                self._readers[x].append(v)
                self._count[x] += 1
        for x in self._outputs:
            self._count[x >> 1] += 1
        assert facts.labels is not None
        bits = np.asarray(facts.labels)[:, None] >> np.arange(len(self._outputs)) & 1
        self._wanted = [_integer(row) for row in pack(bits.astype(np.uint8))]
        self._instead: dict[int, int] = {}
        self._right_now = self._answers({})
        self.correct = self._right_now.bit_count()

    def round(self, rate: Fraction, floor: int, near: bool = False) -> bool:
        """Visit every gate once, those that save most first; whether one was replaced. With
        `near` nothing but constants and what a gate is made of takes its place."""
        gates = range(self._first, len(self._values))
        saves = {v: len(self._fall(v, FALSE)) for v in gates if self._count[v]}
        changed = False
        for v in sorted(saves, key=lambda v: (-saves[v], v)):
            if self._count[v]:
                changed = self._visit(v, rate, floor, near) or changed
        return changed

    def graph(self) -> Aig:
        """The graph as it is now."""
        return remade(self._start, self._instead, range(len(self._outputs)))

    def _visit(self, v: int, rate: Fraction, floor: int, near: bool) -> bool:
        """Replace a gate by the best of all earlier signals, if the price is right."""
        fall = self._fall(v, FALSE)
        losses = self._losses(v)
        inside = {x for x in fall if x < v}
        outside = losses.copy()
        for x in inside:
            outside[2 * x : 2 * x + 2] = _NEVER
        own = [x for x in (0, 1, self._left[v], self._right[v]) if x >> 1 not in inside]
        best = min(own, key=lambda x: losses[x]) if near else int(np.argmin(outside))
        tried = [(best, len(fall))]
        if inside:
            cone = [literal for x in sorted(inside) for literal in (2 * x, 2 * x + 1)]
            cone.sort(key=lambda literal: (losses[literal], literal))
            tried += [(x, len(self._fall(v, x))) for x in cone[:INSIDE]]
        good = [
            (saved * rate - int(losses[x]), saved, -x)
            for x, saved in tried
            if saved and losses[x] <= saved * rate and self.correct - int(losses[x]) >= floor
        ]
        if not good:
            return False
        self._replace(v, -max(good)[2])
        return True

    def _losses(self, v: int) -> NDArray[np.int64]:
        """Right answers lost by each literal before v in its place.

        Samples do not touch one another: where a substitute differs from v, v is the opposite.
        """
        flipped = self._answers(self._changes(v, self._bits[v] ^ self._full))
        worse = self._words(self._right_now & ~flipped)
        better = self._words(flipped & ~self._right_now)
        used = np.flatnonzero(worse | better)
        differ = self._values[:v, used] ^ self._values[v, used]
        lost = _sizes(differ & worse[used]) - _sizes(differ & better[used])
        whole = self._right_now.bit_count() - flipped.bit_count()
        both = np.stack([lost, whole - lost], axis=1)
        both[~self._alive[:v]] = _NEVER
        losses: NDArray[np.int64] = both.ravel()
        return losses

    def _words(self, bits: int) -> Words:
        return np.frombuffer(bits.to_bytes(self._bytes, "little"), dtype="<u8").astype(np.uint64)

    def _changes(self, v: int, value: int) -> dict[int, int]:
        """The new values of all signals that change when v has another one."""
        new = {v: value}
        waiting = list(dict.fromkeys(self._readers[v]))
        heapify(waiting)
        queued = set(waiting)
        while waiting:
            w = heappop(waiting)
            found = self._read(self._left[w], new) & self._read(self._right[w], new)
            if found != self._bits[w]:
                new[w] = found
                for x in self._readers[w]:
                    if x not in queued:
                        queued.add(x)
                        heappush(waiting, x)
        return new

    def _read(self, literal: int, new: dict[int, int]) -> int:
        value = new.get(literal >> 1)
        if value is None:
            value = self._bits[literal >> 1]
        return value ^ self._full if literal & 1 else value

    def _answers(self, new: dict[int, int]) -> int:
        """The samples that are answered right."""
        right = self._full
        for literal, wanted in zip(self._outputs, self._wanted, strict=True):
            right = right & ~(self._read(literal, new) ^ wanted)
        return right

    def _fall(self, v: int, literal: int) -> list[int]:
        """The gates that nobody reads any more when v gives way to a literal."""
        self._count[literal >> 1] += 1
        freed = self._release(v)
        for x in freed:
            for y in (self._left[x] >> 1, self._right[x] >> 1):
                self._count[y] += 1
        self._count[literal >> 1] -= 1
        return freed

    def _release(self, v: int) -> list[int]:
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
        value = self._read(literal, {})
        for x, found in self._changes(v, value).items():
            self._bits[x] = found
            self._values[x] = self._words(found)
        self._right_now = self._answers({})
        self.correct = self._right_now.bit_count()
        self._count[literal >> 1] += self._count[v]
        for x in self._release(v):
            self._alive[x] = False
            for y in {self._left[x] >> 1, self._right[x] >> 1}:
                self._readers[y] = [w for w in self._readers[y] if w != x]
        self._count[v] = 0
        self._instead[v] = literal
        for w in dict.fromkeys(self._readers[v]):
            if self._left[w] >> 1 == v:
                self._left[w] = literal ^ self._left[w] & 1
            if self._right[w] >> 1 == v:
                self._right[w] = literal ^ self._right[w] & 1
        self._readers[literal >> 1] += self._readers[v]
        self._readers[v] = []
        self._outputs = [literal ^ x & 1 if x >> 1 == v else x for x in self._outputs]


_NEVER = np.int64(1) << 40
"""More than all samples: a signal that is gone."""


def _integer(row: Words) -> int:
    return int.from_bytes(row.astype("<u8").tobytes(), "little")


def _sizes(rows: Words) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    return sizes
