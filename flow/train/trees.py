"""Decision trees of many sizes on integer levels, as paths: where a search may start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

from flow.train.dataset import ByteArray
from flow.train.table import IntArray

Path = tuple[tuple[int, int, bool], ...]
"""Comparisons on the way to a leaf: feature, threshold, and whether level >= threshold."""
LEAVES = (
    2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 224,
    256,
)  # fmt: skip
"""Leaves of the trees that are grown."""
CRITERIA = ("gini", "entropy")


def grow_trees(
    x: ByteArray, y: IntArray, leaves: Sequence[int] = LEAVES, seed: int = 0
) -> Iterator[list[tuple[Path, int]]]:
    """Trees of at most so many leaves each: for every leaf its path and its class index.

    L. Breiman et al., "Classification and Regression Trees", 1984, as scikit-learn grows them.
    """
    from sklearn.tree import DecisionTreeClassifier

    for count in leaves:
        for criterion in CRITERIA:
            model = DecisionTreeClassifier(
                max_leaf_nodes=count, criterion=criterion, random_state=seed
            )
            model.fit(x, y)
            known = model.classes_
            yield [(path, int(known[value[0].argmax()])) for path, value in paths(model.tree_)]


def paths(tree: Any) -> Iterator[tuple[Path, Any]]:
    """The leaves of a tree of scikit-learn: the way to each, and its value."""
    waiting: list[tuple[int, Path]] = [(0, ())]
    while waiting:
        node, path = waiting.pop()
        if tree.children_left[node] < 0:
            yield path, tree.value[node]
            continue
        feature, threshold = int(tree.feature[node]), ceil(float(tree.threshold[node]))
        waiting.append((int(tree.children_right[node]), (*path, (feature, threshold, True))))
        waiting.append((int(tree.children_left[node]), (*path, (feature, threshold, False))))
