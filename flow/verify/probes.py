"""Probes: inputs for a bench that show what the samples of a data set do not.

A classifier answers alike almost everywhere, so most mistakes in a circuit show at few inputs, and
a test set has none of them. They show where one step of one input changes the answer: such pairs
are found by halving the way between two inputs that are answered differently, and many are drawn.
Those are kept that show gates of the circuit's graph stuck (`flow.analysis.critical_paths`), a few
for each gate, and some others, because that is a guess. Everything is bounded by counts: equal
inputs give equal probes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.critical_paths import seen_stuck
from flow.backends.bitblast import bitblast
from flow.ir.aig import Words, pack, unpack
from flow.ir.circuit import Circuit, lane_width
from flow.verify.prove import transparent

MOST_TRIED = 32768
"""Inputs that are tried at most."""
PER_GATE = 16
"""The same for each gate of the graph, where it is small."""
VALUES = 1 << 24
"""Values of nodes that may be held at once: larger circuits try fewer inputs."""
MOST_BITS = 4000
"""Circuits with more bits of nodes get FEW probes, as they are drawn: a graph of their gates, one
and a half for a bit, takes too long."""
FEW = 64
EACH = 8
"""Inputs that show a stuck gate before it is left alone."""
GATES_EACH = 2
"""Gates for each of which one more input is kept as it was drawn, as long as there is room."""
MOST_STUCK = 20_000
"""Stuck gates that are looked at; of more, so many are drawn by chance."""
SAFE_BITS = 62

Rows = NDArray[np.int64]
"""(samples, lanes) of all ports side by side."""
Values = Mapping[str, NDArray[Any]]
"""(samples, lanes) by port."""
Answers = Callable[[Values], Values]
"""What a circuit answers to its inputs."""


def probe_inputs(
    circuit: Circuit, samples: Values, answers: Answers, most: int, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """At most so many inputs by port, (probes, lanes), that show more than `samples` do.

    Empty arrays for a circuit with an input of more than 62 bits, or without inputs.
    """
    lanes = [lane.range for port in circuit.inputs for lane in port.lanes]
    none = np.zeros((0, len(lanes)), dtype=np.int64)
    if not lanes or max(r.width for r in lanes) > SAFE_BITS or most <= 0:
        return _split(circuit, none)
    known = _joined(circuit, samples)
    rng = np.random.default_rng(seed)
    widths = [node.range.width for node in circuit.walk()]
    graph = bitblast(transparent(circuit)) if sum(widths) <= MOST_BITS else None
    wanted = PER_GATE * graph.size if graph is not None else 4 * FEW
    count = max(64, min(MOST_TRIED, wanted, VALUES // len(widths)))
    lo, hi = (np.array([getattr(r, end) for r in lanes], dtype=np.int64) for end in ("lo", "hi"))

    def answered(rows: Rows) -> NDArray[Any]:
        # The graph is many times quicker; what it says wrongly costs a probe, never a verdict.
        if graph is not None:
            return unpack(graph.simulate(_words(circuit, rows)), len(rows))
        found = answers(_split(circuit, rows))
        return np.concatenate([np.asarray(x).reshape(len(rows), -1) for x in found.values()], 1)

    tried = np.unique(_Drawing(lo, hi, known, answered, rng).rows(count), axis=0)
    tried = tried[rng.permutation(len(tried))]
    if graph is None:
        return _split(circuit, tried[: min(most, FEW)])
    seen = seen_stuck(graph, _words(circuit, tried))
    if len(seen) > MOST_STUCK:
        seen = seen[np.sort(rng.permutation(len(seen))[:MOST_STUCK])]
    chosen = _chosen(seen, len(tried))[:most]
    others = np.setdiff1d(np.arange(len(tried)), chosen)
    room = max(0, min(most, graph.size // GATES_EACH) - len(chosen))
    return _split(circuit, tried[np.concatenate([chosen, others[:room]])])


@dataclass(frozen=True)
class _Drawing:
    """Inputs by chance in the intervals [lo, hi] of the lanes, some of them from `known`."""

    lo: Rows
    hi: Rows
    known: Rows
    answered: Callable[[Rows], NDArray[Any]]
    rng: np.random.Generator

    def rows(self, count: int) -> Rows:
        """About so many: an eighth as drawn, the others in pairs one step apart whose answers
        differ, from drawn inputs and then from such pairs on to other drawn inputs. As drawn all
        of them, where no pair is answered differently."""
        part = count // 8
        plain = self.plain(part)
        a, b = self.sides(self.plain(part), self.plain(part))
        if not len(a):
            return self.plain(count)
        start = self.rng.integers(0, len(a), 2 * part)
        c, d = self._onward(a[start], b[start], self.plain(2 * part))
        return np.concatenate([plain, a, b, c, d])

    def plain(self, count: int) -> Rows:
        """A third each uniform, with half of the lanes at an end, and from the known ones."""
        shape = (count, len(self.lo))
        rows = self.rng.integers(self.lo, self.hi, shape, dtype=np.int64, endpoint=True)
        kind = self.rng.integers(0, 3, count)
        ends = np.where(self.rng.random(shape) < 0.5, self.lo, self.hi)
        at_end = (kind == 1)[:, None] & (self.rng.random(shape) < 0.5)
        rows = np.where(at_end, ends, rows)
        if len(self.known):
            own = self.known[self.rng.integers(0, len(self.known), count)]
            rows = np.where((kind == 2)[:, None], own, rows)
        return rows

    def sides(self, a: Rows, b: Rows) -> tuple[Rows, Rows]:
        """Inputs between those given, one step of one lane apart, that are answered differently.

        Pairs that are answered alike are left out.
        """
        first = self.answered(a)
        far = (self.answered(b) != first).any(axis=1)
        a, b, first = a[far], b[far], first[far]
        # The lanes go over from a to b one after the other, in an order by chance.
        place = np.argsort(self.rng.random(a.shape), axis=1).argsort(axis=1)
        low, high = np.zeros(len(a), dtype=np.int64), np.full(len(a), a.shape[1])
        while (high - low > 1).any():
            middle = (low + high) // 2
            other = self._differs(np.where(place < middle[:, None], b, a), first)
            low, high = np.where(other, low, middle), np.where(other, middle, high)
        near, beyond = (np.where(place < end[:, None], b, a) for end in (low, high))
        while (np.abs(near - beyond) > 1).any():
            between = (near + beyond) // 2
            other = self._differs(between, first)[:, None]
            near, beyond = np.where(other, near, between), np.where(other, between, beyond)
        return near, beyond

    def _onward(self, a: Rows, b: Rows, to: Rows) -> tuple[Rows, Rows]:
        """From that side of each pair whose answer is not that of `to`."""
        alike = ~self._differs(to, self.answered(a))
        return self.sides(np.where(alike[:, None], b, a), to)

    def _differs(self, rows: Rows, first: Rows) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.answered(rows) != first).any(axis=1)
        return found


def _chosen(seen: Words, count: int) -> NDArray[np.int64]:
    """Inputs, of so many, that show each fault EACH times, or as often as there are any.

    Faults that few inputs show come first; they bring inputs that show others, too.
    """
    mask = np.zeros(64 * seen.shape[1], dtype=np.uint8)
    mask[:count] = 1
    seen = seen & np.packbits(mask, bitorder="little").view(np.uint64)
    total = np.bitwise_count(seen).sum(axis=1)
    chosen = np.zeros(seen.shape[1], dtype=np.uint64)
    order: list[int] = []
    for fault in np.argsort(total, kind="stable")[int((total == 0).sum()) :].tolist():
        row = seen[fault]
        need = EACH - int(np.bitwise_count(row & chosen).sum())
        if need <= 0:
            continue
        left = row & ~chosen
        for word in np.flatnonzero(left)[:need].tolist():
            bits = int(left[word])
            while bits and need:
                low = bits & -bits
                bits ^= low
                chosen[word] |= np.uint64(low)
                order.append(64 * word + low.bit_length() - 1)
                need -= 1
    return np.array(order, dtype=np.int64)


def _words(circuit: Circuit, rows: Rows) -> Words:
    """A row of words for each input bit of the graph."""
    widths = [lane_width(lane) for port in circuit.inputs for lane in port.lanes]
    # Only the low bits count, whatever the sign.
    kind = np.min_scalar_type((1 << max(widths)) - 1)
    place = np.concatenate([np.arange(width, dtype=kind) for width in widths])
    lanes = np.repeat(rows.T.astype(kind, order="C"), widths, axis=0)
    return pack((lanes >> place[:, None] & kind.type(1)).astype(np.uint8).T)


def _joined(circuit: Circuit, values: Values) -> Rows:
    parts = [
        np.asarray(values[port.name]).reshape(-1, len(port.lanes))
        for port in circuit.inputs
        if port.lanes
    ]
    return np.concatenate(parts, axis=1).astype(np.int64)


def _split(circuit: Circuit, rows: Rows) -> dict[str, NDArray[Any]]:
    found, at = {}, 0
    for port in circuit.inputs:
        found[port.name] = rows[:, at : at + len(port.lanes)]
        at += len(port.lanes)
    return found
