"""Triple modular redundancy in a mapped netlist: of all cells, of registers, of a region.

Von Neumann, "Probabilistic Logics", 1956; Lyons and Vanderkulk, "The Use of Triple-Modular
Redundancy to Improve Computer Reliability", IBM Journal, 1962.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flow.errors import IRError
from flow.ir.netlist import ONE, ZERO, Instance, Netlist, rename
from flow.mapping.voters import OUT, Voter
from flow.tech.technology import Technology

_SCALE = 1 << 24
"""Capacities of all cells together, so that flows stay below 2**31."""
_ENDLESS = 1 << 30
STEPS = 16
"""Prices that are tried for one limit."""


@dataclass(frozen=True, slots=True)
class Hardened:
    """A netlist in which so many cells have three copies, behind so many voters."""

    netlist: Netlist
    tripled: int
    voters: int


def triplicate(
    netlist: Netlist, technology: Technology, region: Collection[int], voter: Voter
) -> Hardened:
    """The netlist with three copies of the instances of those numbers.

    A copy reads its own copies, and what is not tripled as it is. Where a cell outside, or an
    output, reads a tripled net, a voter stands between. Fault-free, nothing changes.
    """
    inside = frozenset(region)
    if any(not 0 <= k < len(netlist.instances) for k in inside):
        raise IRError("a region holds a cell that the netlist does not have")
    tripled = {
        net
        for k in inside
        for net in netlist.instances[k].nets(technology.cell(netlist.instances[k].cell).outputs)
    }
    read = {
        net
        for k, instance in enumerate(netlist.instances)
        if k not in inside
        for net in instance.nets(technology.cell(instance.cell).inputs)
    }
    voted = tripled & (read | set(netlist.drivers))
    made: list[Instance] = []
    for k, instance in enumerate(netlist.instances):
        if k not in inside:
            made.append(instance)
            continue
        for copy in "abc":
            pins = tuple((p, f"{n}:{copy}" if n in tripled else n) for p, n in instance.pins)
            made.append(Instance(f"{instance.name}:{copy}", instance.cell, pins))
        for net in instance.nets(technology.cell(instance.cell).outputs):
            if net in voted:
                made += _vote(voter, net)
    whole = rename(replace(netlist, instances=tuple(made)), technology)
    return Hardened(whole, len(inside), len(voted))


def _vote(voter: Voter, net: str) -> list[Instance]:
    def named(signal: str) -> str:
        return net if signal == OUT else f"{net}:{signal}"

    return [
        Instance(f"{net}:vote {cell.drives}", cell.cell, tuple((p, named(s)) for p, s in cell.pins))
        for cell in voter.cells
    ]


@dataclass(frozen=True, slots=True)
class Region:
    """Cells to triple: what that removes of the harm, and the area (um2) that it takes."""

    cells: tuple[int, ...]
    removed: float
    area: float


class RegionFinder:
    """Finds the regions of a netlist that remove the most harm for their area.

    `harm[k]` is that of the lines at instance k: its outputs, and the branches that it reads;
    `ends[k]` that of its outputs stuck at 0 and at 1, which a voter behind it keeps.
    """

    def __init__(
        self,
        netlist: Netlist,
        technology: Technology,
        voter: Voter,
        harm: Sequence[float],
        ends: Sequence[tuple[float, float]],
    ) -> None:
        self.size = len(netlist.instances)
        self.area = [technology.cell(i.cell).area for i in netlist.instances]
        self.voter = voter
        self.harm = list(harm)
        self.kept = [zero * (1 + voter.stuck[0]) + one * (1 + voter.stuck[1]) for zero, one in ends]
        driver = {
            net: k
            for k, i in enumerate(netlist.instances)
            for net in i.nets(technology.cell(i.cell).outputs)
        }
        self.readers: list[set[int]] = [set() for _ in range(self.size)]
        self.seen = [False] * self.size
        for k, instance in enumerate(netlist.instances):
            for net in instance.nets(technology.cell(instance.cell).inputs):
                if net in driver:
                    self.readers[driver[net]].add(k)
        self.drivers: list[list[int]] = [[] for _ in range(self.size)]
        for k, readers in enumerate(self.readers):
            for reader in sorted(readers):
                self.drivers[reader].append(k)
        for net in netlist.drivers:
            if net in driver and net not in (ZERO, ONE):
                self.seen[driver[net]] = True

    def best(self, price: float) -> Region:
        """The region of the greatest `price` * removed harm - area: exact, by a minimum cut.

        The closure problem of Picard, "Maximal Closure of a Graph", Management Science, 1976,
        with a voter as the cost of a net that leaves the region.
        """
        gain = [price * h - 2 * a for h, a in zip(self.harm, self.area, strict=True)]
        cost = [price * kept + self.voter.area for kept in self.kept]
        source, sink = 2 * self.size, 2 * self.size + 1
        scale = _SCALE / max(1e-300, sum(map(abs, gain)))
        edges: list[tuple[int, int, int]] = []
        for k in range(self.size):
            if gain[k] > 0:
                edges.append((source, k, round(gain[k] * scale)))
            else:
                edges.append((k, sink, round(-gain[k] * scale)))
            vote = min(round(cost[k] * scale), _ENDLESS)
            if self.seen[k]:
                edges.append((k, sink, vote))
            elif self.readers[k]:
                # The voter is paid once, however many cells outside read it.
                edges.append((k, self.size + k, vote))
                edges += [(self.size + k, r, _ENDLESS) for r in sorted(self.readers[k])]
        reached = _source_side(edges, source, sink, 2 * self.size + 2)
        return self.region([k for k in range(self.size) if reached[k]])

    def region(self, cells: Sequence[int]) -> Region:
        """What those cells remove and take."""
        inside = frozenset(cells)
        removed, area = 0.0, 0.0
        for k in sorted(inside):
            removed += self.harm[k]
            area += 2 * self.area[k]
            if self.seen[k] or self.readers[k] - inside:
                removed -= self.kept[k]
                area += self.voter.area
        return Region(tuple(sorted(inside)), removed, area)

    def within(self, size: Callable[[Region], float], limit: float) -> Region:
        """The region that removes the most of those found whose `size` is at most `limit`.

        Prices are halved between one that is too high and one that is not: regions of the lower
        convex hull of harm over area, as close to the limit as they come.
        """
        found, above = self.region(()), None
        middle = sum(self.area) / max(sum(self.harm), 1e-300)
        low, high = math.log(middle / 1e3), math.log(middle * 1e4)
        for _ in range(STEPS):
            price = (low + high) / 2
            one = self.best(math.exp(price))
            if size(one) <= limit:
                low = price
                if one.removed > found.removed:
                    found = one
            else:
                high, above = price, one
        if above is not None:
            peeled = self._peeled(above, size, limit)
            if peeled.removed > found.removed:
                return peeled
        return found

    def _peeled(self, region: Region, size: Callable[[Region], float], limit: float) -> Region:
        """A region less the cells that remove least for their area, until it is small enough."""
        inside = set(region.cells)
        left = region
        while inside and size(left) > limit:
            rates = []
            for k in sorted(inside):
                removed, area = self._without(inside, k)
                rates.append((removed / area if area > 0 else math.inf, k, removed, area))
            _, k, removed, area = min(rates)
            inside.remove(k)
            left = Region(tuple(sorted(inside)), left.removed - removed, left.area - area)
        return left

    def _without(self, inside: set[int], k: int) -> tuple[float, float]:
        """The removed harm and the area that a region loses with a cell."""
        removed, area = self.harm[k], 2 * self.area[k]
        if self.seen[k] or self.readers[k] - inside:
            removed -= self.kept[k]
            area += self.voter.area
        for driver in self.drivers[k]:
            if driver in inside and not self.seen[driver] and self.readers[driver] <= inside:
                removed += self.kept[driver]
                area -= self.voter.area
        return removed, area


def _source_side(
    edges: Sequence[tuple[int, int, int]], source: int, sink: int, nodes: int
) -> list[bool]:
    """Which nodes lie on the source's side of a minimum cut."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    rows, columns, caps = (np.array(x, dtype=np.int32) for x in zip(*edges, strict=True))
    graph = csr_matrix((caps, (rows, columns)), shape=(nodes, nodes), dtype=np.int32)
    flow = maximum_flow(graph, source, sink).flow
    left = (graph - flow).tocsr()
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    order = breadth_first_order(left, source, return_predecessors=False)
    reached = [False] * nodes
    for node in order:
        reached[int(node)] = True
    return reached
