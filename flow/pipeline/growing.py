"""What is trimmed beside the points of a search: ensembles of trees, and perceptrons.

Each is grown of all samples that the search may see, and as twins of some of them, whose answers
on the others tell its accuracy: on the validation part, or cross-validated (M. Stone,
"Cross-Validatory Choice and Assessment of Statistical Predictions", 1974). Where samples are made
of the real ones (see `train/smearing.py`), a twin's are made of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.search.ensembles import ensemble_network
from flow.search.front import Point
from flow.search.space import Space
from flow.search.tree_gates import Leaf as TreeLeaf
from flow.search.tree_gates import ordered_network, trees_network
from flow.train.baseline import fit_perceptron
from flow.train.dataset import ByteArray, Dataset, repeated_folds
from flow.train.ensembles import RECIPES, Recipe, Vote, grow_ensemble, grow_ordered
from flow.train.smearing import Smearing, smeared

if TYPE_CHECKING:
    from flow.train.ensembles import Kind

MOST = 1_000_000_000_000
"""Gates squared times samples of what is trimmed at most; a minute in C. What is larger stays."""
EASY = 20_000_000_000
"""The same of what is trimmed without being asked for."""

LEAF = 12
"""Gates for each leaf of an ensemble, about."""

NONE = Smearing(0)


@dataclass(frozen=True, slots=True)
class Neurons:
    """A perceptron of so many hidden ReLU neurons, its weights rounded to so many bits."""

    hidden: int
    weight_bits: int

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return f"a perceptron of {self.hidden} neurons and {self.weight_bits}-bit weights"


PERCEPTRONS = (Neurons(2, 4), Neurons(3, 4), Neurons(3, 6), Neurons(3, 8), Neurons(5, 6))
"""What is trained where the features are few."""
FEW = 24
"""Features, at most, of what perceptrons are trained for: the gates of others are too many."""


def recipes_for(
    data: Dataset, start: Sequence[str], ensembles: Sequence[tuple[str, int, int]] = ()
) -> tuple[Recipe | Neurons, ...]:
    """What is trimmed beside the points of a search: `ensembles` of its specification, or else
    what becomes one that begins at trees, gradients, or both."""
    if ensembles:
        return tuple(
            Neurons(count, size) if kind == "neurons" else Recipe(cast("Kind", kind), count, size)
            for kind, count, size in ensembles
        )
    trees = [r for r in RECIPES if _fits(r, data)] if "trees" in start else ()
    few = "gradient" in start and data.features <= FEW
    return (*trees, *(PERCEPTRONS if few else ()))


def _fits(recipe: Recipe, data: Dataset) -> bool:
    trees = recipe.count * (data.classes if recipe.boosted else 1)
    return (LEAF * trees * recipe.leaves) ** 2 * len(data.y_train) <= EASY


@dataclass(frozen=True, eq=False)
class Origin:
    """What is trimmed: a point as it is, or a network `whole` of training and validation samples
    and its `twins`, each of those alone that one of `parts` (samples,) does not hold back.

    Without parts there is one twin, of the training samples. `samples` are those (x, y) that the
    whole and then each twin was grown of and is trimmed by; without them, the real ones.
    """

    point: Point
    whole: Network | None = None
    twins: tuple[Network, ...] = ()
    parts: tuple[NDArray[np.bool_], ...] = ()
    samples: tuple[tuple[ByteArray, IntArray], ...] = ()


def grown(
    space: Space,
    data: Dataset,
    recipes: Sequence[Recipe | Neurons],
    seed: int,
    folds: int = 0,
    smearing: Smearing = NONE,
) -> Iterator[Origin]:
    """Ensembles and perceptrons, cross-validated in `folds` parts if any; in this process, so
    that their floats are the same for any number of workers."""
    none = Point(tuple(np.clip(0, space.lower, space.upper).tolist()), None, 0, 0, 0, 0, 0)
    x, y = data.x_fit, data.y_fit
    parts = tuple(repeated_folds(y, folds, seed)) if folds else ()
    real = [(x, y), *([(x[~held], y[~held]) for held in parts] or [(data.x_train, data.y_train)])]
    samples = tuple(smeared(*some, smearing, seed) for some in real) if recipes else ()
    for recipe in recipes:
        whole, *twins = (_network(space, data, recipe, *some, seed) for some in samples)
        yield Origin(replace(none, origin=recipe.name), whole, tuple(twins), parts, samples)


def _network(
    space: Space, data: Dataset, recipe: Recipe | Neurons, x: ByteArray, y: IntArray, seed: int
) -> Network:
    if isinstance(recipe, Neurons):
        found = fit_perceptron(data, x, y, recipe.hidden, recipe.weight_bits, seed)
        return found.network("classifier", space.input_bits)
    if recipe.kind == "ordered":
        steps = grow_ordered(recipe, x, y, space.classes, seed)
        return ordered_network(space, [_trees(leaves, recipe.count) for leaves in steps])
    leaves = grow_ensemble(recipe, x, y, space.classes, seed)
    if recipe.boosted:
        return ensemble_network(space, [(leaf.path, leaf.votes) for leaf in leaves])
    return trees_network(space, _trees(leaves, recipe.count))


def _trees(leaves: Sequence[Vote], count: int) -> list[list[TreeLeaf]]:
    """The leaves of each tree, with the class that they vote for."""
    trees: list[list[TreeLeaf]] = [[] for _ in range(count)]
    for leaf in leaves:
        trees[leaf.tree].append((leaf.path, leaf.votes.index(1)))
    return trees
