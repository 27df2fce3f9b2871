"""Rules of the bitwise operations and of comparisons."""

from __future__ import annotations

from flow.ir.builder import Rule
from flow.ir.interval import BIT
from flow.ir.nodes import Add, And, Bits, Compare, Const, Node, Or, Relu, Select, Shl, Sub, Xor


def bitwise_with_itself(node: Node) -> Node | None:
    """x & x -> x;  x | x -> x;  x ^ x -> 0"""
    match node:
        case And(x, y) | Or(x, y) if x is y:
            return x
        case Xor(x, y) if x is y:
            return Const(0)
    return None


def bitwise_with_zero(node: Node) -> Node | None:
    """x | 0 -> x;  x ^ 0 -> x"""
    match node:
        case Or(x, Const(0)) | Or(Const(0), x) | Xor(x, Const(0)) | Xor(Const(0), x):
            return x
    return None


def mask(node: Node) -> Node | None:
    """x & c -> x where c has every bit of x;  x & (2**k - 1) -> bits(x, 0, k)"""
    match node:
        case And(x, Const(c)) | And(Const(c), x):
            every = (1 << x.range.width) - 1
            if c & every == every:
                return x
            if c & (c + 1) == 0:
                return Bits(x, 0, c.bit_length())
            if c > every:
                return And(x, Const(c & every))
    return None


def bitwise_twice(node: Node) -> Node | None:
    """(x & c) & d -> x & (c & d), and alike for | and ^;  x & (x & y) -> x & y"""
    match node:
        case And(And(x, Const(c)) | And(Const(c), x), Const(d)):
            return And(x, Const(c & d))
        case Or(Or(x, Const(c)) | Or(Const(c), x), Const(d)):
            return Or(x, Const(c | d))
        case Xor(Xor(x, Const(c)) | Xor(Const(c), x), Const(d)):
            return Xor(x, Const(c ^ d))
        case And(x, And(a, b) as inner) | And(And(a, b) as inner, x) if x is a or x is b:
            return inner
        case Or(x, Or(a, b) as inner) | Or(Or(a, b) as inner, x) if x is a or x is b:
            return inner
    return None


def compare_with_itself(node: Node) -> Node | None:
    """x < x -> 0;  x <= x -> 1;  x == x -> 1;  x != x -> 0"""
    match node:
        case Compare(a, b, relation) if a is b:
            return Const(int(relation in ("le", "eq")))
    return None


def compare_at_most(node: Node) -> Node | None:
    """x <= c -> x < c+1;  c <= x -> c-1 < x"""
    match node:
        case Compare(x, Const(c), "le"):
            return Compare(x, Const(c + 1), "lt")
        case Compare(Const(c), x, "le"):
            return Compare(Const(c - 1), x, "lt")
        case Compare(Const() as c, x, "eq" | "ne" as relation):
            return Compare(x, c, relation)
    return None


def compare_sum(node: Node) -> Node | None:
    """x + c < d -> x < d-c, and alike for the other relations, sides and c - x"""
    match node:
        case Compare(Add(x, Const(c)) | Add(Const(c), x), Const(d), relation):
            return Compare(x, Const(d - c), relation)
        case Compare(Const(d), Add(x, Const(c)) | Add(Const(c), x), relation):
            return Compare(Const(d - c), x, relation)
        case Compare(Sub(Const(c), x), Const(d), relation):
            return Compare(Const(c - d), x, relation)
        case Compare(Const(d), Sub(Const(c), x), relation):
            return Compare(x, Const(c - d), relation)
    return None


def compare_difference(node: Node) -> Node | None:
    """a - b < 0 -> a < b;  0 < a - b -> b < a, and alike for the other relations"""
    match node:
        case Compare(Sub(a, b), Const(0), relation):
            return Compare(a, b, relation)
        case Compare(Const(0), Sub(a, b), relation):
            return Compare(b, a, relation)
    return None


def compare_shifted(node: Node) -> Node | None:
    """x << k < c -> x < ceil(c / 2**k);  c < x << k -> floor(c / 2**k) < x;  == and != alike"""
    match node:
        case Compare(Shl(x, k), Const(c), "lt"):
            return Compare(x, Const(-(-c >> k)), "lt")
        case Compare(Const(c), Shl(x, k), "lt"):
            return Compare(Const(c >> k), x, "lt")
        case Compare(Shl(x, k), Const(c), "eq" | "ne" as relation):
            if c & ((1 << k) - 1):
                return Const(int(relation == "ne"))
            return Compare(x, Const(c >> k), relation)
    return None


def compare_relu(node: Node) -> Node | None:
    """relu(x) < c -> x < c, where c > 0;  c < relu(x) -> c < x, where c >= 0"""
    match node:
        case Compare(Relu(x), Const(c), "lt") if c > 0:
            return Compare(x, Const(c), "lt")
        case Compare(Const(c), Relu(x), "lt") if c >= 0:
            return Compare(Const(c), x, "lt")
    return None


def compare_bit(node: Node) -> Node | None:
    """p R c -> p, where it says so of both values of a bit;  -> p == 0 where it says not p"""
    match node:
        case Compare(p, Const(c), relation) if p.range == BIT:
            says = [node.evaluate(v, c) for v in (0, 1)]
            if (c, relation) == (0, "eq"):
                return None
        case Compare(Const(c), p, _) if p.range == BIT:
            says = [node.evaluate(c, v) for v in (0, 1)]
        case _:
            return None
    if says == [0, 1]:
        return p
    if says == [1, 0]:
        return Compare(p, Const(0), "eq")
    return Const(says[0])


def compare_choice(node: Node) -> Node | None:
    """select(p, c, d) R e -> p, p == 0, or a constant"""
    match node:
        case Compare(Select(p, Const(c), Const(d)), Const(e), _):
            says = node.evaluate(d, e), node.evaluate(c, e)
        case Compare(Const(e), Select(p, Const(c), Const(d)), _):
            says = node.evaluate(e, d), node.evaluate(e, c)
        case _:
            return None
    if says[0] == says[1]:
        return Const(says[0])
    return p if says == (0, 1) else Compare(p, Const(0), "eq")


def xor_one(node: Node) -> Node | None:
    """p ^ 1 -> p == 0, where p is a bit"""
    match node:
        case Xor(p, Const(1)) | Xor(Const(1), p) if p.range == BIT:
            return Compare(p, Const(0), "eq")
    return None


RULES: dict[type[Node], tuple[Rule, ...]] = {
    And: (bitwise_with_itself, mask, bitwise_twice),
    Or: (bitwise_with_itself, bitwise_with_zero, bitwise_twice),
    Xor: (bitwise_with_itself, bitwise_with_zero, xor_one, bitwise_twice),
    Compare: (
        compare_with_itself,
        compare_at_most,
        compare_bit,
        compare_sum,
        compare_difference,
        compare_shifted,
        compare_relu,
        compare_choice,
    ),
}
