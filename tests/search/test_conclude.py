"""Decisions of the points: taken where the circuit gets smaller, by training samples alone."""

from dataclasses import replace

import numpy as np
import pytest

from flow.search.conclude import classes, count_right, with_decisions
from flow.search.costs import Cost
from flow.search.evolution import Problem
from flow.search.executors import Serial
from flow.search.fitness import evaluate, predict
from flow.search.front import Point
from flow.search.space import Space
from flow.search.start import random_genomes

SPACE = Space(3, (3,), 4, hidden_bits=2, exponents=2, bias_bits=6)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 16, size=(90, 3)).astype(np.uint8)
    return Problem(SPACE, x, (x.sum(axis=1) // 12).astype(np.int64), "here")


class DecisionArea:
    """Counts the bits that a tournament compares; an exact argmax has eight in each round."""

    def genomes(self, space, genomes):
        raise NotImplementedError

    def networks(self, networks):
        bits = [
            sum(bin(mask & 255).count("1") for _, _, mask in n.layers[-1].rounds) for n in networks
        ]
        return [Cost(100 * n, n) for n in bits]


def test_decisions_lose_bits_and_no_sample(problem):
    genomes = random_genomes(SPACE, 4, np.random.default_rng(3))
    rights = evaluate(SPACE, genomes, problem.x, problem.y).tolist()
    points = [
        Point(tuple(genome), None, right, 0, 2400, 2400, 24)
        for genome, right in zip(genomes.tolist(), rights, strict=True)
    ]
    best = max(points, key=lambda p: p.train)
    found = with_decisions(problem, points, DecisionArea(), Serial(), seed=1)
    assert max(p.train for p in found) >= best.train
    assert all(p.rounds is not None and p.area < 2400 for p in found)
    for p in found:
        assert count_right(SPACE, p, problem.x, problem.y) == p.train
    assert [p.train for p in found] == sorted({p.train for p in found})
    assert [p.area for p in found] == sorted({p.area for p in found})


def test_a_point_without_a_tournament_decides_by_argmax(problem):
    genomes = random_genomes(SPACE, 2, np.random.default_rng(9))
    for genome in genomes:
        point = Point(tuple(genome.tolist()), None, 0, 0, 0, 0, 0)
        wanted = predict(SPACE, genome, problem.x)[0]
        assert classes(SPACE, point, problem.x).tolist() == wanted.tolist()
        exact = replace(point, rounds=((0, 1, -1), (2, 3, -1), (4, 5, -1)))
        assert classes(SPACE, exact, problem.x).tolist() == wanted.tolist()
