"""Integer operations on vectors of AIG literals, the lowest bit first, in two's complement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.ir.aig import FALSE, TRUE, AigBuilder
from flow.ir.interval import IntRange

Vector = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """The literals of a number, as many as its interval needs, and whether the last is its sign."""

    bits: Vector
    signed: bool

    def bit(self, i: int) -> int:
        """Bit i, also above the top."""
        if i < len(self.bits):
            return self.bits[i]
        return self.bits[-1] if self.signed else FALSE

    def extended(self, width: int) -> Vector:
        """The low `width` bits."""
        return tuple(self.bit(i) for i in range(width))

    @property
    def sign(self) -> int:
        """Whether the number is negative."""
        return self.bits[-1] if self.signed else FALSE


def constant(value: int, width: int) -> Vector:
    """The low bits of a constant."""
    return tuple(TRUE if value >> i & 1 else FALSE for i in range(width))


def fitted(bits: Sequence[int], interval: IntRange) -> Word:
    """A number known to lie in an interval: bits that the interval decides become constants."""
    width, lo, hi = interval.width, interval.lo, interval.hi
    return Word(tuple(bits[i] if lo >> i != hi >> i else lo >> i & 1 for i in range(width)), lo < 0)


def add(g: AigBuilder, a: Word, b: Word, width: int) -> Vector:
    """a + b, modulo 2**width: a ripple of full adders, the last without a carry."""
    total, carry = [], FALSE
    for i in range(width):
        x, y = a.bit(i), b.bit(i)
        if i + 1 < width:
            bit, carry = g.full_adder(x, y, carry)
        else:
            bit = g.xor(g.xor(x, y), carry)
        total.append(bit)
    return tuple(total)


def quick_add(g: AigBuilder, a: Word, b: Word, width: int, carry: int = FALSE) -> Vector:
    """a + b + carry, modulo 2**width, with all carries after log2(width) steps.

    The conditional sums of J. Sklansky, IRE Trans. Electronic Computers EC-9 (1960), as a tree of
    spans that end at each bit: whether one makes a carry, and whether it hands one on.
    """
    x, y = a.extended(width), b.extended(width)
    half = [g.xor(p, q) for p, q in zip(x, y, strict=True)]
    makes = [g.conj(p, q) for p, q in zip(x, y, strict=True)]
    hands = [g.disj(p, q) for p, q in zip(x, y, strict=True)]
    if width:
        makes[0] = g.cheap_majority(x[0], y[0], carry)
    step = 1
    while step < width - 1:
        for i in range(width - 1):
            if i & step:
                below = (i & -step) - 1
                makes[i] = g.disj(makes[i], g.conj(hands[i], makes[below]))
                hands[i] = g.conj(hands[i], hands[below])
        step *= 2
    return tuple(g.xor(h, c) for h, c in zip(half, [carry, *makes], strict=False))


def quick_subtract(g: AigBuilder, a: Word, b: Word, width: int) -> Vector:
    """a - b, modulo 2**width, by `quick_add`."""
    opposite = Word(tuple(bit ^ 1 for bit in b.extended(width)), False)
    return quick_add(g, a, opposite, width, TRUE)


def quick_less(g: AigBuilder, a: Word, b: Word, or_equal: bool) -> int:
    """Whether a < b (or a <= b): the borrow of a - b by a tree of spans."""
    if or_equal:
        return quick_less(g, b, a, False) ^ 1
    width = max(len(a.bits) + b.signed, len(b.bits) + a.signed, 1)
    pairs = [(a.bit(i) ^ 1, b.bit(i)) for i in range(width)]
    if a.signed or b.signed:  # The sign bits weigh the other way round.
        pairs[-1] = pairs[-1][1] ^ 1, pairs[-1][0] ^ 1
    spans = [(g.conj(x, y), g.disj(x, y)) for x, y in pairs]
    while len(spans) > 1:
        joined = [
            (g.disj(high[0], g.conj(high[1], low[0])), g.conj(high[1], low[1]))
            for low, high in zip(spans[::2], spans[1::2], strict=False)
        ]
        spans = joined + spans[len(spans) & ~1 :]
    return spans[0][0]


def subtract(g: AigBuilder, a: Word, b: Word, width: int) -> Vector:
    """a - b, modulo 2**width: a ripple of full subtractors."""
    total, borrow = [], FALSE
    for i in range(width):
        x, y = a.bit(i), b.bit(i)
        if i + 1 < width:
            bit, borrow = g.full_adder(x ^ 1, y, borrow)
            total.append(bit ^ 1)
        else:
            total.append(g.xor(g.xor(x, y), borrow))
    return tuple(total)


def less(g: AigBuilder, a: Word, b: Word, or_equal: bool) -> int:
    """Whether a < b (or a <= b): the borrow of a - b alone."""
    if or_equal:
        return less(g, b, a, False) ^ 1
    width = max(len(a.bits) + b.signed, len(b.bits) + a.signed, 1)
    borrow = FALSE
    for i in range(width - 1):
        borrow = g.cheap_majority(a.bit(i) ^ 1, b.bit(i), borrow)
    x, y = a.bit(width - 1), b.bit(width - 1)
    if a.signed or b.signed:
        x, y = y, x  # The sign bits weigh the other way round.
    return g.cheap_majority(x ^ 1, y, borrow)


def equal(g: AigBuilder, a: Word, b: Word) -> int:
    """Whether a = b."""
    width = max(len(a.bits) + b.signed, len(b.bits) + a.signed)
    return g.all([g.xor(a.bit(i), b.bit(i)) ^ 1 for i in range(width)])


def clamp(g: AigBuilder, x: Word, interval: IntRange, lo: int, hi: int) -> Vector:
    """min(max(x, lo), hi), for x in an interval."""
    bits = x.extended(max(interval.width, hi.bit_length() + 1, lo.bit_length() + 1))
    low, high = constant(lo, len(bits)), constant(hi, len(bits))
    if interval.hi > hi:
        above = _above(g, x, hi)
        bits = tuple(g.mux(above, h, v) for h, v in zip(high, bits, strict=True))
    if interval.lo < lo:
        below = less(g, x, Word(low, True), False)
        bits = tuple(g.mux(below, v, y) for v, y in zip(low, bits, strict=True))
    return bits


def _above(g: AigBuilder, x: Word, hi: int) -> int:
    if hi >= 0 and hi & (hi + 1) == 0:  # All ones: one of the bits above them is set.
        over = g.any([x.bit(i) for i in range(hi.bit_length(), len(x.bits) - x.signed)])
        return g.conj(over, x.sign ^ 1)
    return less(g, Word(constant(hi, hi.bit_length() + 1), True), x, False)


def weighted_sum(g: AigBuilder, terms: Sequence[tuple[int, int]], bias: int, width: int) -> Vector:
    """bias + sum(weight * bit), modulo 2**width, for (weight, bit) pairs.

    Weights are taken apart into signed digits (Avizienis 1961), a bit of negative weight is
    inverted, which moves a constant, and the columns are compressed by full adders
    (Wallace 1964, Dadda 1965).
    """
    columns: list[list[int]] = [[] for _ in range(width)]
    for weight, bit in terms:
        for place, digit in signed_digits(weight):
            if place >= width or bit == FALSE:
                continue
            if bit == TRUE:
                bias += digit << place
            elif digit > 0:
                columns[place].append(bit)
            else:
                columns[place].append(bit ^ 1)
                bias -= 1 << place
    for place in range(width):
        if bias >> place & 1:
            columns[place].append(TRUE)
    return compress(g, columns)


def compress(g: AigBuilder, columns: list[list[int]]) -> Vector:
    """The number whose bits of weight 2**i are columns[i], modulo 2**len(columns)."""
    total = []
    for i, column in enumerate(columns):
        queue = sorted(column, reverse=True)  # Constants go last, into a carry's place.
        last = i + 1 == len(columns)
        at = 0
        while len(queue) - at > 1:
            triple = queue[at : at + 3] if len(queue) - at > 2 else [*queue[at : at + 2], FALSE]
            at += 3 if len(queue) - at > 2 else 2
            a, b, c = triple
            if last:
                queue.append(g.xor(g.xor(a, b), c))
                continue
            bit, carry = g.full_adder(a, b, c)
            queue.append(bit)
            if carry != FALSE:
                columns[i + 1].append(carry)
        total.append(queue[at] if at < len(queue) else FALSE)
    return tuple(total)


def signed_digits(value: int) -> list[tuple[int, int]]:
    """The canonical signed digits of a number, as (place, -1 or 1); no two are neighbours."""
    digits, place = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            digits.append((place, digit))
            value -= digit
        value >>= 1
        place += 1
    return digits


def multiply(g: AigBuilder, a: Word, b: Word, width: int) -> Vector:
    """a * b, modulo 2**width, by partial products; a square takes half of them."""
    terms: list[tuple[int, int]] = []
    for i, x in enumerate(a.bits):
        for j, y in enumerate(b.bits):
            weight = _weight(a, i) * _weight(b, j)
            if a == b:
                if i > j:
                    continue
                weight *= 1 if i == j else 2
            terms.append((weight, g.conj(x, y)))
    return weighted_sum(g, terms, 0, width)


def weighted_bits(x: Word, weight: int) -> list[tuple[int, int]]:
    """The (weight, bit) pairs of weight * x."""
    return [(weight * _weight(x, i), bit) for i, bit in enumerate(x.bits)]


def _weight(x: Word, i: int) -> int:
    return -(1 << i) if x.signed and i + 1 == len(x.bits) else 1 << i


def lookup(g: AigBuilder, x: Word, interval: IntRange, base: int, table: Sequence[int],
           width: int) -> Vector:  # fmt: skip
    """table[x - base], by Shannon's expansion from the top bit, equal parts shared.

    Entries that x cannot reach are free, and two halves that can agree become one.
    """
    count = len(x.bits)
    mask = (1 << count) - 1
    entries = {v & mask: table[v - base] for v in range(interval.lo, interval.hi + 1)}
    result = []
    for i in range(width):
        ones = sum(1 << at for at, v in entries.items() if v >> i & 1)
        known = sum(1 << at for at in entries)
        result.append(_shannon(g, x.bits, ones, known, {}))
    return tuple(result)


def _shannon(
    g: AigBuilder, bits: Vector, ones: int, known: int, memo: dict[tuple[int, int, int], int]
) -> int:
    """The function that is 1 at `ones`, and 0 at the rest of `known`; depth is that of `bits`."""
    if ones == 0:
        return FALSE
    if ones == known:
        return TRUE
    key = (len(bits), ones, known)
    if key not in memo:
        half = 1 << (len(bits) - 1)
        low = (1 << half) - 1
        o0, o1, k0, k1 = ones & low, ones >> half, known & low, known >> half
        rest = bits[:-1]
        both = k0 & k1
        if o0 & both == o1 & both:
            memo[key] = _shannon(g, rest, o0 | o1, k0 | k1, memo)
        elif (o0 ^ k0) & both == o1 & both:
            memo[key] = g.xor(bits[-1], _shannon(g, rest, o0 | (o1 ^ k1), k0 | k1, memo))
        else:
            then = _shannon(g, rest, o1, k1, memo)
            memo[key] = g.mux(bits[-1], then, _shannon(g, rest, o0, k0, memo))
    return memo[key]
