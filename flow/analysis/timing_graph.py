"""When the bits of a circuit settle: operations level by level, for any placing of registers.

The bits of an operation are a row of a matrix, and so are the delays to them: a carry chain is a
running maximum along its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flow.analysis.bit_sources import FIXED, Roots, Source
from flow.ir.nodes import Const, Node

Stages = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Carry:
    """Delays of a carry chain: into it, past a place, out of it, and to the sum of one place."""

    enter: float = 0.0
    through: float = 0.0
    leave: float = 0.0
    sum: float = 0.0


class Operations:
    """What the bits of each operation wait for, in order of the numbers."""

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self.words: list[Sequence[Source]] = []
        """Three for each operation: bits wait for those of their own place."""
        self.whole: list[Sequence[Source]] = []
        """Sources that all bits of an operation wait for."""
        self.delay: list[float] = []
        self.chained: list[int] = []
        """1 for a carry chain, 2 for one that its second word begins, 0 for all else."""

    def apart(self, delay: float, *words: Sequence[Source]) -> None:
        """An operation whose bits wait for those of their place in each of up to three words."""
        self._append([*words, *[()] * (3 - len(words))], (), delay, 0)

    def together(self, delay: float, sources: Iterable[Source]) -> None:
        """An operation whose bits all wait for the same sources."""
        self._append([(), (), ()], [s for s in dict.fromkeys(sources) if s != FIXED], delay, 0)

    def carried(self, a: Sequence[Source], b: Sequence[Source], minus: bool) -> None:
        """A carry chain; below its first place a bit is that of the one operand."""
        self._append([a, b, ()], (), 0.0, 1 + minus)

    def _append(
        self, words: list[Sequence[Source]], whole: Sequence[Source], delay: float, chained: int
    ) -> None:
        self.words += words
        self.whole.append(whole)
        self.delay.append(delay)
        self.chained.append(chained)

    def sources(self) -> NDArray[np.int64]:
        """The words as a matrix: operation, word, place; FIXED where there is none."""
        stride = self.roots.stride
        sizes = np.array([len(word) for word in self.words], dtype=np.int64)
        flat = np.fromiter(chain.from_iterable(self.words), dtype=np.int64)
        rows = np.full((len(sizes), stride), FIXED)
        rows[np.arange(stride) < sizes[:, None]] = flat
        found = rows.reshape(-1, 3, stride)
        return found if (found[:, 2] != FIXED).any() else found[:, :2].copy()


class _Part(NamedTuple):
    """Operations of one level by their places in the order of levels, and their widest.

    `together` is whether bits of one of them all wait for the same sources.
    """

    where: Any
    wide: int
    together: bool


class TimingGraph:
    """Settling times in one pass over the levels of the operations, for any stages of theirs.

    `clock` is when a registered bit is there, `setup` what must be left before the next edge.
    A carry that enters place i leaves at place j after enter + (j-1-i) * through + leave: with
    the parts of i and of j apart, a running maximum follows it through the whole chain.
    """

    def __init__(
        self, found: Operations, carry: Carry | None = None, clock: float = 0.0, setup: float = 0.0
    ) -> None:
        self.clock, self.setup, self.count = clock, setup, len(found.delay)
        self.pairs = found.roots.pairs()
        self._stride = found.roots.stride
        level = [0] * self.count
        # Operations are numbered behind their drivers.
        for driver, reader in self.pairs[np.argsort(self.pairs[:, 1], kind="stable")].tolist():
            level[reader] = max(level[reader], level[driver] + 1)
        levels = np.array(level, dtype=np.int64)
        self._order = np.argsort(levels, kind="stable")
        self._ends = np.cumsum(np.bincount(levels)) if level else np.zeros(0, dtype=np.int64)
        self._source = found.sources()[self._order]
        width = np.array([x.range.width for x in found.roots.nodes], dtype=np.int64)
        self._width = np.maximum(width, 1)[self._order]
        self._delays = self._places(found, carry or Carry())
        sizes = np.array([len(whole) for whole in found.whole], dtype=np.int64)
        self._first = (np.cumsum(sizes) - sizes)[self._order]
        self._sizes = sizes[self._order]
        self._whole = np.fromiter(chain.from_iterable(found.whole), dtype=np.int64)
        self._all = np.array(found.delay, dtype=np.float64)[self._order]
        place = np.empty(self.count, dtype=np.int64)
        place[self._order] = np.arange(self.count)
        reading = place[self.pairs[:, 1]]
        self._drivers = self.pairs[np.argsort(reading, kind="stable"), 0]
        self._heads = np.searchsorted(np.sort(reading), np.arange(self.count + 1))
        self._levels = self._parts(None, self._ends)
        alone = np.full(self.count * self._stride + 1, clock)
        self._fresh = np.full((self.count, self._stride), clock)
        for part in self._levels:
            self._fresh[part.where, : part.wide] = self._settled(part, alone)

    def _places(self, found: Operations, carry: Carry) -> Times:
        """Delays of each place: from its own sources, into the chain, and out of it."""
        known = self._source != FIXED
        kind = np.array(found.chained, dtype=np.int64)[self._order][:, None]
        both = known[:, 0] & known[:, 1]
        begun = np.logical_or.accumulate(both | (known[:, 1] & (kind == 2)), axis=1) & (kind > 0)
        any_known = known.any(axis=1)
        plain = np.array(found.delay, dtype=np.float64)[self._order][:, None]
        ramp = carry.through * np.arange(self._stride)
        inside = np.arange(self._stride) < self._width[:, None]
        return np.stack((
            np.where(any_known, np.where(begun, carry.sum, plain), -np.inf),
            np.where(any_known & begun, carry.enter - ramp, -np.inf),
            np.where(begun & inside, carry.leave - carry.through + ramp, -np.inf),
        ))  # fmt: skip

    @property
    def slowest(self) -> float:
        """The time of the slowest operation between registers of its own."""
        return float(self._fresh.max(initial=self.clock)) + self.setup

    def earliest(
        self, period: float, stage: Stages, most: int | None = None
    ) -> tuple[Stages, float]:
        """The least stage of every operation, not below the given one, and the slowest arrival.

        The answer is cut short where one is `most`.
        """
        stage = np.append(stage, 0)
        times = np.full(self.count * self._stride + 1, self.clock)
        rows = times[:-1].reshape(self.count, self._stride)
        slowest = self.clock
        for part in self._levels:
            numbers = self._order[part.where]
            own = stage[numbers]
            heads = self._heads[part.where]
            above = stage[self._drivers[heads[0] : self._heads[part.where.stop]]]
            if len(above):
                own = np.maximum(own, np.maximum.reduceat(above, heads - heads[0]))
            found = self._settled(part, times, stage, own)
            settled = found.max(axis=1)
            late = settled + self.setup > period * (1 + 1e-9)
            if late.any():
                own = own + late
                found = np.where(late[:, None], self._fresh[part.where, : part.wide], found)
                settled = found.max(axis=1)
            slowest = max(slowest, float(settled.max()))
            stage[numbers] = own
            rows[numbers, : part.wide] = found
            if most is not None and int(own.max()) >= most:
                break
        return stage[:-1], slowest + self.setup

    def arrivals(self, stage: Stages, only: int | None = None) -> Times:
        """When each operation has settled after its clock edge, with the set-up time.

        With `only`, operations of that stage alone; the others count as settled at once.
        """
        times = np.full(self.count * self._stride + 1, self.clock)
        rows = times[:-1].reshape(self.count, self._stride)
        ends = None if only is not None else np.append(stage, 0)
        for part in self._groups(stage, only):
            numbers = self._order[part.where]
            rows[numbers, : part.wide] = self._settled(part, times, ends, stage[numbers])
        slowest: Times = rows.max(axis=1, initial=self.clock) + self.setup
        return slowest

    def tails(self, stage: Stages, only: int | None = None) -> Times:
        """The time from registers before each operation to the end of its stage.

        With `only`, operations of that stage alone; nothing is told of the others.
        """
        times = np.zeros(self.count * self._stride + 1)
        rows = times[:-1].reshape(self.count, self._stride)
        found = np.zeros(self.count)
        ends = None if only is not None else np.append(stage, 0)
        for part in reversed(self._groups(stage, only)):
            numbers = self._order[part.where]
            behind = rows[numbers, : part.wide]
            place, enter, leave = self._delays[:, part.where, : part.wide]
            inward = behind + place
            left = np.maximum.accumulate((behind + leave)[:, ::-1], axis=1)[:, ::-1]
            inner = inward[:, :-1]
            np.maximum(inner, left[:, 1:] + enter[:, :-1], out=inner)
            source = self._source[part.where, :, : part.wide]
            if ends is not None:
                same = ends[source // self._stride] == stage[numbers][:, None, None]
                source = np.where(same, source, FIXED)
            for word in range(source.shape[1]):
                # What is told of FIXED, in the last place, is not read.
                np.maximum.at(times, source[:, word].ravel(), inward.ravel())
            longest = inward.max(axis=1, initial=0.0)
            if part.together:
                chosen, sources, sizes = self._wholes(part.where)
                most = behind[chosen].max(axis=1, initial=0.0) + self._all[part.where][chosen]
                longest[chosen] = most
                reach = np.repeat(most, sizes)
                if ends is not None:
                    same = ends[sources // self._stride] == np.repeat(stage[numbers][chosen], sizes)
                    sources, reach = sources[same], reach[same]
                np.maximum.at(times, sources, reach)
            found[numbers] = longest
        return found + self.clock + self.setup

    def _groups(self, stage: Stages, only: int | None) -> list[_Part]:
        """The operations of each level, of one stage or all."""
        if only is None:
            return self._levels
        chosen = np.flatnonzero(stage[self._order] == only)
        return self._parts(chosen, np.searchsorted(chosen, self._ends))

    def _parts(self, chosen: NDArray[np.int64] | None, ends: NDArray[np.int64]) -> list[_Part]:
        """Operations up to each end, of chosen ones or all, but for the empty parts."""
        begins = np.append(0, ends[:-1]) if len(ends) else ends
        some = begins < ends
        begins, ends = begins[some], ends[some]
        if not len(ends):
            return []
        where = slice(None) if chosen is None else chosen
        wide = np.maximum.reduceat(self._width[where], begins).tolist()
        together = np.maximum.reduceat(self._sizes[where], begins).tolist()
        return [
            _Part(slice(a, b) if chosen is None else chosen[a:b], w, t > 0)
            for a, b, w, t in zip(begins.tolist(), ends.tolist(), wide, together, strict=True)
        ]

    def _settled(
        self, part: _Part, times: Times, stage: Stages | None = None, own: Stages | None = None
    ) -> Times:
        """The times of the bits of operations, given those of all before; by stages where told."""
        source = self._source[part.where, :, : part.wide]
        come = times[source]
        if stage is not None and own is not None:
            same = stage[source // self._stride] == own[:, None, None]
            come = np.where(same, come, self.clock)
        last = np.maximum(come[:, 0], come[:, 1])
        if come.shape[1] > 2:
            last = np.maximum(last, come[:, 2])
        place, enter, leave = self._delays[:, part.where, : part.wide]
        found: Times = last + place
        carry = np.maximum.accumulate(last + enter, axis=1)
        above = found[:, 1:]
        np.maximum(above, carry[:, :-1] + leave[:, 1:], out=above)
        np.maximum(found, self.clock, out=found)
        if part.together:
            chosen, sources, sizes = self._wholes(part.where)
            come = times[sources]
            if stage is not None and own is not None:
                same = stage[sources // self._stride] == np.repeat(own[chosen], sizes)
                come = np.where(same, come, self.clock)
            most = np.maximum.reduceat(come, np.cumsum(sizes) - sizes)
            found[chosen] = (most + self._all[part.where][chosen])[:, None]
        return found

    def _wholes(self, where: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of some: which wait for sources together, for which, and for how many."""
        sizes = self._sizes[where]
        chosen = np.flatnonzero(sizes)
        sizes = sizes[chosen]
        first = self._first[where][chosen] - (np.cumsum(sizes) - sizes)
        return chosen, self._whole[np.repeat(first, sizes) + np.arange(sizes.sum())], sizes


def word_graph(roots: Roots, model: Callable[[Node], float]) -> TimingGraph:
    """All bits of an operation settle together, after `model` of it."""
    found = Operations(roots)
    for node in roots.nodes:
        found.together(model(node), (s for x in node.operands for s in roots.bits(x)))
    return TimingGraph(found)


def is_free(node: Node) -> bool:
    """Whether an operation inverts bits only, which costs no look-up table of its own."""
    return any(isinstance(x, Const) for x in node.operands)
