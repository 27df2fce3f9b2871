"""Steps of vectors: the real value of an integer's 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
INT8, INT16, INT24 = (1 << 7) - 1, (1 << 15) - 1, (1 << 23) - 1
TRIES = 24
"""INT8 steps that are tried for a vector."""


def fitted(x: Reals) -> float:
    """The INT8 step of least squared error for some values; 1 where all are zero."""
    top = float(np.abs(x).max())
    if top == 0:
        return 1.0
    steps = top / INT8 * np.linspace(0.25, 1.0, TRIES)
    errors = [
        float(((np.clip(np.rint(x / step), -INT8 - 1, INT8) * step - x) ** 2).sum())
        for step in steps
    ]
    return float(steps[int(np.argmin(errors))])
