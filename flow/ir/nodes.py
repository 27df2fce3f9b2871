"""The operations of a Circuit: one immutable class each, with its interval and its meaning.

An operand field comes before every attribute field. `evaluate` takes one value per operand and
works alike on Python integers and on numpy integer arrays, so a batch of samples costs one
numpy operation per node. Width and sign follow from `range` and are never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Literal

import numpy as np

from flow.errors import IRError
from flow.ir.interval import BIT, IntRange, twos_complement, unsigned

Value = Any
"""A Python integer, or a numpy array of integers with one entry per sample."""

Relation = Literal["lt", "le", "eq", "ne"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One integer operation. A Builder makes equal nodes the same object.

    Not an ABC: `isinstance` and `match` on one are several times slower.
    """

    mnemonic: ClassVar[str]
    arity: ClassVar[int]
    """Number of operand fields; -1 where the first field is a tuple of operands."""

    range: IntRange = field(init=False, repr=False)
    operands: tuple[Node, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kind: Any = type(self)
        object.__setattr__(self, "operands", _readers(kind)[0](self))
        object.__setattr__(self, "range", self.infer_range())

    @property
    def attributes(self) -> tuple[Any, ...]:
        """Values of the fields that are not operands, in order of declaration."""
        kind: Any = type(self)
        values: tuple[Any, ...] = _readers(kind)[1](self)
        return values

    def with_operands(self, *operands: Node) -> Node:
        """The same operation on other operands."""
        if self.operands == operands:
            return self
        first: tuple[Any, ...] = (operands,) if self.arity < 0 else operands
        return type(self)(*first, *self.attributes)

    def infer_range(self) -> IntRange:
        """The interval of the result, from the intervals of the operands."""
        raise NotImplementedError

    def evaluate(self, *operands: Value) -> Value:
        """The result for given values of the operands."""
        raise NotImplementedError


def field_names(kind: type[Node]) -> tuple[str, ...]:
    """Names of the fields of an operation: operands, then attributes."""
    names: tuple[str, ...] = getattr(kind, "__match_args__", ())
    return names


@cache
def _readers(kind: Any) -> tuple[Callable[[Node], Any], Callable[[Node], Any]]:
    """How to read the operands and the attributes of a kind of node, each as a tuple."""
    names, arity = field_names(kind), abs(kind.arity)
    operands = attrgetter(names[0]) if kind.arity < 0 else _all_of(names[:arity])
    return operands, _all_of(names[arity:])


def _all_of(names: tuple[str, ...]) -> Callable[[Node], Any]:
    match names:
        case ():
            return lambda node: ()
        case (name,):
            one = attrgetter(name)
            return lambda node: (one(node),)
    return attrgetter(*names)


@dataclass(frozen=True, slots=True, eq=False)
class Input(Node):
    """Lane `index` of the input port `port`."""

    mnemonic: ClassVar[str] = "input"
    arity: ClassVar[int] = 0

    port: str
    index: int
    lo: int
    hi: int

    def infer_range(self) -> IntRange:
        """[lo, hi]"""
        return IntRange(self.lo, self.hi)

    def evaluate(self, *operands: Value) -> Value:
        """Refuses: an input has no value of its own."""
        raise IRError(f"input {self.port}[{self.index}] has no value of its own")


@dataclass(frozen=True, slots=True, eq=False)
class Const(Node):
    """An integer constant."""

    mnemonic: ClassVar[str] = "const"
    arity: ClassVar[int] = 0

    value: int

    def infer_range(self) -> IntRange:
        """[value, value]"""
        return IntRange(self.value, self.value)

    def evaluate(self, *operands: Value) -> Value:
        """value"""
        return self.value


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
class Bits(Node):
    """floor(x / 2**low) mod 2**width: bits low .. low+width-1 of two's complement, unsigned."""

    mnemonic: ClassVar[str] = "bits"
    arity: ClassVar[int] = 1

    x: Node
    low: int
    width: int

    def infer_range(self) -> IntRange:
        """The shifted interval where nothing wraps, else all of `width` bits."""
        lo, hi = self.x.range.lo >> self.low, self.x.range.hi >> self.low
        page = lo >> self.width
        if page == hi >> self.width:
            return IntRange(lo - (page << self.width), hi - (page << self.width))
        return unsigned(self.width)

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


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Node):
    """1 where `a relation b` holds, else 0. Relations: lt, le, eq, ne."""

    mnemonic: ClassVar[str] = "compare"
    arity: ClassVar[int] = 2

    a: Node
    b: Node
    relation: Relation

    def infer_range(self) -> IntRange:
        """[0, 1], or one of its ends where the intervals decide."""
        a, b = self.a.range, self.b.range
        if self.relation in ("eq", "ne"):
            if a.hi < b.lo or b.hi < a.lo:
                value = int(self.relation == "ne")
                return IntRange(value, value)
            return BIT
        strict = self.relation == "lt"
        if a.hi < b.lo or (not strict and a.hi == b.lo):
            return IntRange(1, 1)
        if a.lo > b.hi or (strict and a.lo == b.hi):
            return IntRange(0, 0)
        return BIT

    def evaluate(self, *operands: Value) -> Value:
        """int(a relation b)"""
        a, b = operands
        match self.relation:
            case "lt":
                result = a < b
            case "le":
                result = a <= b
            case "eq":
                result = a == b
            case "ne":
                result = a != b
        return _integer(result)


@dataclass(frozen=True, slots=True, eq=False)
class Select(Node):
    """`then` where the condition is 1, `other` where it is 0."""

    mnemonic: ClassVar[str] = "select"
    arity: ClassVar[int] = 3

    condition: Node
    then: Node
    other: Node

    def infer_range(self) -> IntRange:
        """The hull of both branches."""
        if not BIT.covers(self.condition.range):
            raise IRError(f"a select has a condition with range {self.condition.range}")
        return self.then.range.hull(self.other.range)

    def evaluate(self, *operands: Value) -> Value:
        """then if condition else other"""
        condition, then, other = operands
        if isinstance(condition, np.ndarray):
            return np.where(condition != 0, then, other)
        return then if condition else other


@dataclass(frozen=True, slots=True, eq=False)
class Lookup(Node):
    """table[x - base]: a function of one small operand, given by its values."""

    mnemonic: ClassVar[str] = "lookup"
    arity: ClassVar[int] = 1

    x: Node
    base: int
    table: tuple[int, ...]

    def infer_range(self) -> IntRange:
        """The hull of the entries that x can reach."""
        lo, hi = self.x.range.lo - self.base, self.x.range.hi - self.base
        if lo < 0 or hi >= len(self.table):
            raise IRError(
                f"a lookup of {len(self.table)} entries from {self.base} meets {self.x.range}"
            )
        reached = self.table[lo : hi + 1]
        return IntRange(min(reached), max(reached))

    def evaluate(self, *operands: Value) -> Value:
        """table[x - base]"""
        x = operands[0]
        if isinstance(x, np.ndarray):
            return np.array(self.table, dtype=x.dtype)[(x - self.base).astype(np.int64)]
        return self.table[x - self.base]


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
        if min(a.lo, b.lo, c.lo) < 0 or max(a.hi, b.hi, c.hi) > 1:
            raise IRError("a full adder has an operand that is not one bit")
        return IntRange(a.lo + b.lo + c.lo, a.hi + b.hi + c.hi)

    def evaluate(self, *operands: Value) -> Value:
        """a + b + c"""
        return operands[0] + operands[1] + operands[2]


@dataclass(frozen=True, slots=True, eq=False)
class Register(Node):
    """x, one clock later. Over a stream of samples the value is that of x."""

    mnemonic: ClassVar[str] = "register"
    arity: ClassVar[int] = 1

    x: Node

    def infer_range(self) -> IntRange:
        """The interval of x."""
        return self.x.range

    def evaluate(self, *operands: Value) -> Value:
        """x"""
        return operands[0]


NODE_TYPES: tuple[type[Node], ...] = (
    Input, Const, Add, Sub, Neg, Shl, Shr, Mul, Linear, Relu, Clamp, Bits, Signed, Concat,
    And, Or, Xor, Compare, Select, Lookup, FullAdder, Register,
)  # fmt: skip
"""Every operation, in reading order. Tests hold each table of operations against this one."""


def _max(x: Value, bound: int) -> Value:
    return np.maximum(x, bound) if isinstance(x, np.ndarray) else max(x, bound)


def _min(x: Value, bound: int) -> Value:
    return np.minimum(x, bound) if isinstance(x, np.ndarray) else min(x, bound)


def _integer(result: Value) -> Value:
    return result.astype(np.int64) if isinstance(result, np.ndarray) else int(result)


def _refuse_negative(node: Node) -> None:
    if any(x.range.signed for x in node.operands):
        raise IRError(f"{node.mnemonic} of a number that may be negative")
