"""The last step of a search: each point of the front decides by as few bits as it needs.

Training samples alone decide what a point needs; a tournament is taken only where its circuit,
mapped, is smaller and no training sample more is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flow.ir.interval import IntRange
from flow.ir.network import evaluate_network
from flow.ir.tensor import IntArray
from flow.search.costs import MappedArea
from flow.search.decision import Decision, search_decision
from flow.search.evolution import Problem
from flow.search.executors import Executor
from flow.search.front import Point, classifier, decided
from flow.search.nsga2 import first_front
from flow.search.space import Space


def with_decisions(
    problem: Problem, points: Sequence[Point], areas: MappedArea, work: Executor, seed: int
) -> list[Point]:
    """The front of the points and of the same points with searched tournaments, by area."""
    genomes = [np.array(point.genome, dtype=np.int32) for point in points]
    found = work.map(_decision, [(problem, genome, seed) for genome in genomes])
    networks = [
        decided(problem.space.network(genome), decision.rounds)
        for genome, decision in zip(genomes, found, strict=True)
    ]
    costs = areas.networks(networks)
    others = [
        replace(p, rounds=d.rounds, train=d.correct, area=c.area, leakage=c.leakage)
        for p, d, c in zip(points, found, costs, strict=True)
    ]
    both = [*points, *others]
    objectives = np.array([[-p.train, p.area] for p in both], dtype=np.int64).reshape(-1, 2)
    kept = [both[place] for place in first_front(objectives)]
    return sorted(kept, key=lambda p: (p.area, -p.train))


def _decision(problem: Problem, genome: IntArray, seed: int) -> Decision:
    """The cheapest tournament found for one genome; the work of one task."""
    network = problem.space.network(genome)
    source = network.layers[-1].sources[0]
    inputs = {network.inputs[0].name: problem.x.astype(np.int64)}
    scores = evaluate_network(network, inputs, (source,))[source]
    hull = network.types[source].hull
    return search_decision(scores, problem.y, IntRange(hull.lo, hull.hi), seed=seed)


def count_right(space: Space, point: Point, x: IntArray, y: IntArray) -> int:
    """How many samples x (N, inputs) of labels y a point classifies right."""
    answers = classes(space, point, x)
    return int((answers == np.asarray(y)).sum())


def classes(space: Space, point: Point, x: IntArray) -> NDArray[np.int64]:
    """The class index (N,) that a point gives every sample."""
    network = classifier(space, point)
    inputs = {network.inputs[0].name: np.asarray(x).astype(np.int64)}
    found = evaluate_network(network, inputs)[network.outputs[0]]
    return np.asarray(found, dtype=np.int64).reshape(len(x))
