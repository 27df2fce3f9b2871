"""Signed, shifted values: what the builders of adder graphs hand to each other."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from flow.ir.builder import Builder
from flow.ir.nodes import Add, Const, Neg, Node, Shl, Shr, Sub


@dataclass(frozen=True, slots=True)
class Form:
    """The value of `node` * 2**`shift`, negated where `minus`; the shift and the sign are free.

    `shift` may be negative where the bits shifted out are known to be zero.
    """

    node: Node
    shift: int = 0
    minus: bool = False

    def negated(self) -> Form:
        """The opposite value."""
        return Form(self.node, self.shift, not self.minus)

    def shifted(self, amount: int) -> Form:
        """This value times 2**amount."""
        return Form(self.node, self.shift + amount, self.minus)


def add(a: Form, b: Form, intern: Builder) -> Form:
    """a + b with one Add or Sub; common powers of two and a common sign are kept outside."""
    shift = min(a.shift, b.shift)
    x, y = placed(a, -shift, intern), placed(b, -shift, intern)
    if a.minus == b.minus:
        return Form(intern(Add(x, y)), shift, a.minus)
    if a.minus:
        return Form(intern(Sub(y, x)), shift)
    return Form(intern(Sub(x, y)), shift)


def placed(a: Form, amount: int, intern: Builder) -> Node:
    """The node for the value of `a` times 2**amount, without its sign."""
    shift = a.shift + amount
    if shift == 0:
        return a.node
    return intern(Shl(a.node, shift) if shift > 0 else Shr(a.node, -shift))


def finish(a: Form | None, bias: int, intern: Builder) -> Node:
    """The node for a + bias; None stands for zero. A negative sign costs nothing with a bias."""
    if a is None:
        return intern(Const(bias))
    x = placed(a, 0, intern)
    if a.minus:
        return intern(Sub(Const(bias), x) if bias else Neg(x))
    return intern(Add(x, Const(bias))) if bias else x


def add_all(
    forms: Iterable[Form], intern: Builder, depths: Iterable[int] | None = None
) -> Form | None:
    """The sum in a tree that joins the two shallowest, then narrowest, values first.

    `depths` holds the depth of each value; all are 0 without it. Least depth: M. C. Golumbic,
    "Combinatorial Merging", IEEE Trans. Computers C-25 (1976). None where there are no values.
    """
    listed = list(forms)
    starts = list(depths) if depths is not None else [0] * len(listed)
    heap = [
        (depth, _width(form), i, form)
        for i, (depth, form) in enumerate(zip(starts, listed, strict=True))
    ]
    heapq.heapify(heap)
    count = len(heap)
    while len(heap) > 1:
        depth, _, _, a = heapq.heappop(heap)
        other, _, _, b = heapq.heappop(heap)
        # The positive one first, so that a difference needs no negation after it.
        total = add(b, a, intern) if a.minus else add(a, b, intern)
        heapq.heappush(heap, (max(depth, other) + 1, _width(total), count, total))
        count += 1
    return heap[0][3] if heap else None


def least_depth(depths: Iterable[int]) -> int:
    """Depth of the tree that `add_all` makes of values of these depths, which is the least."""
    heap = list(depths)
    heapq.heapify(heap)
    while len(heap) > 1:
        heapq.heappop(heap)
        heapq.heappush(heap, heapq.heappop(heap) + 1)
    return heap[0] if heap else 0


def _width(form: Form) -> int:
    return form.node.range.width + form.shift
