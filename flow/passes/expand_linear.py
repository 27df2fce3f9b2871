"""The pass `expand-linear`: a balanced tree of adders for each linear row, nothing shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit
from flow.ir.nodes import Const, Linear, Node, Sub
from flow.passes.linear.csd import csd
from flow.passes.linear.form import Form, add_all, finish
from flow.passes.linear.layered import rebuild_linear


@dataclass(frozen=True)
class ExpandLinear:
    """Replace each linear row by a balanced tree of its signed digits.

    With `split-signs` the positive and the negative products are summed in two trees of plain
    binary digits, with one subtraction at the end: the style of the exact bespoke printed
    circuits of Mubarik et al., "Printed Machine Learning Classifiers", MICRO 2020.
    """

    name: ClassVar[str] = "expand-linear"
    exact: ClassVar[bool] = True

    split_signs: bool = False

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit without Linear nodes."""
        row = _two_trees if self.split_signs else _one_tree

        def replace(rows: Sequence[Linear], intern: Builder) -> dict[Linear, Node]:
            return {x: row(x, intern) for x in rows}

        return rebuild_linear(circuit, replace)


def _one_tree(row: Linear, intern: Builder) -> Node:
    """bias + the sum of every digit's shifted term"""
    forms = [
        Form(x, position, digit < 0)
        for x, c in zip(row.terms, row.coefficients, strict=True)
        for position, digit in csd(c)
    ]
    return finish(add_all(forms, intern), row.bias, intern)


def _two_trees(row: Linear, intern: Builder) -> Node:
    """(the sum of the positive products) - (the sum of the others); the bias is in its tree"""
    signed: dict[bool, list[Form]] = {False: [], True: []}
    for x, c in zip(row.terms, row.coefficients, strict=True):
        signed[c < 0] += [Form(x, k) for k in range(abs(c).bit_length()) if abs(c) >> k & 1]
    if row.bias:
        signed[row.bias < 0].append(Form(Const(abs(row.bias))))
    plus, minus = (finish(add_all(signed[sign], intern), 0, intern) for sign in (False, True))
    return plus if minus.range.hi == minus.range.lo == 0 else intern(Sub(plus, minus))
