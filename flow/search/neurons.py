"""The neurons of a population, each once: what equal neurons show need not be computed twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import LayerGenes, Space

# A connection that lives is one number: its source, 12 bits of its mask, and its power plus 32 in
# 6 bits. One that does not is 0; its mask would be 0.
_MASK, _POWER, _OFFSET = 12, 6, 32


@dataclass(frozen=True, slots=True, eq=False)
class Connections:
    """The living connections of neurons (neurons, most of any of them); the rest has weight 0."""

    sources: IntArray
    masks: IntArray
    weights: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """The different neurons of one layer of a population, by living connections, then by peak.

    `code` (neurons, in) has their connections, `live` the number that live. A neuron adds its
    bias and its connections, and shows min(max(sum >> shifts, 0), tops) where there is a `window`.
    No partial sum is larger than `peaks`. `ids` (P, out) says which neuron is which of these.
    """

    ids: IntArray
    code: NDArray[np.int64]
    live: IntArray
    peaks: IntArray
    bias: IntArray
    shifts: IntArray
    tops: IntArray
    window: bool
    source_bits: int

    @property
    def count(self) -> int:
        """How many different neurons there are."""
        return len(self.bias)

    @property
    def peak(self) -> int:
        """The largest of the peaks."""
        return int(self.peaks.max(initial=0))

    def connections(self, rows: slice) -> Connections:
        """The connections of some neurons, in the order of their sources."""
        code, live = self.code[rows], self.live[rows]
        row, place = np.nonzero(code)
        starts = np.cumsum(live) - live
        packed = np.zeros((len(code), int(live.max(initial=0))), np.int64)
        packed[row, np.arange(len(row)) - starts[row]] = code[row, place]
        masks, weights = _split(packed)
        return Connections(packed >> (_MASK + _POWER), masks, weights)

    def planes(self, rows: slice) -> NDArray[np.float32]:
        """The weight of every bit of every source, then the bias, of some neurons (rows, bits).

        They are scaled by 2**-shift, so that their floor is the shifted sum.
        """
        code = self.code[rows] & ((1 << (_MASK + _POWER)) - 1)
        bits = np.arange(self.source_bits)
        masks, weights = _split(np.arange(1 << (self.source_bits + _POWER)))
        table = (((masks[:, None] >> bits) & 1) * (weights[:, None] << bits)).astype(np.float32)
        count, inputs = code.shape
        flat = np.empty((count, inputs * self.source_bits + 1), np.float32)
        flat[:, :-1] = np.take(table, code, axis=0).reshape(count, -1)
        flat[:, -1] = self.bias[rows]
        np.ldexp(flat, -self.shifts[rows, None].astype(np.int32), out=flat)
        return flat


def population_neurons(space: Space, genomes: IntArray) -> tuple[Neurons, ...]:
    """The neurons of each layer of genomes (P, genes)."""
    found: list[Neurons] = []
    ids = np.broadcast_to(np.arange(space.inputs), (len(genomes), space.inputs))
    # What a mask can let pass: the bits that the source shows.
    reads = np.full(ids.shape, (1 << space.input_bits) - 1, np.int64)
    for place, genes in enumerate(space.layers(genomes)):
        neurons = _neurons(genes, ids, reads, space.source_bits(place))
        found.append(neurons)
        ids, reads = neurons.ids, neurons.tops[neurons.ids]
    return tuple(found)


def _neurons(genes: LayerGenes, ids: IntArray, reads: IntArray, source_bits: int) -> Neurons:
    population, out, inputs = genes.masks.shape
    masks = np.bitwise_and(genes.masks, reads[:, None, :], dtype=np.int64)
    bias = genes.bias.astype(np.int64)
    tops = shifts = np.zeros((population, out), np.int64)
    window = genes.alive is not None and genes.bits is not None and genes.shifts is not None
    if genes.alive is not None and genes.bits is not None and genes.shifts is not None:
        alive = genes.alive.astype(np.int64)
        tops = ((np.int64(1) << genes.bits.astype(np.int64)) - 1) * alive
        shifts, bias = genes.shifts * alive, bias * alive
        masks *= alive[:, :, None]
    code = ids[:, None, :] << (_MASK + _POWER) | masks << _POWER
    code += genes.powers
    code += _OFFSET
    code *= masks != 0
    code = code.reshape(-1, inputs)
    live = np.count_nonzero(code, axis=1)
    masks, weights = _split(code)
    peaks = (masks * abs(weights)).sum(axis=1) + abs(bias.ravel())
    rest = np.stack([live, peaks, bias.ravel(), shifts.ravel(), tops.ravel()], axis=1)
    first, inverse = unique_rows(rest, code)
    first, inverse = _sorted(first, inverse, np.lexsort((peaks[first], live[first])))
    live, peaks, bias, shifts, tops = rest[first].T
    return Neurons(
        inverse.reshape(population, out), code[first], live, peaks, bias, shifts, tops, window,
        source_bits,
    )  # fmt: skip


def _split(code: IntArray) -> tuple[IntArray, IntArray]:
    """Masks and weights of connections."""
    powers = (code & ((1 << _POWER) - 1)) - _OFFSET
    weights = np.int64(1) << np.where(powers < 0, ~powers, powers)
    masks = (code >> _POWER) & ((1 << _MASK) - 1)
    return masks, np.where(masks == 0, 0, np.where(powers < 0, -weights, weights))


def unique_rows(*parts: IntArray) -> tuple[IntArray, IntArray]:
    """Places of the different rows of matrices side by side, and which of them each row is."""
    keys = np.zeros(len(parts[0]), np.uint64)
    for number, part in enumerate(parts):
        keys += part.astype(np.uint64) @ _multipliers(part.shape[1], number)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if any((part[first[inverse]] != part).any() for part in parts):
        # Two different rows have one key: rare enough to sort them all.
        whole = np.concatenate(parts, axis=1)
        _, first, inverse = np.unique(whole, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _sorted(first: IntArray, inverse: IntArray, order: IntArray) -> tuple[IntArray, IntArray]:
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def _multipliers(count: int, seed: int) -> NDArray[np.uint64]:
    """Odd 64-bit numbers without pattern (SplitMix64 of Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) | np.uint64(1)
