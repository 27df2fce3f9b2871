"""The pass `conjunctions`: a threshold that all bits of a sum must meet, or any, needs no sum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import IntRange
from flow.ir.nodes import Clamp, Compare, Const, Linear, Node, Relu, Select


@dataclass(frozen=True)
class Conjunctions:
    """Choices in place of sums of bits that all must be 1, or any, and comparisons of single terms.

    A sum qualifies where a threshold lies one bit below its largest value, or above its least. A
    choice begins with the bits that most sums read, so that sums share its beginning, as the
    leaves of a decision tree do.
    """

    name: ClassVar[str] = "conjunctions"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with fewer sums."""
        nodes = list(circuit.walk())
        order = {node: place for place, node in enumerate(nodes)}
        reads = Counter(x for node in nodes if isinstance(node, Linear) for x in node.terms)
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in nodes:
            moved = intern(node.with_operands(*(done[x] for x in node.operands)))
            found = _threshold(node)
            if found is not None:
                row, least, turned = found
                rank = {done[x]: (-reads[x], order[x]) for x in row.terms}
                terms = intern(row.with_operands(*(done[x] for x in row.operands)))
                if isinstance(terms, Linear) and len(rank) == len(terms.terms):
                    bits = _bits(terms, least, rank)
                    if bits is not None:
                        moved = intern(Compare(bits, Const(0), "eq") if turned else bits)
            done[node] = moved
        return substitute(circuit, done)


def _threshold(node: Node) -> tuple[Linear, int, bool] | None:
    """A row and a bound where the node says whether the row is at least it, or (true) is not."""
    match node:
        case Clamp(Linear() as row, 0, 1):
            return row, 1, False
        case Relu(Linear() as row) if row.range.hi == 1:
            return row, 1, False
        case Compare(Const(value), Linear() as row, "lt" | "le" as relation):
            return row, value + (relation == "lt"), False
        case Compare(Linear() as row, Const(value), "lt" | "le" as relation):
            return row, value + (relation == "le"), True
    return None


def _bits(row: Linear, least: int, rank: dict[Node, tuple[int, int]]) -> Node | None:
    """Whether a row is at least a bound, as choices among its bits, or as a comparison of its only
    term; None where neither will do, or where a term has no weight."""
    if 0 in row.coefficients:
        return None
    if len(row.terms) == 1:
        (x,), (c,) = row.terms, row.coefficients
        if c > 0:
            return Compare(Const(-((row.bias - least) // c) - 1), x, "lt")
        return Compare(x, Const((row.bias - least) // -c), "le")
    if not row.terms or any(x.range != IntRange(0, 1) for x in row.terms):
        return None
    plus = sum(c for c in row.coefficients if c > 0)
    minus = sum(c for c in row.coefficients if c < 0)
    smallest = min(abs(c) for c in row.coefficients)
    every = row.bias + plus >= least > row.bias + plus - smallest
    any_ = row.bias + minus < least <= row.bias + minus + smallest
    if not every and not any_:
        return None
    terms = sorted(zip(row.terms, row.coefficients, strict=True), key=lambda t: rank[t[0]])
    literals = [x if c > 0 else Compare(x, Const(0), "eq") for x, c in terms]
    result: Node = literals[0]
    for x in literals[1:]:
        result = Select(result, x, Const(0)) if every else Select(result, Const(1), x)
    return result
