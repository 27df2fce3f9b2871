"""The approximation `merge-signals`: signals that are equal on all training data become one.

Inputs that the data do not show are don't-cares. The answers on the training data stay; all
others may change, so this is done on request only and named in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flow.ir.aig import Aig
from flow.passes.approximate.gates import GateFacts, remade, simulated


@dataclass(frozen=True)
class MergeSignals:
    """Read the earliest signal with the same (or the opposite) values on all training samples."""

    name: ClassVar[str] = "merge-signals"
    exact: ClassVar[bool] = False

    def run_with(self, graph: Aig, facts: GateFacts) -> Aig:
        """The graph whose signals differ on the training data, as far as these tell.

        An earlier signal may have gates of its own that nothing else reads, so the graph stays as
        it is where merging would make it larger.
        """
        values = simulated(graph, facts)
        full = np.full(values.shape[1], 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
        if facts.count % 64:
            full[-1] = np.uint64((1 << facts.count % 64) - 1)
        known: dict[bytes, int] = {}
        instead: dict[int, int] = {}
        for v, row in enumerate(values):
            # Of two opposite rows the one that is zero for the first sample is the key.
            flip = int(row[0]) & 1
            key = (row ^ full if flip else row).tobytes()
            first = known.setdefault(key, 2 * v | flip)
            if first >> 1 != v:
                instead[v] = first ^ flip
        kept = [k for k, place in enumerate(facts.places) if place is None]
        return min(remade(graph, instead, kept), remade(graph, {}, kept), key=lambda g: g.size)
