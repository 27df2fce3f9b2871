"""The nodes of a circuit in groups that numpy computes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.nodes import Input, Node

Numbers = int | NDArray[np.int64]
"""The number of a node, or those of several."""

Kind = tuple[int, Numbers, tuple[Numbers, ...]]
"""Nodes that are alike but for their operands: the first, all, and each operand of all."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Every node by its number in the walk, with the ends of its interval.

    `kinds` has all but the inputs: those together that have one depth and are alike but for their
    operands. Operands come before users.
    """

    number: Mapping[Node, int]
    low: Sequence[int]
    high: Sequence[int]
    kinds: tuple[Kind, ...]


def kinds_of(order: Sequence[Node]) -> Kinds:
    """The groups of nodes, operands before users."""
    number = {node: i for i, node in enumerate(order)}
    ranges = [node.range for node in order]
    low, high = [r.lo for r in ranges], [r.hi for r in ranges]
    return Kinds(number, low, high, tuple(_grouped(order, number)))


def _grouped(order: Sequence[Node], number: Mapping[Node, int]) -> Iterator[Kind]:
    depth: list[int] = []
    levels: list[dict[tuple[Any, ...], list[int]]] = []
    for i, node in enumerate(order):
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
