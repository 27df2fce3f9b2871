"""A sum as words without sign, added two at a time, each addition a carry chain.

A chain takes a look-up table for each place where both words have a bit, none where one has
nothing: a word without sign needs no table for its extension. Bits of negative weight are
inverted and all corrections gathered in one constant, which is added last: C. R. Baugh and
B. A. Wooley, IEEE Trans. Computers C-22 (1973). An inversion costs nothing in the table of an
addition. (Bits of the constant where a word has none make the sums longer: 7 % more tables.)
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from flow.ir.builder import Builder
from flow.ir.nodes import Add, Bits, Concat, Const, Linear, Node, Signed, Xor
from flow.passes.linear.csd import csd


@dataclass(frozen=True, slots=True)
class Word:
    """The value (`node` ^ `flip`) << `low`, where node ^ flip is 0 .. `most`.

    `bare` is a sum and nothing else.
    """

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


BLOCK = 4
"""Places of a chain that are built together: CARRY4 of Xilinx."""

TOGETHER = 24
"""Words among which the two that are cheapest to add are looked for."""


def chained(
    row: Linear, width: int, signed: bool, free: bool, shallow: bool, intern: Builder
) -> tuple[Node, int]:
    """The value of a row modulo 2**width; of a `free` row plus the offset that comes with it.

    A `shallow` sum has no more additions behind one another than a balanced tree.
    """
    words, constant = _words(row, width, intern)
    adder = _Adder(width, shallow, intern)
    total = adder.sum(words)
    if free:
        return adder.number(total, 0, False), adder.carried - constant
    return adder.number(total, (constant - adder.carried) % (1 << width), signed), 0


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


def _cost(a: Word, b: Word, width: int) -> tuple[int, ...]:
    """What speaks against adding two words: the length of the chain, a bit more, depth."""
    if a.low > b.low:
        a, b = b, a
    depth = a.depth if a.depth > b.depth else b.depth
    begin, end = b.low, a.low + a.width
    if end <= begin:
        return (0, depth)
    top = begin + ((a.most >> begin - a.low) + b.most).bit_length()
    if top > width:
        top = width
    if end < begin + b.width:
        end = begin + b.width
    blocks = -((begin - top) // BLOCK)
    return (BLOCK * (blocks + top - end) + bool(a.flip and b.flip), depth)


@dataclass(slots=True)
class _Adder:
    """Adds words modulo 2**width; `carried` are the carries that came in besides."""

    width: int
    shallow: bool
    intern: Builder
    carried: int = 0

    def sum(self, words: list[Word]) -> Word | None:
        """All words, so many neighbours at a time; None where there are none."""
        left = words
        while len(left) > 1:
            left = sorted(left, key=lambda w: (w.low, w.high))
            left = [self._few(left[i : i + TOGETHER]) for i in range(0, len(left), TOGETHER)]
        return left[0] if left else None

    def _few(self, words: list[Word]) -> Word:
        """Some words as one: always the two that are cheapest to add, of those that may be."""
        known = list(words)
        left = dict.fromkeys(range(len(known)))
        most = (sum(1 << w.depth for w in known) - 1).bit_length()
        heap = [(_cost(known[i], known[j], self.width), i, j) for i in left for j in range(i)]
        heapify(heap)
        while len(left) > 1:
            # A tree of that depth has room for what is left (the inequality of Kraft). An addition
            # takes as much of it as its operands are apart, so who has none now never has any.
            room = (1 << most) - sum(1 << known[i].depth for i in left)
            while True:
                _, i, j = heappop(heap)
                if i in left and j in left:
                    apart = abs((1 << known[i].depth) - (1 << known[j].depth))
                    if not self.shallow or apart <= room:
                        break
            del left[i], left[j]
            total = self._add(known[j], known[i])
            for k in left:
                heappush(heap, (_cost(total, known[k], self.width), len(known), k))
            left[len(known)] = None
            known.append(total)
        return known[next(iter(left))]

    def _add(self, a: Word, b: Word) -> Word:
        if b.low < a.low:
            a, b = b, a
        gap = b.low - a.low
        if a.width <= gap:
            return self._beside(a, b)
        first = Word(self._bits(a.node, gap, a.width - gap), a.flip >> gap, b.low,
                     a.width - gap, a.most >> gap, 0, a.bare and not gap)  # fmt: skip
        if first.flip and not b.flip:
            first, b = b, first
        return self._below(a, gap, self._chain(first, b), max(a.depth, b.depth) + 1)

    def _beside(self, a: Word, b: Word) -> Word:
        """a and b, where b begins above a."""
        gap = b.low - a.low
        parts, sizes = [a.node, b.node], [a.width, b.width]
        if gap > a.width:
            parts.insert(1, self.intern(Const(0)))
            sizes.insert(1, gap - a.width)
        node = self.intern(Concat(tuple(parts), tuple(sizes)))
        return Word(
            node,
            a.flip | b.flip << gap,
            a.low,
            gap + b.width,
            a.most | b.most << gap,
            max(a.depth, b.depth),
        )

    def _chain(self, a: Word, b: Word) -> Word:
        """a + b, which begin at one place; a sum that Yosys would join with its operand carries in.

        Of additions that only another one reads, its `alumacc` makes compressors of three
        operands, two tables for each bit.
        """
        carry = (a.bare and not a.flip) or (b.bare and not b.flip)
        most = a.most + b.most + carry
        kept = min(most.bit_length(), self.width - a.low)
        left, right = self._plain(a), self._plain(b)
        if carry:
            self.carried += 1 << a.low
            total: Node = self._carried(left, right, a.width, b.width, kept)
        else:
            total = self._bits(self.intern(Add(left, right)), 0, kept)
        return Word(total, 0, a.low, kept, min(most, (1 << kept) - 1), 0, not carry)

    def _carried(self, a: Node, b: Node, width: int, other: int, kept: int) -> Node:
        """a + b + 1, the carry made by a place below."""
        one = self.intern(Const(1))
        left = self.intern(Concat((one, a), (1, width)))
        right = self.intern(Concat((one, b), (1, other)))
        return self.intern(Bits(Add(left, right), 1, kept))

    def _below(self, a: Word, gap: int, total: Word, depth: int) -> Word:
        """A sum with the `gap` lowest bits of a below it."""
        if not gap:
            return Word(total.node, 0, a.low, total.width, total.most, depth, total.bare)
        node = self.intern(Concat((self._bits(a.node, 0, gap), total.node), (gap, total.width)))
        low = (1 << gap) - 1
        return Word(node, a.flip & low, a.low, gap + total.width, total.most << gap | low, depth)

    def _bits(self, x: Node, low: int, width: int) -> Node:
        if low == 0 and x.range.width <= width:
            return x
        return self.intern(Bits(x, low, width))

    def _plain(self, word: Word) -> Node:
        """The bits of a word with its inversions."""
        return self.intern(Xor(word.node, Const(word.flip))) if word.flip else word.node

    def number(self, word: Word | None, missing: int, signed: bool) -> Node:
        """A word plus what is missing, as a number of `width` bits."""
        total: Node = self.intern(Const(missing))
        if word is not None:
            total = self._plain(word)
            if word.low:
                total = self.intern(Concat((Const(0), total), (word.low, word.width)))
            if missing and word.bare and not word.low:
                less = self.intern(Const((missing - 1) % (1 << self.width)))
                total = self._carried(total, less, word.width, self.width, self.width)
            elif missing:
                total = self._bits(self.intern(Add(total, Const(missing))), 0, self.width)
        return self.intern(Signed(total, self.width)) if signed else total
