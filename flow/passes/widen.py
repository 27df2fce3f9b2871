"""Keeps wires and operations in step with intervals that are wider than the values."""

from __future__ import annotations

from collections.abc import Iterable

from flow.ir.interval import IntRange, unsigned
from flow.ir.nodes import Bits, Concat, Const, Lookup, Node, Signed


def on_wider(node: Node, operands: Iterable[Node]) -> Node:
    """The operation on new operands; a table or a field is widened where only the interval grew.

    The entries added are never reached, and bits beyond a field are never set, since the operand
    has the values that it had.
    """
    moved = tuple(operands)
    if isinstance(node, Concat):
        moved = tuple(_field(x, width) for x, width in zip(moved, node.widths, strict=True))
    if isinstance(node, Lookup):
        x = moved[0]
        before = max(0, node.base - x.range.lo)
        after = max(0, x.range.hi - (node.base + len(node.table) - 1))
        if before or after:
            # Copies of an entry that is reached keep the interval of the result.
            first = node.table[max(0, node.x.range.lo - node.base)]
            last = node.table[node.x.range.hi - node.base]
            lo, hi = node.x.range.lo - node.base, node.x.range.hi - node.base
            table = (first,) * (before + lo) + node.table[lo : hi + 1]
            table += (last,) * (after + len(node.table) - 1 - hi)
            return Lookup(x, node.base - before, table)
    return node.with_operands(*moved)


def _field(x: Node, width: int) -> Node:
    if unsigned(width).covers(x.range):
        return x
    return Bits(x, 0, width) if width else Const(0)


def fitted(x: Node, interval: IntRange) -> Node:
    """x -> bits(x, 0, w) or signed(x, w), where x is known to lie in a narrower interval

    The result has the width of the interval at most, and is signed only if the interval is.
    """
    known = x.range
    if known is interval or (known.width <= interval.width and interval.signed >= known.signed):
        return x
    if interval.signed:
        return Signed(x, interval.width)
    return Bits(x, 0, max(1, interval.width))
