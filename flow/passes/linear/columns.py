"""A sum as columns of bits of equal weight, reduced by full adders to two rows and added.

The three bits of a column that settle first go into each full adder: V. G. Oklobdzija,
D. Villeger and S. S. Liu, "A Method for Speed Optimized Partial Product Reduction", IEEE
Trans. Computers 45 (1996). Bits of negative weight are inverted and all corrections gathered
in one constant, after C. R. Baugh and B. A. Wooley, IEEE Trans. Computers C-22 (1973).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from flow.ir.builder import Builder
from flow.ir.interval import BIT
from flow.ir.nodes import Add, Bits, Compare, Concat, Const, FullAdder, Linear, Node, Signed
from flow.passes.linear.csd import csd

Column = list[tuple[float, int, Node]]
"""A heap of bits: when each settles in full adder delays, a number for ties, and the bit."""


def sum_bits(row: Linear, arrival: Mapping[Node, float], intern: Builder, *, ripple: bool) -> Node:
    """The value of a linear row, from bits of its terms.

    `arrival` tells when terms settle (0 where it does not). The interval of the result is
    every value of the width and the sign of the row.
    """
    width = row.range.width
    if row.range.lo == row.range.hi:
        return intern(Const(row.range.lo))
    columns, constant = _columns(row, width, arrival, intern)
    for position in range(width):
        if constant >> position & 1:
            _put(columns[position], 0.0, intern(Const(1)))
    for position, column in enumerate(columns):
        while len(column) > 2:
            three = [heapq.heappop(column) for _ in range(3)]
            late = max(time for time, _, _ in three) + 1.0
            total = intern(FullAdder(*(x for _, _, x in three)))
            _put(column, late, intern(Bits(total, 0, 1)))
            if position + 1 < width:
                _put(columns[position + 1], late, intern(Bits(total, 1, 1)))
    bits = [[x for _, _, x in sorted(column, key=lambda entry: entry[:2])] for column in columns]
    word = _ripple(bits, intern) if ripple else _add(bits, intern)
    return intern(Signed(word, width)) if row.range.signed else word


def _columns(
    row: Linear, width: int, arrival: Mapping[Node, float], intern: Builder
) -> tuple[list[Column], int]:
    """The bits of every shifted term below 2**width, and the constant to be added to them.

    -b * 2**p = (1-b) * 2**p - 2**p, and a bit above the width is a multiple of 2**width.
    """
    columns: list[Column] = [[] for _ in range(width)]
    constant = row.bias
    for x, c in zip(row.terms, row.coefficients, strict=True):
        own = max(1, x.range.width)
        for shift, digit in csd(c):
            for i in range(min(own, width - shift)):
                negative = (digit < 0) != (x.range.signed and i == own - 1)
                bit = x if BIT.covers(x.range) else intern(Bits(x, i, 1))
                if bit.range.lo == bit.range.hi:
                    constant += (-bit.range.lo if negative else bit.range.lo) << (shift + i)
                    continue
                if negative:
                    bit = intern(Compare(bit, intern(Const(0)), "eq"))
                    constant -= 1 << (shift + i)
                _put(columns[shift + i], arrival.get(x, 0.0), bit)
    return columns, constant % (1 << width)


def _put(column: Column, time: float, bit: Node) -> None:
    # The number grows with every bit put in, for a fixed order among bits of one time.
    number = max((n for _, n, _ in column), default=-1) + 1
    heapq.heappush(column, (time, number, bit))


def _add(bits: list[list[Node]], intern: Builder) -> Node:
    """The word of columns of at most two bits: wires up to the first pair, then one addition."""
    zero = intern(Const(0))
    first = next((i for i, column in enumerate(bits) if len(column) == 2), len(bits))
    parts: list[Node] = [column[0] if column else zero for column in bits[:first]]
    widths = [1] * first
    if first < len(bits):
        rest = len(bits) - first
        rows = [[c[k] if len(c) > k else zero for c in bits[first:]] for k in (0, 1)]
        a, b = (intern(Concat(tuple(r), (1,) * rest)) for r in rows)
        parts.append(intern(Bits(intern(Add(a, b)), 0, rest)))
        widths.append(rest)
    return intern(Concat(tuple(parts), tuple(widths)))


def _ripple(bits: list[list[Node]], intern: Builder) -> Node:
    """The word of columns of at most two bits, by a chain of full adders."""
    zero = intern(Const(0))
    carry: Node = zero
    word: list[Node] = []
    for column in bits:
        a, b = (*column, zero, zero)[:2]
        if b is zero and carry is zero:
            word.append(a)
            continue
        total = intern(FullAdder(a, b, carry))
        word.append(intern(Bits(total, 0, 1)))
        carry = intern(Bits(total, 1, 1))
    return intern(Concat(tuple(word), (1,) * len(word)))
