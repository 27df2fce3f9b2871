"""The pass `compressor-trees`: linear rows as columns of bits, reduced by full adders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.analysis.cost import arrivals
from flow.errors import UsageError
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear, Node
from flow.passes.linear.columns import sum_bits
from flow.passes.linear.flatten import linear_of_sums
from flow.passes.rules.arithmetic import linear_terms
from flow.passes.widen import fitted, on_wider


@dataclass(frozen=True)
class CompressorTrees:
    """Reduce the bits of each linear row with full adders, the earliest bits first.

    Two rows of bits are left for a carry-propagate addition: an adder node, or with
    `final=ripple` full adders. With `sums` trees of additions are reduced as well.
    """

    name: ClassVar[str] = "compressor-trees"
    exact: ClassVar[bool] = True

    final: str = "add"
    sums: bool = False

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit without Linear nodes."""
        if self.final not in ("add", "ripple"):
            raise UsageError(f"compressor-trees: final is {self.final!r}, not add or ripple")
        if self.sums:
            circuit = linear_of_sums(circuit)
        settled = arrivals(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        arrival: dict[Node, float] = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(moved, Linear):
                row = linear_terms(moved) or moved
                assert isinstance(row, Linear)
                moved = sum_bits(row, arrival, intern, ripple=self.final == "ripple")
            moved = intern(fitted(moved, node.range))
            done[node] = moved
            arrival.setdefault(moved, settled[node])
        return substitute(circuit, done)
