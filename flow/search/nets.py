"""Trained integer perceptrons as genomes: weights that are powers of two, windows of bits."""

from __future__ import annotations

import numpy as np

from flow.ir.tensor import IntArray
from flow.search.space import Space


def net_genome(
    space: Space,
    w1: IntArray,
    b1: IntArray,
    shifts: IntArray,
    bits: int,
    w2: IntArray,
    b2: IntArray,
) -> IntArray | None:
    """The genome (genes,) of a network of one hidden layer; None where it does not fit the space.

    `w1` is (inputs, hidden) and `w2` (hidden, classes), powers of two with signs or 0; a neuron
    shows `bits` bits of its sum from bit `shifts` on. In a space of two hidden layers the second
    one hands on what the first one shows.
    """
    hidden = w1.shape[1]
    if len(space.hidden) > 2 or any(hidden > width for width in space.hidden):
        return None
    if bits > space.hidden_bits or int(shifts.max(initial=0)) > space.largest_shift:
        return None
    if max(_exponent(w1), _exponent(w2)) > space.exponents:
        return None
    half = 1 << (space.bias_bits - 1)
    if any(b.min() < -half or b.max() >= half for b in (b1, b2)):
        return None
    genome = np.zeros((1, space.genes), np.int64)
    first, *between, last = space.layers(genome)
    full = (1 << space.input_bits) - 1
    first.masks[0, :hidden] = np.where(w1.T != 0, full, 0)
    first.powers[0, :hidden] = _powers(w1.T)
    first.bias[0, :hidden] = b1
    assert first.shifts is not None
    assert first.bits is not None
    assert first.alive is not None
    first.shifts[0, :hidden] = shifts
    first.bits[...] = bits
    first.alive[0, :hidden] = 1
    shown = (1 << bits) - 1
    for g in between:
        assert g.bits is not None
        assert g.alive is not None
        g.masks[0, np.arange(hidden), np.arange(hidden)] = shown
        g.bits[...] = bits
        g.alive[0, :hidden] = 1
    last.masks[0, :, :hidden] = np.where(w2.T != 0, shown, 0)
    last.powers[0, :, :hidden] = _powers(w2.T)
    last.bias[0] = b2
    if (decision := space.decision(genome)) is not None:
        decision[0][0] = np.arange(space.classes)
    result: IntArray = genome[0].astype(np.int32)
    return result


def _exponent(weights: IntArray) -> int:
    return int(np.abs(weights).max(initial=0)).bit_length() - 1


def _powers(weights: IntArray) -> IntArray:
    """The genes of weights that are powers of two: p for 2**p, -1 - p for -2**p."""
    size = np.frexp(np.maximum(1, np.abs(weights)).astype(np.float64))[1].astype(np.int64) - 1
    result: IntArray = np.where(weights < 0, ~size, size)
    return result
