"""What a candidate is made of, counted without building it: adders, windows, comparisons.

All counts are whole numbers and vectorised over the population. Each neuron is a heap of bits
with one constant; columns are reduced from the lowest up with full and half adders, as a ripple
of Dadda's counters (Alta Frequenza, 1965), and a constant one takes part without a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.space import LayerGenes, Space

Counts = NDArray[np.int64]

NAMES = (
    "full adders", "carries alone", "sums alone", "half adders", "half carries", "half sums",
    "inverted bits", "gated bits", "saturating bits", "sign checks", "compared bits",
    "compared bits of ones", "muxed bits", "muxed indices", "read bits", "threshold bits",
)  # fmt: skip
"""The columns of `counts`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What is known of each neuron (P, out) of a layer before any logic: live bits of its
    connections, constants folded, and the interval of its sum."""

    sizes: Counts
    negative: NDArray[np.bool_]
    masks: Counts
    bias: Counts
    lo: Counts
    hi: Counts


def counts(space: Space, genomes: IntArray) -> Counts:
    """The numbers of NAMES for each genome (P, genes): (P, len(NAMES)), all at least 0."""
    genomes = np.atleast_2d(genomes)
    layers = space.layers(genomes)
    reads = np.full((len(genomes), space.inputs), (1 << space.input_bits) - 1, np.int64)
    lowest = np.zeros_like(reads)
    sums, shown = [], []
    for g in layers:
        s = _sums(g, reads, lowest)
        sums.append(s)
        if g.alive is None or g.bits is None or g.shifts is None:
            break
        tops = ((np.int64(1) << g.bits.astype(np.int64)) - 1) * g.alive
        lowest = np.clip(s.lo >> g.shifts, 0, tops)
        highest = np.clip(s.hi >> g.shifts, 0, tops)
        # A neuron that always shows the same value is a constant of its readers.
        reads = np.where(lowest == highest, 0, _ones(highest))
        shown.append((lowest, highest))
    total = np.zeros((len(genomes), len(NAMES)), np.int64)
    last = sums[-1]
    needed = np.full(last.bias.shape, -1, np.int64)
    _decision(last, total)
    for place in range(len(layers) - 1, -1, -1):
        g, s = layers[place], sums[place]
        _heaps(g, s, needed, total)
        used = np.where(needed[:, :, None] != 0, s.masks, 0)
        needed = np.bitwise_or.reduce(used, axis=1)
    total[:, NAMES.index("read bits")] = np.bitwise_count(needed).sum(axis=1)
    return total


def _sums(g: LayerGenes, reads: Counts, lowest: Counts) -> _Sums:
    powers = g.powers.astype(np.int64)
    negative = powers < 0
    sizes = np.where(negative, ~powers, powers)
    every = g.masks.astype(np.int64)
    masks = every & reads[:, None, :]
    # What is constant in a source goes into the bias.
    fixed = np.where(reads[:, None, :] == 0, every & lowest[:, None, :], 0) << sizes
    bias = g.bias + np.where(negative, -fixed, fixed).sum(axis=2)
    values = masks << sizes
    down = np.where(negative, values, 0).sum(axis=2)
    up = values.sum(axis=2) - down
    return _Sums(sizes, negative, masks, bias, bias - down, bias + up)


def _heaps(g: LayerGenes, s: _Sums, needed: Counts, total: Counts) -> None:
    """Adders of a layer whose neurons are read at the bits `needed` (P, out); 0 is unread."""
    values = s.masks << s.sizes
    values[needed == 0] = 0
    live = (values != 0).any(axis=2)
    width = int(max(s.hi.max(), -s.lo.min(), 1)).bit_length() + 1
    constant = s.lo  # Negative bits are inverted, so that the heap starts at the least sum.
    output = g.shifts is None or g.bits is None
    if g.shifts is None or g.bits is None:
        first, bits = np.zeros_like(s.bias), np.full_like(s.bias, width)
    else:
        first = g.shifts + _lowest_bit(needed)
        bits = g.bits.astype(np.int64)
    # The columns that the sum has: from its lowest bit to the sign.
    ends = np.maximum(_length(s.hi), _length(~s.lo))
    carry = np.zeros_like(s.bias)
    column = {name: np.zeros_like(s.bias) for name in NAMES[:6]}
    threshold = ~np.asarray(output) & (bits == 1) & np.ones_like(live)
    for c in range(width):
        bit = (values >> c) & 1
        heap = np.count_nonzero(bit, axis=2) + carry
        one = (constant >> c) & 1
        inside = live & (c < ends)
        heap = np.where(inside, heap, 0)
        odd = heap & 1
        full = np.maximum(heap - 1, 0) >> 1
        half = np.where((heap > 0) & (odd == 0), 1, 0)
        seen = (c >= first) & (c < ends) & ~(threshold & (c < g.shifts if not output else False))
        last = c + 1 >= ends
        column["full adders"] += np.where(seen & ~last, full, 0)
        column["carries alone"] += np.where(~seen & ~last, full, 0)
        column["sums alone"] += np.where(last, full, 0)
        column["half adders"] += np.where(seen & ~last, half, 0)
        column["half carries"] += np.where(~seen & ~last, half, 0)
        column["half sums"] += np.where(last, half, 0)
        carry = np.where(heap > 0, full + half + np.where(odd == 1, one, 0), 0)
    for name, value in column.items():
        total[:, NAMES.index(name)] += value.sum(axis=1)
    inverted = np.where(s.negative, np.bitwise_count(np.where(live[:, :, None], s.masks, 0)), 0)
    total[:, NAMES.index("inverted bits")] += inverted.sum(axis=(1, 2), dtype=np.int64)
    if g.shifts is None or g.bits is None:
        return
    above = np.clip(ends - g.shifts - bits, 0, None) * live
    shown = np.clip(np.minimum(bits, ends - first), 0, None) * live
    signed = live & (s.lo < 0)
    total[:, NAMES.index("saturating bits")] += above.sum(axis=1)
    total[:, NAMES.index("gated bits")] += np.where(above > 0, shown, 0).sum(axis=1)
    total[:, NAMES.index("sign checks")] += np.where(signed, shown, 0).sum(axis=1)
    total[:, NAMES.index("threshold bits")] += np.where(threshold, above, 0).sum(axis=1)


def _decision(s: _Sums, total: Counts) -> None:
    """Comparators and multiplexers of the largest score, two neighbours at a time."""
    live = (s.masks != 0).any(axis=2)
    values = s.masks << s.sizes
    lowest = np.where(live, _lowest_bit(np.bitwise_or.reduce(values, axis=2)), 0)
    scores = [
        (s.lo[:, j], s.hi[:, j], live[:, j], lowest[:, j], np.zeros(len(live), np.int64))
        for j in range(live.shape[1])
    ]
    compared, ones, muxed, indices = (NAMES.index(n) for n in NAMES[10:14])
    while len(scores) > 1:
        winners = []
        for left, right in zip(scores[::2], scores[1::2], strict=False):
            lo, hi = np.maximum(left[0], right[0]), np.maximum(left[1], right[1])
            open_ = (left[0] < right[1]) & (left[1] >= right[0])
            low = np.minimum(np.where(left[2], left[3], 99), np.where(right[2], right[3], 99))
            wide = np.maximum(_length(np.maximum(left[1], right[1])),
                              _length(~np.minimum(left[0], right[0])))  # fmt: skip
            bits = np.clip(wide - np.minimum(low, wide), 0, None) * open_
            both = left[2] & right[2]
            total[:, compared] += np.where(both, bits, 0)
            total[:, ones] += np.where(both, 0, bits)
            last = len(scores) == 2
            if not last:
                total[:, muxed] += bits
            total[:, indices] += np.where(open_, 1 + np.maximum(left[4], right[4]), 0)
            winners.append((
                lo, hi, np.where(open_, left[2] | right[2], np.where(left[0] >= right[1], left[2], right[2])),
                np.where(low == 99, 0, low), np.maximum(left[4], right[4]) + open_,
            ))  # fmt: skip
        scores = winners + scores[2 * len(winners) :]


def _ones(values: Counts) -> Counts:
    """The number of all ones that is as long as each value."""
    return (np.int64(1) << _length(values)) - 1


def _length(values: Counts) -> Counts:
    """How many bits a value has; 0 for 0 and below."""
    found: Counts = np.frexp(np.maximum(values, 0).astype(np.float64))[1].astype(np.int64)
    return found


def _lowest_bit(values: Counts) -> Counts:
    """The place of the lowest one; 0 where there is none."""
    return _length(values & -values) - (values != 0)
