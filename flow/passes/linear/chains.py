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

    @property
    def high(self) -> int:
        """The place above its highest bit."""
        return self.low + self.width


def chained(row: Linear, width: int, signed: bool, intern: Builder, inputs: int = 2) -> Node:
    """The value of a row modulo 2**width, one addition of so many words after another."""
    words, constant = _words(row, width, intern)
    while inputs == 3 and len(words) > 2:
        words = _three(words, width, intern)
    while len(words) > 1:
        words, constant = _joined(words, constant, width, intern)
    return _finished(words, constant, width, signed, intern)


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
    return words, constant % (1 << width)


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


def _three(words: list[Word], width: int, intern: Builder) -> list[Word]:
    """The words with three of them as one, added on one chain where they overlap."""
    _, i, j = min(
        (_cost(a, b, width), i, j) for i, a in enumerate(words) for j, b in enumerate(words[:i])
    )
    low, high = min(words[i].low, words[j].low), max(words[i].high, words[j].high)
    depth = max(words[i].depth, words[j].depth)
    guess = Word(words[i].node, 0, low, high - low + 1, (2 << high - low) - 1, depth)
    _, k = min((_cost(guess, c, width), k) for k, c in enumerate(words) if k not in (i, j))
    a, b, c = sorted((words[i], words[j], words[k]), key=lambda w: w.low)
    rest = [w for n, w in enumerate(words) if n not in (i, j, k)]
    gap = b.low - a.low
    if a.width <= gap or max(a.high, b.high) <= c.low:
        two, _ = _added(a, b, 0, width, intern)
        return [*rest, two, c]
    upper = Word(_bits(a.node, gap, a.width - gap, intern), a.flip >> gap, b.low,
                 a.width - gap, a.most >> gap)  # fmt: skip
    most = upper.most + b.most + (c.most << c.low - b.low)
    kept = min(most.bit_length(), width - b.low)
    third = _plain(c, intern)
    if c.low > b.low:
        third = intern(Shl(third, c.low - b.low))
    total = _bits(
        intern(Add(intern(Add(_plain(upper, intern), _plain(b, intern))), third)), 0, kept, intern
    )
    most = min(most, (1 << kept) - 1)
    if not gap:
        return [*rest, Word(total, 0, a.low, kept, most, depth + 1)]
    node = intern(Concat((_bits(a.node, 0, gap, intern), total), (gap, kept)))
    below = (1 << gap) - 1
    return [*rest, Word(node, a.flip & below, a.low, gap + kept, most << gap | below, depth + 1)]


def _cost(a: Word, b: Word, width: int) -> tuple[int, ...]:
    """What speaks against adding two words: depth, a bit more, the length of the chain."""
    low, high = (a, b) if a.low <= b.low else (b, a)
    most = (low.most >> high.low - low.low) + high.most
    top = min(width, high.low + most.bit_length())
    if low.high <= high.low:
        return (max(a.depth, b.depth), 0, 0)
    return (
        max(a.depth, b.depth),
        (a.low == b.low) + top - max(a.high, b.high) + bool(a.flip and b.flip),
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
                 a.width - gap, a.most >> gap)  # fmt: skip
    if first.flip and not b.flip:
        first, b = b, first
    most = first.most + b.most
    kept = min(most.bit_length(), width - b.low)
    total: Node = intern(Add(_plain(first, intern), _plain(b, intern)))
    total = _bits(total, 0, kept, intern)
    most = min(most, (1 << kept) - 1)
    if not gap:
        return Word(total, 0, a.low, kept, most, depth), constant
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
        if constant:
            total = _bits(intern(Add(total, Const(constant))), 0, width, intern)
    return intern(Signed(total, width)) if signed else total
