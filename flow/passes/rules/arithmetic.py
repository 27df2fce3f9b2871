"""Rules of sums, shifts, products and linear rows."""

from __future__ import annotations

from flow.ir.builder import Rule
from flow.ir.interval import BIT
from flow.ir.nodes import (
    Add,
    And,
    Bits,
    Concat,
    Const,
    Linear,
    Mul,
    Neg,
    Node,
    Select,
    Shl,
    Shr,
    Sub,
)


def add_zero(node: Node) -> Node | None:
    """x + 0 -> x"""
    match node:
        case Add(x, Const(0)) | Add(Const(0), x):
            return x
    return None


def add_constant_twice(node: Node) -> Node | None:
    """(x + c) + d -> x + (c+d);  (c - x) + d -> (c+d) - x"""
    match node:
        case Add(Add(x, Const(c)) | Add(Const(c), x), Const(d)):
            return Add(x, Const(c + d))
        case Add(Const(d), Add(x, Const(c)) | Add(Const(c), x)):
            return Add(x, Const(c + d))
        case Add(Sub(Const(c), x), Const(d)) | Add(Const(d), Sub(Const(c), x)):
            return Sub(Const(c + d), x)
    return None


def add_negation(node: Node) -> Node | None:
    """a + -b -> a - b;  -a + b -> b - a"""
    match node:
        case Add(a, Neg(b)) | Add(Neg(b), a):
            return Sub(a, b)
    return None


def add_itself(node: Node) -> Node | None:
    """x + x -> x << 1"""
    match node:
        case Add(x, y) if x is y:
            return Shl(x, 1)
    return None


def add_back(node: Node) -> Node | None:
    """(a - b) + b -> a;  b + (a - b) -> a"""
    match node:
        case Add(Sub(a, b), c) | Add(c, Sub(a, b)) if b is c:
            return a
    return None


def sub_itself(node: Node) -> Node | None:
    """x - x -> 0"""
    match node:
        case Sub(x, y) if x is y:
            return Const(0)
    return None


def sub_constant(node: Node) -> Node | None:
    """x - c -> x + -c;  0 - x -> -x;  c - (x + d) -> (c-d) - x;  c - (d - x) -> x + (c-d)"""
    match node:
        case Sub(x, Const(c)):
            return Add(x, Const(-c))
        case Sub(Const(0), x):
            return Neg(x)
        case Sub(Const(c), Add(x, Const(d)) | Add(Const(d), x)):
            return Sub(Const(c - d), x)
        case Sub(Const(c), Sub(Const(d), x)):
            return Add(x, Const(c - d))
    return None


def sub_negation(node: Node) -> Node | None:
    """a - -b -> a + b"""
    match node:
        case Sub(a, Neg(b)):
            return Add(a, b)
    return None


def sub_back(node: Node) -> Node | None:
    """(a + b) - b -> a;  (a - b) - a -> -b;  a - (a - b) -> b;  a - (a + b) -> -b"""
    match node:
        case Sub(Add(a, b), c) if b is c:
            return a
        case Sub(Add(b, a), c) if b is c:
            return a
        case Sub(Sub(a, b), c) if a is c:
            return Neg(b)
        case Sub(c, Sub(a, b)) if a is c:
            return b
        case Sub(c, Add(a, b)) if a is c:
            return Neg(b)
        case Sub(c, Add(b, a)) if a is c:
            return Neg(b)
    return None


def negation(node: Node) -> Node | None:
    """- -x -> x;  -(a - b) -> b - a;  -(x + c) -> -c - x"""
    match node:
        case Neg(Neg(x)):
            return x
        case Neg(Sub(a, b)):
            return Sub(b, a)
        case Neg(Add(x, Const(c)) | Add(Const(c), x)):
            return Sub(Const(-c), x)
    return None


def shl_of_shl(node: Node) -> Node | None:
    """x << 0 -> x;  (x << a) << b -> x << (a+b)"""
    match node:
        case Shl(x, 0):
            return x
        case Shl(Shl(x, a), b):
            return Shl(x, a + b)
    return None


def shr_of_shift(node: Node) -> Node | None:
    """x >> 0 -> x;  (x >> a) >> b -> x >> (a+b);  (x << a) >> b -> x << (a-b) or x >> (b-a)"""
    match node:
        case Shr(x, 0):
            return x
        case Shr(Shr(x, a), b):
            return Shr(x, a + b)
        case Shr(Shl(x, a), b):
            return Shl(x, a - b) if a >= b else Shr(x, b - a)
    return None


def shr_of_field(node: Node) -> Node | None:
    """bits(x, l, w) >> k -> bits(x, l+k, w-k);  a concat >> its lowest parts -> the other parts"""
    match node:
        case Shr(Bits(x, low, width), k) if k < width:
            return Bits(x, low + k, width - k)
        case Shr(Concat(parts, widths), k):
            for i in range(1, len(parts)):
                if sum(widths[:i]) == k:
                    return Concat(parts[i:], widths[i:])
    return None


def product(node: Node) -> Node | None:
    """x * c -> linear;  p * q -> p & q and x * p -> select(p, x, 0), where p and q are bits"""
    match node:
        case Mul(x, Const(c)) | Mul(Const(c), x):
            return Linear((x,), (c,), 0)
        case Mul(p, q) if BIT.covers(p.range) and BIT.covers(q.range):
            return And(p, q)
        case Mul(x, p) if BIT.covers(p.range):
            return Select(p, x, Const(0))
        case Mul(p, x) if BIT.covers(p.range):
            return Select(p, x, Const(0))
    return None


def linear_terms(node: Node) -> Node | None:
    """c*x + d*x -> (c+d)*x;  0*x -> 0;  c*d -> bias;  c*(x << k) -> (c << k)*x;  c*-x -> -c*x"""
    assert isinstance(node, Linear)
    terms: dict[Node, int] = {}
    bias = node.bias
    for term, coefficient in zip(node.terms, node.coefficients, strict=True):
        x, c = term, coefficient
        while True:
            match x:
                case Shl(y, k):
                    x, c = y, c << k
                case Neg(y):
                    x, c = y, -c
                case _:
                    break
        if x.range.lo == x.range.hi:
            bias += c * x.range.lo
        else:
            terms[x] = terms.get(x, 0) + c
    kept = {x: c for x, c in terms.items() if c}
    if (tuple(kept), tuple(kept.values())) == (node.terms, node.coefficients):
        return None
    return Linear(tuple(kept), tuple(kept.values()), bias)


def linear_of_power(node: Node) -> Node | None:
    """1*x + 0 -> x;  -1*x + 0 -> -x;  2**k * x + 0 -> x << k"""
    match node:
        case Linear((x,), (-1,), 0):
            return Neg(x)
        case Linear((x,), (c,), 0) if c > 0 and c & (c - 1) == 0:
            return Shl(x, c.bit_length() - 1) if c > 1 else x
    return None


RULES: dict[type[Node], tuple[Rule, ...]] = {
    Add: (add_zero, add_itself, add_negation, add_constant_twice, add_back),
    Sub: (sub_itself, sub_constant, sub_negation, sub_back),
    Neg: (negation,),
    Shl: (shl_of_shl,),
    Shr: (shr_of_shift, shr_of_field),
    Mul: (product,),
    Linear: (linear_terms, linear_of_power),
}
