"""The neurons of a population, each once: what equal neurons show need not be computed twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import LayerGenes, Space


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """The different neurons of one layer of a population, those with few connections first.

    Neuron u adds `bias[u]` and, for each k below `live[u]`, `weights[u, k]` times the bits
    `masks[u, k]` of source `sources[u, k]`, and shows min(max(sum >> shifts, 0), tops) where there
    is a `window`. No partial sum is larger than `peaks[u]`. `ids` (P, out) says which is which.
    """

    ids: IntArray
    sources: IntArray
    masks: IntArray
    weights: IntArray
    live: IntArray
    bias: IntArray
    shifts: IntArray
    tops: IntArray
    peaks: IntArray
    window: bool
    source_bits: int
    width: int

    @property
    def count(self) -> int:
        """How many different neurons there are."""
        return len(self.bias)

    @property
    def peak(self) -> int:
        """The largest of the peaks."""
        return int(self.peaks.max(initial=0))

    def planes(self, rows: slice) -> NDArray[np.float32]:
        """The weight of every bit of every source, then the bias, of some neurons (rows, bits).

        They are scaled by 2**-shift, so that their floor is the shifted sum.
        """
        bits = np.arange(self.source_bits)
        masks, weights = self.masks[rows], self.weights[rows]
        count, most = masks.shape
        values = ((masks[:, :, None] >> bits) & 1) * (weights[:, :, None] << bits)
        dense = np.zeros((count, self.width + 1, self.source_bits), np.float32)
        # Connections that do not live have no bits and go to a place behind the sources.
        places = np.where(np.arange(most) < self.live[rows, None], self.sources[rows], self.width)
        np.put_along_axis(dense, places[:, :, None], values.astype(np.float32), axis=1)
        flat = dense.reshape(count, -1)[:, : self.width * self.source_bits + 1]
        flat[:, -1] = self.bias[rows]
        scaled: NDArray[np.float32] = flat * np.exp2(-self.shifts[rows, None]).astype(np.float32)
        return scaled


def population_neurons(space: Space, genomes: IntArray) -> tuple[Neurons, ...]:
    """The neurons of each layer of genomes (P, genes)."""
    found: list[Neurons] = []
    ids = np.broadcast_to(np.arange(space.inputs), (len(genomes), space.inputs))
    # What a mask can let pass: the bits that the source shows.
    reads = np.full(ids.shape, (1 << space.input_bits) - 1, np.int64)
    for place, genes in enumerate(space.layers(genomes)):
        neurons = _neurons(genes, ids, reads, space.source_bits(place), space.widths[place])
        found.append(neurons)
        ids, reads = neurons.ids, neurons.tops[neurons.ids]
    return tuple(found)


def _neurons(
    genes: LayerGenes, ids: IntArray, reads: IntArray, source_bits: int, width: int
) -> Neurons:
    population, out, inputs = genes.masks.shape
    masks = genes.masks & reads[:, None, :]
    tops = shifts = np.zeros((population, out), np.int64)
    bias = genes.bias.astype(np.int64)
    if genes.alive is not None and genes.bits is not None and genes.shifts is not None:
        tops = ((np.int64(1) << genes.bits.astype(np.int64)) - 1) * genes.alive
        masks = np.where(genes.alive[:, :, None] != 0, masks, 0)
        shifts = np.where(genes.alive != 0, genes.shifts, 0)
        bias = np.where(genes.alive != 0, bias, 0)
    powers = genes.powers.astype(np.int64) + 32
    code = ((ids[:, None, :].astype(np.int64) << 12) + masks) * 64 + powers
    code = np.where(masks != 0, code, 0).reshape(-1, inputs)
    rest = np.stack([bias, shifts, tops], axis=2).reshape(-1, 3)
    live = (code != 0).sum(axis=1)
    first, inverse = unique_rows(np.concatenate([live[:, None], code, rest], axis=1))
    code, live, rest = code[first], live[first], rest[first]
    most = int(live.max(initial=0))
    # The living connections of each neuron, in order, before the others.
    order = np.argsort(code == 0, axis=1, kind="stable")[:, :most]
    code = np.take_along_axis(code, order, axis=1)
    power = code % 64 - 32
    negative = power < 0
    weights = np.int64(1) << np.where(negative, ~power, power)
    weights = np.where(code == 0, 0, np.where(negative, -weights, weights))
    masks = (code >> 6) & 4095
    # In the first layer the number of a source is its place, later that of a different neuron.
    peaks = (masks * abs(weights)).sum(axis=1) + abs(rest[:, 0])
    return Neurons(
        inverse.reshape(population, out), code >> 18, masks, weights, live,
        rest[:, 0], rest[:, 1], rest[:, 2], peaks, genes.alive is not None, source_bits, width,
    )  # fmt: skip


def unique_rows(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Places of the different rows, by their first number, and for each row which one it is."""
    keys = rows.astype(np.uint64) @ _multipliers(rows.shape[1])
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if (rows[first[inverse]] != rows).any():
        # Two different rows have one key: rare enough to sort them all.
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(rows[first, 0], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)]


def _multipliers(count: int) -> NDArray[np.uint64]:
    """Odd 64-bit numbers without pattern (SplitMix64 of Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) | np.uint64(1)
