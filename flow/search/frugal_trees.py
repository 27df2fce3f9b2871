"""Decision trees that know what their comparisons cost: the seeds of small classifiers.

Grown best first, as L. Breiman et al. ("Classification and Regression Trees", 1984) do, but the
gain of a split is divided by what its comparison adds to the circuit: nothing where the tree has
it already, little where the threshold ends in zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.trees import Leaf

Steps = tuple[tuple[int, int, bool], ...]

THRIFT = (0.05, 0.1, 0.2, 0.4, 0.8)
"""By how much a gate of a new comparison divides the gain of a split."""


@dataclass(slots=True)
class _Node:
    """A leaf so far: its samples, the way to it, its class, and its best split."""

    rows: IntArray
    path: Steps
    label: int
    gains: NDArray[np.float64]


def frugal_trees(
    x: IntArray,
    y: IntArray,
    bits: int,
    leaves: Sequence[int],
    thrift: Sequence[float] = THRIFT,
) -> list[list[Leaf]]:
    """Trees of at most so many leaves each for samples x (N, inputs), labels y (N,), from the
    thriftless on; each only once."""
    found: list[list[Leaf]] = []
    for care in thrift:
        for tree in _grown(np.asarray(x), np.asarray(y), bits, leaves, care):
            if tree not in found:
                found.append(tree)
    return found


def _grown(
    x: IntArray, y: IntArray, bits: int, leaves: Sequence[int], care: float
) -> list[list[Leaf]]:
    classes, levels = int(y.max()) + 1, 1 << bits
    gates = np.array([_gates(t, bits) for t in range(1, levels)], dtype=np.float64)
    price = 1 + care * np.tile(gates, (x.shape[1], 1))
    nodes = [_node(np.arange(len(y)), (), x, y, classes, levels)]
    found: list[list[Leaf]] = []
    while True:
        if len(nodes) in leaves:
            found.append([Leaf(node.path, node.label) for node in nodes])
        worth = [float((node.gains / price).max()) for node in nodes]
        best = int(np.argmax(worth))
        if len(nodes) >= max(leaves) or worth[best] <= 0:
            return found
        node = nodes[best]
        place = int(np.argmax(node.gains / price))
        feature, threshold = place // (levels - 1), place % (levels - 1) + 1
        price[feature, threshold - 1] = 1.0
        above = x[node.rows, feature] >= threshold
        nodes[best : best + 1] = [
            _node(node.rows[side], (*node.path, (feature, threshold, up)), x, y, classes, levels)
            for side, up in ((~above, False), (above, True))
        ]


def _node(
    rows: IntArray, path: Steps, x: IntArray, y: IntArray, classes: int, levels: int
) -> _Node:
    """A leaf with the decrease of Gini's impurity by each split (inputs, thresholds)."""
    inputs = x.shape[1]
    own = np.bincount(y[rows], minlength=classes)
    keys = (np.arange(inputs) * levels + x[rows]) * classes + y[rows][:, None]
    table = np.bincount(keys.ravel(), minlength=inputs * levels * classes)
    below = table.reshape(inputs, levels, classes).cumsum(axis=1)[:, :-1]
    above = own - below
    fewer, more = below.sum(axis=2), above.sum(axis=2)
    pure = (below**2).sum(axis=2) / np.maximum(fewer, 1) + (above**2).sum(axis=2) / np.maximum(
        more, 1
    )
    gains = np.where((fewer > 0) & (more > 0), pure - (own**2).sum() / len(rows), 0.0)
    gains[gains < 1e-9] = 0.0
    return _Node(rows, path, int(np.argmax(own)), gains)


def _gates(threshold: int, bits: int) -> int:
    """Gates of two inputs that compare a value of so many bits with a threshold."""
    trailing = (threshold & -threshold).bit_length() - 1
    return bits - 1 - trailing
