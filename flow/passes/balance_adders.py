"""The pass `balance-adders`: chains of additions as trees of least depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Add, Neg, Node, Sub
from flow.passes.linear.flatten import inner_nodes, terms_of
from flow.passes.linear.form import Form, add_all, finish, least_depth
from flow.passes.widen import fitted, on_wider

KINDS: tuple[type[Node], ...] = (Add, Sub, Neg)


@dataclass(frozen=True)
class BalanceAdders:
    """Reassociate sums that are read once into trees no deeper than needed.

    Depth counts additions from the inputs; the earliest and then the narrowest values are
    joined first. With `max-depth`, a sum that ends within that depth is left as it is. The
    number of operations never grows.
    """

    name: ClassVar[str] = "balance-adders"
    exact: ClassVar[bool] = True

    max_depth: int | None = None

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit with balanced sums."""
        inner = inner_nodes(circuit, KINDS)
        intern = Builder()
        done: dict[Node, Node] = {}
        depth: dict[Node, int] = {}
        for node in circuit.walk():
            depth[node] = max((depth[x] for x in node.operands), default=0)
            depth[node] += isinstance(node, KINDS)
            if isinstance(node, KINDS) and node not in inner:
                terms = terms_of(node, inner.__contains__)
                starts = [depth[x] for x, _ in terms]
                least = least_depth(starts)
                if depth[node] > max(least, self.max_depth or 0):
                    forms = (Form(done[x], 0, c < 0) for x, c in terms)
                    total = finish(add_all(forms, intern, starts), 0, intern)
                    done[node] = intern(fitted(total, node.range))
                    depth[node] = least + isinstance(total, Neg)
                    continue
            # An inner sum is built as well: the root above it may keep it.
            done[node] = intern(
                fitted(on_wider(node, (done[x] for x in node.operands)), node.range)
            )
        return substitute(circuit, done)
