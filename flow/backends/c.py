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

from flow.backends.c_text import BLOCK_CLOSE, BLOCK_OPEN, PRELUDE
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

LANE_BITS = (8, 16, 32, 64)
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
    tables: dict[tuple[int, ...], int] = field(default_factory=dict)
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
        return self.tables.setdefault(entries, len(self.tables))

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
            text = (
                f"v{value} << {power}"
                if factor == 1 << power
                else (f"v{value} * {self.constant(factor)}")
            )
            self._products[key] = self._assign(text, (value,))
        return self._products[key]


def _same(node: Node) -> Node | None:
    """The operand that a node is always equal to, if there is one."""
    match node:
        case Register(x):
            return x
        case Relu(x) | Clamp(x) if x.range == node.range:
            return x
        case Signed(x) if x.range == node.range:
            return x
        case Shl(x, 0) | Shr(x, 0):
            return x
        case Bits(x, 0) if x.range == node.range:
            return x
        case _:
            return None


def _clamp(p: _Program, n: Clamp, x: str) -> str:
    if n.lo > n.x.range.lo:
        x = f"largest({x}, {p.constant(n.lo)})"
    return f"smallest({x}, {p.constant(n.hi)})" if n.hi < n.x.range.hi else x


def _concat(p: _Program, n: Concat, *parts: str) -> str:
    offset, terms = 0, []
    for part, operand, width in zip(parts, n.parts, n.widths, strict=True):
        if operand.range.hi > 0:
            terms.append(f"({part} << {offset})" if offset else part)
        offset += width
    return " | ".join(terms)


def _lookup(p: _Program, n: Lookup, x: str) -> str:
    lo, hi = n.x.range.lo, n.x.range.hi
    reached = tuple(p.wrap(v) for v in n.table[lo - n.base : hi - n.base + 1])
    return f"look({x}, table_{p.table(reached)}, {_literal(lo)})"


_RELATIONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}

RENDER: dict[type[Node], Callable[..., str]] = {
    Add: lambda p, n, a, b: f"{a} + {b}",
    Sub: lambda p, n, a, b: f"{a} - {b}",
    Neg: lambda p, n, x: f"-{x}",
    Shl: lambda p, n, x: f"{x} << {n.amount}",
    Shr: lambda p, n, x: f"{x} >> {min(n.amount, p.bits - 1)}",
    Mul: lambda p, n, a, b: f"{a} * {b}",
    Relu: lambda p, n, x: f"{x} & ~({x} >> {p.bits - 1})",
    Clamp: _clamp,
    Bits: lambda p, n, x: f"({x} >> {min(n.low, p.bits - 1)}) & {p.constant((1 << n.width) - 1)}",
    Signed: lambda p, n, x: f"({x} << {p.bits - n.width}) >> {p.bits - n.width}",
    Concat: _concat,
    And: lambda p, n, a, b: f"{a} & {b}",
    Or: lambda p, n, a, b: f"{a} | {b}",
    Xor: lambda p, n, a, b: f"{a} ^ {b}",
    Compare: lambda p, n, a, b: f"(block)({a} {_RELATIONS[n.relation]} {b}) & K(1)",
    Select: lambda p, n, c, a, b: f"either({c}, {a}, {b})",
    Lookup: _lookup,
    FullAdder: lambda p, n, a, b, c: f"{a} + {b} + {c}",
}
"""The C of each operation whose value is neither a constant nor that of its operand."""

STRUCTURAL: tuple[type[Node], ...] = (Input, Const, Register, Linear)
"""Operations that need no entry in RENDER: numbered, folded, passed through, or summed."""


def _literal(value: int) -> str:
    return f"{value}LL" if value > -(1 << 63) else "(-9223372036854775807LL - 1)"


@dataclass(slots=True)
class _Slots:
    """Places in the scratch array; one that is given back is used again."""

    place: dict[int, int]
    size: int
    free: list[int] = field(default_factory=list)

    def take(self, value: int) -> int:
        """A slot for a value."""
        if self.free:
            self.place[value] = self.free.pop()
        else:
            self.place[value] = self.size
            self.size += 1
        return self.place[value]


def _parts(program: _Program, results: list[int]) -> tuple[list[str], dict[int, int], int]:
    """The C functions, the slots of the results, and the length of the scratch array."""
    groups: list[list[_Step]] = [[]]
    length = 0
    for step in program.steps:
        if length >= PART_LENGTH:
            groups.append([])
            length = 0
        groups[-1].append(step)
        length += step.length
    last: dict[int, int] = dict.fromkeys(results, len(groups))
    for g, group in enumerate(groups):
        for step in group:
            for value in step.reads:
                last[value] = max(last.get(value, g), g)
    ends: dict[int, list[int]] = {}
    for value, g in last.items():
        ends.setdefault(g, []).append(value)
    slots = _Slots({v: v for v in range(program.inputs)}, program.inputs)
    texts = []
    for g, group in enumerate(groups):
        texts.append(_part(g, group, last, slots))
        slots.free.extend(slots.place[v] for v in ends.get(g, ()) if v in slots.place)
    return texts, slots.place, slots.size


def _part(index: int, group: list[_Step], last: dict[int, int], slots: _Slots) -> str:
    lines = [f"static __attribute__((noinline)) void part_{index}(block *restrict s) {{"]
    here: set[int] = set()
    for step in group:
        if step.target not in last:  # Only what folded to a constant read it.
            continue
        for value in step.reads:
            if value not in here:
                here.add(value)
                lines.append(f"    block v{value} = s[{slots.place[value]}];")
        here.add(step.target)
        lines.append(f"    {step.text}")
        if last[step.target] > index:
            lines.append(f"    s[{slots.take(step.target)}] = v{step.target};")
    return "\n".join([*lines, "}"])


def _ends(port: Port, index: int) -> list[str]:
    lo = ", ".join(_literal(lane.range.lo) for lane in port.lanes)
    hi = ", ".join(_literal(lane.range.hi) for lane in port.lanes)
    return [
        f"static const long long lo_{index}[] = {{{lo}}};",
        f"static const long long hi_{index}[] = {{{hi}}};",
    ]


def _text(circuit: Circuit, program: _Program, results: list[int]) -> str:
    parts, place, size = _parts(program, results)
    lines = [
        f"/* circuit {circuit.name}: {len(program.steps)} vector operations a block */",
        f"typedef int{program.bits}_t lane;",
        f"#define SLOTS {max(1, size)}",
    ]
    tables = [
        f"static const lane table_{i}[] = {{{', '.join(_literal(v) for v in table)}}};"
        for table, i in program.tables.items()
    ]
    body, offset = [], 0
    ends = []
    for i, port in enumerate(circuit.inputs):
        count = len(port.lanes)
        if count:
            ends += _ends(port, i)
            body.append(f"    LOAD({i}, {count}, s + {offset});")
        offset += count
    body += [f"    part_{i}(s);" for i in range(len(parts))]
    targets, offset = [], 0
    for i, port in enumerate(circuit.outputs):
        count = len(port.lanes)
        chosen = ", ".join(str(place[v]) for v in results[offset : offset + count])
        targets.append(f"static const int slot_{i}[] = {{{chosen}}};")
        body.append(f"    STORE({i}, {count});")
        offset += count
    return "\n".join(
        ["#include <stdint.h>", "#include <stdlib.h>", "", *lines, PRELUDE, *tables, *ends,
         *targets, "", *parts, "", BLOCK_OPEN, *body, BLOCK_CLOSE]
    )  # fmt: skip
