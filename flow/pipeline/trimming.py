"""The last step of a search: the gates of each point give way while validation agrees.

Training samples say which gate can be spared, and samples that trimming has never seen how far
that goes: see `passes/approximate/trim_gates.py`. Then it is done again with all of them, down to
as many gates. Beside the points of the search stand ensembles, which are too large for a genome
before they are trimmed: see `growing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.ir.layers import Gates
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray
from flow.pipeline.approximating import Trimmed as Step
from flow.pipeline.approximating import trimmed
from flow.pipeline.growing import MOST, NONE, Neurons, Origin, grown
from flow.search.costs import MappedArea
from flow.search.executors import Executor
from flow.search.front import Point, Trimmed, classifier
from flow.search.graphs import genome_graph
from flow.search.nsga2 import first_front
from flow.search.space import Space
from flow.train.dataset import Dataset
from flow.train.ensembles import Recipe
from flow.train.smearing import Smearing

HOPELESS = 0.8
"""A stage is not mapped where one at least as accurate has less than this share of its gates."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What an origin has become: its gates, and the samples that it classifies right; `tried` is
    the number of samples that `valid` counts, 0 for those of validation."""

    gates: Trimmed
    train: int
    valid: int
    tried: int = 0


def with_trimmed(
    space: Space,
    data: Dataset,
    points: Sequence[Point],
    areas: MappedArea,
    work: Executor,
    share: float,
    seed: int = 0,
    recipes: Sequence[Recipe | Neurons] = (),
    folds: int = 0,
    smearing: Smearing = NONE,
) -> list[Point]:
    """The best of the points, and of the same points and ensembles with fewer gates, by area.

    `share` of the training samples may be lost on the way. Points count by the lower of their
    accuracies in training and in validation. What was trimmed counts in validation as its twin
    does which has seen the training samples alone; with `folds`, ensembles are cross-validated.
    """
    samples = {"train": len(data.y_train), "valid": len(data.y_valid)}
    origins = [
        *(Origin(point) for point in points),
        *grown(space, data, recipes, seed, folds, smearing),
    ]
    tasks = [(space, data, origin, share) for origin in origins]
    found = [
        replace(
            origin.point,
            gates=stage.gates,
            train=stage.train,
            valid=stage.valid,
            tried=stage.tried,
        )
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
    """Those that no other beats in area and in the lower of both accuracies, by area.

    Cross-validated points compare among themselves: what was chosen among many by one validation
    part promises too much, and would beat them by that.
    """
    ordered = sorted(points, key=lambda p: (p.area, -p.train - p.valid, p.gates is not None))
    kept: list[int] = []
    for places in _kinds(ordered):
        objectives = [[-_worth(ordered[k], samples), ordered[k].area] for k in places]
        first = first_front(np.array(objectives, dtype=np.int64).reshape(-1, 2))
        kept += [places[k] for k in first]
    return [ordered[place] for place in sorted(kept)]


def _kinds(points: Sequence[Point]) -> tuple[list[int], list[int]]:
    """The places of points that one part has validated, and of cross-validated ones."""
    once = [k for k, p in enumerate(points) if not p.tried]
    return once, [k for k, p in enumerate(points) if p.tried]


def stages_of(space: Space, data: Dataset, origin: Origin, share: float) -> list[Stage]:
    """Everything that an origin becomes on the way; the work of one task."""
    if origin.whole is None:
        graph = genome_graph(space, np.array(origin.point.genome, dtype=np.int32))
        if graph.size**2 * len(data.y_train) > 4 * MOST:
            return []
        same = classifier(space, origin.point)
        origin = replace(origin, whole=same, twins=(same,))
    assert origin.whole is not None
    x, y = data.x_fit, data.y_fit
    gently = bool(origin.parts)
    parts = origin.parts or (_last(data),)
    samples = origin.samples or ((x, y), *((x[~held], y[~held]) for held in parts))
    again, *ways = (
        list(_steps(network, *some, share, gently))
        for network, some in zip((origin.whole, *origin.twins), samples, strict=True)
    )
    if origin.parts:
        # Where all twins are as far down as the network of all samples.
        levels = [(end, [_down(way, end.gates) for way in ways]) for end in again]
    else:
        levels = [(_down(again, step.gates), [step]) for step in ways[0]]
    found = []
    for end, steps in levels:
        layer = end.network.layers[-1]
        assert isinstance(layer, Gates)
        gates = Trimmed(tuple(v for pair in layer.gates for v in pair), tuple(layer.words[0]))
        train = _right(end.network, data.x_train, data.y_train)
        valid = sum(
            _right(s.network, x[held], y[held]) for s, held in zip(steps, parts, strict=True)
        )
        tried = sum(int(held.sum()) for held in origin.parts)
        found.append(Stage(gates, train, valid, tried))
    return found


def _last(data: Dataset) -> NDArray[np.bool_]:
    """Which samples validate, of those of training and validation."""
    return np.arange(len(data.y_fit)) >= len(data.y_train)


def _down(way: Sequence[Step], gates: int) -> Step:
    """The first step of so many gates at most, or else the last one."""
    return next((step for step in way if step.gates <= gates), way[-1])


def _steps(network: Network, x: IntArray, y: IntArray, share: float, gently: bool) -> list[Step]:
    found = []
    for step in trimmed(network, x.astype(np.int64), y, int(share * len(y)), gently):
        found.append(step)
        if step.gates**2 * len(y) > MOST:
            break
    return found


def _right(network: Network, x: IntArray, y: IntArray) -> int:
    inputs = {network.inputs[0].name: x.astype(np.int64)}
    return int((evaluate_network(network, inputs)[network.outputs[0]].ravel() == y).sum())


def _worth(point: Point, samples: Mapping[str, int]) -> int:
    """The lower of two accuracies as a whole number, to compare points of one kind by."""
    tried = point.tried or samples["valid"]
    return min(point.train * tried, point.valid * samples["train"]) if tried else point.train


def _hopeful(points: Sequence[Point], samples: Mapping[str, int]) -> list[int]:
    """Places of the points that may be on the front by their gates; of equal gates the best."""
    found: dict[tuple[Trimmed | None, bool], int] = {}
    for places in _kinds(points):
        if not places:
            continue
        worth = np.array([_worth(points[k], samples) for k in places], dtype=np.int64)
        size = np.array([_size(points[k]) for k in places], dtype=np.int64)
        order = np.argsort(-worth, kind="stable")
        # The fewest gates of all that are as accurate.
        fewest = np.empty(len(places), dtype=np.int64)
        least = np.minimum.accumulate(size[order])
        fewest[order] = least[np.searchsorted(-worth[order], -worth[order], side="right") - 1]
        for k in order.tolist():
            if size[k] * HOPELESS <= fewest[k]:
                point = points[places[k]]
                found.setdefault((point.gates, point.tried > 0), places[k])
    return sorted(found.values())


def _size(point: Point) -> int:
    return 0 if point.gates is None else len(point.gates.literals) // 2
