"""Trees as gates: a selector for each node, so that equal branches and constants cost nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder
from flow.ir.gate_layer import gates_layer
from flow.ir.layer import Layer
from flow.ir.layers import ArgMax, Input, MaskedDense
from flow.ir.network import Network
from flow.ir.tensor import fractions, tensor_type
from flow.search.ensembles import neurons, sums
from flow.search.space import Space

Leaf = tuple[tuple[tuple[int, int, bool], ...], int]
"""A path (feature, threshold, whether x >= threshold) and a class."""
_PLACE = "the trees"


def trees_network(space: Space, trees: Sequence[Sequence[Leaf]]) -> Network:
    """The Network of trees that vote for a class each; the lowest of those with most votes wins.

    A tree alone gives the bits of its class, one of several a bit for each class. Its input and
    its output are those that genomes of the space have.
    """
    bits = max(1, (space.classes - 1).bit_length()) if len(trees) == 1 else space.classes
    graph = _graph(space, trees, bits)
    entry, widths = _entry(space), (space.input_bits,) * space.inputs
    if len(trees) == 1:
        last: Layer = gates_layer("class", "x", _PLACE, graph, widths, (bits,))
        return Network("classifier", (entry, last), ("class",))
    said = gates_layer("said", "x", _PLACE, graph, widths, (1,) * (bits * len(trees)))
    weights = np.tile(np.eye(bits, dtype=np.int64), (len(trees), 1))
    none, all_bits = np.zeros(bits, np.int64), np.full_like(weights, -1)
    votes = MaskedDense(
        "votes", ("said",), _PLACE, weights, weights, all_bits, none, fractions(1, ())
    )
    end = ArgMax("class", ("votes",), _PLACE)
    return Network("classifier", (entry, said, votes, end), ("class",))


def ordered_network(space: Space, forests: Sequence[Sequence[Sequence[Leaf]]]) -> Network:
    """The Network of a forest for each class but the lowest, its leaves 1 where that is reached.

    The class is the number of forests of which more than half of the trees say so. Its input and
    its output are those that genomes of the space have.
    """
    trees = [tree for forest in forests for tree in forest]
    sizes = np.array([len(forest) for forest in forests], dtype=np.int64)
    widths = (space.input_bits,) * space.inputs
    graph = _graph(space, trees, 1)
    said = gates_layer("said", "x", _PLACE, graph, widths, (1,) * len(trees))
    owner = np.repeat(np.arange(len(forests)), sizes)
    weights = (owner[:, None] == np.arange(len(forests))).astype(np.int64)
    reached = neurons("reached", "said", weights, -(sizes // 2), 1)
    end = sums("class", "reached", np.ones((len(forests), 1), np.int64), np.zeros(1, np.int64), 1)
    return Network("classifier", (_entry(space), said, *reached, end), ("class",))


def _entry(space: Space) -> Input:
    top = (1 << space.input_bits) - 1
    scale = fractions(1, (space.inputs,)) / (1 << space.input_bits)
    tensor = tensor_type((space.inputs,), 0, top, scale)
    return Input("x", (), _PLACE, tensor, fractions(0, (space.inputs,)), "floor")


def _graph(space: Space, trees: Sequence[Sequence[Leaf]], bits: int) -> Aig:
    names = [f"x_{i}_{b}" for i in range(space.inputs) for b in range(space.input_bits)]
    g = AigBuilder("trees", names)
    outputs = []
    for k, leaves in enumerate(trees):
        one_hot = len(trees) > 1 and bits > 1
        words = {label: 1 << label if one_hot else label for _, label in leaves}
        found = _branch(g, space.input_bits, leaves, 0, words, bits)
        outputs += [(f"tree{k}_{b}", literal) for b, literal in enumerate(found)]
    return g.finish(outputs)


def _branch(
    g: AigBuilder, width: int, leaves: Sequence[Leaf], depth: int, words: dict[int, int], bits: int
) -> list[int]:
    """The literals of the bits that the leaves below a node say."""
    path, label = leaves[0]
    if len(path) == depth:
        return [TRUE if words[label] >> b & 1 else FALSE for b in range(bits)]
    feature, threshold, _ = path[depth]
    below, above = (
        _branch(g, width, [leaf for leaf in leaves if leaf[0][depth][2] == up], depth + 1, words,
                bits)
        for up in (False, True)
    )  # fmt: skip
    test = _at_least(g, 1 + feature * width, width, threshold)
    return [
        low if low == high else g.disj(g.conj(test, high), g.conj(test ^ 1, low))
        for low, high in zip(below, above, strict=True)
    ]


def _at_least(g: AigBuilder, first: int, width: int, threshold: int) -> int:
    """Whether the number in so many variables is at least a threshold; bits from the lowest on."""
    if threshold >> width:
        return FALSE
    found = TRUE
    for b in range(width):
        bit = 2 * (first + b)
        found = g.conj(bit, found) if threshold >> b & 1 else g.disj(bit, found)
    return found if threshold > 0 else TRUE
