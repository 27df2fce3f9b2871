"""The full adders of a candidate, as the first papers on printed classifiers count them.

Afentaki et al., ICCAD 2023 and DATE 2024: the columns of the positive and of the negative summands
of a neuron are reduced by full adders alone, then a subtraction follows. Half adders, windows and
the decision are not counted, so candidates of equal count can differ much in area; `estimate.py`
is the better guide. Here a group's width is that of its own largest sum, the bias stands at its
place, and the carry of the last column counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import Space


def full_adders(space: Space, genomes: IntArray) -> NDArray[np.int64]:
    """The number of full adders of each genome (P, genes)."""
    genomes = space.canonical(genomes)
    total = np.zeros(len(genomes), np.int64)
    for g in space.layers(genomes):
        weights = g.weights()
        products = g.masks * abs(weights)
        bias = g.bias.astype(np.int64)
        live = (products != 0).any(axis=2)
        widths = np.zeros(bias.shape, np.int64)
        for sign in (1, -1):
            part = np.where(np.sign(weights) == sign, products, 0)
            constant = np.maximum(sign * bias, 0)
            heap = np.concatenate([part, constant[:, :, None]], axis=2)
            total += (_reduced(heap) * live).sum(axis=1)
            widths = np.maximum(widths, _length(heap.sum(axis=2)))
        total += ((widths + 1) * live).sum(axis=1)
    return total


def _reduced(heap: IntArray) -> NDArray[np.int64]:
    """Full adders that leave at most two bits in each column of the summands (P, out, n)."""
    count = np.zeros(heap.shape[:2], np.int64)
    carry = np.zeros_like(count)
    column = 0
    while carry.any() or (heap >> column).any():
        height = ((heap >> column) & 1).sum(axis=2) + carry
        carry = np.zeros_like(count)
        while (height >= 3).any():
            adders = height // 3
            height -= 2 * adders
            carry += adders
        count += carry
        column += 1
    return count


def _length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bits of values below 2**53."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)
