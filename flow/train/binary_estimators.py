"""Signs in training: what the forward pass sees, and which gradient passes through it.

* `ste`: the gradient of sign(x) is 1 where |x| <= 1 (straight-through estimator, Hubara et al.,
  "Binarized Neural Networks", NeurIPS 2016).
* `reste`: that of the power function sign(x) |x|^(1/o), where |x| <= 1.5, and a secant of it where
  |x| < 0.1; o grows from 1 to 3 during the training (Wu et al., "Estimator Meets Equilibrium
  Perspective: A Rectified Straight Through Estimator for Binary Neural Networks Training", ICCV
  2023).
* `biper`: weights are the sign of sin(w * omega), and their gradient is that of the sine (Vargas et
  al., "BiPer: Binary Neural Networks using a Periodic Function", CVPR 2024); activations as `ste`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Estimator = Literal["ste", "reste", "biper"]
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)

RESTE_END, RESTE_RANGE, RESTE_NEAR = 3.0, 1.5, 0.1
OMEGA = 20.0
"""Angular frequency of BiPer's weights."""
TERNARY = 0.5
"""A ternary weight is 0 where what decides it is smaller."""


def levels(estimator: Estimator, weights: FloatArray, ternary: bool) -> FloatArray:
    """The weights -1, 1 (and 0, if ternary) that real ones stand for; sign(0) is 1."""
    seen = np.sin(np.float32(OMEGA) * weights) if estimator == "biper" else weights
    signs = np.where(seen >= 0, np.float32(1), np.float32(-1))
    return np.asarray(signs * (abs(seen) > TERNARY), np.float32) if ternary else signs


def weight_slope(estimator: Estimator, weights: FloatArray, progress: float) -> FloatArray:
    """The slope of `levels` for the backward pass; `progress` of the training in [0, 1]."""
    if estimator == "biper":
        return np.asarray(np.float32(OMEGA) * np.cos(np.float32(OMEGA) * weights), np.float32)
    return slope(estimator, weights, progress)


def slope(estimator: Estimator, x: FloatArray, progress: float) -> FloatArray:
    """The slope of an activation's sign for the backward pass."""
    size = abs(x)
    if estimator != "reste":
        return np.asarray(size <= 1, dtype=np.float32)
    power = 1.0 + (RESTE_END - 1.0) * progress
    near = np.float32(RESTE_NEAR ** (1 / power - 1))
    body = np.float32(1 / power) * np.maximum(size, np.float32(RESTE_NEAR)) ** np.float32(
        1 / power - 1
    )
    inner: Any = np.where(size < RESTE_NEAR, near, body)
    return np.asarray(inner * (size <= RESTE_RANGE), dtype=np.float32)
