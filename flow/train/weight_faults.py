"""Faults and spreads of a perceptron's weights, and what they leave of its accuracy.

A faulty weight is stuck at 0 or at one end of its layer's range, as the cells of a weight memory
are: Chen et al., "Accelerator-friendly Neural-network Training: Learning Variations and Defects in
RRAM Crossbar", DATE 2017. A spread multiplies each weight by a normal number of mean 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.train.baseline import Perceptron
from flow.train.dataset import ByteArray
from flow.train.table import IntArray

Array = NDArray[Any]
KINDS = 3
"""Stuck at 0, at the largest magnitude of the layer, at minus that: one third of faults each."""


def draw_stuck(shape: tuple[int, ...], share: float, random: np.random.Generator) -> Array:
    """Which weights are stuck, each by the chance `share`: 0 is none, 1 to KINDS the kind."""
    kinds = random.integers(1, KINDS + 1, shape, dtype=np.int8)
    return np.where(random.random(shape) < share, kinds, np.int8(0))


def stuck_weights(weights: Array, kinds: Array, top: float) -> Array:
    """The weights with those stuck that `kinds` says, at 0, `top` or -top."""
    ends = np.array([0, 0, top, -top], dtype=weights.dtype)
    return np.asarray(np.where(kinds == 0, weights, ends[kinds]))


def accuracies(
    net: Perceptron,
    levels: ByteArray,
    y: IntArray,
    *,
    share: float = 0.0,
    sigma: float = 0.0,
    draws: int = 100,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The accuracy of a perceptron in each of some draws of stuck and spread weights (draws,).

    `share` of the weights of both layers is stuck, all are spread by `sigma` (1 sigma, a share).
    """
    random = np.random.default_rng(seed)
    x = levels.astype(np.float32)
    found = np.empty(draws)
    for k in range(draws):
        first, second = (_drawn(w, share, sigma, random) for w in (net.w1, net.w2))
        sums = np.maximum(x @ first + net.b1, 0) @ second + net.b2
        said = sums[:, 0] >= 0 if sums.shape[1] == 1 else np.argmax(sums, axis=1)
        found[k] = np.mean(said == y)
    return found


def _drawn(weights: IntArray, share: float, sigma: float, random: np.random.Generator) -> Array:
    """Real weights of one draw; the numbers drawn depend on the shape alone."""
    factor = 1 + sigma * random.standard_normal(weights.shape)
    spread = (weights * factor).astype(np.float32)
    top = float(np.abs(weights).max(initial=0))
    return stuck_weights(spread, draw_stuck(weights.shape, share, random), top)
