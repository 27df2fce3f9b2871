"""Where ranks of registers go: no block slower than a period, and few bits to store.

The earliest and the latest stage of every operation follow from the period (the feasibility test
of Leiserson and Saxe, "Retiming synchronous circuitry", Algorithmica 6, 1991, on a graph without
cycles). Between two ranks that stay, the cheapest place of the rank between them is a minimum cut,
in which a value that several operations read is stored once; ranks are moved in turn until none
gets cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.analysis.timing_graph import Net, TimingGraph

Stages = NDArray[np.int64]
_MUCH = 1 << 28
_SWEEPS = 12


def slowest_operation(graph: TimingGraph) -> float:
    """The time of the slowest operation between registers of its own: no period is shorter."""
    apart = np.arange(graph.count)
    return float(graph.arrivals(apart).max(initial=0.0))


def earliest(
    graph: TimingGraph, period: float, start: Stages | None = None, most: int | None = None
) -> Stages:
    """The least stage of every operation; the period is not below the slowest operation.

    `start` may have stages that no answer is below, as those of a longer period are. The answer
    is cut short where one is `most`.
    """
    order = _Order(graph)
    stage = np.zeros(graph.count, dtype=np.int64) if start is None else start
    rank = 0
    # What a stage keeps is settled before the next one is looked at.
    while rank <= int(stage.max(initial=0)):
        late = graph.arrivals(stage, rank) > period * (1 + 1e-9)
        if late.any():
            stage = order.raise_readers(stage + late)
            if most is not None and int(stage.max()) >= most:
                break
        rank += 1
    return stage


def latest(graph: TimingGraph, period: float, count: int) -> Stages:
    """The greatest stage of every operation in so many stages, which are enough."""
    order = _Order(graph)
    stage = np.full(graph.count, count - 1, dtype=np.int64)
    rank = count - 1
    while rank >= int(stage.min(initial=0)):
        late = (stage == rank) & (graph.tails(stage, rank) > period * (1 + 1e-9))
        if late.any():
            stage = order.lower_drivers(stage - late)
        rank -= 1
    return stage


NEAR = 1e-3
"""How much longer than the shortest period may be what is found, as a part of it."""


def shortest_period(graph: TimingGraph, count: int) -> float:
    """A period for which so many stages are enough, at most NEAR above the shortest, by halving."""
    slowest = slowest_operation(graph)
    if count >= graph.count or int(earliest(graph, slowest, None, count).max(initial=0)) < count:
        return slowest
    known = np.zeros(graph.count, dtype=np.int64)
    high = float(graph.arrivals(known).max(initial=0.0))
    # Each stage has the delay of its registers besides its part of the longest path.
    own = graph.clock + graph.setup
    low = max(slowest, own + (high - own) / count)
    middle = low + slowest
    while high - low > NEAR * low:
        found = earliest(graph, min(middle, high), known, count)
        if int(found.max(initial=0)) < count:
            high, known = float(graph.arrivals(found).max()), found
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
    best: Stages | None = None
    least = 0
    for start in (earliest(graph, period), latest(graph, period, count)):
        start[fixed] = 0
        stage, bits = _settled(graph, nets, period, count, start, fixed)
        if best is None or bits < least:
            best, least = stage, bits
    assert best is not None
    return best


def stored_bits(nets: Sequence[Net], stage: Stages, count: int) -> int:
    """The bits of all ranks but the last, which holds the outputs."""
    return sum(_crossing(nets, stage, count, rank) for rank in range(1, count))


def _crossing(nets: Sequence[Net], stage: Stages, count: int, rank: int) -> int:
    ends = np.append(stage, count)
    return sum(
        len(net.bits)
        for net in nets
        if stage[net.driver] < rank and any(ends[r] >= rank for r in net.readers)
    )


def _settled(
    graph: TimingGraph,
    nets: Sequence[Net],
    period: float,
    count: int,
    stage: Stages,
    fixed: NDArray[np.bool_],
) -> tuple[Stages, int]:
    """Every rank at its cheapest place between its neighbours."""
    tables = _Tables(nets, graph)
    bits = -1
    for _ in range(_SWEEPS):
        total = 0
        for rank in range(1, count):
            stage, found = _move(graph, tables, period, stage, rank, fixed)
            total += found
        if total == bits:
            break
        bits = total
    return stage, stored_bits(nets, stage, count)


class _Tables:
    """Nets as arrays: drivers, bits, and (net, reader) pairs; the outputs read at the end."""

    def __init__(self, nets: Sequence[Net], graph: TimingGraph) -> None:
        self.driver = np.array([net.driver for net in nets], dtype=np.int64)
        self.bits = np.array([len(net.bits) for net in nets], dtype=np.int64)
        sizes = [len(net.readers) for net in nets]
        self.net = np.repeat(np.arange(len(nets)), sizes)
        self.reader = np.array([r for net in nets for r in net.readers], dtype=np.int64)
        self.pairs = graph.pairs


def _move(
    graph: TimingGraph,
    tables: _Tables,
    period: float,
    stage: Stages,
    rank: int,
    fixed: NDArray[np.bool_],
) -> tuple[Stages, int]:
    """The stages with one rank at its cheapest place, and its bits."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    slack = period * (1 + 1e-9)
    merged = np.where(stage == rank, rank - 1, stage)
    free = merged == rank - 1
    after = free & (graph.arrivals(merged, rank - 1) > slack)
    before = free & ((graph.tails(merged, rank - 1) > slack) | fixed)
    # Numbers of the flow: 0 is before the rank, 1 behind it, then free operations, then nets.
    place = np.where(merged < rank - 1, 0, 1)
    place[free] = 2 + np.arange(int(free.sum()))
    place[before], place[after] = 0, 1
    place = np.append(place, 1)
    driver = place[tables.driver]
    reading = place[tables.reader]
    last = np.zeros(len(driver), dtype=np.int64)
    np.maximum.at(last, tables.net, (reading != 0).astype(np.int64))
    alive = (driver != 1) & (last == 1)
    size = 2 + int(free.sum())
    own = np.full(len(driver), -1)
    own[alive] = size + np.arange(int(alive.sum()))
    size += int(alive.sum())
    rows = [driver[alive]]
    columns = [own[alive]]
    costs = [tables.bits[alive]]
    using = alive[tables.net] & (reading != 0)
    rows.append(own[tables.net[using]])
    columns.append(reading[using])
    first, second = place[tables.pairs[:, 0]], place[tables.pairs[:, 1]]
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
    rest = csr_array(links - found.flow)
    rest.data = np.where(rest.data > 0, 1, 0)
    rest.eliminate_zeros()
    reached = np.zeros(size, dtype=bool)
    reached[breadth_first_order(rest, 0, return_predecessors=False)] = True
    side = reached[place[:-1]]
    result = stage.copy()
    result[free] = np.where(side[free], rank - 1, rank)
    return result, int(found.flow_value)


class _Order:
    """Drivers before readers, level by level."""

    def __init__(self, graph: TimingGraph) -> None:
        self._driver, self._reader = graph.pairs[:, 0], graph.pairs[:, 1]

    def raise_readers(self, stage: Stages) -> Stages:
        """No reader in a stage before its driver."""
        while True:
            up = stage.copy()
            np.maximum.at(up, self._reader, stage[self._driver])
            if (up == stage).all():
                return up
            stage = up

    def lower_drivers(self, stage: Stages) -> Stages:
        """No driver in a stage behind its reader."""
        while True:
            down = stage.copy()
            np.minimum.at(down, self._driver, stage[self._reader])
            if (down == stage).all():
                return down
            stage = down
