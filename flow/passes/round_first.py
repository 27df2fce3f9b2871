"""The pass `round-first`: the constant of a rounding goes below the rectifier, into its sum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Add, Bits, Const, Linear, Node, Relu, Shr
from flow.passes.linear.flatten import uses
from flow.passes.widen import on_wider


@dataclass(frozen=True)
class RoundFirst:
    """Make (relu(x) + h) >> s into relu(x + h) >> s, where x is a linear row and 0 < h < 2**s.

    Both are 0 where x + h is below 2**s, and elsewhere both rectifiers hand their operand on. The
    row takes the constant into its bias, which saves an addition; only rectifiers and sums that
    nothing else reads change, and rectifiers that still have something to do.
    """

    name: ClassVar[str] = "round-first"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with fewer additions."""
        readers = uses(circuit)
        intern = Builder()
        done: dict[Node, Node] = {}
        changed: set[Node] = set()
        for node in circuit.walk():
            found = _rounding(node, readers)
            if found is not None:
                total, relu, row, factor, constant = found
                inner = done[row]
                assert isinstance(inner, Linear)
                sums = Linear(
                    inner.terms,
                    tuple(factor * c for c in inner.coefficients),
                    factor * inner.bias + constant,
                )
                done[total] = intern(Relu(sums))
                changed |= {total, relu}
            done[node] = intern(on_wider(node, (done[x] for x in node.operands)))
        # The value of a rectifier that changed is another now, so it gives up its name.
        return substitute(circuit, {x: y for x, y in done.items() if x not in changed})


def _rounding(node: Node, readers: Counter[Node]) -> tuple[Node, Relu, Linear, int, int] | None:
    """Of (c * relu(row) + h) >> s: the sum, the rectifier, the row, c and h."""
    match node:
        case Shr(total, shift) | Bits(total, shift, _):
            pass
        case _:
            return None
    match total:
        case Add(Relu(Linear() as row) as relu, Const(constant)):
            factor = 1
        case Add(Const(constant), Relu(Linear() as row) as relu):
            factor = 1
        case Linear((Relu(Linear() as row) as relu,), (factor,), constant) if factor > 0:
            pass
        case _:
            return None
    if not 0 < constant < 1 << shift or readers[total] != 1 or readers[relu] != 1:
        return None
    if factor & (factor - 1) and len(row.terms) > 1:
        return None
    if factor * row.range.lo + constant >= 0:
        # The rectifier would go with it, which the algebra of the proof cannot always follow.
        return None
    return total, relu, row, factor, constant
