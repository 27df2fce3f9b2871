"""Toy showers in a hexagonal silicon module of 48 trigger cells: seeded, and simple on purpose.

Three rhombi of 4 x 4 cells make the hexagon. A shower is a narrow and a wide Gaussian around one
point; pile-up and noise are exponential charges of single cells. No claim of physics beyond that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELLS = 48
EXPONENT_BITS, MANTISSA_BITS = 4, 3
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def positions() -> Floats:
    """Centres of the cells (48, 2) in cell widths: cell 16k + 4u + v lies in rhombus k."""
    found = []
    for k in range(3):
        a, b = (np.deg2rad(120 * k + turn) for turn in (0, 120))
        sides = np.array([[np.cos(a), np.sin(a)], [np.cos(b), np.sin(b)]])
        found += [(u + 0.5) * sides[0] + (v + 0.5) * sides[1] for u in range(4) for v in range(4)]
    return np.array(found)


def charges(samples: int, seed: int) -> Floats:
    """Charges (samples, 48) in counts of the readout, 0 to about 200 000."""
    rng = np.random.default_rng(seed)
    places = positions()
    centres = places[rng.integers(0, CELLS, samples)] + rng.normal(0, 0.5, (samples, 2))
    distance = ((places[None] - centres[:, None]) ** 2).sum(axis=2)
    narrow = rng.uniform(0.3, 0.7, (samples, 1))
    wide = rng.uniform(1.0, 2.0, (samples, 1))
    share = rng.uniform(0.5, 0.9, (samples, 1))
    profile = share * np.exp(-distance / (2 * narrow**2)) / narrow**2
    profile += (1 - share) * np.exp(-distance / (2 * wide**2)) / wide**2
    energy = np.exp(rng.uniform(np.log(2e2), np.log(1e5), (samples, 1)))
    background = rng.exponential(15.0, (samples, CELLS))
    background *= rng.random((samples, CELLS)) < rng.uniform(0.05, 0.5, (samples, 1))
    return energy * profile / profile.sum(axis=1, keepdims=True) + background


def encode(values: Floats) -> Ints:
    """The code of the largest charge that does not lie above each value."""
    table = charge_table()
    return np.clip(np.searchsorted(table, np.floor(values), side="right") - 1, 0, len(table) - 1)


def charge_table() -> Ints:
    """The charge of each code, rising."""
    one = 1 << MANTISSA_BITS
    codes = range(1 << (EXPONENT_BITS + MANTISSA_BITS))
    return np.array(
        [c if c < one else (one + c % one) << ((c >> MANTISSA_BITS) - 1) for c in codes]
    )


def images(codes: Ints, arrangement: Ints, fraction_bits: int = 6) -> Ints:
    """What the encoder reads: normalised charges (samples, *arrangement.shape), rounded."""
    charge = charge_table()[codes]
    total = np.maximum(charge.sum(axis=1, keepdims=True), 1)
    normal = ((charge << fraction_bits + 1) + total) // (2 * total)
    padded = np.concatenate([normal, np.zeros((len(normal), 1), np.int64)], axis=1)
    return padded[:, arrangement]
