"""Verilog expressions over the wires of a circuit, of exactly the width that is asked for.

Every operand is extended or cut here, by wiring, before an operator sees it. So no expression
depends on how Verilog extends operands, and none mixes widths.
"""

from __future__ import annotations

from flow.ir.nodes import Node

HEX_FROM = 33
"""Literals of this width and more are hexadecimal: some tools read no longer decimal ones."""


def constant(node: Node) -> bool:
    """Whether only one value is possible; such a node is a literal wherever it is read."""
    return node.range.lo == node.range.hi


def literal(value: int, width: int) -> str:
    """`value` modulo 2**width as a sized literal."""
    value = value & ((1 << width) - 1) if value >= 0 or width >= HEX_FROM else value
    if width >= HEX_FROM:
        return f"{width}'h{value & ((1 << width) - 1):x}"
    return f"{width}'d{value}" if value >= 0 else f"-{width}'d{-value & ((1 << width) - 1)}"


def signed_literal(value: int, width: int) -> str:
    """A literal that comparisons take as signed; the value must fit."""
    if width >= HEX_FROM or value == -(1 << (width - 1)):
        return f"{width}'sh{value & ((1 << width) - 1):x}"
    return f"{width}'sd{value}" if value >= 0 else f"-{width}'sd{-value}"


class Wires:
    """Names of the nodes that have a wire, and which bits of each have been read."""

    def __init__(self) -> None:
        self.names: dict[Node, str] = {}
        self.read: dict[Node, int] = {}
        self.functions: dict[tuple[int, int, tuple[int, ...]], str] = {}

    def bits(self, x: Node, low: int, width: int) -> str:
        """Bits low .. low+width-1 of x, whose two's complement goes on for ever."""
        interval = x.range
        if interval.lo == interval.hi:
            return literal(interval.lo >> low, width)
        name, own = self.names[x], interval.width
        top = low + width
        if low >= own:
            return self._filled(x, width)
        end = min(top, own)
        self.read[x] = self.read.get(x, 0) | (((1 << (end - low)) - 1) << low)
        if end - low == own:
            part = name
        elif end - low == 1:
            part = f"{name}[{low}]"
        else:
            part = f"{name}[{end - 1}:{low}]"
        return part if top <= own else f"{{{self._filled(x, top - own)}, {part}}}"

    def fit(self, x: Node, width: int) -> str:
        """x modulo 2**width; all of x where `width` suffices for it."""
        return self.bits(x, 0, width)

    def sign(self, x: Node) -> str:
        """The sign bit of x, which may be negative."""
        return self.bits(x, x.range.width - 1, 1)

    def operand(self, x: Node, width: int, signed: bool) -> str:
        """x as an operand of a comparison of `width` bits, signed or unsigned as a whole."""
        if not signed:
            return self.fit(x, width)
        if constant(x):
            return signed_literal(x.range.lo, width)
        text = self.fit(x, width)
        return text if x.range.signed and x.range.width == width else f"$signed({text})"

    def _filled(self, x: Node, count: int) -> str:
        """`count` copies of what stands above the bits of x."""
        if not x.range.signed:
            return literal(0, count)
        own = x.range.width
        self.read[x] = self.read.get(x, 0) | (1 << (own - 1))
        sign = self.names[x] if own == 1 else f"{self.names[x]}[{own - 1}]"
        return sign if count == 1 else f"{{{count}{{{sign}}}}}"
