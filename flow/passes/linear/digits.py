"""Rows of a matrix as sets of signed digits, out of which pairs are taken that occur often.

The greedy extraction of pairs of signed digits (R. I. Hartley, "Subexpression Sharing in Filters
Using Canonic Signed Digit Multipliers", IEEE Trans. Circuits and Systems II 43 (1996)) with the
gain counted in bits: where sums are heaps of bits, a pair that is there already saves its bits
less those of its sum.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.interval import IntRange
from flow.passes.linear.csd import minimal_forms
from flow.passes.linear.program import Program, Ref
from flow.passes.linear.starts import Start

Term = int
"""A shift, a value, and in the lowest bit whether it is subtracted: ordered by shift and value."""

Pair = int
"""Values a and b, the shift of b against a, and in the lowest bit whether their signs differ."""

Hope = tuple[float, Pair, int, float]
"""Minus what a pair saves at most, the pair, what each place of it saves, and what it costs."""

VALUE = 24
"""Bits of the number of a value."""
SHIFT = 16
"""Bits of a shift."""
A, B = 1 + SHIFT + VALUE, 1 + SHIFT
"""Places of the two values in a Pair."""
MASK = (1 << VALUE) - 1

HALF_ADDER = 0.45
"""Size of a half adder in full adders; what a shared sum costs above its overlap."""


class Digits:
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
        spans = [r.hi - r.lo for r in ranges]
        self.spans = np.array(spans, dtype=np.int64 if sum(spans) < 1 << 36 else object)
        self.order = list(tree)
        self.vectors: list[NDArray[np.int64]] = []
        self.most: list[int] = []
        self.widths: list[int] = []
        self.reads: list[int] = []
        # Where each value is added, and where it is subtracted: a bit for each row and shift.
        self.spots: list[list[int]] = []
        # A digit of a difference of two rows stands at most one place above theirs.
        self.apart = 2 * (int(np.abs(matrix).max(initial=0)).bit_length() + 2)
        for i, column in enumerate(np.eye(self.inputs, dtype=np.int64)):
            self._value(column, spans[i], 1 << i)
        self.pairs: dict[int, tuple[int, int, int, int]] = {}
        # Each term with its share of the pairs where it comes first, and second, and its sign.
        self.rows: list[dict[Term, tuple[int, int, int]]] = [{} for _ in matrix]
        self.places: dict[int, dict[tuple[int, int], None]] = {}
        # Each pair that may save something once, in one of the two: those of the start, sorted.
        self.line: list[Hope] = []
        self.heap: list[Hope] = []
        self.ends = [self._most(row).bit_length() for row in matrix]
        used = dict.fromkeys(p[0] for p in tree.values() if p)
        self.joined = {j: self._new(matrix[j]) for j in used}
        for j in range(len(matrix)):
            parent = tree[j]
            rest = matrix[j] if parent is None else matrix[j] - parent[1] * matrix[parent[0]]
            for i in np.flatnonzero(rest).tolist():
                forms = minimal_forms(int(rest[i]))
                for shift, digit in forms[start.forms.get((j, i), 0) % len(forms)]:
                    self._stand(j, i, shift, int(digit < 0))
            if parent is not None:
                self._stand(j, self.joined[parent[0]], 0, int(parent[1] < 0))
        self._count()

    def reduce(self) -> None:
        """Extract the pair that saves most until none saves anything.

        Hopes are what a pair may save at most; what it does save is counted when it comes first.
        """
        line, heap, spots = self.line, self.heap, self.spots
        while line or heap:
            if line and not (heap and heap[0] < line[-1]):
                most, pair, bits, tail = line.pop()
            else:
                most, pair, bits, tail = heapq.heappop(heap)
            a, b, shift, unlike = parts = _parts(pair)
            if a == b:
                count = len(self._occurrences(*parts))
            else:
                plus, minus = spots[a]
                others = spots[b]
                count = (plus & others[unlike] >> shift).bit_count()
                count += (minus & others[1 - unlike] >> shift).bit_count()
            now = (count - 1) * bits - tail
            if now >= -most:
                # None of them is left to be taken again.
                self._extract(parts, self._occurrences(*parts))
            elif now > 0:
                heapq.heappush(heap, (-now, pair, bits, tail))

    def _extract(self, parts: tuple[int, int, int, int], found: list[tuple[int, int]]) -> None:
        """Make a value of a pair, and put it wherever the pair was found."""
        a, b, shift, unlike = parts
        value = self._new(self._sum(a, b, shift, unlike), a, b, shift)
        self.pairs[value] = parts
        more: list[Pair] = []
        for j, spot in found:
            s, minus = spot >> 1, spot & 1
            self._take(j, a, s, minus)
            self._take(j, b, s + shift, minus ^ unlike)
            more += self._put(j, value, s, minus)
        for pair, count in Counter(more).items():
            if count > 1:
                bits, tail = self._saved(pair)
                if (gain := (count - 1) * bits - tail) > 0:
                    heapq.heappush(self.heap, (-gain, pair, bits, tail))

    def size(self) -> float:
        """Full adders of all sums, a half adder as its share of one; constants count nothing."""
        sums = [
            ([(0, self.widths[a]), (shift, self.widths[b])], self.widths[value])
            for value, (a, b, shift, _) in self.pairs.items()
        ]
        sums += [
            ([(t >> VALUE + 1, self.widths[t >> 1 & MASK]) for t in row], end)
            for end, row in zip(self.ends, self.rows, strict=True)
        ]
        return sum(_adders(terms, width) for terms, width in sums)

    def program(self) -> Program:
        """The additions in order."""
        sums: list[tuple[Ref, Ref]] = []
        known = {i: Ref(i) for i in range(self.inputs)}

        def moved(v: int, shift: int, minus: int) -> Ref:
            ref = known[v]
            return Ref(ref.index, ref.shift + shift, ref.minus ^ bool(minus))

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
                    sums.append((moved(a, 0, 0), moved(b, shift, unlike)))
                    known[v] = Ref(self.inputs + len(sums) - 1)

        outputs: list[Ref | None] = [None] * len(self.rows)
        for j in self.order:
            for term in self.rows[j]:
                value(term >> 1 & MASK)
            queue = [moved(t >> 1 & MASK, t >> VALUE + 1, t & 1) for t in self.rows[j]]
            for i in range(0, 2 * len(queue) - 2, 2):
                sums.append((queue[i], queue[i + 1]))
                queue.append(Ref(self.inputs + len(sums) - 1))
            outputs[j] = queue[-1] if queue else None
            if j in self.joined and queue:
                known[self.joined[j]] = queue[-1]
        return Program(self.inputs, tuple(sums), tuple(outputs))

    def _most(self, vector: NDArray[np.int64]) -> int:
        """The values of a sum, less one."""
        return int(np.abs(vector) @ self.spans)

    def _sum(self, a: int, b: int, shift: int, unlike: int) -> NDArray[np.int64]:
        other = self.vectors[b] << shift
        total: NDArray[np.int64] = self.vectors[a] - other if unlike else self.vectors[a] + other
        return total

    def _new(self, vector: NDArray[np.int64], a: int = 0, b: int = 0, shift: int = 0) -> int:
        """The number of a new value, the sum of a and b where they are given."""
        if a != b and not self.reads[a] & self.reads[b]:
            most = self.most[a] + (self.most[b] << shift)
            return self._value(vector, most, self.reads[a] | self.reads[b])
        reads = sum(1 << i for i in np.flatnonzero(vector).tolist())
        return self._value(vector, self._most(vector), reads)

    def _value(self, vector: NDArray[np.int64], most: int, reads: int) -> int:
        self.vectors.append(vector)
        self.most.append(most)
        self.widths.append(most.bit_length())
        self.reads.append(reads)
        self.spots.append([0, 0])
        return len(self.vectors) - 1

    def _stand(self, j: int, value: int, shift: int, minus: int) -> None:
        """Write a term into a row, its pairs uncounted."""
        term = (shift << VALUE | value) << 1 | minus
        self.rows[j][term] = (value << A) - (shift << 1), (value << B) + (shift << 1), minus
        self.places.setdefault(value, {})[j, shift << 1 | minus] = None
        self.spots[value][minus] |= 1 << j * self.apart + shift

    def _count(self) -> None:
        """Count the pairs of every row, and hope for those that occur often enough."""
        found = []
        for row in self.rows:
            first, second, sign = np.array([row[term] for term in sorted(row)]).reshape(-1, 3).T
            i, k = np.triu_indices(len(first), 1)
            found.append(first[i] + second[k] + (sign[i] ^ sign[k]))
        pairs, counts = np.unique(np.concatenate(found), return_counts=True)
        often = counts > 1
        pairs, counts = pairs[often], counts[often]
        bits, tails = self._all_saved(pairs)
        gains = (counts - 1) * bits - tails
        order = np.lexsort((pairs, -gains))
        order = order[gains[order] > 0][::-1]
        columns = (values[order].tolist() for values in (-gains, pairs, bits, tails))
        self.line = list(zip(*columns, strict=True))

    def _all_saved(self, pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """What each of many pairs saves; those of two inputs at once, where floats are exact."""
        if max(self.most, default=0).bit_length() + self.apart <= 52:
            a, b, shift, _ = _parts(pairs)
            most, widths = np.array(self.most), np.array(self.widths)
            first, second = widths[a], widths[b]
            # The exponent of a whole number is how many bits it has.
            width = np.frexp((most[a] + (most[b] << shift)).astype(np.float64))[1].astype(np.int64)
            bits = first + second - width
            tails = HALF_ADDER * (width - np.minimum(first, second + shift))
            alone = (a == b) | (a >= self.inputs) | (b >= self.inputs)
        else:
            bits, tails = np.zeros(len(pairs), np.int64), np.zeros(len(pairs))
            alone = np.ones(len(pairs), bool)
        for i in np.flatnonzero(alone).tolist():
            bits[i], tails[i] = self._saved(int(pairs[i]))
        return bits, tails

    def _put(self, j: int, value: int, shift: int, minus: int) -> list[Pair]:
        """Write a term of a new value into a row; the pairs that it makes there."""
        row = self.rows[j]
        term = (shift << VALUE | value) << 1 | minus
        first, second = (value << A) - (shift << 1), (value << B) + (shift << 1)
        more = [
            (its_first + second if other < term else first + its_second) + (sign ^ minus)
            for other, (its_first, its_second, sign) in row.items()
        ]
        row[term] = first, second, minus
        self.places.setdefault(value, {})[j, shift << 1 | minus] = None
        self.spots[value][minus] |= 1 << j * self.apart + shift
        return more

    def _take(self, j: int, value: int, shift: int, minus: int) -> None:
        del self.rows[j][(shift << VALUE | value) << 1 | minus]
        del self.places[value][j, shift << 1 | minus]
        self.spots[value][minus] ^= 1 << j * self.apart + shift

    def _occurrences(self, a: int, b: int, shift: int, unlike: int) -> list[tuple[int, int]]:
        """Row, shift and sign of each place where the pair stands; no digit in two of them."""
        others = self.places.get(b, {})
        found: list[tuple[int, int]] = []
        used: set[tuple[int, int]] = set()
        for place in self.places.get(a, {}):
            other = (place[0], place[1] + (shift << 1) ^ unlike)
            if other in others and not (a == b and (place in used or other in used)):
                found.append(place)
                used |= {place, other}
        return found

    def _saved(self, pair: Pair) -> tuple[int, float]:
        """Full adders that each place of a pair saves but one, and what the sum costs once."""
        a, b, shift, unlike = _parts(pair)
        first, second = self.widths[a], self.widths[b]
        if self.reads[a] & self.reads[b]:
            width = self._most(self._sum(a, b, shift, unlike)).bit_length()
        else:
            width = (self.most[a] + (self.most[b] << shift)).bit_length()
        apart = width - min(first, second + shift)
        return first + second - width, HALF_ADDER * apart


def _parts(pair: Any) -> tuple[Any, Any, Any, Any]:
    """The parts of a pair, or of an array of pairs."""
    return pair >> A, pair >> B & MASK, pair >> 1 & (1 << SHIFT) - 1, pair & 1


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
