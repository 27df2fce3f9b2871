"""Rules of bit fields: Bits, Signed, Concat and FullAdder."""

from __future__ import annotations

from flow.ir.builder import Rule
from flow.ir.interval import twos_complement, unsigned
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Concat,
    Const,
    FullAdder,
    Linear,
    Neg,
    Node,
    Shl,
    Shr,
    Signed,
    Sub,
)


def bits_that_are_all(node: Node) -> Node | None:
    """bits(x, l, w) -> x >> l, where 0 <= x >> l < 2**w"""
    match node:
        case Bits(x, low, width):
            if x.range.lo >= 0 and x.range.hi >> low <= unsigned(width).hi:
                return Shr(x, low) if low else x
    return None


def bits_of_shift(node: Node) -> Node | None:
    """bits(x >> k, l, w) -> bits(x, l+k, w);  bits(x << k, l, w) -> bits(x, l-k, w) or 0"""
    match node:
        case Bits(Shr(x, k), low, width):
            return Bits(x, low + k, width)
        case Bits(Shl(x, k), low, width) if k <= low:
            return Bits(x, low - k, width)
        case Bits(Shl(_, k), low, width) if k >= low + width:
            return Const(0)
    return None


def bits_of_field(node: Node) -> Node | None:
    """bits(bits(x, a, v), l, w) -> bits(x, a+l, min(w, v-l));  bits(signed(x, v), l, w) alike"""
    match node:
        case Bits(Bits(x, first, outer), low, width):
            if low >= outer:
                return Const(0)
            return Bits(x, first + low, min(width, outer - low))
        case Bits(Signed(x, outer), low, width) if low + width <= outer:
            return Bits(x, low, width)
    return None


def bits_of_concat(node: Node) -> Node | None:
    """bits of a concat -> bits of one part, or the parts, where both ends fall on edges"""
    match node:
        case Bits(Concat(parts, widths), low, width):
            end, offset, inside = low + width, 0, []
            for part, part_width in zip(parts, widths, strict=True):
                start, offset = offset, offset + part_width
                if start <= low and end <= offset:
                    return Bits(part, low - start, width)
                if low <= start and offset <= end:
                    inside.append((part, part_width))
                elif start < end and offset > low:
                    return None
            return Concat(tuple(p for p, _ in inside), tuple(w for _, w in inside))
    return None


def bits_of_mask(node: Node) -> Node | None:
    """bits(x & c, l, w) -> bits(x, l, w) where c is all ones there, 0 where it is all zeros"""
    match node:
        case Bits(And(x, Const(c)) | And(Const(c), x), low, width):
            field = (c >> low) & unsigned(width).hi
            if field == 0:
                return Const(0)
            if field == unsigned(width).hi:
                return Bits(x, low, width)
    return None


def signed_that_fits(node: Node) -> Node | None:
    """signed(x, w) -> x, where -2**(w-1) <= x < 2**(w-1)"""
    match node:
        case Signed(x, width) if twos_complement(width).covers(x.range):
            return x
    return None


def signed_of_field(node: Node) -> Node | None:
    """signed(signed(x, v), w) -> signed(x, min(v, w));  signed(bits(x, 0, v), w) -> signed(x, w)"""
    match node:
        case Signed(Signed(x, inner), width):
            return Signed(x, min(inner, width))
        case Signed(Bits(x, 0, inner), width) if width <= inner:
            return Signed(x, width)
    return None


def cut_of_sum(node: Node) -> Node | None:
    """signed(signed(x, v) + y, w) -> signed(x + y, w), where w <= v;  signed(... >> l, w) and
    bits(..., l, w) alike, where l + w <= v: what wraps at more bits wraps at fewer, too"""
    match node:
        case Signed(Add() | Sub() | Neg() | Linear() as total, width):
            inner = _uncut(total, width)
            return None if inner is None else Signed(inner, width)
        case Signed(Shr(Add() | Sub() | Neg() | Linear() as total, amount), width):
            inner = _uncut(total, amount + width)
            return None if inner is None else Signed(Shr(inner, amount), width)
        case Bits(Add() | Sub() | Neg() | Linear() as total, low, width):
            inner = _uncut(total, low + width)
            return None if inner is None else Bits(inner, low, width)
    return None


def _uncut(total: Node, width: int) -> Node | None:
    """A sum without the cuts of its operands that leave the low `width` bits."""
    operands = []
    for x in total.operands:
        match x:
            case Signed(inner, kept) | Bits(inner, 0, kept) if kept >= width:
                operands.append(inner)
            case _:
                operands.append(x)
    if all(a is b for a, b in zip(operands, total.operands, strict=True)):
        return None
    return total.with_operands(*operands)


def concat_parts(node: Node) -> Node | None:
    """concat(x) -> x;  nested concats, constants side by side and zeros on top are merged"""
    assert isinstance(node, Concat)
    parts: list[tuple[Node, int]] = []
    for part, width in _flat(node):
        match parts, part:
            case [*_, (Const(c), before)], Const(d):
                parts[-1] = Const(c + (d << before)), before + width
            case _ if width:
                parts.append((part, width))
    while len(parts) > 1 and parts[-1][0].range.hi == 0:
        parts.pop()
    if len(parts) == 1:
        return parts[0][0]
    if tuple(p for p, _ in parts) == node.parts:
        return None
    return Concat(tuple(p for p, _ in parts), tuple(w for _, w in parts))


def _flat(node: Concat) -> list[tuple[Node, int]]:
    """The parts, with each part that is a concat and as wide as its field taken apart."""
    flat: list[tuple[Node, int]] = []
    for part, width in zip(node.parts, node.widths, strict=True):
        if isinstance(part, Concat) and sum(part.widths) <= width:
            flat += zip(part.parts, part.widths, strict=True)
            if width > sum(part.widths):
                flat.append((Const(0), width - sum(part.widths)))
        else:
            flat.append((part, width))
    return flat


def concat_of_one_word(node: Node) -> Node | None:
    """concat of the neighbouring fields bits(x, l, v), bits(x, l+v, w) -> bits(x, l, v+w)"""
    assert isinstance(node, Concat)
    first = _field(node.parts[0])
    if first is None:
        return None
    word, low, _ = first
    at = low
    for i, (part, width) in enumerate(zip(node.parts, node.widths, strict=True)):
        field = _field(part)
        if field is None or field[0] is not word or field[1] != at:
            return None
        if field[2] != width and i < len(node.parts) - 1:
            return None
        at += field[2]
    return Bits(word, low, at - low)


def _field(part: Node) -> tuple[Node, int, int] | None:
    """The word, the lowest bit and the width of a field; x >> l is the field of all high bits."""
    match part:
        case Bits(x, low, width):
            return x, low, width
        case Shr(x, low) if x.range.lo >= 0:
            return x, low, x.range.width - low
    return None


def full_adder_of_equals(node: Node) -> Node | None:
    """0 + 0 + x -> x;  x + x + c -> concat(c, x)"""
    match node:
        case FullAdder(Const(0), Const(0), x):
            return x
        case FullAdder(Const(0), x, Const(0)) | FullAdder(x, Const(0), Const(0)):
            return x
        case FullAdder(a, b, c) if a is b:
            return Concat((c, a), (1, 1))
        case FullAdder(a, b, c) if b is c:
            return Concat((a, b), (1, 1))
        case FullAdder(a, b, c) if a is c:
            return Concat((b, a), (1, 1))
    return None


RULES: dict[type[Node], tuple[Rule, ...]] = {
    Bits: (
        bits_that_are_all,
        bits_of_shift,
        bits_of_field,
        bits_of_concat,
        bits_of_mask,
        cut_of_sum,
    ),
    Signed: (signed_that_fits, signed_of_field, cut_of_sum),
    Concat: (concat_parts, concat_of_one_word),
    FullAdder: (full_adder_of_equals,),
}
