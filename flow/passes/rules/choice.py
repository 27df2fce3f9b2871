"""Rules of Relu, Clamp, Select and Lookup."""

from __future__ import annotations

from flow.ir.builder import Rule
from flow.ir.interval import BIT
from flow.ir.nodes import (
    Add,
    And,
    Clamp,
    Compare,
    Const,
    Linear,
    Lookup,
    Neg,
    Node,
    Or,
    Relu,
    Select,
)


def relu_of_nonnegative(node: Node) -> Node | None:
    """relu(x) -> x, where x is never negative"""
    match node:
        case Relu(x) if x.range.lo >= 0:
            return x
    return None


def relu_of_clamp(node: Node) -> Node | None:
    """relu(clamp(x, lo, hi)) -> clamp(x, max(lo, 0), max(hi, 0))"""
    match node:
        case Relu(Clamp(x, lo, hi)):
            return Clamp(x, max(lo, 0), max(hi, 0))
    return None


def clamp_that_never_binds(node: Node) -> Node | None:
    """clamp(x, lo, hi) -> x, where lo <= x <= hi;  -> relu(x), where lo = 0 and x <= hi"""
    match node:
        case Clamp(x, lo, hi) if hi >= x.range.hi:
            if lo <= x.range.lo:
                return x
            if lo == 0:
                return Relu(x)
    return None


def clamp_bounds(node: Node) -> Node | None:
    """clamp(x, lo, hi) -> clamp(x, max(lo, min x), min(hi, max x))"""
    match node:
        case Clamp(x, lo, hi) if lo < x.range.lo or hi > x.range.hi:
            return Clamp(x, max(lo, x.range.lo), min(hi, x.range.hi))
    return None


def clamp_of_clamp(node: Node) -> Node | None:
    """clamp(clamp(x, a, b), c, d) -> clamp(x, clamp(a, c, d), clamp(b, c, d));  of relu alike"""
    match node:
        case Clamp(Clamp(x, a, b), c, d):
            return Clamp(x, min(max(a, c), d), min(max(b, c), d))
        case Clamp(Relu(x), c, d):
            return Clamp(x, min(max(0, c), d), d)
    return None


def select_known(node: Node) -> Node | None:
    """select(1, a, b) -> a;  select(0, a, b) -> b;  select(p, a, a) -> a"""
    match node:
        case Select(p, a, b):
            if p.range.lo == 1 or a is b:
                return a
            if p.range.hi == 0:
                return b
    return None


def select_inverted(node: Node) -> Node | None:
    """select(p == 0, a, b) -> select(p, b, a), where p is a bit"""
    match node:
        case Select(Compare(p, Const(0), "eq"), a, b) if p.range == BIT:
            return Select(p, b, a)
    return None


def select_bits(node: Node) -> Node | None:
    """select(p, 1, 0) -> p;  select(p, 0, 1) -> p == 0;  (p, x, 0) -> p & x;  (p, 1, x) -> p | x"""
    match node:
        case Select(p, Const(1), Const(0)):
            return p
        case Select(p, Const(0), Const(1)):
            return Compare(p, Const(0), "eq")
        case Select(p, x, Const(0)) if BIT.covers(x.range):
            return And(p, x)
        case Select(p, Const(1), x) if BIT.covers(x.range):
            return Or(p, x)
    return None


def select_twice(node: Node) -> Node | None:
    """select(p, select(p, a, b), c) -> select(p, a, c);  select(p, a, select(p, b, c)) alike"""
    match node:
        case Select(p, Select(q, a, _), c) if p is q:
            return Select(p, a, c)
        case Select(p, a, Select(q, _, c)) if p is q:
            return Select(p, a, c)
    return None


def select_of_sign(node: Node) -> Node | None:
    """select(x < 0 or x < 1, 0, x) -> relu(x);  select(0 < x or -1 < x, x, 0) -> relu(x)"""
    match node:
        case Select(Compare(x, Const(0 | 1), "lt"), Const(0), y) if x is y:
            return Relu(x)
        case Select(Compare(Const(0 | -1), x, "lt"), y, Const(0)) if x is y:
            return Relu(x)
    return None


def lookup_reached(node: Node) -> Node | None:
    """lookup(x, base, table) -> lookup(x, min x, the entries that x reaches)"""
    match node:
        case Lookup(x, base, table):
            lo, hi = x.range.lo - base, x.range.hi - base
            if lo or hi + 1 != len(table):
                return Lookup(x, x.range.lo, table[lo : hi + 1])
    return None


def lookup_of_bit(node: Node) -> Node | None:
    """lookup(p, 0, (a, b)) -> select(p, b, a), where p is a bit"""
    match node:
        case Lookup(p, 0, (a, b)):
            return Select(p, Const(b), Const(a))
    return None


def lookup_affine(node: Node) -> Node | None:
    """lookup(x, base, (t, t+c, t+2c, ...)) -> c*x + (t - c*base)"""
    match node:
        case Lookup(x, base, (t, u, *_, last) as table):
            c = u - t
            if last == t + c * (len(table) - 1) and all(
                value == t + c * i for i, value in enumerate(table)
            ):
                return Linear((x,), (c,), t - c * base)
    return None


def lookup_step(node: Node) -> Node | None:
    """lookup(x, base, (1, .., 1, 0, .., 0)) -> x < edge;  (0, .., 0, 1, .., 1) -> edge-1 < x"""
    match node:
        case Lookup(x, base, table) if set(table) == {0, 1}:
            count = table.count(table[0])
            if table[:count] == (table[0],) * count:
                edge = base + count
                if table[0]:
                    return Compare(x, Const(edge), "lt")
                return Compare(Const(edge - 1), x, "lt")
    return None


def lookup_of_map(node: Node) -> Node | None:
    """lookup of lookup, of x + c and of -x -> one lookup of x"""
    match node:
        case Lookup(Lookup(x, base, first), second_base, second):
            lo, hi = x.range.lo - base, x.range.hi - base
            table = tuple(second[v - second_base] for v in first[lo : hi + 1])
            return Lookup(x, x.range.lo, table)
        case Lookup(Add(x, Const(c)) | Add(Const(c), x), base, table):
            return Lookup(x, base - c, table)
        case Lookup(Neg(x), base, table):
            return Lookup(x, 1 - base - len(table), table[::-1])
    return None


RULES: dict[type[Node], tuple[Rule, ...]] = {
    Relu: (relu_of_nonnegative, relu_of_clamp),
    Clamp: (clamp_that_never_binds, clamp_of_clamp, clamp_bounds),
    Select: (select_known, select_inverted, select_bits, select_twice, select_of_sign),
    Lookup: (lookup_reached, lookup_of_map, lookup_of_bit, lookup_affine, lookup_step),
}
