"""A first estimate of area: least squares on counts of bits, connections and neurons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import Space

UM2_PER_BIT = 1_000_000


class AreaEstimate:
    """Area by the numbers of mask bits, connections and living neurons of each layer."""

    def fit(self, space: Space, genomes: IntArray, areas: IntArray) -> NDArray[np.float64]:
        """The coefficients that describe mapped genomes (P, genes) of known areas (P,) best."""
        counts = _counts(space, genomes)
        square = counts.T @ counts + np.eye(counts.shape[1])
        return np.asarray(np.linalg.solve(square, counts.T @ areas))

    def areas(self, space: Space, genomes: IntArray, coefficients: NDArray[np.float64]) -> IntArray:
        """The estimated areas (P,) in um2, whole numbers; without coefficients a first guess."""
        counts = _counts(space, genomes)
        if not len(coefficients):
            return (counts[:, 1] * UM2_PER_BIT).astype(np.int64)
        return np.maximum(0, counts @ coefficients).astype(np.int64)


def _counts(space: Space, genomes: IntArray) -> NDArray[np.float64]:
    columns = [np.ones(len(genomes))]
    for g in space.layers(space.canonical(genomes)):
        bits = np.bitwise_count(g.masks.astype(np.uint32)).sum(axis=(1, 2))
        columns += [bits, (g.masks > 0).sum(axis=(1, 2)), (g.masks > 0).any(axis=2).sum(axis=1)]
    return np.stack(columns, axis=1).astype(np.float64)
