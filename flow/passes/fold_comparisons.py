"""The pass `fold-comparisons`: of two sums that are only compared, their difference is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Compare, Const, Linear, Node, Relation
from flow.passes.linear.flatten import uses


@dataclass(frozen=True)
class FoldComparisons:
    """Compare one linear row with zero instead of two rows that nothing else reads.

    The sign of the row is the answer: a + b < c + d where a + b - c - d < 0.
    """

    name: ClassVar[str] = "fold-comparisons"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with fewer sums."""
        readers = uses(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(node.with_operands(*(done[x] for x in node.operands)))
            if isinstance(node, Compare) and all(readers[x] == 1 for x in node.operands):
                match moved:
                    case Compare(Linear() as a, Linear() as b, _):
                        moved = intern(_against_zero(a, b, moved.relation))
            done[node] = moved
        return substitute(circuit, done)


def _against_zero(a: Linear, b: Linear, relation: Relation) -> Node:
    """a `relation` b as a comparison of a - b; a <= b where a - b - 1 < 0."""
    terms = dict.fromkeys((*a.terms, *b.terms), 0)
    for row, sign in ((a, 1), (b, -1)):
        for x, c in zip(row.terms, row.coefficients, strict=True):
            terms[x] += sign * c
    terms = {x: c for x, c in terms.items() if c}
    bias = a.bias - b.bias
    if relation == "le":
        bias, relation = bias - 1, "lt"
    return Compare(Linear(tuple(terms), tuple(terms.values()), bias), Const(0), relation)
