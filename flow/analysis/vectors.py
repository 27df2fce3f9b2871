"""Input vectors to compare two circuits on: corners first, then seeded random ones."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.circuit import Circuit
from flow.ir.evaluate import SAFE_BITS


def sample(circuit: Circuit, count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Values for every input port: corner vectors, then `count` random ones.

    The corners: every lane at its low end, at its high end, at zero or nearest to it, and the
    two checkerboards of low and high ends. Shape (5 + count, lanes); equal seeds, equal values.
    """
    rng = random.Random(seed)
    vectors: dict[str, NDArray[Any]] = {}
    for port in circuit.inputs:
        ranges = [lane.range for lane in port.lanes]
        wide = any(r.width > SAFE_BITS for r in ranges)
        low, high = [r.lo for r in ranges], [r.hi for r in ranges]
        rows = [low, high, [min(max(0, r.lo), r.hi) for r in ranges]]
        for odd in (0, 1):
            rows.append([(high if i % 2 == odd else low)[i] for i in range(len(ranges))])
        rows += [[rng.randint(r.lo, r.hi) for r in ranges] for _ in range(count)]
        array = np.array(rows, dtype=object if wide else np.int64)
        vectors[port.name] = array.reshape(len(rows), len(ranges))
    return vectors
