"""Circuit -> C: one block of samples at a time, a lane of a vector for each sample.

The text is for speed of meaning only (`flow.verify.compiled`); it is never part of an emission.
It uses the vector extensions that GCC and Clang share, and wraps like two's complement, so it
must be built with `-fwrapv`. Lanes are the narrowest of 8, 16, 32 and 64 bits that hold every
wire. Straight-line functions of bounded length keep the compiler quick; values that one function
hands to another lie in a scratch array, whose slots are used again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flow.errors import InternalError
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Clamp,
    Compare,
    Concat,
    Const,
    FullAdder,
    Input,
    Linear,
    Lookup,
    Mul,
    Neg,
    Node,
    Or,
    Register,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
    Sub,
    Xor,
)

ENTRY = "flow_run"
"""The one exported function; see the text at the end of this file for its arguments."""

OUT_OF_MEMORY = -2

LANE_BITS = (8, 16, 32, 64)
BLOCK_BYTES = 64  # One AVX-512 register; elsewhere the compiler takes several narrower ones.
PART_LENGTH = 256  # Vector operations in a C function.
ROW_LENGTH = 32  # Terms of a sum in a C statement.


def lane_bits(circuit: Circuit) -> int | None:
    """Bits of the narrowest lane that holds every wire; None where 64 are too few."""
    lo = min((node.range.lo for node in circuit.walk()), default=0)
    hi = max((node.range.hi for node in circuit.walk()), default=0)
    for bits in LANE_BITS:
        if -(1 << (bits - 1)) <= lo and hi < 1 << (bits - 1):
            return bits
    return None


def emit_c(circuit: Circuit) -> str:
    """The C text; equal circuits give equal text. Raises InternalError above 64 bits."""
    bits = lane_bits(circuit)
    if bits is None:
        raise InternalError(
            f"circuit {circuit.name!r} has wires of more than 64 bits, so it cannot be C",
            hint="use flow.ir.evaluate, which has no limit",
        )
    program = _Program(bits)
    for port in circuit.inputs:
        for lane in port.lanes:
            program.add_input(lane)
    for node in circuit.walk():
        program.add(node)
    results = [program.kept(lane) for port in circuit.outputs for lane in port.lanes]
    return _text(circuit, program, results)


@dataclass(frozen=True, slots=True)
class _Step:
    """One C assignment: the value it defines, the values that it reads, and its text."""

    target: int
    reads: tuple[int, ...]
    text: str
    length: int = 1


@dataclass(slots=True)
class _Program:
    """The values of a circuit, numbered; constants have no number and stand in the text."""

    bits: int
    steps: list[_Step] = field(default_factory=list)
    tables: list[tuple[int, ...]] = field(default_factory=list)
    inputs: int = 0
    _count: int = 0
    _value: dict[Node, int | str] = field(default_factory=dict)
    _products: dict[tuple[int, int], int] = field(default_factory=dict)

    def add_input(self, lane: Node) -> None:
        """Number an input lane; the loader fills its slot."""
        self._value[lane] = self._new()
        self.inputs = self._count

    def add(self, node: Node) -> None:
        """Append the assignments that compute a node from its operands."""
        if isinstance(node, Input):
            return
        r = node.range
        if r.lo == r.hi:
            self._value[node] = self.constant(r.lo)
        elif (same := _same(node)) is not None:
            self._value[node] = self._value[same]
        elif isinstance(node, Linear):
            self._value[node] = self._sum(node)
        else:
            texts = [self._ref(self._value[x]) for x in node.operands]
            self._value[node] = self._assign(
                RENDER[type(node)](self, node, *texts),
                tuple(v for x in node.operands if isinstance(v := self._value[x], int)),
            )

    def kept(self, lane: Node) -> int:
        """The number of an output lane; a constant gets one."""
        value = self._value[lane]
        return value if isinstance(value, int) else self._assign(value, ())

    def constant(self, value: int) -> str:
        """A block that holds one integer, reduced to the lane."""
        return f"K({_literal(self.wrap(value))})"

    def wrap(self, value: int) -> int:
        """The lane that is equal to the integer modulo 2**bits."""
        half = 1 << (self.bits - 1)
        return ((value + half) & ((1 << self.bits) - 1)) - half

    def table(self, entries: tuple[int, ...]) -> int:
        """The index of a table of constants; equal tables are one."""
        if entries not in self.tables:
            self.tables.append(entries)
        return self.tables.index(entries)

    def _new(self) -> int:
        self._count += 1
        return self._count - 1

    def _assign(self, text: str, reads: tuple[int, ...], length: int = 1) -> int:
        target = self._new()
        self.steps.append(_Step(target, reads, f"block v{target} = {text};", length))
        return target

    @staticmethod
    def _ref(value: int | str) -> str:
        return value if isinstance(value, str) else f"v{value}"

    def _sum(self, node: Linear) -> int:
        """The row as additions of products; a product is computed once for all rows."""
        offset, signed = node.bias, []
        for term, c in zip(node.terms, node.coefficients, strict=True):
            value = self._value[term]
            if isinstance(value, str):
                offset += c * term.range.lo
            elif self.wrap(c):
                signed.append((c > 0, self._product(value, abs(c))))
        total: int | str = self.constant(offset)
        if not self.wrap(offset) and signed:
            total = ""
        for start in range(0, len(signed), ROW_LENGTH):
            group = signed[start : start + ROW_LENGTH]
            terms = "".join(f" {'+' if plus else '-'} v{v}" for plus, v in group)
            reads = (*([total] if isinstance(total, int) else []), *(v for _, v in group))
            first = f"{self._ref(total)}{terms}".removeprefix(" + ").strip()
            total = self._assign(first, reads, len(group))
        return total if isinstance(total, int) else self._assign(total, ())

    def _product(self, value: int, factor: int) -> int:
        if self.wrap(factor) == 1:
            return value
        key = (value, factor)
        if key not in self._products:
            power = factor.bit_length() - 1
            text = f"v{value} << {power}" if factor == 1 << power else (
                f"v{value} * {self.constant(factor)}"
            )
            self._products[key] = self._assign(text, (value,))
        return self._products[key]
