"""How each operation of a circuit reads in Verilog: one function for each node class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flow.backends.expressions import Wires, constant, literal, signed_literal
from flow.errors import InternalError
from flow.ir.interval import BIT, IntRange
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

_RELATIONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}


def render(node: Node, wires: Wires) -> str:
    """An expression of `node.range.width` bits. Raises InternalError for an unsupported node."""
    expression = RENDER.get(type(node))
    if expression is None:
        raise InternalError(
            f"the Verilog backend met {node.mnemonic!r}, which a pass has to expand before"
        )
    return expression(node, wires)


def _add(node: Add, wires: Wires) -> str:
    a, b, width = node.a, node.b, node.range.width
    if constant(a):
        a, b = b, a
    if constant(b) and b.range.hi < 0:
        return f"{wires.fit(a, width)} - {literal(-b.range.hi, width)}"
    return f"{wires.fit(a, width)} + {wires.fit(b, width)}"


def _sub(node: Sub, wires: Wires) -> str:
    width = node.range.width
    return f"{wires.fit(node.a, width)} - {wires.fit(node.b, width)}"


def _neg(node: Neg, wires: Wires) -> str:
    return f"-{wires.fit(node.x, node.range.width)}"


def _mul(node: Mul, wires: Wires) -> str:
    # Both factors are as wide as the product, so its low bits are exact whatever the signs. Where
    # a factor is signed both are marked so: synthesis then sees through the copies of the sign.
    width = node.range.width
    if any(x.range.signed for x in node.operands):
        return " * ".join(_signed(x, width, wires) for x in node.operands)
    return f"{wires.fit(node.a, width)} * {wires.fit(node.b, width)}"


def _signed(x: Node, width: int, wires: Wires) -> str:
    if constant(x) and x.range.width <= width - (not x.range.signed):
        return signed_literal(x.range.lo, width)
    return f"$signed({wires.fit(x, width)})"


def _shl(node: Shl, wires: Wires) -> str:
    x = wires.fit(node.x, node.x.range.width)
    return f"{{{x}, {literal(0, node.amount)}}}" if node.amount else x


def _shr(node: Shr, wires: Wires) -> str:
    return wires.bits(node.x, node.amount, node.range.width)


def _bits(node: Bits, wires: Wires) -> str:
    return wires.bits(node.x, node.low, node.range.width)


def _resign(node: Signed, wires: Wires) -> str:
    return wires.fit(node.x, node.range.width)


def _concat(node: Concat, wires: Wires) -> str:
    fields: list[str] = []
    offset = 0
    for part, field in zip(node.parts, node.widths, strict=True):
        width = min(field, node.range.width - offset)
        if width > 0:
            fields.append(wires.fit(part, width))
        offset += field
    return fields[0] if len(fields) == 1 else f"{{{', '.join(reversed(fields))}}}"


def _bitwise(operator: str) -> Callable[[Any, Wires], str]:
    def expression(node: And | Or | Xor, wires: Wires) -> str:
        width = node.range.width
        return f"{wires.fit(node.a, width)} {operator} {wires.fit(node.b, width)}"

    return expression


def _relu(node: Relu, wires: Wires) -> str:
    width = node.range.width
    value = wires.fit(node.x, width)
    if not node.x.range.signed:
        return value
    return f"{wires.sign(node.x)} ? {literal(0, width)} : {value}"


def _clamp(node: Clamp, wires: Wires) -> str:
    x, width = node.x, node.range.width
    text = ""
    if x.range.lo < node.lo:
        below = wires.sign(x) if node.lo == 0 else _compared(x, "<", node.lo, wires)
        text += f"{below} ? {literal(node.lo, width)} : "
    if x.range.hi > node.hi:
        text += f"{_compared(x, '>', node.hi, wires)} ? {literal(node.hi, width)} : "
    return text + wires.fit(x, width)


def _compared(x: Node, operator: str, bound: int, wires: Wires) -> str:
    """x against a bound that lies inside its interval."""
    signed, width = x.range.signed, x.range.width
    number = signed_literal(bound, width) if signed else literal(bound, width)
    return f"({wires.operand(x, width, signed)} {operator} {number})"


def _compare(node: Compare, wires: Wires) -> str:
    a, b = node.a, node.b
    if a is b:  # Linters take a comparison with itself for a mistake.
        return literal(int(node.relation in ("le", "eq")), 1)
    if node.relation == "eq" and a.range == BIT and b.range.hi == 0:
        return f"~{wires.fit(a, 1)}"
    both = a.range.hull(b.range)
    signed = both.signed and node.relation in ("lt", "le")
    operator = _RELATIONS[node.relation]
    left, right = (wires.operand(x, max(1, both.width), signed) for x in (a, b))
    return f"{left} {operator} {right}"


def _select(node: Select, wires: Wires) -> str:
    width = node.range.width
    if constant(node.condition):
        return wires.fit(node.then if node.condition.range.hi else node.other, width)
    then, other = wires.fit(node.then, width), wires.fit(node.other, width)
    return f"{wires.fit(node.condition, 1)} ? {then} : {other}"


def _lookup(node: Lookup, wires: Wires) -> str:
    width = node.x.range.width
    name = wires.functions[table_of(node)]
    return f"{name}({wires.fit(node.x, width)})"


def table_of(node: Lookup) -> tuple[int, int, tuple[int, ...]]:
    """Width of the result, width of the index, and the entry at each pattern of the index.

    A pattern that the operand never takes has the entry of the nearest reachable one before
    it, or the first one.
    """
    reach: IntRange = node.x.range
    size = 1 << reach.width
    entries: list[int] = []
    last = node.table[(0 if 0 in reach else reach.lo) - node.base]
    for pattern in range(size):
        value = pattern - size if reach.signed and pattern >= size // 2 else pattern
        if value in reach:
            last = node.table[value - node.base]
        entries.append(last)
    return node.range.width, reach.width, tuple(entries)


def _full_adder(node: FullAdder, wires: Wires) -> str:
    # Written out: `+` would become an adder of two bits with a carry chain of its own.
    a, b, c = [wires.fit(x, 1) for x in sorted(node.operands, key=constant)]
    if node.range.width == 1:
        return f"{a} ^ {b} ^ {c}"
    if not constant(node.operands[2]) or constant(node.operands[1]):
        return f"{{({a} & {b}) | ({c} & ({a} ^ {b})), {a} ^ {b} ^ {c}}}"
    return f"{{{a} | {b}, {a} ~^ {b}}}" if node.c.range.lo else f"{{{a} & {b}, {a} ^ {b}}}"


def _copy(node: Register, wires: Wires) -> str:
    return wires.fit(node.x, node.range.width)


def _no_expression(node: Node, wires: Wires) -> str:
    raise InternalError(f"{node.mnemonic} is no expression of its own")


RENDER: Mapping[type[Node], Callable[[Any, Wires], str]] = {
    Input: _no_expression,  # A slice of its port, made with the port.
    Const: _no_expression,  # A literal wherever it is read.
    Add: _add,
    Sub: _sub,
    Neg: _neg,
    Shl: _shl,
    Shr: _shr,
    Mul: _mul,
    Relu: _relu,
    Clamp: _clamp,
    Bits: _bits,
    Signed: _resign,
    Concat: _concat,
    And: _bitwise("&"),
    Or: _bitwise("|"),
    Xor: _bitwise("^"),
    Compare: _compare,
    Select: _select,
    Lookup: _lookup,
    FullAdder: _full_adder,
    Register: _copy,
}
"""The expression of each supported operation."""

UNSUPPORTED: frozenset[type[Node]] = frozenset({Linear})
"""What a pass has to expand first."""
