"""A normal form of Circuits in which most exact rewrites vanish: linear forms over atoms.

Additions, shifts, concatenations, full adders and bits of words are integer linear forms over
shifts to the right (x mod 2**k = x - 2**k * floor(x / 2**k)); a clamp is two ReLUs; comparisons
are signs of differences. So adder graphs and compressor trees that compute the same rows become
the same nodes, whatever their structure (cf. Ciesielski et al., "Understanding algebraic
rewriting for arithmetic circuit verification", 2020). Every rule is an identity of integers, so
circuits of equal normal form are equal; unequal forms say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from flow.ir import nodes as n
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import BIT, IntRange


@dataclass(frozen=True, slots=True)
class Form:
    """bias + sum(weight * atom); no weight is zero."""

    weights: Mapping[n.Node, int]
    bias: int = 0

    def plus(self, other: Form, factor: int = 1) -> Form:
        """self + factor * other"""
        weights = dict(self.weights)
        for atom, weight in other.weights.items():
            total = weights.get(atom, 0) + factor * weight
            if total:
                weights[atom] = total
            else:
                weights.pop(atom, None)
        return Form(weights, self.bias + factor * other.bias)

    def times(self, factor: int) -> Form:
        """factor * self"""
        if factor == 0:
            return Form({})
        return Form({x: factor * w for x, w in self.weights.items()}, factor * self.bias)

    @property
    def hull(self) -> IntRange:
        """Between the ends that the intervals of the atoms allow."""
        lo = hi = self.bias
        for atom, weight in self.weights.items():
            ends = weight * atom.range.lo, weight * atom.range.hi
            lo, hi = lo + min(ends), hi + max(ends)
        return IntRange(lo, hi)


class Normaliser:
    """Brings circuits into normal form; equal forms of one normaliser are the same nodes."""

    def __init__(self) -> None:
        self._intern = Builder()
        self._number: dict[n.Node, int] = {}

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit in normal form, without registers; lanes may have wider intervals."""
        forms: dict[n.Node, Form] = {}
        for node in circuit.walk():
            forms[node] = self._form(node, [forms[x] for x in node.operands])
        outputs = tuple(
            Port(port.name, tuple(self._node(forms[lane]) for lane in port.lanes))
            for port in circuit.outputs
        )
        inputs = tuple(
            Port(port.name, tuple(self._intern(lane) for lane in port.lanes))
            for port in circuit.inputs
        )
        return Circuit(circuit.name, inputs, outputs)

    def _node(self, form: Form) -> n.Node:
        """The one node of a form."""
        if not form.weights:
            return self._intern(n.Const(form.bias))
        if form.bias == 0 and list(form.weights.values()) == [1]:
            return next(iter(form.weights))
        terms = sorted(form.weights, key=self._number.__getitem__)
        weights = tuple(form.weights[x] for x in terms)
        return self._intern(n.Linear(tuple(terms), weights, form.bias))

    def _atom(self, node: n.Node) -> Form:
        node = self._intern(node)
        if node.range.count == 1:
            return Form({}, node.range.lo)
        self._number.setdefault(node, len(self._number))
        return Form({node: 1})

    def _form(self, node: n.Node, x: list[Form]) -> Form:
        ranges = [operand.range for operand in node.operands]
        match node:
            case n.Const(value):
                return Form({}, value)
            case n.Add() | n.FullAdder():
                return self._sum(x, [1] * len(x), 0)
            case n.Sub():
                return x[0].plus(x[1], -1)
            case n.Neg():
                return x[0].times(-1)
            case n.Shl(_, amount):
                return x[0].times(1 << amount)
            case n.Linear(_, coefficients, bias):
                return self._sum(x, coefficients, bias)
            case n.Concat(_, widths):
                places = [sum(widths[:i]) for i in range(len(widths))]
                return self._sum(x, [1 << place for place in places], 0)
            case n.Register():
                return x[0]
            case n.Shr(_, amount):
                return self._shift(x[0], amount, ranges[0])
            case n.Bits(_, low, width):
                shifted = self._shift(x[0], low, ranges[0])
                return shifted.plus(self._shift(x[0], low + width, ranges[0]), -(1 << width))
            case n.Signed(_, width):
                half = 1 << (width - 1)
                moved = IntRange(ranges[0].lo + half, ranges[0].hi + half)
                top = self._shift(x[0].plus(Form({}, half)), width, moved)
                return x[0].plus(top, -(1 << width))
            case n.Relu():
                return self._relu(x[0], ranges[0])
            case n.Clamp(_, lo, hi):
                return self._clamp(x[0], lo, hi, ranges[0])
            case n.Compare(_, _, relation):
                a, b = ranges
                known = IntRange(a.lo - b.hi, a.hi - b.lo)
                return self._compare(x[0].plus(x[1], -1), relation, known)
            case n.Mul():
                return self._product(x[0], x[1])
            case n.Select():
                return self._select(x[0], x[1], x[2])
            case n.Xor() if BIT.covers(ranges[0]) and x[1] == Form({}, 1):
                return Form({}, 1).plus(x[0], -1)
            case n.Xor() if BIT.covers(ranges[1]) and x[0] == Form({}, 1):
                return Form({}, 1).plus(x[1], -1)
            case n.And() if not x[0].weights or not x[1].weights:
                k = 0 if x[1].weights == {} else 1
                return self._mask(x[k], x[1 - k].bias, ranges[k])
            case n.Lookup(_, base, table):
                return self._lookup(x[0], ranges[0], base, table)
            case _:
                operands = [self._held(f, r) for f, r in zip(x, ranges, strict=True)]
                return self._atom(node.with_operands(*operands))

    def _sum(self, x: list[Form], factors: list[int] | tuple[int, ...], bias: int) -> Form:
        total = Form({}, bias)
        for form, factor in zip(x, factors, strict=True):
            total = total.plus(form, factor)
        return total

    def _held(self, form: Form, known: IntRange) -> n.Node:
        """The node of a form, whose interval is no wider than one that is known to hold it."""
        node = self._node(form)
        if known.covers(node.range):
            return node
        kind = n.Signed(node, known.width) if known.signed else n.Bits(node, 0, known.width)
        return self._intern(kind)

    def _mask(self, form: Form, mask: int, known: IntRange) -> Form:
        """The bits of a number that a constant keeps, run by run."""
        total, low = Form({}), 0
        while mask >> low:
            high = low
            while mask >> high & 1:
                high += 1
            if high > low:
                upper = self._shift(form, high, known).times(-1 << high)
                total = total.plus(self._shift(form, low, known), 1 << low).plus(upper)
            low = high + 1
        return total

    def _shift(self, form: Form, amount: int, known: IntRange) -> Form:
        """floor(form / 2**amount): multiples of 2**amount go outside, the rest is an atom."""
        if amount == 0:
            return form
        if known.lo >> amount == known.hi >> amount:
            return Form({}, known.lo >> amount)
        page = 1 << amount
        out = Form(
            {x: w // page for x, w in form.weights.items() if w % page == 0}, form.bias // page
        )
        rest = Form({x: w for x, w in form.weights.items() if w % page}, form.bias % page)
        hull = rest.hull
        if rest == form:  # Nothing went outside, so what is known of the whole holds here too.
            hull = IntRange(max(hull.lo, known.lo), min(hull.hi, known.hi))
        first, last = hull.lo >> amount, hull.hi >> amount
        if first == last:
            return Form(out.weights, out.bias + first)
        if first + 1 == last:  # Two pages: the second from last * page on.
            below = self._negative(rest.plus(Form({}, -last * page)))
            return out.plus(Form({}, last)).plus(below, -1)
        return out.plus(self._atom(n.Shr(self._node(rest), amount)))

    def _negative(self, form: Form) -> Form:
        """1 where the form is below 0."""
        hull = form.hull
        if hull.hi < 0 or hull.lo >= 0:
            return Form({}, int(hull.hi < 0))
        common = gcd(*form.weights.values())
        form = Form({x: w // common for x, w in form.weights.items()}, form.bias // common)
        first = min(form.weights, key=self._number.__getitem__)
        if form.weights[first] < 0:  # [f < 0] = 1 - [-f - 1 < 0]
            return Form({}, 1).plus(self._negative(form.times(-1).plus(Form({}, -1))), -1)
        hull = form.hull
        if len(form.weights) == 1 and form.weights[first] == 1 and hull == IntRange(-1, 0):
            return form.times(-1)  # A bit less 1: below 0 where the bit is 0.
        return self._atom(n.Compare(self._node(form), self._intern(n.Const(0)), "lt"))

    def _compare(self, difference: Form, relation: n.Relation, known: IntRange) -> Form:
        if relation == "le":
            difference = difference.plus(Form({}, -1))
            known = IntRange(known.lo - 1, known.hi - 1)
        if relation in ("lt", "le"):
            # [f < 0] = -f, where f is -1 or 0
            one_bit = IntRange(-1, 0).covers(known)
            return difference.times(-1) if one_bit else self._negative(difference)
        equal = self._zero(difference)
        if BIT.covers(known):  # [f = 0] = 1 - f, where f is 0 or 1
            equal = Form({}, 1).plus(difference, -1)
        return equal if relation == "eq" else Form({}, 1).plus(equal, -1)

    def _zero(self, form: Form) -> Form:
        """1 where the form is 0."""
        hull = form.hull
        if 0 not in hull:
            return Form({})
        if hull.lo == 0:
            return self._negative(form.plus(Form({}, -1)))
        if hull.hi == 0:
            return self._negative(form.times(-1).plus(Form({}, -1)))
        common = gcd(*form.weights.values())
        if form.bias % common:
            return Form({})
        form = Form({x: w // common for x, w in form.weights.items()}, form.bias // common)
        first = min(form.weights, key=self._number.__getitem__)
        form = form.times(-1) if form.weights[first] < 0 else form
        return self._atom(n.Compare(self._node(form), self._intern(n.Const(0)), "eq"))

    def _relu(self, form: Form, known: IntRange) -> Form:
        hull = form.hull
        if max(hull.lo, known.lo) >= 0:
            return form
        if min(hull.hi, known.hi) <= 0:
            return Form({})
        common = gcd(*form.weights.values(), form.bias)
        form = Form({x: w // common for x, w in form.weights.items()}, form.bias // common)
        return self._atom(n.Relu(self._node(form))).times(common)

    def _clamp(self, form: Form, lo: int, hi: int, known: IntRange) -> Form:
        """lo + relu(x - lo) - relu(x - hi)"""
        low = self._relu(form.plus(Form({}, -lo)), IntRange(known.lo - lo, known.hi - lo))
        high = self._relu(form.plus(Form({}, -hi)), IntRange(known.lo - hi, known.hi - hi))
        return low.plus(Form({}, lo)).plus(high, -1)

    def _product(self, a: Form, b: Form) -> Form:
        if not a.weights or not b.weights:
            return b.times(a.bias) if not a.weights else a.times(b.bias)
        pair = sorted((self._node(a), self._node(b)), key=self._order)
        return self._atom(n.Mul(*pair))

    def _order(self, node: n.Node) -> int:
        return self._number.setdefault(node, len(self._number))

    def _select(self, condition: Form, then: Form, other: Form) -> Form:
        if then == other:
            return then
        if not condition.weights:
            return then if condition.bias else other
        if list(condition.weights.values()) == [-1] and condition.bias == 1:
            condition, then, other = Form({}, 1).plus(condition, -1), other, then
        step = then.plus(other, -1)
        if not step.weights:  # other + step * condition
            return other.plus(condition, step.bias)
        chosen = self._held(condition, BIT)
        if isinstance(chosen, n.Compare) and chosen.relation == "lt":
            sign = Form({}) if chosen.b.range == IntRange(0, 0) else None
            of = self._atom_or_form(chosen.a)
            if sign is not None and then == sign and other == of:
                return self._relu(of, of.hull)
        # other + (then - other) * condition, so that what both share goes outside.
        shared = {x: w for x, w in then.weights.items() if other.weights.get(x) == w}
        outside = Form(shared, min(then.bias, other.bias))
        inner = n.Select(
            chosen, self._node(then.plus(outside, -1)), self._node(other.plus(outside, -1))
        )
        return outside.plus(self._atom(inner))

    def _atom_or_form(self, node: n.Node) -> Form:
        """The form that `_node` made this node of."""
        if isinstance(node, n.Linear):
            return Form(dict(zip(node.terms, node.coefficients, strict=True)), node.bias)
        return Form({node: 1})

    def _lookup(self, form: Form, known: IntRange, base: int, table: tuple[int, ...]) -> Form:
        x = self._held(form, known)
        lo, hi = max(x.range.lo, known.lo), min(x.range.hi, known.hi)
        if lo > hi:
            lo = hi = known.lo
        reached = [table[min(max(v, lo), hi) - base] for v in range(x.range.lo, x.range.hi + 1)]
        return self._atom(n.Lookup(x, x.range.lo, tuple(reached)))
