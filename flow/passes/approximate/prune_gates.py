"""The approximation `prune-gates`: gates that hardly ever change, and hardly matter, are constant.

G. Armeniakos, G. Zervakis, D. Soudris, M. B. Tahoori and J. Henkel, "Cross-Layer Approximation
for Printed Machine Learning Circuits", DATE 2022; first in I. Scarabottolo, G. Ansaloni and
L. Pozzi, "Circuit Carving", DATE 2018, by significance alone.
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
from flow.passes.approximate.gates import GateFacts, reach, remade, simulated


@dataclass(frozen=True)
class PruneGates:
    """Replace gates that are constant for a share `tau` of the samples by that constant.

    Only gates whose most significant reachable bit of a score lies at `phi` at most; gates
    behind the scores, and all with phi = -1, count by tau alone.
    """

    name: ClassVar[str] = "prune-gates"
    exact: ClassVar[bool] = False

    tau: float = 0.95
    phi: int = -1

    def run_with(self, graph: Aig, facts: GateFacts) -> Aig:
        """The graph without these gates, and without what only they read."""
        if not 0.5 <= self.tau <= 1:
            raise UsageError(f"prune-gates: tau is {self.tau}, not 0.5 to 1")
        ones = _ones(simulated(graph, facts))
        return _pruned(graph, facts, ones, reach(graph, facts.places), self)


@dataclass(frozen=True, slots=True)
class Pruned:
    """A graph and the options that made it; `values` are its outputs on the training data."""

    options: PruneGates
    graph: Aig
    values: Words


def prunings(
    graph: Aig, facts: GateFacts, taus: Sequence[float], phis: Sequence[int]
) -> Iterator[Pruned]:
    """Every distinct pruned graph of the options, the graph itself left out.

    The training data are simulated once; a set of gates met before is not built again.
    """
    ones = _ones(simulated(graph, facts))
    places = reach(graph, facts.places)
    seen: set[bytes] = set()
    for tau in taus:
        for phi in phis:
            options = PruneGates(tau, phi)
            chosen = _chosen(graph, facts, ones, places, options)
            key = np.packbits(chosen).tobytes()
            if not chosen.any() or key in seen:
                continue
            seen.add(key)
            new = _pruned(graph, facts, ones, places, options)
            yield Pruned(options, new, new.simulate(facts.words))


def _ones(values: Words) -> NDArray[np.int64]:
    """How many samples each variable is one for."""
    count: NDArray[np.int64] = np.bitwise_count(values).sum(axis=1, dtype=np.int64)
    return count


def _chosen(
    graph: Aig,
    facts: GateFacts,
    ones: NDArray[np.int64],
    places: NDArray[np.int64],
    options: PruneGates,
) -> NDArray[np.bool_]:
    """Which gates become constant."""
    often = np.maximum(ones, facts.count - ones)[graph.first_gate :]
    share = Fraction(str(options.tau))
    steady: NDArray[np.bool_] = often * share.denominator >= facts.count * share.numerator
    if options.phi < 0:
        return steady
    return steady & (places[graph.first_gate :] <= options.phi)


def _pruned(
    graph: Aig,
    facts: GateFacts,
    ones: NDArray[np.int64],
    places: NDArray[np.int64],
    options: PruneGates,
) -> Aig:
    chosen = np.flatnonzero(_chosen(graph, facts, ones, places, options)) + graph.first_gate
    instead = {int(v): int(2 * ones[v] > facts.count) for v in chosen}
    kept = [k for k, place in enumerate(facts.places) if place is None]
    return remade(graph, instead, kept)
