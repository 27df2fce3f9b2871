"""When the bits of a circuit settle: a graph of edges with delays, for any placing of registers.

Operations are numbered in the order of the walk; those that only rename bits are wires and have
no number. A vertex is a bit of an operation, or a carry within it. `Nets` says which bits an
operation hands to which readers: what a rank of registers between them costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.ir.circuit import Circuit
from flow.ir.nodes import Bits, Concat, Const, Input, Node, Register, Shl, Shr, Signed

WIRES: tuple[type[Node], ...] = (Bits, Concat, Register, Shl, Shr, Signed)
"""Operations that only rename bits, or delay them."""

Source = tuple[int, int] | None
"""An operation's number and one of its bits; None for a constant."""


class Roots:
    """The operations that depend on an input, and where the bits of every node come from."""

    def __init__(self, circuit: Circuit) -> None:
        self.nodes: list[Node] = []
        self.number: dict[Node, int] = {}
        self.moving: set[Node] = set()
        self._bits: dict[Node, tuple[Source, ...]] = {}
        self._under: dict[Node, frozenset[int]] = {}
        for node in circuit.walk():
            if not isinstance(node, Input) and not any(x in self.moving for x in node.operands):
                continue
            self.moving.add(node)
            if not isinstance(node, WIRES):
                self._under[node] = frozenset({len(self.nodes)})
                self.number[node] = len(self.nodes)
                self.nodes.append(node)
            else:
                self._under[node] = frozenset().union(*map(self.under, node.operands))

    def under(self, node: Node) -> frozenset[int]:
        """The operations below the wires of a node, or itself, also those without a bit in it."""
        return self._under.get(node, frozenset())

    def pairs(self) -> NDArray[np.int64]:
        """Operations that follow one another, a row of driver and reader each."""
        found = {
            (driver, reader)
            for reader, node in enumerate(self.nodes)
            for x in node.operands
            for driver in self.under(x)
        }
        return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)

    def bits(self, node: Node) -> tuple[Source, ...]:
        """The source of each bit of a node, as many as its width."""
        found = self._bits.get(node)
        if found is None:
            # Operands first, without recursion: chains of wires may be long.
            stack = [node]
            while stack:
                top = stack[-1]
                below = [x for x in top.operands if self._is_wire(top) and x not in self._bits]
                if below:
                    stack.extend(below)
                else:
                    self._bits[top] = self._of(top)
                    stack.pop()
            found = self._bits[node]
        return found

    def _is_wire(self, node: Node) -> bool:
        return node in self.moving and node not in self.number

    def extended(self, node: Node, width: int) -> list[Source]:
        """The sources of the low `width` bits, the sign repeated."""
        own = self.bits(node)
        top = own[-1] if own and node.range.signed else None
        return [*own[:width], *[top] * (width - len(own))]

    def _of(self, node: Node) -> tuple[Source, ...]:
        width = node.range.width
        if node not in self.moving:
            return (None,) * width
        if node in self.number:
            return tuple((self.number[node], i) for i in range(width))
        found: list[Source]
        match node:
            case Bits(x, low, count):
                found = self.extended(x, low + count)[low:]
            case Shr(x, amount):
                found = self.extended(x, amount + width)[amount:]
            case Shl(x, amount):
                found = [*[None] * amount, *self.extended(x, width)]
            case Concat(parts, widths):
                found = [s for x, n in zip(parts, widths, strict=True) for s in self.extended(x, n)]
            case _:
                found = self.extended(node.operands[0], width)
        return tuple([*found, *[None] * width][:width])


@dataclass(frozen=True, slots=True)
class Net:
    """Bits of one operation that the same operations read; `readers` are numbers, sorted."""

    driver: int
    bits: tuple[int, ...]
    readers: tuple[int, ...]


def nets(circuit: Circuit, roots: Roots) -> list[Net]:
    """What moves between operations; the outputs are the reader numbered len(roots.nodes)."""
    readers: dict[tuple[int, int], set[int]] = {}
    end = len(roots.nodes)
    uses = [(i, x) for i, node in enumerate(roots.nodes) for x in node.operands]
    uses += [(end, lane) for port in circuit.outputs for lane in port.lanes]
    for reader, x in uses:
        for source in roots.bits(x):
            if source is not None:
                readers.setdefault(source, set()).add(reader)
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for (driver, bit), who in sorted(readers.items()):
        groups.setdefault((driver, tuple(sorted(who))), []).append(bit)
    return [Net(driver, tuple(bits), who) for (driver, who), bits in groups.items()]


@dataclass(slots=True)
class Edges:
    """Edges as they are found; a vertex is made for an operation, with a number."""

    owner: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    delay: list[float] = field(default_factory=list)

    def vertex(self, owner: int) -> int:
        """A new vertex of an operation."""
        self.owner.append(owner)
        return len(self.owner) - 1

    def add(self, source: int, target: int, delay: float) -> None:
        """An edge; its source was made before its target."""
        self.source.append(source)
        self.target.append(target)
        self.delay.append(delay)

    def join(self, sources: list[int], target: int, delay: float) -> None:
        """An edge from each of some vertices, all of one delay."""
        count = len(sources)
        self.source += sources
        self.target += [target] * count
        self.delay += [delay] * count


class TimingGraph:
    """Settling times in one pass over the levels of the graph, for any stages of operations.

    `clock` is when a registered bit is there, `setup` what must be left before the next edge.
    """

    def __init__(self, edges: Edges, roots: Roots, clock: float = 0.0, setup: float = 0.0) -> None:
        self.owner: NDArray[np.int64] = np.array(edges.owner, dtype=np.int64)
        self.clock, self.setup, self.count = clock, setup, len(roots.nodes)
        self.pairs = roots.pairs()
        level = [0] * len(edges.owner)
        for s, t in zip(edges.source, edges.target, strict=True):
            level[t] = max(level[t], level[s] + 1)
        source = np.array(edges.source, dtype=np.int64)
        target = np.array(edges.target, dtype=np.int64)
        delay = np.array(edges.delay, dtype=np.float64)
        levels = np.array(level, dtype=np.int64)
        owner = self.owner
        self._forward = _Sweep(source, target, delay, levels[target], owner, crossed=True)
        self._backward = _Sweep(target, source, delay, -levels[source], owner, crossed=False)

    def arrivals(self, stage: NDArray[np.int64], only: int | None = None) -> NDArray[np.float64]:
        """When each operation has settled after its clock edge, with the set-up time.

        With `only`, operations of that stage alone; the others count as settled at once.
        """
        times = self._forward.run(stage, self.clock, only)
        found = np.full(self.count, self.clock)
        np.maximum.at(found, self.owner, times)
        return found + self.setup

    def tails(self, stage: NDArray[np.int64], only: int | None = None) -> NDArray[np.float64]:
        """The time from registers before each operation to the end of its stage.

        With `only`, operations of that stage alone; nothing is told of the others.
        """
        times = self._backward.run(stage, 0.0, only)
        # From an operand: through the first edge, which crosses into the operation.
        inward = self._backward.last + times[self._backward.origin]
        found = np.zeros(self.count)
        np.maximum.at(found, self._backward.before, inward)
        return found + self.clock + self.setup


class _Sweep:
    """Longest paths along edges, one level at a time.

    An edge between two stages counts where its path goes on from it (`crossed`), not where the
    path has ended.
    """

    def __init__(
        self,
        origin: NDArray[np.int64],
        goal: NDArray[np.int64],
        delay: NDArray[np.float64],
        level: NDArray[np.int64],
        owner: NDArray[np.int64],
        crossed: bool,
    ) -> None:
        self._crossed, self._count = crossed, len(owner)
        order = np.lexsort((goal, level))
        self.origin, self.goal, self.last = origin[order], goal[order], delay[order]
        self.before, self._behind = owner[self.origin], owner[self.goal]
        self._level = level[order]

    def run(
        self, stage: NDArray[np.int64], start: float, only: int | None = None
    ) -> NDArray[np.float64]:
        """The time of each vertex; with `only`, of those whose operations are in that stage."""
        times = np.full(self._count, start)
        ends = stage[self._behind]
        chosen = np.arange(len(ends)) if only is None else np.flatnonzero(ends == only)
        same = stage[self.before[chosen]] == ends[chosen]
        if self._crossed:
            begun = chosen[~same]
            np.maximum.at(times, self.goal[begun], self.last[begun] + start)
        inner = chosen[same]
        if len(inner):
            self._within(inner, times)
        return times

    def _within(self, inner: NDArray[np.int64], times: NDArray[np.float64]) -> None:
        """Times along edges that stay in their stage."""
        origin, goal, last = self.origin[inner], self.goal[inner], self.last[inner]
        level = self._level[inner]
        bounds = np.flatnonzero(np.r_[True, level[1:] != level[:-1], True])
        first = np.flatnonzero(np.r_[True, goal[1:] != goal[:-1]])
        heads = np.searchsorted(first, bounds).tolist()
        goals = goal[first]
        for i, begin in enumerate(bounds[:-1].tolist()):
            step = slice(begin, int(bounds[i + 1]))
            own = slice(heads[i], heads[i + 1])
            found = np.maximum.reduceat(times[origin[step]] + last[step], first[own] - begin)
            times[goals[own]] = np.maximum(times[goals[own]], found)


def word_graph(circuit: Circuit, roots: Roots, model: Callable[[Node], float]) -> TimingGraph:
    """One vertex for an operation: all its bits settle after `model` of it."""
    edges = Edges()
    for i, node in enumerate(roots.nodes):
        edges.vertex(i)
        own = model(node)
        for driver in _drivers(roots, node.operands):
            edges.add(driver, i, own)
    return TimingGraph(edges, roots)


def _drivers(roots: Roots, operands: Sequence[Node]) -> Iterator[int]:
    yield from sorted({s[0] for x in operands for s in roots.bits(x) if s is not None})


def is_free(node: Node) -> bool:
    """Whether an operation inverts bits only, which costs no look-up table of its own."""
    return any(isinstance(x, Const) for x in node.operands)
