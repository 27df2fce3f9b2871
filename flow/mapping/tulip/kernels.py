"""Kernels: the weights and constants of a tile of neurons, in the order in which they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flow.ir.binary import Neurons, Scores
from flow.ir.tensor import IntArray

Host = tuple[tuple[int, ...], tuple[int, ...]]
"""A factor and a summand for each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """The kernel of a tile: of bits `leaves` and `masks` (words, rows, 2), or of the MACs integers
    (taps, macs); `constants` (classes, words, rows, 2), or biases (classes, macs)."""

    leaves: npt.NDArray[Any]
    masks: npt.NDArray[Any]
    constants: npt.NDArray[Any]

    @property
    def words(self) -> int:
        """Words of the kernel memory."""
        classes, each = self.constants.shape[:2]
        return int(len(self.leaves) + classes * each)


def count_kernels(
    layer: Neurons, order: IntArray, rows: int, masks: bool
) -> tuple[tuple[Tile, ...], IntArray, int]:
    """The kernels of neurons of bits, the class of every position, the levels of their count.

    `order` has the row of the weights of each activation that is taken, two in a word, or -1.
    Positions of one class have the same thresholds.
    """
    filters = int(layer.weights.shape[-1])
    tiles = -(-filters // rows)
    weights = np.zeros((layer.weights.size // filters + 1, tiles * rows), np.int8)
    weights[:-1, :filters] = layer.weights.reshape(-1, filters)
    taken = weights[order].reshape(-1, 2, tiles, rows).transpose(2, 0, 3, 1)
    # An activation that is not there is 0, and so is its product where the weight is +1.
    leaves = (taken > 0) if masks else (taken >= 0)
    thresholds = np.asarray(layer.threshold, dtype=np.int64).reshape(-1, filters)
    kinds, classes = _distinct(thresholds)
    levels = max(1, int(np.max(layer.fan_in))).bit_length()
    # A neuron that is not there has a threshold that no count reaches.
    room = ((0, 0), (0, tiles * rows - filters))
    rest = (1 << levels) - np.pad(kinds, room, constant_values=1 << levels)
    rest = rest.reshape(len(kinds), tiles, rows).transpose(1, 0, 2)
    constants = np.zeros((tiles, len(kinds), levels, rows, 2), np.uint8)
    for level in range(levels):
        constants[:, :, level, :, 0] = rest >> level & 1
    constants[:, :, levels - 1, :, 1] = rest >> levels & 1
    bits, present = leaves.astype(np.uint8), (taken != 0).astype(np.uint8)
    made = tuple(Tile(bits[t], present[t], constants[t]) for t in range(tiles))
    return made, classes, levels


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What MACs add: integers `weights` (taps, filters) and `biases` (classes, filters).

    `classes` is the class of every position, `most` what no sum exceeds.
    """

    weights: npt.NDArray[Any]
    biases: npt.NDArray[Any]
    classes: IntArray
    most: int
    host: Host = ((1,), (0,))


def sum_terms(layer: Neurons, bounds: tuple[int, int]) -> Terms:
    """Sums of weights * integers within `bounds`, less their thresholds."""
    weights = np.asarray(layer.weights, dtype=object)
    weights = weights.reshape(-1, weights.shape[-1])
    reach = int(abs(weights).sum(axis=0).max()) * max(abs(bounds[0]), abs(bounds[1]), 1)
    rows = np.asarray(layer.threshold, dtype=object).reshape(-1, weights.shape[-1])
    # Beyond what a sum can be, one threshold is as good as another.
    kinds, classes = _distinct(np.clip(rows, -reach - 1, reach + 1).astype(np.int64))
    return Terms(weights, -kinds.astype(object), classes, 2 * reach + 1)


def score_terms(layer: Scores) -> Terms:
    """Scores as sums over bits: their order where only the argmax counts, else their counts.

    Counts are what the host makes the scores of, by `host`. Where all factors are m or -m, the
    order of m * p + b is that of p + b // m, and of b % m where that is equal: the ranks of the
    remainders do for the remainders.
    """
    count = int(layer.weights.shape[-1])
    signs = np.asarray(layer.weights, dtype=object)
    factors = [int(v) for v in np.broadcast_to(np.asarray(layer.multiplier, object), (count,))]
    offsets = [int(v) for v in np.broadcast_to(np.asarray(layer.offset, object), (count,))]
    taps = [int(v) for v in (layer.weights != 0).sum(axis=0)]
    host: Host = ((1,), (0,))
    if not layer.argmax:
        # A class whose factor is 0 counts nothing.
        host = tuple(factors), tuple(offsets)
        factors = [int(factor != 0) for factor in factors]
        offsets = [0] * count
    elif len({abs(factor) for factor in factors}) == 1 and factors[0]:
        one = abs(factors[0])
        flips = [factor < 0 for factor in factors]
        signs = np.where(np.array(flips)[None, :], -signs, signs)
        offsets = [b - one * n * flip for b, n, flip in zip(offsets, taps, flips, strict=True)]
        wholes = [b // one for b in offsets]
        kinds = sorted({b % one for b in offsets})
        ranks = [kinds.index(b % one) for b in offsets]
        factors = [len(kinds)] * count
        offsets = [len(kinds) * w + r for w, r in zip(wholes, ranks, strict=True)]
        # A common summand changes no order.
        offsets = [b - min(offsets) for b in offsets]
    weights = signs * np.array(factors, dtype=object)
    negative = [int(n) for n in (signs < 0).sum(axis=0)]
    biases = [b + f * n for b, f, n in zip(offsets, factors, negative, strict=True)]
    most = max(abs(b) + abs(f) * n for b, f, n in zip(biases, factors, taps, strict=True))
    return Terms(weights, np.array([biases], dtype=object), np.zeros(1, np.int64), most, host)


def mac_kernels(terms: Terms, order: IntArray, macs: int, low: int) -> tuple[Tile, ...]:
    """The kernels of sums; the bias of a neuron that fills up the last tile is `low`."""
    filters = int(terms.weights.shape[-1])
    tiles = -(-filters // macs)
    padded = np.zeros((len(terms.weights) + 1, tiles * macs), np.int64)
    padded[:-1, :filters] = terms.weights.astype(np.int64)
    taken = padded[order].reshape(-1, tiles, macs).transpose(1, 0, 2)
    biases = np.full((len(terms.biases), tiles * macs), low, dtype=np.int64)
    biases[:, :filters] = terms.biases.astype(np.int64)
    constants = biases.reshape(len(terms.biases), tiles, macs).transpose(1, 0, 2)
    none = np.zeros((0, macs, 2), np.uint8)
    return tuple(Tile(taken[t], none, constants[t]) for t in range(tiles))


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct rows in order of their first place, and for each row its number."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rows[first[order]], rank[inverse.reshape(-1)]
