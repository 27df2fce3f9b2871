"""The pass `simplify`: local algebra, until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, Rule, rebuild
from flow.ir.circuit import Circuit
from flow.ir.nodes import Const, Linear, Node
from flow.passes.expand_linear import ExpandLinear
from flow.passes.rules import arithmetic, choice, logic, wiring

RULES: dict[type[Node], tuple[Rule, ...]] = {
    **arithmetic.RULES,
    **wiring.RULES,
    **logic.RULES,
    **choice.RULES,
}
"""The rules of each operation, tried in order; each operation is in one file only."""


@dataclass(frozen=True)
class Simplify:
    """Fold constants and apply identities; the number of operations never grows.

    A product or a table that turns out to be a linear row becomes adders where the circuit has
    no linear rows: those were expanded before, and no later pass may be there to do it.
    """

    name: ClassVar[str] = "simplify"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit on which no rule matches any more."""
        constants: dict[int, Const] = {}
        settled: set[Node] = set()
        intern = Builder()
        expanded = not _has_rows(circuit)
        while True:
            better = rebuild(
                circuit, lambda node, intern: _better(node, intern, constants, settled), intern
            )
            if all(
                old is new
                for before, after in zip(circuit.outputs, better.outputs, strict=True)
                for old, new in zip(before.lanes, after.lanes, strict=True)
            ):
                return circuit
            circuit = ExpandLinear().run(better) if expanded and _has_rows(better) else better
            if circuit is better and settled.issuperset(better.walk()):
                return better


def _has_rows(circuit: Circuit) -> bool:
    return any(isinstance(node, Linear) for node in circuit.walk())


def _better(node: Node, intern: Builder, constants: dict[int, Const], settled: set[Node]) -> Node:
    """The node after every rule that matches at it.

    `constants` keeps one object for each constant over all sweeps, so that a sweep without
    a match returns the very same nodes; nothing is to be done at a node of `settled`.
    """
    while node not in settled:
        value = _constant(node)
        if value is not None:
            known = node if isinstance(node, Const) else Const(value)
            node = intern(constants.setdefault(value, known))
            settled.add(node)
            return node
        for rule in RULES.get(type(node), ()):
            found = rule(node)
            if found is not None:
                node = intern(found)
                break
        else:
            settled.add(node)
    return node


def _constant(node: Node) -> int | None:
    """The only value that the node can have, if its interval or its operands say so."""
    if node.range.lo == node.range.hi:
        return node.range.lo
    if node.operands and all(isinstance(x, Const) for x in node.operands):
        return int(node.evaluate(*(x.range.lo for x in node.operands)))
    return None
