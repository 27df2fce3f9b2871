"""The first population: given genomes and changes of them, and sparse random classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flow.ir.tensor import IntArray
from flow.search.nsga2 import distinct
from flow.search.space import LayerGenes, Space
from flow.search.variation import mutated

DOPED = 0.5
"""Share of the population that stands on given genomes, where there are any."""


def first_population(
    space: Space, size: int, seeds: Sequence[IntArray], rng: np.random.Generator
) -> IntArray:
    """`size` genomes (size, genes) int32: the seeds, changed seeds, and random ones."""
    given = np.array(list(seeds), dtype=np.int32).reshape(-1, space.genes)
    given = np.clip(given, space.lower, space.upper).astype(np.int32)
    given = given[distinct(given)][:size]
    parts = [given]
    if len(given):
        count = max(0, round(DOPED * size) - len(given))
        copies = given[np.arange(count) % len(given)]
        parts.append(mutated(space, copies, rng))
    left = size - sum(map(len, parts))
    parts.append(random_genomes(space, left, rng))
    return np.concatenate(parts)


def random_genomes(space: Space, count: int, rng: np.random.Generator) -> IntArray:
    """Sparse classifiers (count, genes) int32, from almost none to half of all connections.

    Windows lie where the sums of their neurons are, so that outputs depend on inputs.
    """
    genomes = rng.integers(space.lower, space.upper + 1, size=(count, space.genes), dtype=np.int32)
    for layer, g in enumerate(space.layers(genomes)):
        sources = g.masks.shape[2]
        least = min(1.0, 1.5 / sources)
        share = least * (max(least, 0.5) / least) ** rng.random(count)
        dropped = rng.random(g.masks.shape) >= share[:, None, None]
        width = space.source_bits(layer)
        low = rng.integers(0, width, size=g.masks.shape)
        top = (1 << width) - 1
        plain = top & ~((1 << low) - 1)
        g.masks[...] = np.where(rng.random(g.masks.shape) < 0.7, plain, g.masks)
        g.masks[dropped] = 0
        small = rng.integers(0, min(space.exponents, 4) + 1, size=g.powers.shape)
        g.powers[...] = np.where(g.powers < 0, ~small, small)
        _windows(space, g, top, rng)
    return genomes


def _windows(space: Space, g: LayerGenes, top: int, rng: np.random.Generator) -> None:
    """Biases and windows that fit the largest sum of each neuron."""
    peak = np.where(g.weights() > 0, g.weights() * g.masks, 0).sum(axis=2)
    peak = np.maximum(1, peak)
    half = int(1 << (space.bias_bits - 1))
    bias = (rng.uniform(-0.5, 0.3, size=g.bias.shape) * peak).astype(np.int64)
    g.bias[...] = np.clip(bias, -half, half - 1)
    if g.shifts is None or g.bits is None or g.alive is None:
        return
    width = np.frexp(peak.astype(np.float64))[1].astype(np.int64)  # Bits of the peak, exactly.
    bits = rng.integers(1, space.hidden_bits + 1, size=g.bits.shape)
    g.bits[...] = np.minimum(bits, np.maximum(1, width))
    g.shifts[...] = np.clip(
        width - g.bits - rng.integers(0, 2, size=width.shape), 0, space.largest_shift
    )
    g.alive[...] = rng.random(g.alive.shape) < 0.9
