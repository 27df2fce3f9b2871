"""The Circuit: named ports over shared scalar integer operations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.nodes import Input, Node

Numbers = int | NDArray[np.int64]
"""The number of a node, or those of several."""

Kind = tuple[int, Numbers, tuple[Numbers, ...]]
"""Nodes that are alike but for their operands: the first, all, and each operand of all."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from: the user's layer, what it is there, and for which element.

    `role` is a word such as `acc` or `act`; `index` is the element, -1 where there is none.
    All names are already mapped to `[a-z][a-z0-9_]*`.
    """

    layer: str
    role: str
    index: int = -1

    def __str__(self) -> str:
        return f"{self.layer}_{self.role}" + (f"_{self.index}" if self.index >= 0 else "")


@dataclass(frozen=True, slots=True)
class Port:
    """A named vector of nodes: one lane per element of a tensor, in row-major order."""

    name: str
    lanes: tuple[Node, ...]

    @property
    def width(self) -> int:
        """Bits of all lanes side by side, at least one bit for each."""
        return sum(lane_width(lane) for lane in self.lanes)


def lane_width(lane: Node) -> int:
    """Bits that a node takes on a port: those of its interval, and at least one."""
    return max(1, lane.range.width)


@dataclass(frozen=True, slots=True)
class Circuit:
    """Scalar integer operations between named ports; immutable.

    The lanes of an input port are `Input` nodes that carry its name and their own index. A lane
    stays in its port also when nothing reads it. `origins` names nodes for messages and
    reports; it has no influence on meaning and may lack entries.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    origins: Mapping[Node, Origin] = field(default_factory=dict, repr=False, compare=False)
    _order: tuple[Node, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _kinds: tuple[Kind, ...] | None = field(default=None, init=False, repr=False, compare=False)

    def walk(self) -> Iterator[Node]:
        """Yield every input lane, then every reachable node, once, operands before users."""
        if self._order is None:
            object.__setattr__(self, "_order", tuple(self._ordered()))
        assert self._order is not None
        return iter(self._order)

    def kinds(self) -> tuple[Kind, ...]:
        """Every node but the inputs by number in the walk, those together that have one depth and
        are alike but for their operands; operands come before users."""
        if self._kinds is None:
            object.__setattr__(self, "_kinds", tuple(self._alike()))
        assert self._kinds is not None
        return self._kinds

    def _alike(self) -> Iterator[Kind]:
        number: dict[Node, int] = {}
        depth: list[int] = []
        levels: list[dict[tuple[Any, ...], list[int]]] = []
        for i, node in enumerate(self.walk()):
            number[node] = i
            at = [number[x] for x in node.operands]
            level = max([depth[k] for k in at]) + 1 if at else 0
            depth.append(level)
            if isinstance(node, Input):
                continue
            while level >= len(levels):
                levels.append({})
            kinds, kind = levels[level], (type(node), node.attributes, len(at))
            if kind in kinds:
                kinds[kind] += (i, *at)
            else:
                kinds[kind] = [i, *at]
        for kinds in levels:
            for (_, _, count), numbers in kinds.items():
                if len(numbers) == count + 1:
                    yield numbers[0], numbers[0], tuple(numbers[1:])
                else:
                    rows, *operands = np.array(numbers).reshape(-1, count + 1).T.copy()
                    yield numbers[0], rows, tuple(operands)

    def _ordered(self) -> Iterator[Node]:
        seen: set[Node] = set()
        for port in self.inputs:
            for lane in port.lanes:
                if lane not in seen:
                    seen.add(lane)
                    yield lane
        for port in self.outputs:
            for root in port.lanes:
                stack = [root]
                while stack:
                    node = stack[-1]
                    if node in seen:
                        stack.pop()
                        continue
                    waiting = [x for x in node.operands if x not in seen]
                    if waiting:
                        stack.extend(reversed(waiting))
                    else:
                        stack.pop()
                        seen.add(node)
                        yield node
