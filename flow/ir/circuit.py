"""The Circuit: named ports over shared scalar integer operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flow.ir.kinds import Kinds, kinds_of
from flow.ir.nodes import Node


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
    _kinds: Kinds | None = field(default=None, init=False, repr=False, compare=False)

    def walk(self) -> Iterator[Node]:
        """Yield every input lane, then every reachable node, once, operands before users."""
        if self._order is None:
            object.__setattr__(self, "_order", tuple(self._ordered()))
        assert self._order is not None
        return iter(self._order)

    def kinds(self) -> Kinds:
        """The nodes of the walk in groups, made once."""
        if self._kinds is None:
            object.__setattr__(self, "_kinds", kinds_of(tuple(self.walk())))
        assert self._kinds is not None
        return self._kinds

    def _ordered(self) -> Iterable[Node]:
        # A dictionary keeps the order in which its keys came.
        seen = dict.fromkeys(lane for port in self.inputs for lane in port.lanes)
        for port in self.outputs:
            for root in port.lanes:
                # What is under way with the operands that are left of it; each is looked at once.
                stack = [(root, iter(root.operands))] if root not in seen else []
                while stack:
                    node, operands = stack.pop()
                    for x in operands:
                        if x not in seen:
                            stack += (node, operands), (x, iter(x.operands))
                            break
                    else:
                        seen[node] = None
        return seen
