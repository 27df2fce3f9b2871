"""Shared subexpressions of a matrix, chosen by the full adders that they save.

The greedy extraction of pairs of signed digits (R. I. Hartley, "Subexpression Sharing in Filters
Using Canonic Signed Digit Multipliers", IEEE Trans. Circuits and Systems II 43 (1996)) with the
gain counted in bits: where sums are heaps of bits, a pair that is there already saves its bits
less those of its sum.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.ir.interval import IntRange
from flow.passes.linear.csd import minimal_forms
from flow.passes.linear.matrix import Row
from flow.passes.linear.program import Program, Ref
from flow.passes.linear.starts import JOINTS, Start, moved, parents

Term = tuple[int, int, int]
"""A value, its shift, and 1 where it is subtracted."""

Pair = tuple[int, int, int, int]
"""Values a and b, the shift of b against a, and 1 where their signs differ."""

HALF_ADDER = 0.45
"""Size of a half adder in full adders; what a shared sum costs above its overlap."""


def extract(rows: Sequence[Row], ranges: Sequence[IntRange], tries: int, moves: int = 0) -> Program:
    """The graph of a matrix given by rows with the fewest full adders among `tries` of JOINTS.

    `ranges` holds the interval of each column. A climb of so many `moves` goes on from the best.
    """
    dense = np.zeros((len(rows), len(ranges)), dtype=np.int64)
    for j, row in enumerate(rows):
        for i, c in row.items():
            dense[j, i] = c
    starts = [Start(parents(dense, joint)) for joint in JOINTS[:tries]]
    found = min((_reduced(dense, ranges, start) for start in starts), key=_Digits.size)
    if moves:
        found = _climbed(dense, ranges, found, moves)
    program = found.program()
    program.check(rows)
    return program


def _reduced(matrix: NDArray[np.int64], ranges: Sequence[IntRange], start: Start) -> _Digits:
    digits = _Digits(matrix, ranges, start)
    digits.reduce()
    return digits


def _climbed(
    matrix: NDArray[np.int64], ranges: Sequence[IntRange], found: _Digits, moves: int
) -> _Digits:
    """What hill climbing over starts finds: another parent of a row, other forms of coefficients.

    The same for the same matrix. One greedy choice tells little of the next, so a move that is no
    worse is kept.
    """
    rng = random.Random(1)
    for _ in range(moves):
        start = moved(found.start, matrix, rng)
        other = _reduced(matrix, ranges, start)
        if other.size() <= found.size():
            found = other
    return found


class _Digits:
    """Rows as sets of terms; the values are the inputs, then rows that others start from."""

    def __init__(
        self,
        matrix: NDArray[np.int64],
        ranges: Sequence[IntRange],
        start: Start,
    ) -> None:
        self.start = start
        tree = start.tree
        self.inputs = len(ranges)
        self.spans = np.array([r.hi - r.lo for r in ranges], dtype=object)
        self.order = list(tree)
        self.vectors: list[NDArray[np.int64]] = []
        self.most: list[int] = []
        self.widths: list[int] = []
        self.reads: list[int] = []
        for column in np.eye(self.inputs, dtype=np.int64):
            self._value(column)
        self.saved: dict[Pair, tuple[int, float]] = {}
        self.pairs: dict[int, Pair] = {}
        self.rows: list[dict[Term, None]] = [{} for _ in matrix]
        self.places: dict[int, dict[Term, None]] = {}
        self.counts: dict[Pair, int] = {}
        self.heap: list[tuple[float, Pair]] = []
        self.ends = [self._width(row) for row in matrix]
        used = dict.fromkeys(p[0] for p in tree.values() if p)
        self.joined = {j: self._value(matrix[j]) for j in used}
        for j in range(len(matrix)):
            parent = tree[j]
            rest = matrix[j] if parent is None else matrix[j] - parent[1] * matrix[parent[0]]
            for i in np.flatnonzero(rest):
                forms = minimal_forms(int(rest[i]))
                for shift, digit in forms[start.forms.get((j, int(i)), 0) % len(forms)]:
                    self._put(j, (int(i), shift, int(digit < 0)))
            if parent is not None:
                self._put(j, (self.joined[parent[0]], 0, int(parent[1] < 0)))

    def reduce(self) -> None:
        """Extract the pair that saves most until none saves anything."""
        while self.heap:
            gain, pair = heapq.heappop(self.heap)
            found = self._occurrences(pair)
            now = self._gain(pair, len(found))
            if now <= 0:
                continue
            if now < -gain:
                # Others took some of its digits.
                heapq.heappush(self.heap, (-now, pair))
                continue
            a, b, shift, unlike = pair
            value = self._value(self._sum(a, b, shift, unlike))
            self.pairs[value] = pair
            for j, s, minus in found:
                self._take(j, (a, s, minus))
                self._take(j, (b, s + shift, minus ^ unlike))
                self._put(j, (value, s, minus))

    def size(self) -> float:
        """Full adders of all sums, a half adder as its share of one; constants count nothing."""
        sums = [
            ([(0, self.widths[a]), (shift, self.widths[b])], self.widths[value])
            for value, (a, b, shift, _) in self.pairs.items()
        ]
        sums += [
            ([(s, self.widths[v]) for v, s, _ in row], end)
            for end, row in zip(self.ends, self.rows, strict=True)
        ]
        return sum(_adders(terms, width) for terms, width in sums)

    def program(self) -> Program:
        """The additions in order."""
        sums: list[tuple[Ref, Ref]] = []
        known = {i: Ref(i) for i in range(self.inputs)}

        def moved(term: Term) -> Ref:
            ref = known[term[0]]
            return Ref(ref.index, ref.shift + term[1], ref.minus ^ bool(term[2]))

        def value(root: int) -> None:
            stack = [root]
            while stack:
                v = stack[-1]
                a, b, shift, unlike = self.pairs.get(v, (v, v, 0, 0))
                missing = [x for x in (a, b) if x not in known]
                if v in known or v not in self.pairs:
                    stack.pop()
                elif missing:
                    stack += missing
                else:
                    sums.append((moved((a, 0, 0)), moved((b, shift, unlike))))
                    known[v] = Ref(self.inputs + len(sums) - 1)

        outputs: list[Ref | None] = [None] * len(self.rows)
        for j in self.order:
            for v, _, _ in self.rows[j]:
                value(v)
            queue = [moved(term) for term in self.rows[j]]
            for i in range(0, 2 * len(queue) - 2, 2):
                sums.append((queue[i], queue[i + 1]))
                queue.append(Ref(self.inputs + len(sums) - 1))
            outputs[j] = queue[-1] if queue else None
            if j in self.joined and queue:
                known[self.joined[j]] = queue[-1]
        return Program(self.inputs, tuple(sums), tuple(outputs))

    def _most(self, vector: NDArray[np.int64]) -> int:
        """The values of a sum, less one."""
        return int((np.abs(vector) * self.spans).sum())

    def _width(self, vector: NDArray[np.int64]) -> int:
        return self._most(vector).bit_length()

    def _sum(self, a: int, b: int, shift: int, unlike: int) -> NDArray[np.int64]:
        factor = (-1 if unlike else 1) << shift
        total: NDArray[np.int64] = self.vectors[a] + factor * self.vectors[b]
        return total

    def _value(self, vector: NDArray[np.int64]) -> int:
        self.vectors.append(vector)
        self.most.append(self._most(vector))
        self.widths.append(self.most[-1].bit_length())
        self.reads.append(sum(1 << int(i) for i in np.flatnonzero(vector)))
        return len(self.vectors) - 1

    def _put(self, j: int, term: Term) -> None:
        counts = self.counts
        for other in self.rows[j]:
            pair = _pair(other, term)
            count = counts[pair] = counts.get(pair, 0) + 1
            if count > 1:
                heapq.heappush(self.heap, (-self._gain(pair, count), pair))
        self.rows[j][term] = None
        self.places.setdefault(term[0], {})[j, term[1], term[2]] = None

    def _take(self, j: int, term: Term) -> None:
        del self.rows[j][term]
        del self.places[term[0]][j, term[1], term[2]]
        for other in self.rows[j]:
            self.counts[_pair(other, term)] -= 1

    def _occurrences(self, pair: Pair) -> list[Term]:
        """Row, shift and sign of each place where the pair stands; no digit in two of them."""
        a, b, shift, unlike = pair
        others = self.places.get(b, {})
        found: list[Term] = []
        used: set[Term] = set()
        for place in self.places.get(a, {}):
            j, s, minus = place
            other = (j, s + shift, minus ^ unlike)
            if other in others and not (a == b and (place in used or other in used)):
                found.append(place)
                used |= {place, other}
        return found

    def _gain(self, pair: Pair, count: int) -> float:
        """Full adders saved where the sum is computed once instead of `count` times."""
        if pair not in self.saved:
            a, b, shift, unlike = pair
            first, second = self.widths[a], self.widths[b]
            both = self.reads[a] & self.reads[b]
            width = (
                self._width(self._sum(a, b, shift, unlike))
                if both
                else (self.most[a] + (self.most[b] << shift)).bit_length()
            )
            apart = width - min(first, second + shift)
            self.saved[pair] = first + second - width, HALF_ADDER * apart
        bits, tail = self.saved[pair]
        return (count - 1) * bits - tail


def _adders(terms: Sequence[tuple[int, int]], width: int) -> float:
    """Full adders of a heap of words (shift, bits), of which so many low bits are wanted."""
    ends = [0] * (width + 1)
    for shift, bits in terms:
        ends[min(shift, width)] += 1
        ends[min(shift + bits, width)] -= 1
    size, height, carries = 0.0, 0, 0
    for place in range(width):
        height += ends[place]
        spare = max(0, height + carries - 1)
        size += spare // 2 + HALF_ADDER * (spare % 2)
        carries = (spare + 1) // 2
    return size


def _pair(x: Term, y: Term) -> Pair:
    if (x[1], x[0]) > (y[1], y[0]):
        x, y = y, x
    return x[0], y[0], y[1] - x[1], x[2] ^ y[2]
