"""The last step of a search: the gates of each point give way while validation agrees.

Training samples say which gate can be spared, and validation samples, which trimming has never
seen, how far that goes: see `passes/approximate/trim_gates.py`. Then it is done again with all of
them, down to as many gates. Beside the points of the search stand ensembles of trees, which are
too large for a genome before they are trimmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flow.ir.layers import Gates
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray
from flow.pipeline.approximating import Trimmed as Step
from flow.pipeline.approximating import trimmed
from flow.search.costs import MappedArea
from flow.search.ensembles import ensemble_network
from flow.search.executors import Executor
from flow.search.front import Point, Trimmed, classifier
from flow.search.graphs import genome_graph
from flow.search.nsga2 import first_front
from flow.search.space import Space
from flow.train.baseline import fit_perceptron
from flow.train.dataset import ByteArray, Dataset
from flow.train.ensembles import RECIPES, Recipe, grow_ensemble

HOPELESS = 0.8
"""A stage is not mapped where one at least as accurate has less than this share of its gates."""

MOST = 5_000_000_000
"""Gates squared times samples of what is trimmed at most; some seconds. What is larger stays."""

LEAF = 12
"""Gates for each leaf of an ensemble, about."""


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


def recipes_for(data: Dataset, start: Sequence[str]) -> tuple[Recipe | Neurons, ...]:
    """What is trimmed beside the points of a search that begins at trees, gradients, or both."""
    trees = RECIPES if "trees" in start else ()
    few = "gradient" in start and data.features <= FEW
    return (*trees, *(PERCEPTRONS if few else ()))


@dataclass(frozen=True)
class Origin:
    """What is trimmed: a point as it is, or as networks `twin` of the training samples and `whole`
    of these and those of validation."""

    point: Point
    twin: Network | None = None
    whole: Network | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """What an origin has become: its gates, and the samples that it classifies right."""

    gates: Trimmed
    train: int
    valid: int


def with_trimmed(
    space: Space,
    data: Dataset,
    points: Sequence[Point],
    areas: MappedArea,
    work: Executor,
    share: float,
    seed: int = 0,
    recipes: Sequence[Recipe | Neurons] = (),
) -> list[Point]:
    """The best of the points, and of the same points and ensembles with fewer gates, by area.

    `share` of the training samples may be lost on the way. Points count by the lower of their
    accuracies in training and in validation. What was trimmed counts in validation as its twin
    does which has seen the training samples alone.
    """
    samples = {"train": len(data.y_train), "valid": len(data.y_valid)}
    origins = [*(Origin(point) for point in points), *_grown(space, data, recipes, seed)]
    tasks = [(space, data, origin, share) for origin in origins]
    found = [
        replace(origin.point, gates=stage.gates, train=stage.train, valid=stage.valid)
        for origin, stages in zip(origins, work.map(stages_of, tasks), strict=True)
        for stage in stages
    ]
    hopeful = [found[place] for place in _hopeful(found, samples)]
    costs = areas.networks([classifier(space, point) for point in hopeful])
    smaller = [
        replace(point, area=cost.area, leakage=cost.leakage)
        for point, cost in zip(hopeful, costs, strict=True)
    ]
    return best_points([*points, *smaller], samples)


def best_points(points: Sequence[Point], samples: Mapping[str, int]) -> list[Point]:
    """Those that no other beats in area and in the lower of both accuracies, by area."""
    ordered = sorted(points, key=lambda p: (p.area, -p.train - p.valid, p.gates is not None))
    objectives = [[-_worth(p, samples), p.area] for p in ordered]
    kept = first_front(np.array(objectives, dtype=np.int64).reshape(-1, 2))
    return [ordered[place] for place in kept]


def stages_of(space: Space, data: Dataset, origin: Origin, share: float) -> list[Stage]:
    """Everything that an origin becomes on the way; the work of one task."""
    part, every = (data.x_train, data.y_train), (data.x_fit, data.y_fit)
    twin, whole = origin.twin, origin.whole
    if twin is None or whole is None:
        graph = genome_graph(space, np.array(origin.point.genome, dtype=np.int32))
        if graph.size**2 * len(data.y_train) > 4 * MOST:
            return []
        twin = whole = classifier(space, origin.point)
    again = list(_steps(whole, *every, share))
    found = []
    for step in _steps(twin, *part, share):
        # The same way with all samples, as far down.
        end = next((a for a in again if a.gates <= step.gates), again[-1])
        layer = end.network.layers[-1]
        assert isinstance(layer, Gates)
        gates = Trimmed(tuple(v for pair in layer.gates for v in pair), tuple(layer.words[0]))
        train, valid = _right(end.network, *part), _right(step.network, data.x_valid, data.y_valid)
        found.append(Stage(gates, train, valid))
    return found


def _grown(
    space: Space, data: Dataset, recipes: Sequence[Recipe | Neurons], seed: int
) -> Iterator[Origin]:
    """Ensembles and perceptrons of the training samples and of all; in this process, so that
    their floats are the same for any number of workers."""
    none = Point(tuple(np.clip(0, space.lower, space.upper).tolist()), None, 0, 0, 0, 0, 0)
    parts = (data.x_train, data.y_train), (data.x_fit, data.y_fit)
    for recipe in recipes:
        if isinstance(recipe, Recipe):
            trees = recipe.count * (space.classes if recipe.boosted else 1)
            if (LEAF * trees * recipe.leaves) ** 2 * len(data.y_train) > 4 * MOST:
                continue
        twin, whole = (_network(space, data, recipe, x, y, seed) for x, y in parts)
        yield Origin(replace(none, origin=recipe.name), twin, whole)


def _network(
    space: Space, data: Dataset, recipe: Recipe | Neurons, x: ByteArray, y: IntArray, seed: int
) -> Network:
    if isinstance(recipe, Neurons):
        found = fit_perceptron(data, x, y, recipe.hidden, recipe.weight_bits, seed)
        return found.network("classifier", space.input_bits)
    leaves = grow_ensemble(recipe, x, y, space.classes, seed)
    return ensemble_network(space, [(leaf.path, leaf.votes) for leaf in leaves])


def _steps(network: Network, x: IntArray, y: IntArray, share: float) -> list[Step]:
    found = []
    for step in trimmed(network, x.astype(np.int64), y, int(share * len(y))):
        found.append(step)
        if step.gates**2 * len(y) > MOST:
            break
    return found


def _right(network: Network, x: IntArray, y: IntArray) -> int:
    inputs = {network.inputs[0].name: x.astype(np.int64)}
    return int((evaluate_network(network, inputs)[network.outputs[0]].ravel() == y).sum())


def _worth(point: Point, samples: Mapping[str, int]) -> int:
    """The lower of two accuracies as a whole number."""
    if not samples["valid"]:
        return point.train
    return min(point.train * samples["valid"], point.valid * samples["train"])


def _hopeful(points: Sequence[Point], samples: Mapping[str, int]) -> list[int]:
    """Places of the points that may be on the front by their gates; of equal gates the best."""
    worth = np.array([_worth(p, samples) for p in points], dtype=np.int64)
    size = np.array([_size(p) for p in points], dtype=np.int64)
    order = np.argsort(-worth, kind="stable")
    # The fewest gates of all that are as accurate.
    fewest = np.empty(len(points), dtype=np.int64)
    least = np.minimum.accumulate(size[order])
    fewest[order] = least[np.searchsorted(-worth[order], -worth[order], side="right") - 1]
    found: dict[Trimmed | None, int] = {}
    for place in order.tolist():
        if size[place] * HOPELESS <= fewest[place]:
            found.setdefault(points[place].gates, place)
    return sorted(found.values())


def _size(point: Point) -> int:
    return 0 if point.gates is None else len(point.gates.literals) // 2
