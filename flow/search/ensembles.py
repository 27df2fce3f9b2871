"""Leaves that vote as a Network: comparisons, conjunctions of them, sums of votes, the largest."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from flow.ir.layer import Layer
from flow.ir.layers import ArgMax, Input, MaskedDense, Requantize
from flow.ir.network import Network
from flow.ir.tensor import IntArray, fractions, tensor_type
from flow.search.space import Space
from flow.search.trees import shortest

Leaf = tuple[tuple[tuple[int, int, bool], ...], tuple[int, ...]]
"""A path (feature, threshold, whether x >= threshold), and the votes for each class."""
_PLACE = "the ensemble"


def ensemble_network(space: Space, leaves: Sequence[Leaf]) -> Network:
    """The Network of an ensemble, with the input and the output that genomes of the space have."""
    votes: dict[tuple[tuple[int, int, bool], ...], IntArray] = {}
    for path, vote in leaves:
        short = shortest(path)
        votes[short] = votes.get(short, np.zeros(space.classes, np.int64)) + np.array(vote)
    # What every sample gets is no conjunction but a bias.
    bias = votes.pop((), np.zeros(space.classes, np.int64))
    ways = sorted(votes) or [((0, 1, True),)]
    tests = sorted({(f, t) for way in ways for f, t, _ in way})
    place = {test: column for column, test in enumerate(tests)}
    top = (1 << space.input_bits) - 1
    compare = np.zeros((space.inputs, len(tests)), np.int64)
    for (feature, _), column in place.items():
        compare[feature, column] = 1
    join = np.zeros((len(tests), len(ways)), np.int64)
    for row, way in enumerate(ways):
        for feature, threshold, above in way:
            join[place[feature, threshold], row] = 1 if above else -1
    none = np.zeros(space.classes, np.int64)
    score = np.array([votes.get(way, none) for way in ways], dtype=np.int64)
    scale = fractions(Fraction(1, 1 << space.input_bits), (space.inputs,))
    tensor = tensor_type((space.inputs,), 0, top, scale)
    starts = np.array([1 - t for _, t in tests], dtype=np.int64)
    ends = np.array([1 - sum(above for _, _, above in way) for way in ways], dtype=np.int64)
    layers: tuple[Layer, ...] = (
        Input("x", (), _PLACE, tensor, fractions(0, (space.inputs,)), "floor"),
        *neurons("test", "x", compare, starts, top),
        *neurons("leaf", "test", join, ends, 1),
        sums("scores", "leaf", score, bias, 1),
        ArgMax("class", ("scores",), _PLACE),
    )
    return Network("classifier", layers, ("class",))


def neurons(
    name: str, source: str, weights: IntArray, bias: IntArray, top: int
) -> tuple[Layer, ...]:
    """Neurons that say whether their sum is at least 1."""
    count = weights.shape[1]
    return (
        sums(f"{name}_sum", source, weights, bias, top),
        Requantize(
            name, (f"{name}_sum",), _PLACE, fractions(1, (count,)), fractions(0, (count,)),
            "floor", "saturate", np.zeros(count, np.int64), np.ones(count, np.int64),
            fractions(1, ()),
        ),
    )  # fmt: skip


def sums(name: str, source: str, weights: IntArray, bias: IntArray, top: int) -> MaskedDense:
    """A weighted sum, (inputs, outputs), of unsigned numbers up to `top`."""
    masks = np.where(weights != 0, top, 0)
    keep = np.full_like(weights, -1)
    return MaskedDense(name, (source,), _PLACE, weights, masks, keep, bias, fractions(1, ()))
