"""Binary perceptrons: weights -1 and 1 (or ternary), signs between the layers, trained in numpy.

Each hidden layer is a product with binary weights, batch normalisation, and a sign; the last is a
product and a bias. The real weights that stand behind the binary ones are moved by Adam; how
gradients pass through the signs is the estimator's choice. At the end the statistics of the batch
normalisation are taken anew from the training samples with the final weights, and everything
becomes integers: a neuron is true where its sum reaches its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import numpy as np

from flow.progress import Progress, silent
from flow.train.binary_estimators import Estimator, FloatArray, levels, slope, weight_slope
from flow.train.dataset import ByteArray
from flow.train.table import IntArray

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
NORM = 1e-4
"""Added to the variance of a batch."""
GAIN = 4.0
"""Scores are sums of n signs times GAIN / sqrt(n) before the softmax."""
SPREAD, SPREAD_OF_SINE = (0.3, 0.8), 0.1
"""Real weights begin within this: binary, ternary, those of BiPer."""
STATISTICS = 20_000
"""Samples that the last statistics are taken from at most."""


@dataclass(frozen=True, slots=True)
class BinaryOptions:
    """How a binary perceptron is trained; `bits` of each input."""

    hidden: tuple[int, ...]
    bits: int = 4
    estimator: Estimator = "ste"
    ternary: bool = False
    epochs: int = 60
    batch: int = 128
    rate: float = 0.005
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BinaryNet:
    """Integers of a trained network. Layer 0 reads levels, the others signs -1 and 1.

    `weights[i]` is (inputs, outputs) of -1, 0, 1; the sign of hidden neuron j of layer i is
    positive where its sum is at least `thresholds[i][j]`. The scores are the last sums + `bias`.
    """

    weights: tuple[IntArray, ...]
    thresholds: tuple[IntArray, ...]
    bias: IntArray
    bits: int

    def scores(self, x: ByteArray) -> IntArray:
        """The scores (samples, classes) of levels (samples, features)."""
        # Sums of integers below 2**24 are exact in float32.
        here: Any = x.astype(np.float32)
        for weights, bound in zip(self.weights[:-1], self.thresholds, strict=True):
            here = np.where(
                here @ weights.astype(np.float32) >= bound, np.float32(1), np.float32(-1)
            )
        sums = (here @ self.weights[-1].astype(np.float32)).astype(np.int64)
        return np.asarray(sums + self.bias)

    def accuracy(self, x: ByteArray, y: IntArray) -> float:
        """The share of samples that are classified right; of equal scores the first counts."""
        return float(np.mean(np.argmax(self.scores(x), axis=1) == y))


def train_binary(
    x: ByteArray, y: IntArray, options: BinaryOptions, progress: Progress = silent
) -> BinaryNet:
    """A binary perceptron trained on levels x (samples, features) and class indices y.

    Every estimator makes the same number of steps from the same start; the last weights are kept.
    """
    training = _Training(x, y, options)
    random = np.random.default_rng(options.seed + 1)
    steps = max(1, len(y) // options.batch)
    for epoch in range(options.epochs):
        order = random.permutation(len(y))
        for k in range(steps):
            share = (epoch * steps + k) / (options.epochs * steps)
            training.step(order[k * options.batch : (k + 1) * options.batch], share)
        progress("training", epoch + 1, options.epochs)
    return training.integers()


class _Training:
    """Real weights, gains and shifts of every layer, and their moments."""

    def __init__(self, x: ByteArray, y: IntArray, options: BinaryOptions) -> None:
        self.options, self.y = options, y
        self.top = 2**options.bits - 1
        self.x = x.astype(np.float32) * np.float32(2 / self.top) - np.float32(1)
        random = np.random.default_rng(options.seed)
        sizes = [x.shape[1], *options.hidden, int(y.max()) + 1]
        spread = SPREAD_OF_SINE if options.estimator == "biper" else SPREAD[options.ternary]
        self.weights = [
            random.uniform(-spread, spread, (a, b)).astype(np.float32) for a, b in pairwise(sizes)
        ]
        self.gains = [np.ones(n, np.float32) for n in options.hidden]
        self.shifts = [np.zeros(n, np.float32) for n in options.hidden]
        self.bias = np.zeros(sizes[-1], np.float32)
        held = self._parameters()
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in held]
        self.done = 0

    def _parameters(self) -> list[FloatArray]:
        return [*self.weights, *self.gains, *self.shifts, self.bias]

    def _binary(self) -> list[FloatArray]:
        return [levels(self.options.estimator, w, self.options.ternary) for w in self.weights]

    def step(self, rows: IntArray, share: float) -> None:
        """One step of Adam on some samples; `share` of the training is done."""
        gradients = self._gradients(self.x[rows], self.y[rows], share)
        rate = self.options.rate * 0.5 * (1 + np.cos(np.pi * share))
        self.done += 1
        fix1, fix2 = 1 - BETA1**self.done, 1 - BETA2**self.done
        for p, g, (m, v) in zip(self._parameters(), gradients, self.moments, strict=True):
            m += np.float32(1 - BETA1) * (g - m)
            v += np.float32(1 - BETA2) * (g * g - v)
            p -= np.float32(rate / fix1) * m / (np.sqrt(v / np.float32(fix2)) + np.float32(EPSILON))
        if self.options.estimator != "biper":
            for w in self.weights:
                np.clip(w, -1, 1, out=w)

    def _gradients(self, x: FloatArray, y: IntArray, share: float) -> list[FloatArray]:
        """The gradient of the cross-entropy for each of `_parameters`."""
        name, binary = self.options.estimator, self._binary()
        reads, normal, spreads, before = [x], [], [], []
        for w, gain, shift in zip(binary[:-1], self.gains, self.shifts, strict=True):
            sums = reads[-1] @ w
            spread = np.sqrt(sums.var(axis=0) + np.float32(NORM))
            normal.append((sums - sums.mean(axis=0)) / spread)
            spreads.append(spread)
            before.append(normal[-1] * gain + shift)
            reads.append(np.where(before[-1] >= 0, np.float32(1), np.float32(-1)))
        scale = np.float32(GAIN / np.sqrt(len(binary[-1])))
        scores = reads[-1] @ binary[-1] * scale + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        grad = np.exp(scores)
        grad /= grad.sum(axis=1, keepdims=True)
        grad[np.arange(len(y)), y] -= 1
        grad /= np.float32(len(y))
        bias = grad.sum(axis=0)
        weights = [reads[-1].T @ grad * scale]
        back = grad @ binary[-1].T * scale
        gains, shifts = [], []
        for i in reversed(range(len(self.gains))):
            back = back * slope(name, before[i], share)
            gains.append((back * normal[i]).sum(axis=0))
            shifts.append(back.sum(axis=0))
            inner = back * self.gains[i]
            inner -= inner.mean(axis=0) + normal[i] * (inner * normal[i]).mean(axis=0)
            inner /= spreads[i]
            weights.append(reads[i].T @ inner)
            back = inner @ binary[i].T if i else inner
        passed = zip(reversed(weights), self.weights, strict=True)
        moved = [np.asarray(g * weight_slope(name, w, share), np.float32) for g, w in passed]
        return [*moved, *reversed(gains), *reversed(shifts), bias]

    def integers(self) -> BinaryNet:
        """The integers of the trained network."""
        here = self.x[:STATISTICS]
        weights, thresholds = [], []
        binary = self._binary()
        for i, (w, gain, shift) in enumerate(
            zip(binary[:-1], self.gains, self.shifts, strict=True)
        ):
            sums = here @ w
            mean, spread = sums.mean(axis=0), np.sqrt(sums.var(axis=0) + np.float32(NORM))
            whole, bound = _folded(w, mean, spread, gain, shift, self.top if i == 0 else None)
            weights.append(whole)
            thresholds.append(bound)
            # Signs of negated sums are those of the normalised ones again.
            raw = (here + 1) * np.float32(self.top / 2) if i == 0 else here
            reached = np.rint(raw @ whole.astype(np.float32)) >= bound
            here = np.where(reached, np.float32(1), np.float32(-1))
        weights.append(binary[-1].astype(np.int64))
        unit = GAIN / np.sqrt(len(binary[-1]))
        return BinaryNet(
            tuple(weights), tuple(thresholds), np.rint(self.bias / unit).astype(np.int64),
            self.options.bits,
        )  # fmt: skip


def _folded(
    weights: FloatArray,
    mean: FloatArray,
    spread: FloatArray,
    gain: FloatArray,
    shift: FloatArray,
    top: int | None,
) -> tuple[IntArray, IntArray]:
    """Weights and thresholds with gain * (sum - mean) / spread + shift >= 0 just where the sum of
    weights reaches the threshold. With `top`, sums are of levels: of z = 2 * level / top - 1."""
    whole, bounds = weights.astype(np.int64), []
    columns: Sequence[Any] = list(zip(mean, spread, gain, shift, strict=True))
    for j, column in enumerate(columns):
        m, s, g, b = (Fraction(float(v)) for v in column)
        most = int(abs(whole[:, j]).sum()) * (top or 1)
        if g == 0:
            bounds.append(-most if b >= 0 else most + 1)
            continue
        tie = m - b * s / g
        if top is not None:
            tie = (tie + int(whole[:, j].sum())) * top / 2
        if g < 0:
            whole[:, j] *= -1
        bounds.append(max(-most, min(most + 1, ceil(tie) if g > 0 else -floor(tie))))
    return whole, np.array(bounds, dtype=np.int64)
