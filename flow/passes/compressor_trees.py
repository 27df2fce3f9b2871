"""The pass `compressor-trees`: linear rows as columns of bits, reduced by full adders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.analysis.cost import arrivals
from flow.errors import UsageError
from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.interval import twos_complement, unsigned
from flow.ir.nodes import Bits, Linear, Node, Signed
from flow.passes.linear.columns import Words, added, rippled
from flow.passes.rules.arithmetic import linear_terms
from flow.passes.widen import fitted, on_wider


@dataclass(frozen=True)
class CompressorTrees:
    """Reduce the bits of each linear row with full adders.

    With `final=ripple` the lowest column comes first and one bit of each is left: the least
    area. With `final=add` two rows of bits are left for one addition, whose carries are left
    to synthesis: the least delay.
    """

    name: ClassVar[str] = "compressor-trees"
    exact: ClassVar[bool] = True

    final: str = "ripple"

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit without Linear nodes."""
        if self.final not in ("add", "ripple"):
            raise UsageError(f"compressor-trees: final is {self.final!r}, not add or ripple")
        settled = arrivals(circuit)
        widths = read_widths(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        arrival: dict[Node, float] = {}
        words: Words = {}
        for node in circuit.walk():
            moved = intern(on_wider(node, (done[x] for x in node.operands)))
            if isinstance(node, Linear):
                row = linear_terms(moved) or moved
                assert isinstance(row, Linear)
                width = widths[node]
                # A word that is cut anyway has no sign.
                signed = node.range.signed and width == node.range.width
                if self.final == "ripple":
                    moved = rippled(row, width, signed, intern, words)
                else:
                    moved = added(row, width, signed, intern, words, arrival)
            elif node.operands and isinstance(node.operands[0], Linear):
                moved = whole(moved)
            done[node] = intern(fitted(moved, node.range))
            arrival.setdefault(done[node], settled[node])
        return substitute(circuit, done)


def read_widths(circuit: Circuit) -> dict[Node, int]:
    """How many low bits of each linear row are read, at least one."""
    widths: dict[Node, int] = {}
    for node in circuit.walk():
        for x in node.operands:
            if isinstance(x, Linear):
                match node:
                    case Bits(_, low, width):
                        read = low + width
                    case Signed(_, width):
                        read = width
                    case _:
                        read = x.range.width
                widths[x] = max(widths.get(x, 1), min(read, x.range.width))
    for port in circuit.outputs:
        for lane in port.lanes:
            if isinstance(lane, Linear):
                widths[lane] = max(1, lane.range.width)
    return widths


def whole(node: Node) -> Node:
    """bits(x, 0, w) -> x and signed(x, w) -> x, where they change nothing"""
    match node:
        case Bits(x, 0, width) if unsigned(width).covers(x.range):
            return x
        case Signed(x, width) if twos_complement(width).covers(x.range):
            return x
    return node
