"""The approximation `prune-gates`: gates that hardly ever change, and hardly matter, are constant.

G. Armeniakos, G. Zervakis, D. Soudris, M. B. Tahoori and J. Henkel, "Cross-Layer Approximation
for Printed Machine Learning Circuits", DATE 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.aig import Aig, Words
from flow.passes.approximate.gates import GateFacts, reach, remade

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class PruneGates:
    """Replace gates that are constant for a share `tau` of the samples by that constant.

    Only gates whose most significant reachable bit of a score lies at `phi` at most. Gates that
    reach no score lie above all bits; with phi = -1 every gate counts by tau alone.
    """

    name: ClassVar[str] = "prune-gates"
    exact: ClassVar[bool] = False

    tau: float = 0.95
    phi: int = -1

    def run_with(self, graph: Aig, facts: GateFacts) -> Aig:
        """The graph without these gates, and without what only they read."""
        if not 0.5 <= self.tau <= 1:
            raise UsageError(f"prune-gates: tau is {self.tau}, not 0.5 to 1")
        return Pruning(graph, facts).graph_without(self)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Options that lead to a graph of their own, and its answers on the training data."""

    options: PruneGates
    answers: Words


class Pruning:
    """A graph with what its gates do on the training data, simulated once for all options."""

    def __init__(self, graph: Aig, facts: GateFacts) -> None:
        self._graph, self._facts = graph, facts
        level = graph.levels()[graph.first_gate :]
        order = np.argsort(level, kind="stable") if graph.size else np.zeros(0, np.int64)
        edges = np.flatnonzero(np.diff(level[order])) + 1
        self._steps = [
            (gates + graph.first_gate, left >> 1, _mask(left), right >> 1, _mask(right))
            for gates in (np.split(order, edges) if graph.size else [])
            for left, right in ((np.array(graph.left)[gates], np.array(graph.right)[gates]),)
        ]
        values = self._simulate(None, np.zeros(0))
        if facts.count % 64:
            values[:, -1] &= np.uint64((1 << facts.count % 64) - 1)
        self._ones = np.bitwise_count(values).sum(axis=1, dtype=np.int64)
        self._places = reach(graph, facts.places)
        self._kept = [k for k, place in enumerate(facts.places) if place is None]

    def sweep(self, taus: Sequence[float], phis: Sequence[int]) -> Iterator[Pruned]:
        """The answers for all options, those left out that prune nothing or what others did."""
        literals = np.array([self._graph.literals[k] for k in self._kept], dtype=np.int64)
        seen: set[bytes] = set()
        for tau in taus:
            for phi in phis:
                chosen = self._chosen(PruneGates(tau, phi))
                key = np.packbits(chosen).tobytes()
                if chosen.any() and key not in seen:
                    seen.add(key)
                    values = self._simulate(chosen, 2 * self._ones > self._facts.count)
                    yield Pruned(PruneGates(tau, phi), values[literals >> 1] ^ _mask(literals))

    def graph_without(self, options: PruneGates) -> Aig:
        """The graph with constants for the gates that some options choose."""
        chosen = np.flatnonzero(self._chosen(options)).tolist()
        instead = {v: int(2 * self._ones[v] > self._facts.count) for v in chosen}
        return remade(self._graph, instead, self._kept)

    def _chosen(self, options: PruneGates) -> Flags:
        """Which variables become constant; none of them is an input."""
        share = Fraction(str(options.tau))
        often = np.maximum(self._ones, self._facts.count - self._ones)
        chosen: Flags = often * share.denominator >= self._facts.count * share.numerator
        if options.phi >= 0:
            chosen &= self._places <= options.phi
        chosen[: self._graph.first_gate] = False
        return chosen

    def _simulate(self, chosen: Flags | None, value: NDArray[np.generic]) -> Words:
        """The values of all variables, those chosen constant."""
        graph, words = self._graph, self._facts.words
        values = np.zeros((graph.first_gate + graph.size, words.shape[1]), dtype=np.uint64)
        values[1 : graph.first_gate] = words
        if chosen is not None:
            constant = np.where(value, np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0))[:, None]
        for gates, a, flip_a, b, flip_b in self._steps:
            found = (values[a] ^ flip_a) & (values[b] ^ flip_b)
            if chosen is not None:
                found = np.where(chosen[gates][:, None], constant[gates], found)
            values[gates] = found
        return values


def _mask(literals: NDArray[np.int64]) -> Words:
    """A column of all ones where a literal is inverted."""
    flips: Words = ((literals & 1).astype(np.uint64) * np.uint64(0xFFFFFFFFFFFFFFFF))[:, None]
    return flips
