"""Proves a threshold netlist equal to the design that it was mapped from, after three mutants."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from flow.ir.aig import Aig
from flow.ir.threshold import PlacedGate, ThresholdGate, ThresholdNetlist
from flow.verify.mutants import unrefused
from flow.verify.prove import prove_graphs
from flow.verify.threshold_graph import netlist_graph
from flow.verify.verdict import Verdict

Change = Literal["weight", "threshold", "wires"]
"""A weight one more or less; a threshold one more or less; two unequal inputs exchanged."""

TRIES = 60
SAMPLES = 512
CHECK = "threshold netlist = design"


@dataclass(frozen=True, slots=True)
class NetlistMutant:
    """A netlist that answers otherwise to a known input, and what was changed in it."""

    netlist: ThresholdNetlist
    change: str


def prove_threshold(
    graph: Aig, netlist: ThresholdNetlist, *, timeout_s: float = 300.0, seed: int = 1
) -> Verdict:
    """Whether a netlist and a graph with flip-flops cut are equal for every input and state.

    Each gate becomes a tree of multiplexers; equal points of both graphs are merged on the way
    (SAT sweeping). One mutant of each kind is tried first: CheckFailed where one is not refused.
    """
    begin = time.monotonic()
    refused = []
    for mutant in mutants(netlist, seed):
        left = timeout_s - (time.monotonic() - begin)
        outcome = prove_graphs(graph, netlist_graph(mutant.netlist), timeout_s=max(left, 1.0))
        if (late := unrefused(outcome.status, CHECK, mutant.change, begin)) is not None:
            return late
        refused.append(mutant)
    left = timeout_s - (time.monotonic() - begin)
    if left <= 0:
        return Verdict(CHECK, "timed out", "the time limit was reached before", timeout_s)
    outcome = prove_graphs(graph, netlist_graph(netlist), timeout_s=left)
    detail = f"{outcome.method}; {len(refused)} mutants refused"
    if outcome.status == "disproved":
        given = (f"{name} = {bit}" for name, bit in outcome.counterexample.items())
        detail = f"they differ at {', '.join(given)[:400]}"
    return Verdict(CHECK, outcome.status, detail, time.monotonic() - begin)


def mutants(netlist: ThresholdNetlist, seed: int) -> Iterator[NetlistMutant]:
    """A mutant of each kind of Change that answers otherwise to a simulated input.

    Kinds of which TRIES changes show none are left out.
    """
    rng = random.Random(seed)
    bits = np.random.default_rng(seed).integers(0, 2, (SAMPLES, netlist.first_gate), dtype=np.uint8)
    signals = netlist.signals(bits)
    ends = signals[:, list(netlist.ends)]
    for kind in get_args(Change):
        for _ in range(TRIES if netlist.gates else 0):
            k = rng.randrange(len(netlist.gates))
            placed = netlist.gates[k]
            changed = _changed(placed, kind, rng)
            if changed is None:
                continue
            answers = changed.gate.evaluate(signals[:, list(changed.inputs)])
            if np.array_equal(answers, signals[:, netlist.first_gate + k]):
                continue
            gates = (*netlist.gates[:k], changed, *netlist.gates[k + 1 :])
            mutant = replace(netlist, gates=gates)
            if not np.array_equal(mutant.evaluate(bits), ends):
                yield NetlistMutant(mutant, f"{kind} of gate {k}: {placed.gate} to {changed.gate}")
                break


def _changed(placed: PlacedGate, kind: Change, rng: random.Random) -> PlacedGate | None:
    """The gate with one change of that kind; None where it has no place for one."""
    weights, threshold = list(placed.gate.weights), placed.gate.threshold
    inputs: Sequence[int] = placed.inputs
    if kind == "threshold":
        threshold += rng.choice((-1, 1))
    elif kind == "weight" and weights:
        weights[rng.randrange(len(weights))] += rng.choice((-1, 1))
    elif kind == "wires" and len(set(weights)) > 1:
        i, j = rng.sample(range(len(weights)), 2)
        if weights[i] == weights[j]:
            return None
        order = list(range(len(weights)))
        order[i], order[j] = j, i
        inputs = tuple(placed.inputs[x] for x in order)
    else:
        return None
    return PlacedGate(ThresholdGate(tuple(weights), threshold), tuple(inputs), placed.name)
