"""The converters in front of a classifier as a part of what a search makes small.

The cost of a converter is that of `flow.tech.flash_adc`: a comparator at each threshold that is
needed, and the gates of its encoder. A neuron that reads one input alone needs the thresholds at
which it changes what it shows; one that reads several needs those of the bits that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.ir.layers import Gates, MaskedDense, Requantize
from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.search.costs import Cost, MappedArea
from flow.search.evolution import Estimator
from flow.search.space import Space
from flow.tech.flash_adc import converter, flash_parts

MOST_BITS = 5
"""Sets of thresholds are the bits of an int64."""


@dataclass(frozen=True)
class SensorAreas:
    """Costs of candidates with the converters of their inputs, of at most MOST_BITS bits."""

    inner: MappedArea

    def genomes(self, space: Space, genomes: IntArray) -> list[Cost]:
        """The cost of every genome (P, genes), converters included."""
        added = converter_costs(space, genomes)
        found = self.inner.genomes(space, genomes)
        return [_sum(a, b) for a, b in zip(found, added, strict=True)]

    def networks(self, networks: Sequence[Network]) -> list[Cost]:
        """The cost of every network, with converters of all the bits that it reads."""
        found = zip(self.inner.networks(networks), networks, strict=True)
        return [_sum(cost, _of_network(network)) for cost, network in found]


@dataclass(frozen=True)
class SensorEstimate:
    """An estimate of the circuit's area, and the converters' area exactly."""

    inner: Estimator

    def fit(self, space: Space, genomes: IntArray, areas: IntArray) -> NDArray[np.float64]:
        """The coefficients that describe the circuits alone."""
        return self.inner.fit(space, genomes, areas - _areas(space, genomes))

    def areas(self, space: Space, genomes: IntArray, coefficients: NDArray[np.float64]) -> IntArray:
        """The estimated areas (P,) in um2, converters included."""
        circuits = self.inner.areas(space, genomes, coefficients)
        return np.asarray(circuits + _areas(space, genomes))


def _sum(a: Cost, b: Cost) -> Cost:
    return Cost(a.area + b.area, a.leakage + b.leakage)


def converter_costs(space: Space, genomes: IntArray) -> list[Cost]:
    """The cost of the converters that each genome (P, genes) needs, at the supply of the model."""
    genes = space.layers(space.canonical(genomes))[0]
    layer = _First(genes.masks.astype(np.int64), genes.weights(), genes.bias.astype(np.int64))
    if genes.shifts is not None and genes.bits is not None:
        top = (1 << genes.bits.astype(np.int64)) - 1
        layer = replace(layer, shift=genes.shifts.astype(np.int64), top=top)
    return _costs(layer, space.input_bits)


@dataclass(frozen=True, eq=False)
class _First:
    """First layers (P, neurons, inputs), biases (P, neurons), and their windows where they have
    them: the sum shifted down, at least 0, at most `top`."""

    masks: IntArray
    weights: IntArray
    bias: IntArray
    shift: IntArray | None = None
    top: IntArray | None = None


def _of_network(network: Network) -> Cost:
    """The cost of the converters of a network."""
    gates = network.layers[-1]
    if isinstance(gates, Gates):
        return _of_gates(gates)
    first = next(layer for layer in network.layers if isinstance(layer, MaskedDense))
    bits = network.types[network.inputs[0].name].hull.hi.bit_length()
    weights = first.weights.astype(np.int64).T[None]
    masks = np.where(weights == 0, 0, first.masks.astype(np.int64).T[None])
    layer = _First(masks, weights, first.bias.astype(np.int64)[None])
    after = network.readers(first.name)[0]
    if isinstance(after, Requantize):
        size = (1, weights.shape[1])
        _, _, divisors = after.ratio(size[1:])
        shift = np.array([int(d).bit_length() - 1 for d in divisors])
        top = np.broadcast_to(after.hi.astype(np.int64), size)
        layer = replace(layer, shift=shift.reshape(size), top=top)
    return _costs(layer, bits)[0]


def _of_gates(layer: Gates) -> Cost:
    """The cost of converters of all the bits that gates read."""
    read = {v >> 1 for table in (*layer.gates, *layer.words) for v in table}
    masks, place = [], 1
    for width in layer.widths:
        masks.append(sum(1 << i for i in range(width) if place + i in read))
        place += width
    row = np.array(masks, dtype=np.int64)[None, None]
    return _costs(_First(row, np.ones_like(row), np.zeros((1, 1), np.int64)), max(layer.widths))[0]


def _areas(space: Space, genomes: IntArray) -> IntArray:
    return np.array([cost.area for cost in converter_costs(space, genomes)], dtype=np.int64)


def _thresholds(layer: _First, bits: int) -> IntArray:
    """The thresholds that are needed of each input (P, inputs), as sets of bits."""
    needed = _thresholds_of_masks(bits)[layer.masks]
    if layer.shift is not None and layer.top is not None:
        alone = ((layer.masks != 0).sum(axis=2) == 1)[:, :, None] & (layer.masks != 0)
        needed = np.where(alone, _own_thresholds(layer, layer.shift, layer.top, bits), needed)
    return np.asarray(np.bitwise_or.reduce(needed, axis=1))


def _own_thresholds(layer: _First, shift: IntArray, top: IntArray, bits: int) -> IntArray:
    """The levels at which each neuron that read one input alone would change what it shows."""
    found = np.zeros(layer.masks.shape, np.int64)
    before = None
    for level in range(1 << bits):
        sums = layer.bias[:, :, None] + layer.weights * (layer.masks & level)
        shown = np.clip(sums >> shift[:, :, None], 0, top[:, :, None])
        if before is not None:
            found |= (shown != before).astype(np.int64) << level
        before = shown
    return found


def _thresholds_of_masks(bits: int) -> IntArray:
    """For each mask of bits that are read, the set of thresholds that change one of them."""
    found = [sum(1 << t for t in converter(bits, mask).thresholds) for mask in range(1 << bits)]
    return np.array(found, dtype=np.int64)


def _costs(layer: _First, bits: int) -> list[Cost]:
    thresholds = _thresholds(layer, bits)
    read = np.bitwise_or.reduce(layer.masks, axis=1)
    parts = flash_parts()
    comparators = _ones(thresholds).sum(axis=1)
    gates = np.zeros(len(thresholds), np.int64)
    for bit in range(bits):
        levels = sum(1 << level for level in range(1 << bits) if level >> bit & 1)
        count = np.where(read >> bit & 1, _ones(thresholds & levels), 0)
        gates += np.maximum(count - 1, 0).sum(axis=1)
    area = comparators * round(parts.comparator_um2) + gates * round(parts.gate_um2)
    power = comparators * round(parts.comparator_mw * 1e6) + gates * round(parts.gate_mw * 1e6)
    return [Cost(a, p) for a, p in zip(area.tolist(), power.tolist(), strict=True)]


def _ones(sets: IntArray) -> IntArray:
    return np.asarray(np.bitwise_count(sets), dtype=np.int64)
