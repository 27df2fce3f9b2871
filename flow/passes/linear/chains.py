"""A sum as words without sign, added two at a time, each addition a carry chain.

A chain takes a look-up table for each place where both words have a bit, none where one has
nothing: a word without sign needs no table for its extension. Bits of negative weight are
inverted and all corrections gathered in one constant, which fills places where a word has no
bit: C. R. Baugh and B. A. Wooley, IEEE Trans. Computers C-22 (1973). An inversion costs nothing
in the table of an addition.
"""

from __future__ import annotations

from dataclasses import dataclass

from flow.ir.builder import Builder
from flow.ir.nodes import Add, Bits, Concat, Const, Linear, Node, Shl, Signed, Xor
from flow.passes.linear.csd import csd


@dataclass(frozen=True, slots=True)
class Word:
    """The value (`node` ^ `flip`) << `low`, where node ^ flip is 0 .. `most`."""

    node: Node
    flip: int
    low: int
    width: int
    most: int
    depth: int = 0
    bare: bool = False

    @property
    def high(self) -> int:
        """The place above its highest bit."""
        return self.low + self.width


def chained(row: Linear, width: int, signed: bool, free: bool, intern: Builder) -> tuple[Node, int]:
    """The value of a row modulo 2**width; of a `free` row plus the offset that comes with it."""
    words, constant = _words(row, width, intern)
    while len(words) > 1:
        words, constant = _joined(words, constant, width, intern)
    if free:
        return _finished(words, 0, width, False, intern), -constant
    return _finished(words, constant % (1 << width), width, signed, intern), 0


def _words(row: Linear, width: int, intern: Builder) -> tuple[list[Word], int]:
    """The signed digits of each term as words, and the constant to be added to them.

    -b * 2**p = (1-b) * 2**p - 2**p, and a bit above the width is a multiple of 2**width.
    """
    constant = row.bias
    words: list[Word] = []
    for x, c in zip(row.terms, row.coefficients, strict=True):
        own = x.range.width
        for shift, digit in csd(c):
            if x.range.lo == x.range.hi:
                constant += digit * x.range.lo << shift
                continue
            flip = 1 << own - 1 if x.range.signed else 0
            most = x.range.hi + flip
            constant -= digit * flip << shift
            if digit < 0:
                every = (1 << own) - 1
                flip ^= every
                constant -= every << shift
                most = every - (x.range.lo + (every + 1 >> 1 if x.range.signed else 0))
            kept = min(own, width - shift)
            if kept > 0:
                node = intern(Bits(x, 0, kept)) if x.range.signed or kept < own else x
                cut = (1 << kept) - 1
                words.append(Word(node, flip & cut, shift, kept, min(most, cut)))
    return words, constant


def _joined(
    words: list[Word], constant: int, width: int, intern: Builder
) -> tuple[list[Word], int]:
    """The words with the two that are cheapest to join as one; the constant that is left."""
    best = min(
        (_cost(a, b, width), i, j) for i, a in enumerate(words) for j, b in enumerate(words[:i])
    )
    _, i, j = best
    a, b = words[j], words[i]
    if b.low < a.low:
        a, b = b, a
    rest = [w for k, w in enumerate(words) if k not in (i, j)]
    total, constant = _added(a, b, constant, width, intern)
    return [*rest, total], constant


def _cost(a: Word, b: Word, width: int) -> tuple[int, ...]:
    """What speaks against adding two words: depth, a bit more, the length of the chain."""
    low, high = (a, b) if a.low <= b.low else (b, a)
    most = (low.most >> high.low - low.low) + high.most
    top = min(width, high.low + most.bit_length())
    if low.high <= high.low:
        return (max(a.depth, b.depth), 0, 0)
    return (
        max(a.depth, b.depth),
        top - max(a.high, b.high) + bool(a.flip and b.flip),
        top - high.low,
    )


def _added(a: Word, b: Word, constant: int, width: int, intern: Builder) -> tuple[Word, int]:
    """a + b, where a begins no higher than b."""
    gap = b.low - a.low
    depth = max(a.depth, b.depth) + 1
    if a.width <= gap:
        zero = (intern(Const(0)),) if gap > a.width else ()
        sizes = (a.width, *((gap - a.width,) if zero else ()), b.width)
        node = intern(Concat((a.node, *zero, b.node), sizes))
        return Word(node, a.flip | b.flip << gap, a.low, gap + b.width,
                    a.most | b.most << gap, depth - 1), constant  # fmt: skip
    first = Word(_bits(a.node, gap, a.width - gap, intern), a.flip >> gap, b.low,
                 a.width - gap, a.most >> gap, 0, a.bare and not gap)  # fmt: skip
    if first.flip and not b.flip:
        first, b = b, first
    carry = (first.bare and not first.flip) or (b.bare and not b.flip)
    most = first.most + b.most + carry
    kept = min(most.bit_length(), width - b.low)
    left, right = _plain(first, intern), _plain(b, intern)
    total: Node
    if carry:
        one = intern(Const(1))
        constant -= 1 << b.low
        left = intern(Concat((one, left), (1, first.width)))
        right = intern(Concat((one, right), (1, b.width)))
        total = intern(Bits(Add(left, right), 1, kept))
    else:
        total = _bits(intern(Add(left, right)), 0, kept, intern)
    most = min(most, (1 << kept) - 1)
    if not gap:
        return Word(total, 0, a.low, kept, most, depth, True), constant
    node = intern(Concat((_bits(a.node, 0, gap, intern), total), (gap, kept)))
    low = (1 << gap) - 1
    return Word(node, a.flip & low, a.low, gap + kept, most << gap | low, depth), constant


def _bits(x: Node, low: int, width: int, intern: Builder) -> Node:
    if low == 0 and x.range.width <= width:
        return x
    return intern(Bits(x, low, width))


def _plain(word: Word, intern: Builder) -> Node:
    """The bits of a word with its inversions."""
    return intern(Xor(word.node, Const(word.flip))) if word.flip else word.node


def _finished(words: list[Word], constant: int, width: int, signed: bool, intern: Builder) -> Node:
    """The last word plus the constant, as a number of `width` bits."""
    total: Node = intern(Const(constant))
    if words:
        word = words[0]
        zero = intern(Const(0))
        total = _plain(word, intern)
        if word.low:
            total = intern(Concat((zero, total), (word.low, word.width)))
        if constant and word.bare and not word.low:
            one = intern(Const(1))
            total = intern(Concat((one, total), (1, word.width)))
            odd = Const((constant - 1) % (1 << width) << 1 | 1)
            total = intern(Bits(Add(total, odd), 1, width))
        elif constant:
            total = _bits(intern(Add(total, Const(constant))), 0, width, intern)
    return intern(Signed(total, width)) if signed else total
