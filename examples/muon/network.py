"""The network of the muon chamber: convolutions that pair strips, then dense layers in sequence.

For each two groups of gaps a convolution along the strips finds pairs of hits: filter (i, j, d) is
1 at a strip s of gap i where strip s + d of gap j is hit too. Its weights are known, and a maximum
over the strips leaves a bit for each filter: strips are projective, so a bend is the same wherever
the muon is. Dense layers turn the bits into the angle. Only these are trained; `Mlp` is their
arithmetic, and `Quantiser` that of QKeras: multiples of a step, half to even, saturated. Gradients
pass a quantiser where it does not saturate (straight-through estimator, Bengio et al. 2013, arXiv
1308.3432).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from chamber import GROUPS, STRIPS, Bits
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PAIRED = ((0, 1, 5), (1, 2, 3), (0, 2, 8))
"""Two groups, and how many strips apart hits of a muon can be."""
PAIRS = [
    [
        (i, j, d)
        for i in range(GROUPS[a].start, GROUPS[a].stop)
        for j in range(GROUPS[b].start, GROUPS[b].stop)
        for d in range(-reach, reach + 1)
    ]
    for a, b, reach in PAIRED
]
"""Of each two groups: gap, gap and strips apart, a filter each."""
WIDTHS = (sum(map(len, PAIRS)), 32, 16, 1)
"""Bits, neurons, neurons, angle."""
SCALE_MRAD = 64.0
"""The network answers in this unit."""


def pairs(hits: Bits) -> Bits:
    """What the convolutions and maxima find in hits (events, 50, 7): (bits, events) of 0 and 1."""
    place = np.uint64(1) << np.arange(STRIPS, dtype=np.uint64)
    words = np.einsum("esg,s->ge", hits, place)
    found = np.empty((WIDTHS[0], len(hits)), np.uint8)
    for row, (i, j, d) in enumerate(pair for group in PAIRS for pair in group):
        far = words[j] >> np.uint64(d) if d >= 0 else words[j] << np.uint64(-d)
        found[row] = (words[i] & far) != 0
    return found


@dataclass(frozen=True)
class Quantiser:
    """Multiples of 2**(integer - bits) below 2**integer; `bits` count no sign."""

    bits: int
    integer: int
    signed: bool

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value."""
        top = 2.0**self.integer
        return -top if self.signed else 0.0, top - 2.0 ** (self.integer - self.bits)

    def __call__(self, x: Floats) -> Floats:
        """The nearest values that there are."""
        step = np.float32(2.0 ** (self.integer - self.bits))
        return np.clip(np.rint(x / step) * step, *map(np.float32, self.bounds))

    def passes(self, x: Floats) -> NDArray[np.bool_]:
        """Where a gradient passes: also one that leads back from a bound."""
        low, high = self.bounds
        return (x >= low) & (x <= high)


@dataclass(frozen=True)
class Precision:
    """The quantisers of the dense layers, first to last."""

    weights: tuple[Quantiser, ...] = (
        Quantiser(6, 0, True), Quantiser(6, 0, True), Quantiser(7, 0, True),
    )  # fmt: skip
    biases: tuple[Quantiser, ...] = (Quantiser(8, 2, True),) * 3
    activations: tuple[Quantiser, ...] = (Quantiser(9, 3, False),) * 2


class Mlp:
    """Dense layers with rectifiers between them; with a Precision, as they are built."""

    def __init__(
        self, weights: list[Floats], biases: list[Floats], precision: Precision | None
    ) -> None:
        self.precision, self.raw = precision, (weights, biases)
        if precision:
            weights = [q(w) for q, w in zip(precision.weights, weights, strict=True)]
            biases = [q(b) for q, b in zip(precision.biases, biases, strict=True)]
        self.weights, self.biases = weights, biases
        self._sums: list[Floats] = []
        self._values: list[Floats] = []

    def answer(self, bits: Bits) -> Floats:
        """Angles in mrad of bits (bits, events)."""
        x = bits.astype(np.float32)
        self._sums, self._values = [], [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = w @ x + b[:, None]
            if i < len(self.weights) - 1:
                self._sums.append(x)
                x = self.precision.activations[i](x) if self.precision else np.maximum(x, 0)
                self._values.append(x)
        return x[0] * np.float32(SCALE_MRAD)

    def gradients(self, g: Floats) -> list[Floats]:
        """Those of all weights, then of all biases, from those of the last answers."""
        g = g[None] * np.float32(SCALE_MRAD)
        weights, biases = [], []
        for i in reversed(range(len(self.weights))):
            weights.insert(0, g @ self._values[i].T)
            biases.insert(0, g.sum(axis=1))
            if i:
                z = self._sums[i - 1]
                g = self.weights[i].T @ g
                g = g * (self.precision.activations[i - 1].passes(z) if self.precision else z > 0)
        if self.precision:
            quantisers = (*self.precision.weights, *self.precision.biases)
            raw = [*self.raw[0], *self.raw[1]]
            found = zip(quantisers, raw, [*weights, *biases], strict=True)
            return [g * q.passes(x) for q, x, g in found]
        return [*weights, *biases]


def start(seed: int) -> tuple[list[Floats], list[Floats]]:
    """Weights and biases to begin with: a first neuron is a ramp over the bends of the pairs."""
    from chamber import PITCH_MM, STAGGER, Z_MM

    rng = np.random.default_rng(seed)
    every = [pair for group in PAIRS for pair in group]
    bend = [
        (d + STAGGER[j] - STAGGER[i]) * PITCH_MM[j] / (Z_MM[j] - Z_MM[i]) * 10 for i, j, d in every
    ]
    slope = rng.choice([-1, 1], (WIDTHS[1], 1))
    first = (slope * bend - rng.uniform(-1, 1, (WIDTHS[1], 1))) / 4
    first += rng.normal(size=first.shape) * 0.06
    weights = [first.astype(np.float32)]
    for inputs, outputs in pairwise(WIDTHS[1:]):
        w = rng.normal(size=(outputs, inputs)) * np.sqrt(2 / inputs)
        weights.append(w.astype(np.float32))
    return weights, [np.zeros(n, np.float32) for n in WIDTHS[1:]]
