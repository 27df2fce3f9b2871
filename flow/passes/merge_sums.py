"""The pass `merge-sums`: sums that are read once join their reader, and inner sums lose their sign.

A linear row becomes one heap of bits later, with one chain of carries; a sum in between costs a
chain of its own, and is worth it only where its value is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from flow.analysis.ranges import Known, tight_ranges
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import Add, Bits, Const, Linear, Neg, Node, Shl, Signed, Sub
from flow.passes.linear.csd import csd, digit_count
from flow.passes.widen import fitted, on_wider

SUMS = (Add, Sub, Neg, Linear)


@dataclass(frozen=True)
class MergeSums:
    """Make each sum a linear row that takes in the sums which only it reads.

    A row that only rows read is stored with that sign and offset with which its bits need no
    constant and no sign: C. R. Baugh and B. A. Wooley, IEEE Trans. Computers C-22 (1973), for
    whole graphs.
    """

    name: ClassVar[str] = "merge-sums"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with linear rows as its only sums, merged until none is left to merge."""
        # One builder, so that what stays the same is the same node.
        intern = Builder(circuit.walk())
        known = Known()
        merged = self._once(circuit, intern, known)
        while merged.outputs != circuit.outputs:
            circuit, merged = merged, self._once(merged, intern, known)
        return merged

    def _once(self, circuit: Circuit, intern: Builder, known: Known) -> Circuit:
        order = list(circuit.walk())
        lanes = [lane for port in circuit.outputs for lane in port.lanes]
        plan = _plan(order, lanes)
        tight = tight_ranges(circuit, known)
        done: dict[Node, Node] = {}
        stored: dict[Node, _Stored] = {}
        for node in order:
            row = plan.rows.get(node)
            if row is not None:
                kept = _stored(row, node not in plan.outer, tight[node], stored, done, intern)
                stored[node], done[node] = kept, kept.node
            elif node in plan.outer or not isinstance(node, (*SUMS, Shl)):
                moved = on_wider(node, (done[x] for x in node.operands))
                done[node] = intern(fitted(_without_cut(moved), node.range))
        # The value of an inner row is another now, so it gives up its name.
        return substitute(circuit, {x: y for x, y in done.items() if _same(stored.get(x))})


@dataclass(slots=True)
class _Row:
    """A sum as coefficients of values of the old circuit; with `minus` its opposite is stored."""

    terms: dict[Node, int] = field(default_factory=dict)
    bias: int = 0
    minus: bool = False


@dataclass(frozen=True, slots=True)
class _Stored:
    """A node whose value is that of the row (its opposite with `minus`) plus an offset."""

    node: Node
    minus: bool
    offset: int


def _without_cut(node: Node) -> Node:
    """The operand of a cut that cuts nothing, such as that of a row that is fitted already."""
    cuts = isinstance(node, Signed) or (isinstance(node, Bits) and not node.low)
    return node.operands[0] if cuts and node.range.covers(node.operands[0].range) else node


def _same(stored: _Stored | None) -> bool:
    return stored is None or not (stored.minus or stored.offset)


@dataclass(slots=True)
class _Plan:
    """The rows that remain, and the nodes that others than rows read."""

    rows: dict[Node, _Row]
    outer: set[Node]


def _plan(order: list[Node], lanes: Iterable[Node]) -> _Plan:
    """Which sums become rows; users come first, so that all readers of a node are known."""
    outer = set(lanes)
    rows: dict[Node, _Row] = {}
    readers: dict[Node, dict[Node, int]] = {}

    def give(root: Node, terms: Iterable[tuple[Node, int]], factor: int) -> None:
        for x, c in terms:
            if isinstance(x, Const):
                rows[root].bias += factor * c * x.value
            else:
                found = readers.setdefault(x, {})
                found[root] = found.get(root, 0) + factor * c

    for node in reversed(order):
        own = {root: c for root, c in readers.pop(node, {}).items() if c}
        free = node not in outer
        if not isinstance(node, (*SUMS, Shl)) or (isinstance(node, Shl) and not free):
            outer.update(node.operands)
        elif not free or (
            not isinstance(node, (Shl, Neg)) and sum(digit_count(c) for c in own.values()) > 1
        ):
            bias = node.bias if isinstance(node, Linear) else 0
            rows[node] = _Row({}, bias, free and _negative(own, rows))
            give(node, _terms(node), 1)
        else:
            for root, factor in own.items():
                if isinstance(node, Linear):
                    rows[root].bias += factor * node.bias
                give(root, _terms(node), factor)
            continue
        for root, c in own.items():
            rows[root].terms[node] = c
    return _Plan(rows, outer)


def _terms(node: Node) -> tuple[tuple[Node, int], ...]:
    match node:
        case Add(a, b):
            return (a, 1), (b, 1)
        case Sub(a, b):
            return (a, 1), (b, -1)
        case Neg(x):
            return ((x, -1),)
        case Shl(x, amount):
            return ((x, 1 << amount),)
        case Linear(terms, coefficients):
            return tuple(zip(terms, coefficients, strict=True))
    return ()


def _negative(readers: Mapping[Node, int], rows: Mapping[Node, _Row]) -> bool:
    """Whether most of the digits with which rows read a value are negative."""
    return (
        sum(
            -digit if rows[root].minus else digit
            for root, c in readers.items()
            for _, digit in csd(c)
        )
        < 0
    )


def _stored(
    row: _Row,
    free: bool,
    interval: IntRange,
    stored: Mapping[Node, _Stored],
    done: Mapping[Node, Node],
    intern: Builder,
) -> _Stored:
    """The new node of a row; only that of a free row has another value."""
    sign = -1 if row.minus else 1
    terms: dict[Node, int] = {}
    bias = sign * row.bias
    # Rows were found from the outputs on; their terms read better the other way.
    for x, c in reversed(row.terms.items()):
        kept = stored.get(x) or _Stored(done[x], False, 0)
        factor = -sign * c if kept.minus else sign * c
        bias -= factor * kept.offset
        terms[kept.node] = terms.get(kept.node, 0) + factor
    terms = {x: c for x, c in terms.items() if c}
    offset = 0
    if free:
        offset = sum(_constant(x, c) for x, c in terms.items()) - bias
    ends = (sign * interval.lo + offset, sign * interval.hi + offset)
    whole = intern(Linear(tuple(terms), tuple(terms.values()), bias + offset))
    node = fitted(whole, IntRange(min(ends), max(ends))) if terms else Const(bias + offset)
    return _Stored(intern(node), row.minus, offset)


def _constant(x: Node, c: int) -> int:
    """What c * x lacks to be a sum of its bits and inverted bits with positive weights."""
    return _missing(max(1, x.range.width), x.range.signed, c)


@lru_cache(maxsize=4096)
def _missing(width: int, signed: bool, c: int) -> int:
    sign = c << (width - 1) if signed else 0
    return sign + sum(((1 << width) - 1) << place for place, digit in csd(c) if digit < 0)
