"""A sum as columns of bits of equal weight, reduced by full adders.

Bits of negative weight are inverted and all corrections gathered in one constant: C. R. Baugh
and B. A. Wooley, IEEE Trans. Computers C-22 (1973). For the least delay, the three bits of a
column that settle first go into each full adder: V. G. Oklobdzija, D. Villeger and S. S. Liu,
"A Method for Speed Optimized Partial Product Reduction", IEEE Trans. Computers 45 (1996).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from itertools import count

from flow.ir.builder import Builder
from flow.ir.interval import BIT
from flow.ir.nodes import Add, Bits, Compare, Concat, Const, FullAdder, Linear, Node, Signed
from flow.passes.linear.csd import csd
from flow.passes.rules.wiring import bits_of_concat, bits_of_field, bits_of_mask, bits_of_shift

Columns = list[list[Node]]
"""The bits of each weight, the lowest weight first."""

Words = dict[Node, list[Node]]
"""The bits of each word that was taken apart."""

_INNER = (bits_of_shift, bits_of_field, bits_of_concat, bits_of_mask)


def rippled(row: Linear, width: int, signed: bool, intern: Builder, known: Words) -> Node:
    """The value of a row modulo 2**width, by columns of full adders, the lowest first.

    A full adder takes one bit away, so the fewest are used whatever the order; at most one half
    adder a column is left, and it takes a one of the constant at no cost. First come, first
    served: the bits of the terms, the carries, the sums of the column. (The earliest first takes
    2 % more cells after mapping.) `known` has words that were taken apart before, and gets more.
    """
    zero, one = intern(Const(0)), intern(Const(1))
    columns, constant = _columns(row, width, intern, known)
    word: list[Node] = []
    for place, column in enumerate(columns):
        waiting = constant >> place & 1
        at = 0
        while len(column) - at > 1:
            a, b = column[at : at + 2]
            at += 2
            if at < len(column):
                c = column[at]
                at += 1
            else:
                c, waiting = one if waiting else zero, 0
            total = intern(FullAdder(a, b, c))
            column.append(intern(Bits(total, 0, 1)))
            if place + 1 < width:
                columns[place + 1].append(intern(Bits(total, 1, 1)))
        if at == len(column):
            word.append(one if waiting else zero)
        elif waiting:
            if place + 1 < width:
                columns[place + 1].append(column[at])
            word.append(intern(Compare(column[at], zero, "eq")))
        else:
            word.append(column[at])
    return _word(word, signed, intern)


def added(
    row: Linear,
    width: int,
    signed: bool,
    intern: Builder,
    known: Words,
    arrival: Mapping[Node, float],
) -> Node:
    """The value of a row modulo 2**width: two rows of bits and one addition.

    `arrival` tells when terms settle, in delays of a full adder (0 where it does not); `known` is
    that of `rippled`.
    """
    columns, constant = _columns(row, width, intern, known)
    number = count()
    late = {bit: 0.0 for column in columns for bit in column}
    for x in row.terms:
        late[x] = arrival.get(x, 0.0)
        late |= {_bit(x, i, intern): late[x] for i in range(x.range.width)}
    heaps: list[list[tuple[float, int, Node]]] = []
    for place, column in enumerate(columns):
        ones = [intern(Const(1))] * (constant >> place & 1)
        heaps.append([(late.get(bit, 0.0), next(number), bit) for bit in (*column, *ones)])
        heapq.heapify(heaps[place])
    for place, heap in enumerate(heaps):
        while len(heap) > 2:
            three = [heapq.heappop(heap) for _ in range(3)]
            time = max(entry[0] for entry in three) + 1.0
            total = intern(FullAdder(*(bit for _, _, bit in three)))
            heapq.heappush(heap, (time, next(number), intern(Bits(total, 0, 1))))
            if place + 1 < width:
                carry = intern(Bits(total, 1, 1))
                heapq.heappush(heaps[place + 1], (time, next(number), carry))
    return _word(_two_rows([[x for _, _, x in sorted(heap)] for heap in heaps], intern),
                 signed, intern)  # fmt: skip


def _columns(row: Linear, width: int, intern: Builder, known: Words) -> tuple[Columns, int]:
    """The bits of every shifted term below 2**width, and the constant to be added to them.

    -b * 2**p = (1-b) * 2**p - 2**p, and a bit above the width is a multiple of 2**width.
    """
    zero = intern(Const(0))
    columns: Columns = [[] for _ in range(width)]
    constant = row.bias
    for x, c in zip(row.terms, row.coefficients, strict=True):
        own = max(1, x.range.width)
        if x not in known:
            known[x] = [x] if BIT.covers(x.range) else [_bit(x, i, intern) for i in range(own)]
        bits, sign = known[x], own - 1 if x.range.signed else own
        for shift, digit in csd(c):
            for i, bit in enumerate(bits[: max(0, width - shift)]):
                negative = (digit < 0) != (i == sign)
                if bit.range.lo == bit.range.hi:
                    constant += (-bit.range.lo if negative else bit.range.lo) << (shift + i)
                elif negative:
                    constant -= 1 << (shift + i)
                    columns[shift + i].append(intern(Compare(bit, zero, "eq")))
                else:
                    columns[shift + i].append(bit)
    return columns, constant % (1 << width)


def _bit(x: Node, place: int, intern: Builder) -> Node:
    """One bit of x: the bit itself, the constant that it is, or that of a word.

    Fields and masks are read through; a word of bits stays whole, which the proof needs.
    """
    inner: Node = Bits(x, place, 1)
    kept: Node | None = None
    while isinstance(inner, Bits):
        if inner.low == 0 and BIT.covers(inner.x.range):
            inner = inner.x
            break
        if kept is None and isinstance(inner.x, Concat):
            kept = inner
        found = next((new for rule in _INNER if (new := rule(inner)) is not None), None)
        if found is None:
            break
        inner = found
    return intern(inner if kept is None or isinstance(inner, Const) else kept)


def _two_rows(columns: Columns, intern: Builder) -> list[Node]:
    """One bit for each column of at most two: wires up to the first pair, then one addition."""
    zero = intern(Const(0))
    first = next((i for i, column in enumerate(columns) if len(column) == 2), len(columns))
    bits = [column[0] if column else zero for column in columns[:first]]
    if first < len(columns):
        rest = columns[first:]
        rows = [[c[k] if len(c) > k else zero for c in rest] for k in (0, 1)]
        a, b = (intern(Concat(tuple(r), (1,) * len(rest))) for r in rows)
        total = intern(Add(a, b))
        bits += [intern(Bits(total, i, 1)) for i in range(len(rest))]
    return bits


def _word(bits: list[Node], signed: bool, intern: Builder) -> Node:
    """Bits side by side as one number."""
    word = intern(Concat(tuple(bits), (1,) * len(bits))) if len(bits) > 1 else bits[0]
    if word.range.lo == word.range.hi:
        value = word.range.lo
        return intern(Const(value - (signed and value >> (len(bits) - 1) << len(bits))))
    return intern(Signed(word, len(bits))) if signed else word
