"""Rebuilds a circuit with all linear rows of one depth replaced at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import cast

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear, Node
from flow.passes.rules.arithmetic import linear_terms
from flow.passes.widen import fitted, on_wider

Replace = Callable[[Sequence[Linear], Builder], dict[Linear, Node]]
"""The node for each of some rows, none of which depends on another."""


def rebuild_linear(circuit: Circuit, replace: Replace) -> Circuit:
    """The circuit with every Linear node replaced.

    The depth of a row is the largest number of rows on a path to it, itself included: rows of
    one depth do not depend on each other, whatever layers they come from.
    """
    depth: dict[Node, int] = {}
    for node in circuit.walk():
        below = max((depth[x] for x in node.operands), default=0)
        depth[node] = below + isinstance(node, Linear)
    # A stable order in which operands come first, and the rows of one depth stand together.
    order = sorted(depth, key=lambda node: (depth[node], not isinstance(node, Linear)))
    intern = Builder()
    done: dict[Node, Node] = {}
    for (_, is_row), nodes in groupby(order, key=lambda x: (depth[x], isinstance(x, Linear))):
        if not is_row:
            for x in nodes:
                done[x] = intern(fitted(on_wider(x, (done[y] for y in x.operands)), x.range))
            continue
        rows: dict[Node, Linear] = {}
        for x in nodes:
            moved = intern(x.with_operands(*(done[y] for y in x.operands)))
            rows[x] = cast("Linear", linear_terms(moved) or moved)
        found = replace(tuple(dict.fromkeys(rows.values())), intern)
        for x, row in rows.items():
            done[x] = intern(fitted(found[row], x.range))
    return substitute(circuit, done)
