"""Constants and configurations of our C++ layers, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flow.errors import UnsupportedModel
from flow.ir.interval import IntRange
from flow.tools.hls4ml import Integer

ROW = 16
"""Constants on a line."""
WIDEST = 62
"""Bits of a constant, without its sign: what a C++ literal holds."""
_PLAIN = ((8, "signed char"), (16, "short"), (32, "int"), (64, "long long"))


def type_of(values: IntRange) -> Integer:
    """The narrowest type that holds every value."""
    return Integer(max(1, values.width), values.signed)


def signed_width(lo: int, hi: int) -> int:
    """Bits of the narrowest signed type that holds both."""
    return max(hi, ~lo).bit_length() + 1


def config(numbers: Mapping[str, int], widths: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """The lines of a configuration: numbers, and types by their signed width."""
    return (
        *(f"static const int {name} = {_literal(value)};" for name, value in numbers.items()),
        *(f"typedef flow::integer<{bits}> {name};" for name, bits in (widths or {}).items()),
    )


def array(name: str, values: Sequence[int], place: str) -> str:
    """The definition of an array; UnsupportedModel where a value is too wide for a literal."""
    lo, hi = min(values), max(values)
    if signed_width(lo, hi) > WIDEST + 1:
        raise UnsupportedModel(
            f"a constant of {signed_width(lo, hi)} bits is too wide for an HLS project",
            where=place,
            hint=f"at most {WIDEST + 1} bits; give inputs, weights or activations fewer bits",
        )
    rows = [", ".join(map(_literal, values[i : i + ROW])) for i in range(0, len(values), ROW)]
    body = ",\n    ".join(rows)
    kind = f"flow::integer<{signed_width(lo, hi)}>"
    return f"static const {kind} {name}[{len(values)}] = {{\n    {body}}};\n"


def plain_array(name: str, values: Sequence[int]) -> str:
    """The same for many values, in a C type that a compiler need not run code for."""
    bits = signed_width(min(values), max(values))
    kind = next(kind for most, kind in _PLAIN if bits <= most)
    rows = [", ".join(map(_literal, values[i : i + ROW])) for i in range(0, len(values), ROW)]
    body = ",\n    ".join(rows)
    return f"static const {kind} {name}[{len(values)}] = {{\n    {body}}};\n"


def _literal(value: int) -> str:
    return f"{value}LL" if not -(1 << 31) < value < 1 << 31 else str(value)
