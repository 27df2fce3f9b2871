"""Perceptrons trained for what will happen to their weights: rounding, faults, and spread.

Each is a regulariser beside the cross entropy, alone or together with the others: the squared
distance of the weights from their grid; the cross entropy of copies with stuck weights; that of
copies with spread weights (noise in training as in Murray and Edwards, "Enhanced MLP Performance
and Fault Tolerance Resulting from Synaptic Weight Noise During Training", IEEE Trans. Neural
Networks 5(5), 1994). Copies are drawn anew in every step; Adam moves the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.progress import Progress, silent
from flow.train.baseline import Perceptron, quantise_perceptron, rounded
from flow.train.dataset import ByteArray
from flow.train.losses import LossKind, answer
from flow.train.table import IntArray
from flow.train.weight_faults import draw_stuck, stuck_weights

FloatArray = NDArray[np.float32]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
COPIES = 4
REGULARISERS = ("quantisation", "faults", "variability")


@dataclass(frozen=True, slots=True)
class RobustOptions:
    """How one perceptron is trained; with no regulariser it is an ordinary training.

    `quantisation` weighs the mean squared distance from the grid, at the end of the training;
    `faults` is the share of stuck weights, `variability` 1 sigma of their spread.
    """

    hidden: int
    quantisation: float = 0.0
    faults: float = 0.0
    variability: float = 0.0
    weight_bits: int = 8
    steps: int = 800
    batch: int = 96
    rate: float = 0.02
    decay: float = 1e-3
    seed: int = 0


def options_for(names: str, hidden: int, weight_bits: int = 8, seed: int = 0) -> RobustOptions:
    """The options of regularisers by name, with commas between; `all` is all of them.

    UsageError where there is no such regulariser.
    """
    given = REGULARISERS if names == "all" else tuple(n.strip() for n in names.split(","))
    for name in given:
        if name not in REGULARISERS:
            known = ", ".join(("all", *REGULARISERS))
            raise UsageError(f"there is no regulariser {name!r}", hint=f"choose of {known}")
    strength = {"quantisation": 10.0, "faults": 0.15, "variability": 0.3}
    first, second, third = (strength[name] if name in given else 0.0 for name in REGULARISERS)
    return RobustOptions(hidden, first, second, third, weight_bits=weight_bits, seed=seed)


def train_robust(
    levels: ByteArray,
    y: IntArray,
    classes: int,
    input_bits: int,
    options: RobustOptions,
    progress: Progress = silent,
) -> Perceptron:
    """A perceptron of integer weights for samples (N, features) of input_bits and their classes.

    Two classes have one output, which decides by its sign. Equal options give equal weights on
    one machine.
    """
    work = _Training(levels, y, classes, input_bits, options)
    for step in range(options.steps):
        if step % 100 == 0:
            progress("steps of training", step, options.steps)
        work.step(step)
    w1, b1, w2, b2 = (p.astype(np.float64) for p in work.parameters)
    return quantise_perceptron(w1, b1, w2, b2, input_bits, options.weight_bits)


class _Training:
    """Real weights, their moments, and the samples."""

    def __init__(
        self, levels: ByteArray, y: IntArray, classes: int, input_bits: int, options: RobustOptions
    ) -> None:
        self.options = options
        self.x = levels.astype(np.float32) / np.float32(2**input_bits)
        outputs = 1 if classes == 2 else classes
        self.kind: LossKind = "sigmoid" if outputs == 1 else "softmax"
        wanted = y[:, None] if outputs == 1 else np.eye(classes)[y]
        self.wanted = wanted.astype(np.float32)
        self.random = np.random.default_rng(options.seed)
        features, hidden = self.x.shape[1], options.hidden
        self.parameters: list[FloatArray] = [
            self._normal((features, hidden), np.sqrt(2 / features)),
            np.full(hidden, 0.1, dtype=np.float32),
            self._normal((hidden, outputs), np.sqrt(1 / hidden)),
            np.zeros(outputs, dtype=np.float32),
        ]
        self.moments = [[np.zeros_like(p) for p in self.parameters] for _ in range(2)]

    def step(self, number: int) -> None:
        """One step of Adam on some samples."""
        options, count = self.options, len(self.x)
        small = min(options.batch, count)
        rows = self.random.choice(count, small, replace=False)
        gradients = self._gradients(self.x[rows], self.wanted[rows])
        part = number / options.steps
        for i in (0, 2):
            gradients[i] += np.float32(options.decay) * self.parameters[i]
            if options.quantisation:
                gradients[i] += self._from_grid(self.parameters[i], options.quantisation * part)
        rate = options.rate * 0.5 * (1 + np.cos(np.pi * part))
        fix1, fix2 = 1 - BETA1 ** (number + 1), 1 - BETA2 ** (number + 1)
        first, second = self.moments
        for p, g, m, v in zip(self.parameters, gradients, first, second, strict=True):
            m += np.float32(1 - BETA1) * (g - m)
            v += np.float32(1 - BETA2) * (g * g - v)
            p -= np.float32(rate / fix1) * m / (np.sqrt(v / np.float32(fix2)) + np.float32(EPSILON))

    def _gradients(self, x: FloatArray, wanted: FloatArray) -> list[FloatArray]:
        """Of the mean cross entropy over all copies, by each parameter."""
        w1, b1, w2, b2 = self.parameters
        first, second = self._copies(w1), self._copies(w2)
        z = x @ first.weights + b1
        h = np.maximum(z, 0)
        d = (answer(self.kind, h @ second.weights + b2) - wanted) / np.float32(len(x) * len(z))
        dz = (d @ second.weights.transpose(0, 2, 1)) * (z > 0)
        return [
            first.pulled(w1, x.T @ dz),
            dz.sum(axis=(0, 1)),
            second.pulled(w2, h.transpose(0, 2, 1) @ d),
            d.sum(axis=(0, 1)),
        ]

    def _copies(self, weights: FloatArray) -> _Copies:
        options = self.options
        count = COPIES if options.faults or options.variability else 1
        shape = (count, *weights.shape)
        factor = np.ones(shape, dtype=np.float32)
        if options.variability:
            factor += np.float32(options.variability) * self.random.standard_normal(
                shape, dtype=np.float32
            )
        kinds = np.zeros(shape, dtype=np.int8)
        if options.faults:
            kinds = draw_stuck(shape, options.faults, self.random)
        top = float(np.abs(weights).max())
        return _Copies(stuck_weights(weights * factor, kinds, top), factor, kinds)

    def _from_grid(self, weights: FloatArray, strength: float) -> FloatArray:
        """The gradient of `strength` times the mean squared distance from the grid."""
        integers, k = rounded(weights.astype(np.float64), self.options.weight_bits)
        off = weights - integers.astype(np.float32) * np.float32(2.0**-k)
        return np.asarray(np.float32(2 * strength / weights.size) * off, dtype=np.float32)

    def _normal(self, shape: tuple[int, ...], spread: Any) -> FloatArray:
        return np.asarray(self.random.standard_normal(shape) * spread, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Copies:
    """Weights of some copies (copies, inputs, outputs), and how they came from the real ones."""

    weights: FloatArray
    factor: FloatArray
    kinds: NDArray[Any]

    def pulled(self, weights: FloatArray, g: NDArray[Any]) -> FloatArray:
        """The gradient by the real weights: none of a stuck one, but of what it is stuck at."""
        found = (g * self.factor * (self.kinds == 0)).sum(axis=0)
        ends = float((g * (self.kinds == 2)).sum() - (g * (self.kinds == 3)).sum())
        largest = np.unravel_index(np.abs(weights).argmax(), weights.shape)
        found[largest] += ends * np.sign(weights[largest])
        return np.asarray(found, dtype=np.float32)
