"""Rebuilds a circuit with all linear rows of one depth replaced at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import cast

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear, Node
from flow.passes.rules.arithmetic import linear_terms

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
    for is_row, nodes in groupby(order, key=lambda node: isinstance(node, Linear)):
        moved = {x: intern(x.with_operands(*(done[y] for y in x.operands))) for x in nodes} if is_row else {}
        if not is_row:
            for x in nodes:
                done[x] = intern(x.with_operands(*(done[y] for y in x.operands)))
            continue
        rows = {x: cast("Linear", linear_terms(y) or y) for x, y in moved.items()}
        found = replace(tuple(dict.fromkeys(rows.values())), intern)
        done.update({x: found[row] for x, row in rows.items()})
    return substitute(circuit, done)
