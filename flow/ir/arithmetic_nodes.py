"""Operations that add, multiply and clip integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.interval import BIT, IntRange
from flow.ir.node import Node, Value


@dataclass(frozen=True, slots=True, eq=False)
class Add(Node):
    """a + b"""

    mnemonic: ClassVar[str] = "add"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """[a.lo + b.lo, a.hi + b.hi]"""
        a, b = self.a.range, self.b.range
        return IntRange(a.lo + b.lo, a.hi + b.hi)

    def evaluate(self, *operands: Value) -> Value:
        """a + b"""
        return operands[0] + operands[1]


@dataclass(frozen=True, slots=True, eq=False)
class Sub(Node):
    """a - b"""

    mnemonic: ClassVar[str] = "sub"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """[a.lo - b.hi, a.hi - b.lo]"""
        a, b = self.a.range, self.b.range
        return IntRange(a.lo - b.hi, a.hi - b.lo)

    def evaluate(self, *operands: Value) -> Value:
        """a - b"""
        return operands[0] - operands[1]


@dataclass(frozen=True, slots=True, eq=False)
class Neg(Node):
    """-x"""

    mnemonic: ClassVar[str] = "neg"
    arity: ClassVar[int] = 1

    x: Node

    def infer_range(self) -> IntRange:
        """[-x.hi, -x.lo]"""
        return IntRange(-self.x.range.hi, -self.x.range.lo)

    def evaluate(self, *operands: Value) -> Value:
        """-x"""
        return -operands[0]


@dataclass(frozen=True, slots=True, eq=False)
class Shl(Node):
    """x * 2**amount"""

    mnemonic: ClassVar[str] = "shl"
    arity: ClassVar[int] = 1

    x: Node
    amount: int

    def infer_range(self) -> IntRange:
        """[x.lo << amount, x.hi << amount]"""
        return IntRange(self.x.range.lo << self.amount, self.x.range.hi << self.amount)

    def evaluate(self, *operands: Value) -> Value:
        """x << amount"""
        return operands[0] << self.amount


@dataclass(frozen=True, slots=True, eq=False)
class Shr(Node):
    """floor(x / 2**amount)"""

    mnemonic: ClassVar[str] = "shr"
    arity: ClassVar[int] = 1

    x: Node
    amount: int

    def infer_range(self) -> IntRange:
        """[x.lo >> amount, x.hi >> amount]"""
        return IntRange(self.x.range.lo >> self.amount, self.x.range.hi >> self.amount)

    def evaluate(self, *operands: Value) -> Value:
        """x >> amount"""
        return operands[0] >> self.amount


@dataclass(frozen=True, slots=True, eq=False)
class Mul(Node):
    """a * b"""

    mnemonic: ClassVar[str] = "mul"
    arity: ClassVar[int] = 2

    a: Node
    b: Node

    def infer_range(self) -> IntRange:
        """The hull of the four products of the ends; never negative for a square."""
        a, b = self.a.range, self.b.range
        ends = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
        if self.a is self.b:
            square = (a.lo * a.lo, a.hi * a.hi)
            return IntRange(0 if 0 in a else min(square), max(square))
        return IntRange(min(ends), max(ends))

    def evaluate(self, *operands: Value) -> Value:
        """a * b"""
        return operands[0] * operands[1]


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Node):
    """bias + sum(coefficients[i] * terms[i]): a row of a constant matrix-vector product.

    Lowering leaves these; `solve-linear` and its siblings choose the adders that compute them.
    """

    mnemonic: ClassVar[str] = "linear"
    arity: ClassVar[int] = -1

    terms: tuple[Node, ...]
    coefficients: tuple[int, ...]
    bias: int

    def infer_range(self) -> IntRange:
        """The exact hull: each term contributes its end by the sign of its coefficient."""
        lo = hi = self.bias
        for term, c in zip(self.terms, self.coefficients, strict=True):
            r = term.range
            if c >= 0:
                lo, hi = lo + c * r.lo, hi + c * r.hi
            else:
                lo, hi = lo + c * r.hi, hi + c * r.lo
        return IntRange(lo, hi)

    def evaluate(self, *operands: Value) -> Value:
        """bias + sum(coefficients[i] * terms[i])"""
        total: Value = self.bias
        for c, x in zip(self.coefficients, operands, strict=True):
            total = total + c * x
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Relu(Node):
    """max(x, 0)"""

    mnemonic: ClassVar[str] = "relu"
    arity: ClassVar[int] = 1

    x: Node

    def infer_range(self) -> IntRange:
        """[max(x.lo, 0), max(x.hi, 0)]"""
        return IntRange(max(0, self.x.range.lo), max(0, self.x.range.hi))

    def evaluate(self, *operands: Value) -> Value:
        """max(x, 0)"""
        return _max(operands[0], 0)


@dataclass(frozen=True, slots=True, eq=False)
class Clamp(Node):
    """min(max(x, lo), hi)"""

    mnemonic: ClassVar[str] = "clamp"
    arity: ClassVar[int] = 1

    x: Node
    lo: int
    hi: int

    def infer_range(self) -> IntRange:
        """The ends of x, each clamped."""
        if self.lo > self.hi:
            raise IRError(f"clamp to [{self.lo}, {self.hi}] is empty")
        x = self.x.range
        return IntRange(min(max(x.lo, self.lo), self.hi), min(max(x.hi, self.lo), self.hi))

    def evaluate(self, *operands: Value) -> Value:
        """min(max(x, lo), hi)"""
        return _min(_max(operands[0], self.lo), self.hi)


@dataclass(frozen=True, slots=True, eq=False)
class FullAdder(Node):
    """a + b + c of three bits: the sum is bit 0 of the result, the carry is bit 1."""

    mnemonic: ClassVar[str] = "full_adder"
    arity: ClassVar[int] = 3

    a: Node
    b: Node
    c: Node

    def infer_range(self) -> IntRange:
        """[0, 3], less what constant bits exclude."""
        a, b, c = self.a.range, self.b.range, self.c.range
        if a is b is c is BIT:
            return _ANY_THREE
        if min(a.lo, b.lo, c.lo) < 0 or max(a.hi, b.hi, c.hi) > 1:
            raise IRError("a full adder has an operand that is not one bit")
        return IntRange(a.lo + b.lo + c.lo, a.hi + b.hi + c.hi)

    def evaluate(self, *operands: Value) -> Value:
        """a + b + c"""
        return operands[0] + operands[1] + operands[2]


_ANY_THREE = IntRange(0, 3)


def _max(x: Value, bound: int) -> Value:
    return np.maximum(x, bound) if isinstance(x, np.ndarray) else max(x, bound)


def _min(x: Value, bound: int) -> Value:
    return np.minimum(x, bound) if isinstance(x, np.ndarray) else min(x, bound)
