"""Decision trees as genomes: a neuron for each comparison, one for each leaf, a vote per leaf.

A neuron of one bit is a comparison with a constant or a conjunction, so a tree is a network of
two hidden layers, and evolution goes on from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flow.ir.tensor import IntArray
from flow.search.space import Space


@dataclass(frozen=True, slots=True)
class Leaf:
    """A path (feature, threshold, whether x >= threshold) and the class at its end."""

    path: tuple[tuple[int, int, bool], ...]
    label: int


def tree_genome(space: Space, leaves: Sequence[Leaf]) -> IntArray | None:
    """The genome (genes,) of a tree; None where the space has too few neurons or small a bias.

    The class that has most leaves wins where no other speaks, so its leaves need no neurons.
    """
    if len(space.hidden) != 2:
        return None
    counts = np.bincount([leaf.label for leaf in leaves], minlength=space.classes)
    usual = int(np.argmax(counts))
    speaking = [Leaf(shortest(leaf.path), leaf.label) for leaf in leaves if leaf.label != usual]
    tests = sorted({(f, t) for leaf in speaking for f, t, _ in leaf.path})
    deepest = max((len(leaf.path) for leaf in speaking), default=0)
    fits = len(tests) <= space.hidden[0] and len(speaking) <= space.hidden[1]
    wide = max(deepest, 1 << space.input_bits) < 1 << (space.bias_bits - 1)
    if not fits or not wide or (usual and not space.exponents):
        return None
    genome = np.zeros((1, space.genes), np.int32)
    first, second, votes = space.layers(genome)
    for g in (first, second):
        assert g.bits is not None
        g.bits[...] = 1
    assert first.alive is not None
    assert second.alive is not None
    place = {test: row for row, test in enumerate(tests)}
    for (feature, threshold), row in place.items():
        first.alive[0, row] = 1
        first.masks[0, row, feature] = (1 << space.input_bits) - 1
        first.bias[0, row] = 1 - threshold
    for row, leaf in enumerate(speaking):
        second.alive[0, row] = 1
        for feature, threshold, above in leaf.path:
            column = place[feature, threshold]
            second.masks[0, row, column] = 1
            second.powers[0, row, column] = 0 if above else -1
        second.bias[0, row] = 1 - sum(above for _, _, above in leaf.path)
        votes.masks[0, leaf.label, row] = 1
        votes.powers[0, leaf.label, row] = 1 if usual else 0
    votes.bias[0, usual] = 1 if usual else 0
    if space.tournament:
        order, _ = space.decision(genome) or (genome, genome)
        order[0] = np.arange(space.classes)
    result: IntArray = genome[0]
    return result


def shortest(path: Sequence[tuple[int, int, bool]]) -> tuple[tuple[int, int, bool], ...]:
    """The path less comparisons that another one of the same feature implies."""
    tightest: dict[tuple[int, bool], int] = {}
    for feature, threshold, above in path:
        held = tightest.get((feature, above), threshold)
        tightest[feature, above] = max(held, threshold) if above else min(held, threshold)
    return tuple(sorted((feature, t, above) for (feature, above), t in tightest.items()))
