"""The Builder, which makes equal nodes the same object, and the rewriting engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar, cast

from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.nodes import Node

N = TypeVar("N", bound=Node)

Rule = Callable[[Node], Node | None]
"""A rewrite: the better node, or None where the rule does not match."""


class Builder:
    """Interns nodes, so that sharing common subexpressions needs no pass of its own."""

    def __init__(self, known: Iterable[Node] = ()) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}
        self._canonical: set[Node] = set()
        for node in known:
            self(node)

    def __call__(self, node: N) -> N:
        """The one node equal to this. What a rule has just built under it is interned too."""
        if node in self._canonical:
            return node
        operands = node.operands
        if not self._canonical.issuperset(operands):
            # A rule builds a handful of nodes at a time, so this recursion stays shallow.
            operands = tuple([self(operand) for operand in operands])
            node = cast("N", node.with_operands(*operands))
        kind = type(node)
        read = kind._key
        key = (kind, operands, read(node)) if read else (kind, operands)
        known: N = self._known.setdefault(key, node)
        self._canonical.add(known)
        return known


def rewrite(circuit: Circuit, *rules: Rule) -> Circuit:
    """Apply the first rule that matches at each node, operands first, until none does.

    A rule sees a node whose operands are already rewritten and interned.
    """

    def better(node: Node, intern: Builder) -> Node:
        while True:
            for rule in rules:
                found = rule(node)
                if found is not None:
                    node = intern(found)
                    break
            else:
                return node

    return rebuild(circuit, better)


def rebuild(
    circuit: Circuit, change: Callable[[Node, Builder], Node], intern: Builder | None = None
) -> Circuit:
    """A circuit with `change(node, builder)` in place of each node, operands first.

    `change` sees each node on its new operands. Input lanes keep their identity. A new node
    takes over the origin of the node that it stands for, unless it has one. With `intern`,
    nodes that it knows are met again.
    """
    intern = intern or Builder()
    done: dict[Node, Node] = {}
    for node in circuit.walk():
        done[node] = change(intern(node.with_operands(*[done[x] for x in node.operands])), intern)
    return substitute(circuit, done)


def substitute(circuit: Circuit, done: dict[Node, Node]) -> Circuit:
    """The circuit whose outputs are the images of the old ones; origins move to the images."""
    origins: dict[Node, Origin] = {}
    for old, origin in circuit.origins.items():
        new = done.get(old)
        if new is not None and new not in origins:
            origins[new] = origin
    return replace(
        circuit,
        outputs=tuple(
            Port(port.name, tuple(done[lane] for lane in port.lanes)) for port in circuit.outputs
        ),
        origins=origins,
    )
