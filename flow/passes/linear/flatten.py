"""Trees of additions as lists of signed terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from flow.ir.circuit import Circuit
from flow.ir.nodes import Add, Neg, Node, Shl, Sub

Term = tuple[Node, int]
"""A node and its coefficient."""


def uses(circuit: Circuit) -> Counter[Node]:
    """How often each node is read, by operations and by output ports."""
    count: Counter[Node] = Counter()
    for node in circuit.walk():
        count.update(node.operands)
    for port in circuit.outputs:
        count.update(port.lanes)
    return count


def inner_nodes(circuit: Circuit, kinds: tuple[type[Node], ...]) -> set[Node]:
    """Nodes of some kinds that only one other node of these kinds reads."""
    count = uses(circuit)
    return {
        x
        for node in circuit.walk()
        if isinstance(node, kinds)
        for x in node.operands
        if isinstance(x, kinds) and count[x] == 1
    }


def terms_of(root: Node, is_inner: Callable[[Node], bool]) -> list[Term]:
    """The leaves of the tree under a sum, in reading order, each with its coefficient."""
    terms: list[Term] = []
    stack: list[Term] = [(root, 1)]
    while stack:
        node, c = stack.pop()
        if node is not root and not is_inner(node):
            terms.append((node, c))
            continue
        match node:
            case Add(a, b):
                stack += [(b, c), (a, c)]
            case Sub(a, b):
                stack += [(b, -c), (a, c)]
            case Neg(x):
                stack.append((x, -c))
            case Shl(x, amount):
                stack.append((x, c << amount))
            case _:
                terms.append((node, c))
    return terms
