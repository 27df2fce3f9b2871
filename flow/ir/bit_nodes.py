"""Operations on the bits of integers: fields, sign, concatenation, gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.errors import IRError
from flow.ir.interval import IntRange, twos_complement, unsigned
from flow.ir.node import Node, Value


@dataclass(frozen=True, slots=True, eq=False)
class Bits(Node):
    """floor(x / 2**low) mod 2**width: bits low .. low+width-1 of two's complement, unsigned."""

    mnemonic: ClassVar[str] = "bits"
    arity: ClassVar[int] = 1

    x: Node
    low: int
    width: int

    def infer_range(self) -> IntRange:
        """The shifted interval where nothing wraps, else all of `width` bits."""
        x, low, width = self.x.range, self.low, self.width
        lo, hi = x.lo >> low, x.hi >> low
        page, every = lo >> width, unsigned(width)
        if page != hi >> width or hi - lo == every.hi:
            return every
        return IntRange(lo - (page << width), hi - (page << width))

    def evaluate(self, *operands: Value) -> Value:
        """(x >> low) & (2**width - 1)"""
        return (operands[0] >> self.low) & ((1 << self.width) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Signed(Node):
    """The low `width` bits of x, read as a two's complement number."""

    mnemonic: ClassVar[str] = "signed"
    arity: ClassVar[int] = 1

    x: Node
    width: int

    def infer_range(self) -> IntRange:
        """The interval of x where it already fits, else all of `width` bits."""
        every = twos_complement(self.width)
        return self.x.range if every.covers(self.x.range) else every

    def evaluate(self, *operands: Value) -> Value:
        """((x + 2**(width-1)) mod 2**width) - 2**(width-1)"""
        half = 1 << (self.width - 1)
        return ((operands[0] + half) & ((1 << self.width) - 1)) - half


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Node):
    """sum(parts[i] << offset of part i): unsigned fields side by side, the lowest first."""

    mnemonic: ClassVar[str] = "concat"
    arity: ClassVar[int] = -1

    parts: tuple[Node, ...]
    widths: tuple[int, ...]

    def infer_range(self) -> IntRange:
        """The sum of the shifted intervals."""
        lo = hi = offset = 0
        for part, width in zip(self.parts, self.widths, strict=True):
            if not unsigned(width).covers(part.range):
                raise IRError(f"a part with range {part.range} does not fit {width} bits")
            lo, hi = lo + (part.range.lo << offset), hi + (part.range.hi << offset)
            offset += width
        return IntRange(lo, hi)

    def evaluate(self, *operands: Value) -> Value:
        """sum(parts[i] << (widths[0] + ... + widths[i-1]))"""
        total: Value = 0
        offset = 0
        for x, width in zip(operands, self.widths, strict=True):
            total = total + (x << offset)
            offset += width
        return total


@dataclass(frozen=True, slots=True, eq=False)
class And(Node):
    """Bitwise and of two numbers that are never negative; with a constant, a mask."""

    mnemonic: ClassVar[str] = "and"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """[0, min(a.hi, b.hi)]"""
        _refuse_negative(self)
        return IntRange(0, min(self.a.range.hi, self.b.range.hi))

    def evaluate(self, *operands: Value) -> Value:
        """a & b"""
        return operands[0] & operands[1]


@dataclass(frozen=True, slots=True, eq=False)
class Or(Node):
    """Bitwise or of two numbers that are never negative."""

    mnemonic: ClassVar[str] = "or"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """From the larger low end to all bits of the wider one."""
        _refuse_negative(self)
        width = max(self.a.range.width, self.b.range.width)
        return IntRange(max(self.a.range.lo, self.b.range.lo), (1 << width) - 1)

    def evaluate(self, *operands: Value) -> Value:
        """a | b"""
        return operands[0] | operands[1]


@dataclass(frozen=True, slots=True, eq=False)
class Xor(Node):
    """Bitwise exclusive or of two numbers that are never negative."""

    mnemonic: ClassVar[str] = "xor"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """All bits of the wider operand."""
        _refuse_negative(self)
        return unsigned(max(self.a.range.width, self.b.range.width))

    def evaluate(self, *operands: Value) -> Value:
        """a ^ b"""
        return operands[0] ^ operands[1]


def _refuse_negative(node: Node) -> None:
    for x in node.operands:
        if x.range.lo < 0:
            raise IRError(f"{node.mnemonic} of a number that may be negative")
