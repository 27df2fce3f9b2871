"""Losses of a network's last sums, with their gradients, for real and complex arrays."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LossKind = Literal["softmax", "sigmoid", "square"]
"""Cross entropy of shares that add up to 1, or of one share each, or half the squared error."""


def loss(kind: LossKind, z: Array, wanted: Array) -> float:
    """The mean over the samples; `wanted` has the shape of z: shares, or values."""
    match kind:
        case "softmax":
            low = z - z.max(axis=-1, keepdims=True)
            logs = low - np.log(np.exp(low).sum(axis=-1, keepdims=True))
            return float(-(wanted * logs).sum() / len(z))
        case "sigmoid":
            return float((np.logaddexp(0, z) - wanted * z).sum() / len(z))
        case "square":
            return float(0.5 * np.square(z - wanted).sum() / len(z))


def gradient(kind: LossKind, z: Array, wanted: Array) -> Array:
    """The gradient of the mean loss by z."""
    return np.asarray((answer(kind, z) - wanted) / len(z))


def answer(kind: LossKind, z: Array) -> Array:
    """What the network says: shares, or the values themselves."""
    match kind:
        case "softmax":
            e = np.exp(z - z.real.max(axis=-1, keepdims=True))
            return np.asarray(e / e.sum(axis=-1, keepdims=True))
        case "sigmoid":
            return np.asarray(0.5 * (1 + np.tanh(z / 2)))
        case "square":
            return z
