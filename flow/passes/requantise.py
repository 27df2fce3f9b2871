"""Integer arithmetic for a requantisation by any rational factor, shown equal before it is used.

A requantisation is a monotone step function of an integer. It is known completely by its
thresholds: for each result level, the operand at which it is first reached. A multiply-shift
(m * x + c) >> s is equal on the whole interval exactly if it has the same thresholds, so the
smallest m and s are searched and accepted by that test alone (in the manner of the
magic-number division of Granlund and Montgomery, "Division by Invariant Integers using
Multiplication", PLDI 1994, but for a bounded operand).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Literal

from flow.errors import UnsupportedModel
from flow.ir.interval import IntRange
from flow.ir.nodes import (
    Add,
    Bits,
    Clamp,
    Compare,
    Const,
    Linear,
    Lookup,
    Neg,
    Node,
    Relu,
    Select,
    Shl,
    Shr,
    Signed,
)
from flow.ir.rounding import Rounding, reaches, round_fraction

MAX_LEVELS = 1 << 16
"""More result levels than this are not searched: the exact product is used instead."""

MAX_SHIFT = 64
MAX_TABLE = 1 << 12
"""What no arithmetic does is a table of at most so many entries."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """y = round(x * multiplier + offset), before overflow, for x in `operand`."""

    operand: IntRange
    multiplier: Fraction
    offset: Fraction
    rounding: Rounding

    def exact(self, x: int) -> int:
        """The result for one operand."""
        return round_fraction(x * self.multiplier + self.offset, self.rounding)


def requantise(
    x: Node,
    scaling: Scaling,
    lo: int,
    hi: int,
    overflow: Literal["saturate", "wrap"],
) -> Node:
    """Nodes that compute overflow(round(x * multiplier + offset)) into [lo, hi] exactly.

    The nodes are not interned.
    """
    if scaling.multiplier < 0:
        flipped = Scaling(
            IntRange(-scaling.operand.hi, -scaling.operand.lo),
            -scaling.multiplier,
            scaling.offset,
            scaling.rounding,
        )
        return requantise(Neg(x), flipped, lo, hi, overflow)
    first, last = scaling.exact(scaling.operand.lo), scaling.exact(scaling.operand.hi)
    if overflow == "wrap":
        if first == last or lo == hi:
            return Const((first - lo) % (hi - lo + 1) + lo)
        inside = clamp(_scaled(x, scaling, first, last), first, last)
        return inside if lo <= first and last <= hi else _wrapped(inside, lo, hi)
    bottom, top = min(max(first, lo), hi), min(max(last, lo), hi)
    if bottom == top:
        return Const(bottom)
    return clamp(_scaled(x, scaling, bottom, top), bottom, top)


def clamp(x: Node, lo: int, hi: int) -> Node:
    """x limited to [lo, hi], by the least operation."""
    if lo <= x.range.lo and x.range.hi <= hi:
        return x
    if lo == 0 and x.range.hi <= hi:
        return Relu(x)
    return Clamp(x, lo, hi)


def _wrapped(y: Node, lo: int, hi: int) -> Node:
    modulus = hi - lo + 1
    width = modulus.bit_length() - 1
    if modulus == 1 << width:
        if lo == -(modulus >> 1):
            return Signed(y, width)
        return Bits(y, 0, width) if lo == 0 else _plus(Bits(_plus(y, -lo), 0, width), lo)
    if y.range.count > MAX_TABLE:
        raise UnsupportedModel(
            f"values in {y.range} wrap into [{lo}, {hi}], which is not a number of bits",
            hint="let the quantiser saturate, or choose an interval of 2**n values",
        )
    return Lookup(
        y, y.range.lo, tuple((v - lo) % modulus + lo for v in range(y.range.lo, y.range.hi + 1))
    )


def _plus(y: Node, constant: int) -> Node:
    return Add(y, Const(constant)) if constant else y


def _scaled(x: Node, scaling: Scaling, bottom: int, top: int) -> Node:
    """A node equal to the rounded scaling wherever that lies in [bottom, top].

    Beyond, it lies on the same side, so that a clamp to [bottom, top] gives equality.
    """
    m, b = scaling.multiplier, scaling.offset
    if m == 0:
        return Const(round_fraction(b, scaling.rounding))
    denominator = lcm(m.denominator, b.denominator)
    if scaling.rounding in ("floor", "half_up") and _dyadic(m.denominator):
        # These two look at whole units of the last place alone, so the offset may lose the rest.
        denominator = max(2, m.denominator, b.denominator if _dyadic(b.denominator) else 1)
    dyadic = _dyadic(denominator)
    if dyadic and m.numerator == 1:
        return _shifted(x, scaling, denominator)
    if dyadic and m.denominator == 1 and m.numerator & (m.numerator - 1) == 0:
        return _shifted(x, scaling, denominator)
    if top - bottom <= MAX_LEVELS:
        thresholds = {k: _threshold(scaling, k) for k in range(bottom + 1, top + 1)}
        found = find_multiply_shift(scaling, thresholds)
        if found is not None:
            factor, constant, shift = found
            return _shr(Linear((x,), (factor,), constant), shift)
        if top - bottom <= 64:
            return _counted(x, scaling, thresholds, bottom)
    if dyadic:
        return _shifted(x, scaling, denominator)
    if x.range.count <= MAX_TABLE:
        values = range(x.range.lo, x.range.hi + 1)
        return Lookup(x, x.range.lo, tuple(min(max(scaling.exact(v), bottom), top) for v in values))
    raise UnsupportedModel(
        f"no integer arithmetic was found for {m} * x + {b} with {scaling.rounding} "
        f"on {scaling.operand}",
        hint="round half up, or quantise what comes before it to at most 12 bits",
    )


def _dyadic(denominator: int) -> bool:
    return denominator & (denominator - 1) == 0


def _shifted(x: Node, scaling: Scaling, denominator: int) -> Node:
    """(n * x + b) / 2**s, rounded: the exact product, for a power-of-two denominator."""
    s = denominator.bit_length() - 1
    n, b = int(scaling.multiplier * denominator), floor(scaling.offset * denominator)
    # A common power of two of n and b leaves before the shift.
    while s and n % 2 == 0 and b % 2 == 0:
        n, b, s = n >> 1, b >> 1, s - 1
    if s == 0:
        return _product(x, n, b)
    half = 1 << (s - 1)
    match scaling.rounding:
        case "floor":
            return _shr(_product(x, n, b), s)
        case "ceil":
            return _shr(_product(x, n, b + 2 * half - 1), s)
        case "half_up":
            return _shr(_product(x, n, b + half), s)
        case "half_down":
            return _shr(_product(x, n, b + half - 1), s)
        case "half_even":
            t = _product(x, n, b)
            return _shr(Add(_offset(t, half - 1), Bits(t, s, 1)), s)
        case "zero":
            t = _product(x, n, b)
            below = Compare(t, Const(0), "lt")
            return _shr(Add(t, Select(below, Const(2 * half - 1), Const(0))), s)
        case "half_away":
            t = _product(x, n, b)
            at_least = Compare(Const(0), t, "le")
            return _shr(Add(_offset(t, half - 1), at_least), s)
        case "half_zero":
            t = _product(x, n, b)
            below = Compare(t, Const(0), "lt")
            return _shr(Add(_offset(t, half - 1), below), s)


def _product(x: Node, n: int, b: int) -> Node:
    if n & (n - 1) == 0:
        return _offset(Shl(x, n.bit_length() - 1) if n > 1 else x, b)
    return Linear((x,), (n,), b)


def _offset(x: Node, b: int) -> Node:
    return Add(x, Const(b)) if b else x


def _shr(x: Node, s: int) -> Node:
    return Shr(x, s) if s else x


def _threshold(scaling: Scaling, level: int) -> int:
    """The least operand whose result reaches the level."""
    bound, inclusive = reaches(level, scaling.rounding)
    at = (bound - scaling.offset) / scaling.multiplier
    return ceil(at) if inclusive else floor(at) + 1


def find_multiply_shift(
    scaling: Scaling, thresholds: dict[int, int]
) -> tuple[int, int, int] | None:
    """The smallest (m, c, s) such that (m * x + c) >> s reaches each level at its threshold.

    `thresholds` maps each level to the least operand that reaches it. Equality of all
    thresholds is equality on the whole interval, because both functions are monotone.
    """
    levels = list(thresholds.items())
    for shift in range(MAX_SHIFT):
        middle = scaling.multiplier * (1 << shift)
        for m in sorted({floor(middle), ceil(middle)} - {0}):
            least = max((k << shift) - m * x for k, x in levels)
            most = min((k << shift) - m * (x - 1) for k, x in levels) - 1
            if least <= most:
                return m, _roundest(least, most), shift
    return None


def _roundest(least: int, most: int) -> int:
    """The integer of the interval with the most trailing zeros."""
    if least <= 0 <= most:
        return 0
    for k in range(max(abs(least), abs(most)).bit_length(), -1, -1):
        candidate = -((-least) >> k) << k
        if candidate <= most:
            return candidate
    return least


def _counted(x: Node, scaling: Scaling, thresholds: dict[int, int], bottom: int) -> Node:
    """bottom + the number of thresholds that x has reached."""
    terms = tuple(Compare(Const(t), x, "le") for t in thresholds.values())
    return Linear(terms, (1,) * len(terms), bottom)
