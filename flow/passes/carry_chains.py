"""The pass `carry-chains`: linear rows as additions of words without sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear, Node
from flow.passes.compressor_trees import read_widths, whole
from flow.passes.linear.chains import chained
from flow.passes.rules.arithmetic import linear_terms
from flow.passes.widen import fitted, on_wider


@dataclass(frozen=True)
class CarryChains:
    """Add the words of each linear row two at a time, each addition a carry chain.

    With `shallow` no more of them follow one another in a row than in a balanced tree.
    """

    name: ClassVar[str] = "carry-chains"
    exact: ClassVar[bool] = True

    shallow: bool = False

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit without Linear nodes."""
        widths = read_widths(circuit)
        free = _free(circuit)
        offsets: dict[Node, int] = {}
        intern = Builder()
        done: dict[Node, Node] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(node, Linear):
                row = linear_terms(moved) or moved
                assert isinstance(row, Linear)
                more = sum(
                    c * offsets.get(x, 0)
                    for x, c in zip(node.operands, node.coefficients, strict=True)
                )
                row = Linear(row.terms, row.coefficients, row.bias - more)
                width = widths[node]
                # A word that is cut anyway has no sign.
                signed = node.range.signed and width == node.range.width
                if node in free:
                    moved, offsets[node] = chained(row, width, signed, True, self.shallow, intern)
                    whole_range = width == node.range.width
                    if whole_range and node.range.hi + offsets[node] >= 1 << width:
                        free.remove(node)  # With its offset it would not fit the word.
                if node not in free:
                    moved, offsets[node] = chained(row, width, signed, False, self.shallow, intern)
                else:
                    done[node] = moved
                    continue
            elif node.operands and isinstance(node.operands[0], Linear):
                moved = whole(moved)
            done[node] = intern(fitted(moved, node.range))
        return substitute(circuit, done)


def _free(circuit: Circuit) -> set[Node]:
    """The rows that are never negative and that only rows read."""
    rows: set[Node] = {x for x in circuit.walk() if isinstance(x, Linear) and not x.range.signed}
    for node in circuit.walk():
        if not isinstance(node, Linear):
            rows.difference_update(node.operands)
    for port in circuit.outputs:
        rows.difference_update(port.lanes)
    return rows
