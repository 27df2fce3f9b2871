"""Intervals that take into account that operands depend on one another.

Interval arithmetic forgets that x - x is zero. An affine form, a constant plus multiples of
inputs and of results of nonlinear operations, remembers it: L. H. de Figueiredo and J. Stolfi,
"Affine Arithmetic: Concepts and Applications", Numerical Algorithms 37 (2004); here with
integers and without rounding terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import (
    Add,
    Bits,
    Clamp,
    Const,
    Input,
    Linear,
    Neg,
    Node,
    Register,
    Relu,
    Shl,
    Signed,
    Sub,
)

TERMS = 128
"""A sum of more atoms than this becomes an atom itself, which keeps the analysis linear."""


@dataclass(frozen=True, slots=True)
class Affine:
    """bias + sum(c * atom)"""

    terms: Mapping[Node, int]
    bias: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """Intervals and forms of nodes met before: those of a node depend on nothing above it."""

    tight: dict[Node, IntRange] = field(default_factory=dict)
    forms: dict[Node, Affine] = field(default_factory=dict)


def tight_ranges(circuit: Circuit, known: Known | None = None) -> dict[Node, IntRange]:
    """An interval for each node, within `node.range`, that holds all its values.

    What is `known` is not computed again, and gets more.
    """
    known = known or Known()
    tight, forms = known.tight, known.forms
    for node in circuit.walk():
        if node in tight:
            continue
        interval = _meet(node.range, _recomputed(node, tight))
        form = _form(node, forms, tight)
        if form is None or len(form.terms) > TERMS:
            forms[node] = Affine({node: 1})
        else:
            forms[node] = form
            interval = _meet(interval, _hull(form, tight))
        tight[node] = interval
    return tight


def _meet(a: IntRange, b: IntRange) -> IntRange:
    if b.lo <= a.lo and a.hi <= b.hi:
        return a
    return IntRange(max(a.lo, b.lo), min(a.hi, b.hi))


def _recomputed(node: Node, tight: Mapping[Node, IntRange]) -> IntRange:
    """The interval that the operation infers from the tight intervals of its operands."""
    if all(tight[x] is x.range or tight[x] == x.range for x in node.operands):
        return node.range
    stand_ins = {x: Input("x", 0, tight[x].lo, tight[x].hi) for x in node.operands}
    return node.with_operands(*(stand_ins[x] for x in node.operands)).range


def _hull(form: Affine, tight: Mapping[Node, IntRange]) -> IntRange:
    lo = hi = form.bias
    for x, c in form.terms.items():
        r = tight[x]
        lo, hi = (lo + c * r.lo, hi + c * r.hi) if c > 0 else (lo + c * r.hi, hi + c * r.lo)
    return IntRange(lo, hi)


def _form(
    node: Node, forms: Mapping[Node, Affine], tight: Mapping[Node, IntRange]
) -> Affine | None:
    """The affine form of a linear operation, or of one that changes nothing; else None."""
    match node:
        case Const(value):
            return Affine({}, value)
        case Add(a, b):
            return _sum(((forms[a], 1), (forms[b], 1)))
        case Sub(a, b):
            return _sum(((forms[a], 1), (forms[b], -1)))
        case Neg(x):
            return _sum(((forms[x], -1),))
        case Shl(x, amount):
            return _sum(((forms[x], 1 << amount),))
        case Linear(terms, coefficients, bias):
            parts = tuple((forms[x], c) for x, c in zip(terms, coefficients, strict=True))
            return _sum(((Affine({}, bias), 1), *parts))
        case Register(x):
            # One clock later the atoms hold other values, but a copy of a copy is a copy.
            return None
        case Bits(x, 0, width) if tight[x].lo >= 0 and tight[x].width <= width:
            return forms[x]
        case Signed(x, width) if _fits_signed(tight[x], width):
            return forms[x]
        case Relu(x) if tight[x].lo >= 0:
            return forms[x]
        case Clamp(x, lo, hi) if lo <= tight[x].lo and tight[x].hi <= hi:
            return forms[x]
    return None


def _fits_signed(r: IntRange, width: int) -> bool:
    return -(1 << (width - 1)) <= r.lo and r.hi < 1 << (width - 1)


def _sum(parts: tuple[tuple[Affine, int], ...]) -> Affine:
    total: dict[Node, int] = {}
    bias = 0
    for form, factor in parts:
        bias += factor * form.bias
        for x, c in form.terms.items():
            total[x] = total.get(x, 0) + factor * c
    if 0 in total.values():
        total = {x: c for x, c in total.items() if c}
    return Affine(total, bias)
