"""Where the bits of a circuit come from: operations by number, wires that rename bits, and nets.

Operations are numbered in the order of the walk; those that only rename bits are wires and have
no number. `Net` says which bits an operation hands to which readers: what a rank of registers
between them costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from flow.ir.circuit import Circuit
from flow.ir.nodes import Bits, Concat, Input, Node, Register, Shl, Shr, Signed

WIRES: tuple[type[Node], ...] = (Bits, Concat, Register, Shl, Shr, Signed)
"""Operations that only rename bits, or delay them."""

Source = int
"""A bit of an operation: its number times the `stride` of the roots, plus the place; or FIXED."""

FIXED: Source = -1
"""A bit of a constant."""


class Roots:
    """The operations that depend on an input, and where the bits of every node come from."""

    def __init__(self, circuit: Circuit) -> None:
        self.nodes: list[Node] = []
        self.number: dict[Node, int] = {}
        self.moving: set[Node] = set()
        self._bits: dict[Node, Sequence[Source]] = {}
        self._under: dict[Node, frozenset[int]] = {}
        for node in circuit.walk():
            if not isinstance(node, Input) and self.moving.isdisjoint(node.operands):
                continue
            self.moving.add(node)
            if not isinstance(node, WIRES):
                self._under[node] = frozenset({len(self.nodes)})
                self.number[node] = len(self.nodes)
                self.nodes.append(node)
            else:
                first, *others = map(self.under, node.operands)
                self._under[node] = first.union(*others) if others else first
        self.stride = max((node.range.width for node in self.nodes), default=0) + 1

    def under(self, node: Node) -> frozenset[int]:
        """The operations below the wires of a node, or itself, also those without a bit in it."""
        return self._under.get(node, frozenset())

    def pairs(self) -> NDArray[np.int64]:
        """Operations that follow one another, a row of driver and reader each."""
        count = len(self.nodes)
        found = [
            driver * count + reader
            for reader, node in enumerate(self.nodes)
            for x in node.operands
            for driver in self.under(x)
        ]
        pairs = np.unique(np.array(found, dtype=np.int64))
        return np.stack(np.divmod(pairs, max(1, count)), axis=1)

    def bits(self, node: Node) -> Sequence[Source]:
        """The source of each bit of a node, as many as its width."""
        found = self._bits.get(node)
        if found is None:
            # Operands first, without recursion: chains of wires may be long.
            stack = [node]
            while stack:
                top = stack[-1]
                under = top.operands if top in self.moving and top not in self.number else ()
                below = [x for x in under if x not in self._bits]
                if below:
                    stack += below
                else:
                    self._bits[top] = self._of(top)
                    stack.pop()
            found = self._bits[node]
        return found

    def extended(self, node: Node, width: int) -> list[Source]:
        """The sources of the low `width` bits, the sign repeated."""
        own = self.bits(node)
        missing = width - len(own)
        if missing <= 0:
            return list(own[:width])
        return [*own, *[own[-1] if own and node.range.lo < 0 else FIXED] * missing]

    def _of(self, node: Node) -> Sequence[Source]:
        width = node.range.width
        if node not in self.moving:
            return [FIXED] * width
        if (number := self.number.get(node)) is not None:
            return range(number * self.stride, number * self.stride + width)
        found: list[Source]
        match node:
            case Bits(x, low, count):
                found = self.extended(x, low + count)[low:]
            case Shr(x, amount):
                found = self.extended(x, amount + width)[amount:]
            case Shl(x, amount):
                found = [*[FIXED] * amount, *self.extended(x, width)]
            case Concat(parts, widths):
                found = [s for x, n in zip(parts, widths, strict=True) for s in self.extended(x, n)]
            case _:
                found = self.extended(node.operands[0], width)
        missing = width - len(found)
        return found[:width] if missing <= 0 else [*found, *[FIXED] * missing]


@dataclass(frozen=True, slots=True)
class Net:
    """Bits of one operation that the same operations read; `readers` are numbers, sorted."""

    driver: int
    bits: tuple[int, ...]
    readers: tuple[int, ...]


def nets(circuit: Circuit, roots: Roots) -> list[Net]:
    """What moves between operations; the outputs are the reader numbered len(roots.nodes)."""
    end = len(roots.nodes)
    uses = [(i, roots.bits(x)) for i, node in enumerate(roots.nodes) for x in node.operands]
    uses += [(end, roots.bits(lane)) for port in circuit.outputs for lane in port.lanes]
    reader = np.repeat([i for i, _ in uses], [len(bits) for _, bits in uses])
    source = np.fromiter(chain.from_iterable(bits for _, bits in uses), dtype=np.int64)
    read = source != FIXED
    found = np.unique(source[read] * (end + 1) + reader[read])
    source, reader = np.divmod(found, end + 1)
    first = np.flatnonzero(np.r_[True, source[1:] != source[:-1]][: len(source)])
    driver, bit = np.divmod(source[first], roots.stride)
    fresh = np.flatnonzero(_differ(reader, first) | (driver != np.r_[-1, driver[:-1]]))
    who, place, begins = reader.tolist(), bit.tolist(), first.tolist()
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    runs = pairwise([*fresh.tolist(), len(first)])
    for own, (begin, stop) in zip(driver[fresh].tolist(), runs, strict=True):
        end = begins[begin + 1] if begin + 1 < len(begins) else len(who)
        groups.setdefault((own, tuple(who[begins[begin] : end])), []).extend(place[begin:stop])
    return [Net(own, tuple(bits), users) for (own, users), bits in groups.items()]


def _differ(values: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which runs of values, from each first place to the next, are not the run before again."""
    sizes = np.diff(np.append(first, len(values)))
    before = np.append(0, sizes[:-1])
    back = np.arange(len(values)) - np.repeat(sizes, sizes)
    apart = np.logical_or.reduceat(values != values[np.maximum(back, 0)], first)
    found: NDArray[np.bool_] = apart | (sizes != before)
    return found
