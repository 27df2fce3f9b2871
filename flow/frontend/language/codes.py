"""Weights as codes of few values: FP4 (E2M1), ternary and 4-bit integers, one scale a neuron.

A neuron's inputs are grouped by weight value, which is exact only where one scale holds for all of
them. MXFP4, with a scale for each 32 weights, is here for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.frontend.language.llama2c import Matrix
from flow.ir.language import BLOCK, CODES, VALUES, Code

__all__ = ["BLOCK", "CODES", "VALUES", "Code", "Coded", "coded", "compensated", "nearest"]

TRIES = 64
"""Scales that are tried for a neuron."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Integers `[outputs, inputs]` of VALUES, and a scale for each output (and block)."""

    code: Code
    integers: NDArray[np.int8]
    scales: NDArray[np.float64]

    @property
    def real(self) -> Matrix:
        """The weights that these stand for."""
        outputs, inputs = self.integers.shape
        spread = np.repeat(self.scales, -(-inputs // self.scales.shape[1]), axis=1)
        if self.code == "mxfp4":
            spread = np.repeat(self.scales, BLOCK, axis=1)
        found: Matrix = (self.integers * spread[:, :inputs]).astype(np.float32)
        return found.reshape(outputs, inputs)

    @property
    def units(self) -> NDArray[np.float64]:
        """The scale of each output; with blocks the smallest one."""
        least: NDArray[np.float64] = self.scales.min(axis=1)
        return least

    @property
    def shifts(self) -> NDArray[np.int8] | None:
        """How often each block's scale is twice the unit; None without blocks."""
        if self.code != "mxfp4":
            return None
        found: NDArray[np.int8] = np.log2(self.scales / self.units[:, None]).astype(np.int8)
        return found


def coded(weights: Matrix, code: Code, power: NDArray[np.float64] | None = None) -> Coded:
    """Weights `[outputs, inputs]` as codes; the scale of least squared error is taken.

    With `power`, the mean square of each input, the error is that of what the neuron answers.
    """
    w = weights.astype(np.float64)
    cost = np.ones(w.shape[1]) if power is None else power
    if code == "mxfp4":
        return _blocks(w)
    values = np.array(VALUES[code], np.float64)
    top = np.abs(w).max(axis=1, keepdims=True)
    best = np.full(len(w), np.inf)
    integers = np.zeros(w.shape, np.int8)
    scales = np.ones((len(w), 1))
    for share in np.linspace(0.3, 1.1, TRIES):
        scale = np.where(top > 0, top * share / values.max(), 1.0)
        rounded = nearest(w / scale, values)
        error = ((rounded * scale - w) ** 2 * cost).sum(axis=1)
        better = error < best
        best[better] = error[better]
        integers[better] = rounded[better]
        scales[better] = scale[better]
    return Coded(code, integers, scales)


def _blocks(w: NDArray[np.float64]) -> Coded:
    """MXFP4: a power of two for each 32 inputs, so that the largest has the largest exponent."""
    outputs, inputs = w.shape
    count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, count * BLOCK))
    padded[:, :inputs] = w
    parts = padded.reshape(outputs, count, BLOCK)
    top = np.abs(parts).max(axis=2)
    scale = 2.0 ** (np.floor(np.log2(np.where(top > 0, top, 1.0))) - 2) / 2
    # A block of zeros has the smallest scale of its row.
    least = np.where(top > 0, scale, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    scale = np.where(top > 0, scale, np.where(np.isfinite(least), least, 1.0))
    values = np.array(VALUES["mxfp4"], np.float64)
    integers = nearest(parts / scale[:, :, None], values).reshape(outputs, -1)[:, :inputs]
    return Coded("mxfp4", integers, scale)


def nearest(x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int8]:
    """The nearest value of each; the smaller of two that are as near."""
    middle = (values[1:] + values[:-1]) / 2
    found: NDArray[np.int8] = values[np.searchsorted(middle, x)].astype(np.int8)
    return found


def compensated(weights: Matrix, code: Code, square: NDArray[np.float64]) -> Coded:
    """Weights as codes, input by input: what is lost at one is made up for at those that follow.

    E. Frantar et al., "GPTQ", 2022, with one scale a neuron; `square` is the mean product of each
    two inputs.
    """
    size = len(square)
    damped = square + 0.01 * np.mean(np.diag(square)) * np.eye(size)
    start = coded(weights, code, np.diag(square).copy())
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    w = weights.astype(np.float64)
    values = np.array(VALUES[code], np.float64)
    scale = start.scales[:, 0]
    integers = np.zeros(w.shape, np.int8)
    for j in range(size):
        integers[:, j] = nearest(w[:, j] / scale, values)
        lost = (w[:, j] - integers[:, j] * scale) / upper[j, j]
        w[:, j:] -= lost[:, None] * upper[j, j:]
    return Coded(code, integers, start.scales)
