"""Trees, forests and boosted trees on integer levels, as leaves that vote with whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from flow.train.dataset import ByteArray
from flow.train.table import IntArray
from flow.train.trees import Path, paths

TOP = 7
"""The largest vote of a boosted tree."""
CLIPPED_TOP = 3
"""The largest vote where votes are clipped."""
CLIPPED_FROM = 0.9
"""The share of leaves whose votes are not clipped; some leaves are surer than all others."""
RATE = 0.4
"""By how much boosting goes towards what is missing."""
Kind = Literal["trees", "boosted", "clipped", "ordered"]
"""Forests, boosted trees with scaled or with clipped votes, forests for the steps of an order."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`count` trees of so many leaves, or as many rounds of boosted ones, a tree for each class.

    Votes of boosted trees are scaled to the largest, or "clipped": then a tenth of them is. Of
    "ordered" classes each step from one to the next has so many trees of its own.
    """

    kind: Kind
    count: int
    leaves: int

    @property
    def boosted(self) -> bool:
        """Whether leaves vote with whole numbers."""
        return self.kind in ("boosted", "clipped")

    @property
    def name(self) -> str:
        """What it is called in reports."""
        if self.boosted:
            rounds = "1 round" if self.count == 1 else f"{self.count} rounds"
            clipped = " with clipped votes" if self.kind == "clipped" else ""
            return f"{rounds} of boosted trees of {self.leaves} leaves{clipped}"
        step = " a step of the classes" if self.kind == "ordered" else ""
        trees = "a tree" if self.count == 1 else f"{self.count} trees"
        return f"{trees} of {self.leaves} leaves{step}"


RECIPES = (
    *(Recipe("trees", 1, leaves) for leaves in (6, 10, 16, 24, 32, 48)),
    *(Recipe("trees", *sizes) for sizes in ((3, 8), (5, 16), (9, 24))),
    *(Recipe("boosted", *sizes) for sizes in ((2, 4), (4, 6), (8, 6))),
)
"""What is grown where a specification names nothing, the small ones first."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A leaf: the comparisons on the way to it, what it adds to the score of each class, and of
    which tree it is."""

    path: Path
    votes: tuple[int, ...]
    tree: int = 0


def grow_ensemble(
    recipe: Recipe, x: ByteArray, y: IntArray, classes: int, seed: int = 0
) -> tuple[Vote, ...]:
    """The leaves of all trees for samples x (N, features) of labels y below `classes`.

    The class is that of the largest score. Forests: L. Breiman, "Random Forests", 2001; boosting:
    J. H. Friedman, "Greedy function approximation", 2001; both as scikit-learn grows them.
    """
    if recipe.boosted:
        return tuple(_boosted(recipe, x, y, classes, seed))
    return tuple(_forest(recipe.count, recipe.leaves, x, y, classes, seed))


def grow_ordered(
    recipe: Recipe, x: ByteArray, y: IntArray, classes: int, seed: int = 0
) -> tuple[tuple[Vote, ...], ...]:
    """For each class but the lowest the leaves of a forest that votes for 1 where it is reached.

    The class is the number of forests of which most trees do. A step that few samples are beyond,
    or not beyond, has fewer leaves. E. Frank and M. Hall, "A Simple Approach to Ordinal
    Classification", ECML 2001.
    """
    reached = [np.asarray(y >= label, dtype=np.int64) for label in range(1, classes)]
    rare = [min(int(some.sum()), int((1 - some).sum())) for some in reached]
    most = max(1, *rare)
    return tuple(
        tuple(_forest(recipe.count, max(2, round(recipe.leaves * few / most)), x, some, 2, seed))
        for some, few in zip(reached, rare, strict=True)
    )


def _forest(
    count: int, leaves: int, x: ByteArray, y: IntArray, classes: int, seed: int
) -> Iterator[Vote]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    model: Any
    if count == 1:
        model = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=seed)
        trees = [model.fit(x, y)]
    else:
        model = RandomForestClassifier(
            count, max_leaf_nodes=leaves, max_features=0.5, random_state=seed
        )
        trees = model.fit(x, y).estimators_
    for number, tree in enumerate(trees):
        for path, value in paths(tree.tree_):
            vote = np.zeros(classes, np.int64)
            vote[int(model.classes_[value[0].argmax()])] = 1
            yield Vote(path, tuple(vote.tolist()), number)


def _boosted(recipe: Recipe, x: ByteArray, y: IntArray, classes: int, seed: int) -> Iterator[Vote]:
    from sklearn.ensemble import GradientBoostingClassifier

    model: Any = GradientBoostingClassifier(
        n_estimators=recipe.count, max_leaf_nodes=recipe.leaves, max_depth=None,
        learning_rate=RATE, init="zero", random_state=seed,
    ).fit(x, y)  # fmt: skip
    # With two classes there is one tree a round, for the second of them.
    known = model.classes_.tolist()
    owners = known[1:] if len(known) == 2 else known
    grown = [
        (owner, path, float(value[0, 0]))
        for row in model.estimators_
        for owner, tree in zip(owners, row, strict=True)
        for path, value in paths(tree.tree_)
    ]
    sizes = np.abs([value for _, _, value in grown])
    clipped = recipe.kind == "clipped"
    top = CLIPPED_TOP if clipped else TOP
    most = np.quantile(sizes, CLIPPED_FROM) if clipped else sizes.max()
    unit = float(most) / top or 1.0
    for owner, path, value in grown:
        if vote := max(-top, min(top, round(value / unit))):
            yield Vote(path, tuple(vote * (c == owner) for c in range(classes)))
