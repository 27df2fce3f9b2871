"""Proves that an exact pass has changed no output, and that its proof refuses a broken circuit."""

from __future__ import annotations

import random
import time

import numpy as np

from flow.analysis.vectors import sample
from flow.errors import IRError
from flow.ir.builder import rebuild
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Add, Compare, Const, Linear, Node, Sub
from flow.verify.algebra import equal_by_algebra
from flow.verify.mutants import must_disprove
from flow.verify.prove import prove_circuits
from flow.verify.verdict import Verdict

TRIES = 20
SAT_SECONDS = 60.0


def prove_pass(
    name: str, before: Circuit, after: Circuit, *, seed: int = 1, timeout_s: float = SAT_SECONDS
) -> Verdict:
    """Whether a pass kept every output for every input: by algebra, else by SAT.

    A mutant of the result is tried first by the same means; CheckFailed if it is found equal.
    """
    begin = time.monotonic()
    check = f"pass {name}"
    mutant = mutate_circuit(after, seed)
    if mutant is not None:
        # What algebra proves is not for SAT to refuse: the mutant goes the same way.
        easy = equal_by_algebra(before, after)
        status = _status(before, mutant, timeout_s / 2, easy)
        must_disprove(status, check, "one changed node")
    verdict = prove_circuits(before, after, max(1.0, timeout_s - (time.monotonic() - begin)))
    detail = verdict.detail
    if verdict.status == "proved":
        detail = f"{detail}; {_told(mutant)}"
    return Verdict(check, verdict.status, detail, time.monotonic() - begin)


def _status(before: Circuit, mutant: Circuit, timeout_s: float, algebra: bool) -> str:
    if algebra:
        return "proved" if equal_by_algebra(before, mutant) else "disproved"
    return prove_circuits(before, mutant, timeout_s).status


def _told(mutant: Circuit | None) -> str:
    return "no change of a node shows" if mutant is None else "refused a mutant"


def mutate_circuit(circuit: Circuit, seed: int) -> Circuit | None:
    """The circuit with one operation changed so that some sample shows it; None if none does."""
    rng = random.Random(seed)
    places = [node for node in circuit.walk() if _changed(node) is not None]
    vectors = sample(circuit, 64, seed)
    expected = evaluate(circuit, vectors)
    for _ in range(min(TRIES, len(places))):
        broken = _with_change(circuit, rng.choice(places))
        if broken is None:
            continue
        got = evaluate(broken, vectors)
        if any(not np.array_equal(got[name], expected[name]) for name in expected):
            return broken
    return None


def _with_change(circuit: Circuit, place: Node) -> Circuit | None:
    """The circuit with that node changed; None where an interval does not allow it."""
    order = iter(list(circuit.walk()))

    def change(node: Node, _: object) -> Node:
        return (_changed(node) or node) if next(order) is place else node

    try:
        return rebuild(circuit, change)
    except IRError:
        return None


def _changed(node: Node) -> Node | None:
    """a + b -> a - b; a - b -> a + b; a linear row with another bias; another relation"""
    match node:
        case Add(a, b):
            return Sub(a, b)
        case Sub(a, b):
            return Add(a, b)
        case Linear(terms, coefficients, bias):
            return Linear(terms, coefficients, bias + 1)
        case Compare(a, b, relation):
            return Compare(a, b, "le" if relation == "lt" else "lt")
        case Const(value):
            return Const(value + 1)
        case _:
            return None
