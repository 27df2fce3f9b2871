"""Weights of QKeras whose scale comes from the weights themselves: alpha `auto` and powers of two.

The formulas are those of release 0.9.0. Where they end in a rounding of a logarithm to an integer,
a value so near to a tie that two float32 implementations may disagree is refused.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.keras.steps import Obstacle
from flow.frontend.source import Weights, step_array
from flow.ir.tensor import FractionArray

EPSILON = np.float32(1e-7)
"""What Keras adds against a division by zero."""

Float32 = NDArray[np.float32]


def scaled_bits(
    x: Float32, bits: int, integer: int, alpha: str, axis: int | None = None
) -> Weights:
    """quantized_bits with a scale along an axis: `auto`, or `auto_po2` after five refinements.

    The axis is the last one if it is not given.
    """
    if axis not in (None, -1, x.ndim - 1):
        if type(axis) is not int or not 0 <= axis < x.ndim:
            raise Obstacle(f"scale_axis={axis!r}; scale along the last axis")
        last = scaled_bits(np.moveaxis(x, axis, -1), bits, integer, alpha)
        assert last.step is not None
        step = last.step.reshape(-1, *(1,) * (x.ndim - 1 - axis))
        return Weights(np.ascontiguousarray(np.moveaxis(last.values, -1, axis)), step)
    x, shape = _as_matrix(x, alpha)
    x = x / np.float32(2.0**integer)
    top = np.float32((1 << (bits - 1)) - 1)
    scale: Any = (np.abs(x).max(axis=0) * np.float32(2)) / np.float32(2 * top)
    if alpha == "auto":
        whole = _levels(x, np.where(scale == 0, np.float32(1), scale), top)
    else:
        scale = _nearest_power(scale.astype(np.float64) + float(EPSILON), len(x))
        for _ in range(5):
            whole = _levels(x, scale, top)
            scale = _fitted(x, whole)
    return _per_output(whole, scale, integer, shape)


def scaled_signs(x: Float32, alpha: str) -> Weights:
    """binary with the power of two per output that fits best."""
    x, shape = _as_matrix(x, alpha)
    _require_power(alpha, "binary")
    whole = np.where(x >= 0, np.float32(1), np.float32(-1))
    return _per_output(whole, _fitted(x, whole), 0, shape)


def scaled_ternary(x: Float32, unrolls: int, alpha: str) -> Weights:
    """ternary with the power of two per output that fits best (after arXiv 1605.04711)."""
    x, shape = _as_matrix(x, alpha)
    _require_power(alpha, "ternary")
    scale: Any = (np.float32(2) * np.abs(x).max(axis=0)) / np.float32(3)
    scale = _nearest_power(scale.astype(np.float64) + float(EPSILON), len(x))
    for _ in range(unrolls):
        whole = np.where(np.abs(np.rint(x / scale)) >= 0.5, np.sign(x), np.float32(0))
        scale = _fitted(x, whole)
    return _per_output(whole, scale, 0, shape)


def powers_of_two(
    x: Float32,
    ends: tuple[int, int],
    top: float | None,
    quadratic: bool,
    floor: bool,
    relu: bool,
) -> Weights:
    """quantized_po2 and quantized_relu_po2: sign times the nearest power of two.

    `ends` are the lowest and highest exponent; the step is the finest power that occurs.
    """
    lowest, highest = ends
    if quadratic:
        highest = 2 * (highest // 2)
    magnitude = np.maximum(x, np.float32(0)) if relu else np.abs(x)
    kept = np.maximum(magnitude, EPSILON).astype(np.float64)
    if top is not None:
        kept = np.minimum(kept, top)
    exponent = np.log2(np.sqrt(kept) if quadratic else kept)
    # Only exponents inside the limits are rounded in a way that counts.
    inside = (exponent > lowest - 1) & (exponent < highest + 1)
    _refuse_ties(exponent[inside] + (0.5 if floor else 0.0), 1e-6)
    whole = np.floor(exponent) if floor else np.rint(exponent)
    whole = np.clip(whole, lowest, highest) * (2 if quadratic else 1)
    whole = np.where(magnitude < EPSILON, lowest, whole)
    sign = np.where((x >= 0) | relu, 1.0, -1.0)
    least = int(whole.min()) if whole.size else 0
    return Weights(sign * np.exp2(whole), step_array(Fraction(2) ** least))


def _levels(x: Float32, scale: Any, top: np.float32) -> Float32:
    """Rounded half up in magnitude, as float32 does it, and saturated."""
    level = np.floor(np.abs(x) / scale.astype(np.float32) + np.float32(0.5))
    result: Float32 = (np.sign(x) * np.minimum(level, top)).astype(np.float32)
    return result


def _fitted(x: Float32, whole: Float32) -> NDArray[np.float32]:
    """The power of two nearest to the least-squares scale of each output."""
    x64, q64 = x.astype(np.float64), whole.astype(np.float64)
    scale = (x64 * q64).mean(axis=0) / ((q64 * q64).mean(axis=0) + float(EPSILON))
    return _nearest_power(scale + float(EPSILON), len(x))


def _nearest_power(scale: NDArray[np.float64], terms: int) -> NDArray[np.float32]:
    exponent = np.log2(scale)
    _refuse_ties(exponent, (terms + 16) * 2.0**-23)
    return np.exp2(np.rint(exponent)).astype(np.float32)


def _refuse_ties(exponent: NDArray[np.float64], margin: float) -> None:
    distance = np.abs(np.abs(exponent - np.floor(exponent)) - 0.5)
    if distance.size and distance.min() < margin:
        raise Obstacle(
            "a power of two of its weights is too near to a tie to be certain; "
            "give alpha as a number, or train one more step"
        )


def _per_output(whole: Float32, scale: Any, integer: int, shape: tuple[int, ...]) -> Weights:
    factors = [Fraction(float(s)) * Fraction(2) ** integer or Fraction(1) for s in scale]
    step: FractionArray = np.empty(len(factors), dtype=object)
    step[:] = factors
    values = whole.astype(np.float64) * step.astype(np.float64)
    return Weights(values.reshape(shape), step)


def _as_matrix(x: Float32, alpha: str) -> tuple[Float32, tuple[int, ...]]:
    """The weights with all axes but the last as one, and their shape."""
    if x.ndim < 2:
        raise Obstacle(f"alpha={alpha!r} for weights that are no matrix; use alpha=1")
    return x.reshape(-1, x.shape[-1]), x.shape


def _require_power(alpha: str, name: str) -> None:
    if alpha != "auto_po2":
        raise Obstacle(
            f"{name} with alpha={alpha!r}, whose float32 sums depend on the machine; "
            "use alpha='auto_po2' or alpha=1"
        )
