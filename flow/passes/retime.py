"""Where ranks of registers go: no block slower than a period, and few bits to store.

The earliest and the latest stage of every operation follow from the period (the feasibility test
of Leiserson and Saxe, "Retiming synchronous circuitry", Algorithmica 6, 1991, on a graph without
cycles). Between two ranks that stay, the cheapest place of the rank between them is a minimum cut,
in which a value that several operations read is stored once; ranks are moved in turn until none
gets cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from flow.analysis.bit_sources import Net
from flow.analysis.timing_graph import Stages, TimingGraph

_MUCH = 1 << 28
_SWEEPS = 12


def earliest(graph: TimingGraph, period: float) -> Stages:
    """The least stage of every operation; the period is not below the slowest operation."""
    return graph.earliest(period, np.zeros(graph.count, dtype=np.int64))[0]


def latest(graph: TimingGraph, period: float, count: int) -> Stages:
    """The greatest stage of every operation in so many stages, which are enough."""
    driver, reader = graph.pairs.T
    stage = np.full(graph.count, count - 1, dtype=np.int64)
    rank = count - 1
    # What a stage keeps is settled before the one before it is looked at.
    while rank >= int(stage.min(initial=0)):
        late = (stage == rank) & (graph.tails(stage, rank) > period * (1 + 1e-9))
        if late.any():
            stage = stage - late
            # No driver in a stage behind its reader.
            while (wrong := stage[driver] > stage[reader]).any():
                np.minimum.at(stage, driver[wrong], stage[reader[wrong]])
        rank -= 1
    return stage


NEAR = 1e-3
"""How much longer than the shortest period may be what is found, as a part of it."""


def shortest_period(graph: TimingGraph, count: int) -> float:
    """A period for which so many stages are enough, at most NEAR above the shortest, by halving."""
    slowest = graph.slowest
    known = np.zeros(graph.count, dtype=np.int64)
    if count >= graph.count or int(graph.earliest(slowest, known, count)[0].max()) < count:
        return slowest
    high = float(graph.arrivals(known).max())
    # Each stage has the delay of its registers besides its part of the longest path.
    own = graph.clock + graph.setup
    low = max(slowest, own + (high - own) / count)
    middle = low + slowest
    while high - low > NEAR * low:
        found, most = graph.earliest(min(middle, high), known, count)
        if int(found.max()) < count:
            high, known = most, found
        else:
            low = middle
        middle = (low + high) / 2
    return high


def cheapest(graph: TimingGraph, nets: Sequence[Net], period: float, count: int) -> Stages:
    """Stages of all operations within the period, with few bits between them.

    Inputs (operations without a driver) stay in stage 0.
    """
    fixed = np.ones(graph.count, dtype=bool)
    fixed[graph.pairs[:, 1]] = False
    ranks = _Ranks(graph, _Tables(nets), period, fixed)
    best: Stages | None = None
    least = 0
    for start in (earliest(graph, period), latest(graph, period, count)):
        start[fixed] = 0
        stage, bits = ranks.settled(start, count)
        if best is None or bits < least:
            best, least = stage, bits
    assert best is not None
    return best


def stored_bits(nets: Sequence[Net], stage: Stages, count: int) -> int:
    """The bits of all ranks but the last, which holds the outputs."""
    return _Tables(nets).stored(stage, count)


class _Tables:
    """Nets as arrays: drivers, bits, and (net, reader) pairs; the outputs read at the end."""

    def __init__(self, nets: Sequence[Net]) -> None:
        self.driver = np.array([net.driver for net in nets], dtype=np.int64)
        self.bits = np.array([len(net.bits) for net in nets], dtype=np.int64)
        sizes = np.array([len(net.readers) for net in nets], dtype=np.int64)
        self.first = np.cumsum(sizes) - sizes
        self.net = np.repeat(np.arange(len(nets)), sizes)
        self.reader = np.fromiter(chain.from_iterable(net.readers for net in nets), dtype=np.int64)

    def stored(self, stage: Stages, count: int) -> int:
        """The bits that cross ranks, each rank but the last."""
        if not len(self.first):
            return 0
        last = np.maximum.reduceat(np.append(stage, count)[self.reader], self.first)
        ranks = np.minimum(last, count - 1) - stage[self.driver]
        return int(self.bits @ np.maximum(ranks, 0))


class _Ranks:
    """Ranks at their cheapest places between their neighbours; a place is looked for once."""

    def __init__(
        self, graph: TimingGraph, tables: _Tables, period: float, fixed: NDArray[np.bool_]
    ) -> None:
        self.graph, self.tables, self.period, self.fixed = graph, tables, period, fixed
        self._known: dict[bytes, tuple[NDArray[np.bool_], int]] = {}

    def settled(self, stage: Stages, count: int) -> tuple[Stages, int]:
        """Stages after moves of every rank in turn until none gets cheaper, and all their bits."""
        bits = -1
        for _ in range(_SWEEPS):
            total = 0
            for rank in range(1, count):
                stage, found = self._moved(stage, rank)
                total += found
            if total == bits:
                break
            bits = total
        return stage, self.tables.stored(stage, count)

    def _moved(self, stage: Stages, rank: int) -> tuple[Stages, int]:
        """The stages with one rank at its cheapest place, and its bits."""
        # Where the rank is now has no part in it, and which rank it is.
        side = ((stage > rank) * 1 - (stage < rank - 1)).astype(np.int8)
        key = side.tobytes()
        if key not in self._known:
            self._known[key] = self._cut(side)
        early, bits = self._known[key]
        return np.where(side == 0, np.where(early, rank - 1, rank), stage), bits

    def _cut(self, side: NDArray[np.int8]) -> tuple[NDArray[np.bool_], int]:
        """Which operations of side 0 a rank between -1 and 1 comes behind, and its bits."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow

        slack = self.period * (1 + 1e-9)
        stage = side.astype(np.int64)
        free = side == 0
        after = free & (self.graph.arrivals(stage, 0) > slack)
        before = free & ((self.graph.tails(stage, 0) > slack) | self.fixed)
        # Numbers of the flow: 0 is before the rank, 1 behind it, then free operations, then nets.
        place = np.where(side < 0, 0, 1)
        place[free] = 2 + np.arange(int(free.sum()))
        place[before], place[after] = 0, 1
        place = np.append(place, 1)
        driver = place[self.tables.driver]
        reading = place[self.tables.reader]
        behind = np.logical_or.reduceat(reading != 0, self.tables.first)
        alive = (driver != 1) & behind
        size = 2 + int(free.sum())
        own = np.full(len(driver), -1)
        own[alive] = size + np.arange(int(alive.sum()))
        size += int(alive.sum())
        rows = [driver[alive]]
        columns = [own[alive]]
        costs = [self.tables.bits[alive]]
        using = alive[self.tables.net] & (reading != 0)
        rows.append(own[self.tables.net[using]])
        columns.append(reading[using])
        first, second = place[self.graph.pairs[:, 0]], place[self.graph.pairs[:, 1]]
        inner = (first != second) & (first != 0) & (second != 1)
        rows.append(second[inner])
        columns.append(first[inner])
        costs.append(np.full(int(using.sum()) + int(inner.sum()), _MUCH))
        links = csr_array(
            (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))),
            shape=(size, size),
        )
        # Before the narrower numbers of the flow: eight times _MUCH has no place in them.
        links.sum_duplicates()
        links.data = np.minimum(links.data, _MUCH).astype(np.int32)
        found = maximum_flow(links, 0, 1)
        rest = links - found.flow
        rest.data = np.where(rest.data > 0, 1, 0)
        rest.eliminate_zeros()
        reached = np.zeros(size, dtype=bool)
        reached[breadth_first_order(rest, 0, return_predecessors=False)] = True
        return reached[place[:-1]], int(found.flow_value)
