"""Counting by products of matrices: the way without a compiler, exact all the same.

Three things make it fast. Neurons that occur several times in the population are computed once.
Neurons of the first layer with many inputs are one product of matrices over bit planes (a summand
bit times its signed power of two), in float32, exact as every partial sum is below 2**24. All
other work is in-place arithmetic on blocks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.neurons import Neurons, population_neurons
from flow.search.space import Space

CHUNK = 2048
"""Samples that are worked on at a time."""

BLOCK = 3 << 15
"""Values of a block of rows: with its scratch it stays in a second-level cache."""

SPARSE = 8
"""Connections up to which a neuron of the first layer is added up without a matrix product."""

EXACT32 = 1 << 24
"""Sums below this are exact in float32, in any order; all are below 2**53, exact in float64."""


class Matrices:
    """Samples in the order of their labels: inputs (inputs, N), labels (N,)."""

    def __init__(self, space: Space, inputs: IntArray, labels: IntArray) -> None:
        self.space = space
        self._chunks = tuple(
            _Chunk.of(space, inputs[:, s : s + CHUNK], labels[s : s + CHUNK])
            for s in range(0, len(labels), CHUNK)
        )

    def correct(self, genomes: IntArray) -> NDArray[np.int64]:
        """The number of samples that each genome (P, genes) puts into their class."""
        correct = np.zeros(len(genomes), np.int64)
        for chunk, scores, ids, rows in self._scores(genomes):
            if self.space.tournament:
                hits = winners(self.space, genomes[rows], scores[ids]) == chunk.labels
            else:
                hits = _largest_is_label(scores, ids, chunk)
            correct[rows] += hits.sum(axis=1, dtype=np.int64)
        return correct

    def classes(self, genomes: IntArray) -> NDArray[np.int16]:
        """The class (P, N) of every sample."""
        found = {id(c): np.zeros((len(genomes), c.size), np.int16) for c in self._chunks}
        for chunk, scores, ids, rows in self._scores(genomes):
            if self.space.tournament:
                classes = winners(self.space, genomes[rows], scores[ids])
            else:
                classes = scores[ids].argmax(axis=1).astype(np.int16)
            found[id(chunk)][rows] = classes
        return np.concatenate([np.zeros((len(genomes), 0), np.int16), *found.values()], axis=1)

    def _scores(self, genomes: IntArray) -> Iterator[tuple[_Chunk, NDArray[Any], IntArray, slice]]:
        """For each chunk of samples and each block of genomes: the scores (neurons, samples), and
        which of them are those of the genomes (block, classes)."""
        layers = population_neurons(self.space, genomes)
        for chunk in self._chunks:
            values: NDArray[Any] = chunk.inputs
            for place, neurons in enumerate(layers):
                values = _layer(neurons, values, chunk if place == 0 else None)
            ids = layers[-1].ids
            step = max(1, BLOCK // (chunk.size * self.space.classes))
            for start in range(0, len(genomes), step):
                rows = slice(start, start + step)
                yield chunk, values, ids[rows], rows


def winners(space: Space, genomes: IntArray, scores: Any, xp: Any = np) -> Any:
    """The winner (P, N) of each genome's tournament of scores (P, classes, N), by NumPy or what
    has its functions."""
    rounds = xp.asarray(np.array([space.rounds(g) for g in genomes], dtype=np.int64))
    every, count = xp.arange(len(genomes)), space.classes
    values = xp.empty((len(genomes), 2 * count - 1, scores.shape[2]), xp.int64)
    winners = xp.empty(values.shape, xp.int16)
    values[:, :count] = scores
    winners[:, :count] = xp.arange(count)[None, :, None]
    for number in range(count - 1):
        left, right, mask = rounds[:, number].T
        a, b = values[every, left], values[every, right]
        stays = (a & mask[:, None]) >= (b & mask[:, None])
        values[:, count + number] = xp.where(stays, a, b)
        winners[:, count + number] = xp.where(stays, winners[every, left], winners[every, right])
    return winners[:, -1]


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Samples in the order of their labels: int16 inputs (inputs, size), and their bit planes with
    a last row of ones; `bounds` are the places where a class begins, and the end."""

    inputs: NDArray[np.int16]
    planes: NDArray[np.float32]
    labels: NDArray[np.int64]
    bounds: tuple[int, ...]

    @staticmethod
    def of(space: Space, inputs: IntArray, labels: IntArray) -> _Chunk:
        inputs = np.ascontiguousarray(inputs, dtype=np.int16)
        bits = np.arange(space.input_bits, dtype=np.int16)
        planes = (inputs[:, None, :] >> bits[None, :, None]) & 1
        flat = planes.reshape(-1, inputs.shape[1]).astype(np.float32)
        ones = np.ones((1, inputs.shape[1]), np.float32)
        bounds = np.searchsorted(labels, np.arange(space.classes + 1))
        return _Chunk(
            inputs,
            np.concatenate([flat, ones]),
            labels.astype(np.int64),
            tuple(int(b) for b in bounds),
        )

    @property
    def size(self) -> int:
        """The number of samples."""
        return int(self.inputs.shape[1])


def _layer(neurons: Neurons, sources: IntArray, chunk: _Chunk | None) -> NDArray[Any]:
    """What the neurons show (neurons, samples), from what their sources show."""
    size = sources.shape[1]
    shown = np.empty((neurons.count, size), np.int16 if neurons.window else _type(neurons.peak))
    sparse = neurons.count if chunk is None else int(np.searchsorted(neurons.live, SPARSE, "right"))
    step = max(1, BLOCK // size)
    for start in range(0, sparse, step):
        _add_up(neurons, slice(start, min(start + step, sparse)), sources, shown)
    if chunk is not None and sparse < neurons.count:
        _multiply(neurons, sparse, step, chunk, shown)
    return shown


def _add_up(neurons: Neurons, rows: slice, sources: IntArray, shown: NDArray[Any]) -> None:
    """One connection of all rows after the other."""
    kind = _type(int(neurons.peaks[rows].max()))
    connections = neurons.connections(rows)
    masks, weights = connections.masks.astype(np.int16), connections.weights.astype(kind)
    sums = np.empty((rows.stop - rows.start, sources.shape[1]), kind)
    sums[...] = neurons.bias[rows, None]
    masked = np.empty(sums.shape, np.int16)
    term = masked if kind is np.int16 else np.empty(sums.shape, kind)
    for k in range(masks.shape[1]):
        np.take(sources, connections.sources[:, k], axis=0, out=masked, mode="clip")
        np.bitwise_and(masked, masks[:, k, None], out=masked)
        if term is not masked:
            np.copyto(term, masked)
        np.multiply(term, weights[:, k, None], out=term)
        np.add(sums, term, out=sums)
    if neurons.window and kind is np.int16:
        np.right_shift(sums, neurons.shifts[rows, None].astype(kind), out=sums)
        np.maximum(sums, kind(0), out=sums)
        np.minimum(sums, neurons.tops[rows, None].astype(kind), out=shown[rows])
    elif neurons.window:
        np.multiply(sums, np.exp2(-neurons.shifts[rows, None]).astype(kind), out=sums)
        _show(sums, neurons, rows, shown)
    else:
        np.copyto(shown[rows], sums)


def _multiply(neurons: Neurons, first: int, step: int, chunk: _Chunk, shown: NDArray[Any]) -> None:
    """Products of matrices over the bit planes of the inputs, for all neurons from `first` on."""
    weights, planes = neurons.planes(slice(first, None)), chunk.planes
    if neurons.peak >= EXACT32:
        weights, planes = weights.astype(np.float64), planes.astype(np.float64)
    sums = np.empty((step, chunk.size), weights.dtype)
    for start in range(first, neurons.count, step):
        rows = slice(start, min(start + step, neurons.count))
        block = sums[: rows.stop - start]
        np.matmul(weights[start - first : rows.stop - first], planes, out=block)
        if neurons.window:
            _show(block, neurons, rows, shown)
        else:
            np.copyto(shown[rows], block, casting="unsafe")


def _show(sums: NDArray[Any], neurons: Neurons, rows: slice, shown: NDArray[Any]) -> None:
    """The windows of scaled sums; overwrites the sums."""
    tops = neurons.tops[rows]
    np.clip(sums, 0, int(tops.max()), out=sums)
    # No sum is negative now, so that cutting its fraction off is rounding down.
    np.copyto(shown[rows], sums, casting="unsafe")
    if (tops != tops[0]).any():
        np.minimum(shown[rows], tops[:, None].astype(np.int16), out=shown[rows])


def _largest_is_label(scores: NDArray[Any], ids: IntArray, chunk: _Chunk) -> NDArray[np.bool_]:
    """Whether the first of the largest scores of each genome is that of the sample's label."""
    classes = ids.shape[1]
    found = [np.take(scores, ids[:, j], axis=0, mode="clip") for j in range(classes)]
    hits = np.ones((len(ids), chunk.size), bool)
    for label, (start, stop) in enumerate(pairwise(chunk.bounds)):
        if start == stop:
            continue
        part = [values[:, start:stop] for values in found]
        hit = hits[:, start:stop]
        if label:
            np.greater(part[label], _largest(part[:label]), out=hit)
        if label + 1 < classes:
            hit &= part[label] >= _largest(part[label + 1 :])
    return hits


def _largest(values: list[NDArray[Any]]) -> NDArray[Any]:
    """The largest of several arrays, element by element."""
    first, *others = values
    for number, other in enumerate(others):
        first = np.maximum(first, other, out=first if number else None)
    return first


def _type(peak: int) -> type[np.int16 | np.float32 | np.float64]:
    """The fastest numbers that hold every integer of magnitude up to the peak."""
    return np.int16 if peak < 1 << 15 else np.float32 if peak < EXACT32 else np.float64
