"""The operations of a Circuit: one immutable class each, with its interval and its meaning.

Here are inputs, constants, choices and registers; `arithmetic_nodes.py` has those of arithmetic,
`bit_nodes.py` those of bits, `node.py` what all of them are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from flow.errors import IRError
from flow.ir.arithmetic_nodes import Add, Clamp, FullAdder, Linear, Mul, Neg, Relu, Shl, Shr, Sub
from flow.ir.bit_nodes import And, Bits, Concat, Or, Signed, Xor
from flow.ir.interval import BIT, IntRange
from flow.ir.node import Node, Value, field_names

__all__ = [
    "NODE_TYPES",
    "Add",
    "And",
    "Bits",
    "Clamp",
    "Compare",
    "Concat",
    "Const",
    "FullAdder",
    "Input",
    "Linear",
    "Lookup",
    "Mul",
    "Neg",
    "Node",
    "Or",
    "Register",
    "Relation",
    "Relu",
    "Select",
    "Shl",
    "Shr",
    "Signed",
    "Sub",
    "Value",
    "Xor",
    "field_names",
]  # fmt: skip

Relation = Literal["lt", "le", "eq", "ne"]


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


def _integer(result: Value) -> Value:
    return result.astype(np.int64) if isinstance(result, np.ndarray) else int(result)
