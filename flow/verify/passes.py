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
from flow.ir.text import print_circuit
from flow.verify.algebra import equal_by_algebra
from flow.verify.mutants import unrefused
from flow.verify.prove import prove_circuits
from flow.verify.verdict import Verdict

TRIES = 20
SAT_SECONDS = 60.0


def prove_pass(
    name: str,
    before: Circuit,
    after: Circuit,
    *,
    seed: int = 1,
    timeout_s: float = SAT_SECONDS,
    mutants: int = 1,
) -> Verdict:
    """Whether a pass kept every output for every input: by algebra, else by SAT.

    Up to so many different mutants of the result are tried first by the same means; CheckFailed
    if one is found equal.
    """
    begin = time.monotonic()
    check = f"pass {name}"
    tried = mutants_of_circuit(after, seed, mutants)
    for mutant in tried:
        # What algebra proves is not for SAT to refuse: the mutant goes the same way.
        easy = equal_by_algebra(before, after)
        status = _status(before, mutant, timeout_s / (1 + len(tried)), easy)
        if (late := unrefused(status, check, "one changed node", begin)) is not None:
            return late
    verdict = prove_circuits(before, after, max(1.0, timeout_s - (time.monotonic() - begin)))
    detail = verdict.detail
    if verdict.status == "proved":
        detail = f"{detail}; {_told(len(tried))}"
    return Verdict(check, verdict.status, detail, time.monotonic() - begin)


def _status(before: Circuit, mutant: Circuit, timeout_s: float, algebra: bool) -> str:
    if algebra:
        return "proved" if equal_by_algebra(before, mutant) else "disproved"
    return prove_circuits(before, mutant, timeout_s).status


def _told(refused: int) -> str:
    mutants = "a mutant" if refused == 1 else f"{refused} mutants"
    return f"refused {mutants}" if refused else "no change of a node shows"


def mutants_of_circuit(circuit: Circuit, seed: int, count: int) -> list[Circuit]:
    """At most so many different mutants, each of which some sample shows."""
    found: dict[str, Circuit] = {}
    for k in range(4 * count if count > 1 else 1):
        mutant = mutate_circuit(circuit, seed + k)
        if mutant is not None:
            found.setdefault(print_circuit(mutant) if count > 1 else "", mutant)
        if len(found) == count:
            break
    return list(found.values())


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
