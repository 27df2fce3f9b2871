"""Masked sums, tournaments and gates as scalar operations on just those bits that are read."""

from __future__ import annotations

from collections.abc import Sequence

from flow.ir.approximate import MaskedDense, Rounds
from flow.ir.builder import Builder
from flow.ir.gate_layer import Gates
from flow.ir.interval import BIT
from flow.ir.nodes import And, Bits, Compare, Concat, Const, Linear, Node, Select, Shr, Signed

Field = tuple[int, int]
"""The lowest bit and the width of a run of ones in a mask."""


def runs(mask: int) -> list[Field]:
    """The runs of ones of a mask that is not negative, the lowest first."""
    found = []
    low = 0
    while mask >> low:
        if mask >> low & 1:
            width = ((~(mask >> low)) & ((mask >> low) + 1)).bit_length() - 1
            found.append((low, width))
            low += width
        low += 1
    return found


def masked_sums(layer: MaskedDense, row: Sequence[Node], intern: Builder) -> list[Node]:
    """One linear row for each output, its terms fields of inputs and of truncated products.

    A product by a power of two is a shift, so what it keeps is a mask on the input.
    """
    sums: list[Node] = []
    for weights, masks, keeps, bias in zip(
        layer.weights.T.tolist(),
        layer.masks.T.tolist(),
        layer.keep.T.tolist(),
        layer.bias.tolist(),
        strict=True,
    ):
        terms: list[tuple[Node, int]] = []
        for x, w, mask, keep in zip(row, weights, masks, keeps, strict=True):
            size, sign = abs(w), -1 if w < 0 else 1
            if keep == -1 or size & (size - 1) == 0:
                seen = mask if keep == -1 else mask & (keep >> max(0, size.bit_length() - 1))
                terms += ((part, sign * size << low) for part, low in fields(x, seen, intern))
            else:
                parts = fields(x, mask, intern)
                product = intern(
                    Linear(tuple(p for p, _ in parts), tuple(size << low for _, low in parts), 0)
                )
                terms += ((part, sign << low) for part, low in fields(product, keep, intern))
        terms = [(x, c) for x, c in terms if c]
        sums.append(intern(Linear(tuple(x for x, _ in terms), tuple(c for _, c in terms), bias)))
    return sums


def fields(x: Node, mask: int, intern: Builder) -> list[tuple[Node, int]]:
    """The parts of x & mask, x never negative, each with its lowest place."""
    width = x.range.width
    parts: list[tuple[Node, int]] = []
    for low, size in runs(mask & ((1 << width) - 1)):
        whole = low == 0 and size == width
        parts.append((x if whole else intern(Bits(x, low, size)), low))
    return parts


def tournament_winner(row: Sequence[Node], rounds: Rounds, intern: Builder) -> Node:
    """The index of the winner; a winner is carried as the bits that later comparators read."""
    count = len(row)
    masks = [_canonical(mask, row) for _, _, mask in rounds]
    read = [0] * (count + len(rounds))
    for c in range(len(rounds) - 1, -1, -1):
        for place in rounds[c][:2]:
            read[place] |= masks[c] | read[count + c]
    # Elements have all their bits, winners just those that are read.
    held = [-1] * count + read[count:]
    values = list(row)
    indices: list[Node] = [intern(Const(i)) for i in range(count)]
    for c, (left, right, _) in enumerate(rounds):
        a, b = (gathered(values[p], _inside(masks[c], held[p]), intern) for p in (left, right))
        passes = intern(Compare(a, b, "lt"))
        kept = read[count + c]
        a, b = (gathered(values[p], _inside(kept, held[p]), intern) for p in (left, right))
        values.append(intern(Select(passes, b, a)))
        indices.append(intern(Select(passes, indices[right], indices[left])))
    return indices[-1]


def gathered(x: Node, mask: int, intern: Builder) -> Node:
    """The bits of x that a mask keeps, side by side, in the order of the masked values.

    Masks are of two's complement; a negative one keeps all bits above its zeros, and the sign.
    """
    width = x.range.width
    if mask == -1:
        return x
    top = (~mask).bit_length()
    if mask < 0 and not mask & ((1 << top) - 1):
        return intern(Shr(x, top))
    signed = mask < 0 and x.range.signed
    if mask < 0 or not x.range.signed:
        mask &= (1 << (max(width, top + 1) if signed else width)) - 1
    parts = runs(mask)
    if not parts:
        return intern(Const(0))
    if not x.range.signed and parts == [(0, width)]:
        return x
    words = tuple(intern(Bits(x, low, size)) for low, size in parts)
    widths = tuple(size for _, size in parts)
    word = words[0] if len(words) == 1 else intern(Concat(words, widths))
    return intern(Signed(word, sum(widths))) if signed else word


def _canonical(mask: int, row: Sequence[Node]) -> int:
    """The least mask that orders the values alike: one copy of the sign, no bit above the widest"""
    if mask < 0:
        return mask
    if any(x.range.signed for x in row):
        sign = max(x.range.width - x.range.signed for x in row)
        low = (1 << sign) - 1
        return mask & low | (1 << sign if mask > low else 0)
    full = (1 << max(x.range.width for x in row)) - 1
    return -1 if mask & full == full else mask & full


def _inside(mask: int, held: int) -> int:
    """A mask for the number that has just the bits `held` side by side, all of `mask` in them."""
    result = place = 0
    for i in range(max(mask.bit_length(), held.bit_length())):
        if held >> i & 1:
            result |= (mask >> i & 1) << place
            place += 1
    return result | (-1 << place) if mask < 0 else result


def gate_words(layer: Gates, row: Sequence[Node], intern: Builder) -> list[Node]:
    """The outputs of a graph of gates, each gate a node of one bit."""
    zero, one = intern(Const(0)), intern(Const(1))
    signals: list[Node] = [zero]
    for x, width in zip(row, layer.widths, strict=True):
        whole = width == 1 and BIT.covers(x.range)
        signals += [x if whole else intern(Bits(x, i, 1)) for i in range(width)]

    def signal(literal: int) -> Node:
        node = signals[literal >> 1]
        if not literal & 1:
            return node
        return one if node is zero else intern(Compare(node, zero, "eq"))

    for a, b in layer.gates:
        signals.append(intern(And(signal(a), signal(b))))
    words = []
    for literals in layer.words:
        bits = tuple(signal(v) for v in literals)
        words.append(bits[0] if len(bits) == 1 else intern(Concat(bits, (1,) * len(bits))))
    return words
