"""The pass `share`: one order for the operands that may be swapped, so that equals meet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.builder import Builder, substitute
from flow.ir.circuit import Circuit
from flow.ir.nodes import Add, And, Compare, Const, FullAdder, Linear, Mul, Node, Or, Xor


@dataclass(frozen=True)
class Share:
    """Order the operands of commutative operations; equal nodes become one.

    Deeper operands come first and constants last. The number of operations never grows.
    """

    name: ClassVar[str] = "share"
    exact: ClassVar[bool] = True

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit in which a + b and b + a are one node."""
        intern = Builder()
        done: dict[Node, Node] = {}
        key: dict[Node, tuple[bool, int, bytes]] = {}
        for node in circuit.walk():
            ordered = intern(_ordered(node, tuple(done[x] for x in node.operands), key))
            done[node] = ordered
            if ordered not in key:
                below = [key[x] for x in ordered.operands]
                depth = min((d for _, d, _ in below), default=1) - 1
                text = f"{ordered.mnemonic} {ordered.attributes}".encode()
                digest = hashlib.sha256(text + b"".join(d for _, _, d in below)).digest()
                key[ordered] = (isinstance(ordered, Const), depth, digest)
        return substitute(circuit, done)


def _ordered(
    node: Node, operands: tuple[Node, ...], key: dict[Node, tuple[bool, int, bytes]]
) -> Node:
    """The operation on its operands in the one order, where the order is free."""
    match node:
        case Add() | And() | Or() | Xor() | Mul() | FullAdder() | Compare(_, _, "eq" | "ne"):
            return node.with_operands(*sorted(operands, key=key.__getitem__))
        case Linear(_, coefficients, bias):
            terms = sorted(zip(operands, coefficients, strict=True), key=lambda t: key[t[0]])
            if [x for x, _ in terms] == list(node.terms):
                return node
            return Linear(tuple(x for x, _ in terms), tuple(c for _, c in terms), bias)
    return node.with_operands(*operands)
