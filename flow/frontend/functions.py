"""The real functions of one element, in float64, and what each does to every channel alike."""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

import numpy as np

from flow.frontend.source import FloatArray, Function

FLAT: dict[Function, float] = {"sigmoid": 45.0, "tanh": 25.0, "erf": 7.0}
"""Beyond these arguments, on both sides, a float64 of the function no longer changes."""

MOST_WRITTEN = 1000
"""The largest denominator of a number that somebody writes."""


def apply_function(function: Function, x: FloatArray, *parameters: float) -> FloatArray:
    """function(x, *parameters) in float64; softmax, log_softmax and argmax are over the last axis.

    relu may have an upper end; leaky_relu, elu and celu have alpha; hard_sigmoid clips
    x * slope + offset, 1/5 and 1/2 if not given, to [0, 1]; hard_tanh clips to two ends, -1 and 1
    if not given; soft_shrink and hard_shrink have a threshold, 1/2 if not given. Argmax gives the
    lowest index on a tie. What has no value is NaN or infinite.
    """
    with np.errstate(all="ignore"):
        return _apply(function, x, parameters)


def _apply(function: Function, x: FloatArray, p: tuple[float, ...]) -> FloatArray:
    match function:
        case "relu" | "leaky_relu" | "hard_sigmoid" | "hard_tanh" | "abs" | "square":
            return _piecewise(function, x, p)
        case "softmax" | "log_softmax" | "argmax":
            return _head(function, x)
        case "sigmoid":
            return _sigmoid(x)
        case "tanh":
            return np.tanh(x)
        case "elu" | "celu" | "selu" | "softplus" | "softsign" | "log_sigmoid":
            return _rectifier(function, x, p)
        case "silu" | "gelu" | "gelu_tanh" | "mish" | "hard_swish":
            return x * _gate(function, x)
        case "exponential":
            return np.exp(x)
        case "sqrt":
            return np.sqrt(x)
        case "reciprocal":
            return np.asarray(1.0 / x)
        case "log":
            return np.log(x)
        case "sin":
            return np.sin(x)
        case "cos":
            return np.cos(x)
        case "arctan":
            return np.arctan(x)
        case "erf":
            return _erf(x)
        case "soft_shrink" | "hard_shrink" | "tanh_shrink":
            return _shrink(function, x, alpha(p, 0.5))
        case "squareplus":
            return np.asarray(0.5 * (x + np.sqrt(np.square(x) + alpha(p, 4.0))))
        case "sparse_plus":
            middle = 0.25 * np.square(x + 1.0)
            return np.where(x >= 1, x, np.where(x <= -1, 0.0, middle))
        case _:
            assert_never(function)


def _piecewise(function: Function, x: FloatArray, p: tuple[float, ...]) -> FloatArray:
    match function:
        case "relu":
            return np.clip(x, 0.0, p[0]) if p else np.maximum(x, 0.0)
        case "leaky_relu":
            return np.asarray(np.where(x >= 0, x, x * alpha(p)))
        case "hard_sigmoid":
            slope, offset = p or (0.2, 0.5)
            return np.clip(slope * x + offset, 0.0, 1.0)
        case "hard_tanh":
            low, high = p or (-1.0, 1.0)
            return np.clip(x, low, high)
        case "abs":
            return np.abs(x)
        case _:
            return np.square(x)


def _shrink(function: Function, x: FloatArray, threshold: float) -> FloatArray:
    match function:
        case "soft_shrink":
            return x - np.clip(x, -threshold, threshold)
        case "hard_shrink":
            return np.where(np.abs(x) > threshold, x, 0.0)
        case _:
            return np.asarray(x - np.tanh(x))


def _head(function: Function, x: FloatArray) -> FloatArray:
    if function == "softmax":
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    if function == "log_softmax":
        below = x - x.max(axis=-1, keepdims=True)
        return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)))
    index = np.argmax(x, axis=-1).astype(np.float64)
    return np.asarray(index if index.ndim > 1 else index[:, None])


def _rectifier(function: Function, x: FloatArray, p: tuple[float, ...]) -> FloatArray:
    below = np.minimum(x, 0.0)
    match function:
        case "elu":
            return np.where(x > 0, x, alpha(p, 1.0) * np.expm1(below))
        case "celu":
            a = alpha(p, 1.0)
            return np.where(x > 0, x, a * np.expm1(below / a))
        case "selu":
            # Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.
            scale, a = 1.0507009873554805, 1.6732632423543772
            return scale * np.where(x > 0, x, a * np.expm1(below))
        case "softplus":
            return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
        case "log_sigmoid":
            return below - np.log1p(np.exp(-np.abs(x)))
        case _:
            return np.asarray(x / (1.0 + np.abs(x)))


def _gate(function: Function, x: FloatArray) -> FloatArray:
    match function:
        case "silu":
            return _sigmoid(x)
        case "gelu":
            return np.asarray(0.5 * (1.0 + _erf(x / np.sqrt(2.0))))
        case "gelu_tanh":
            return np.asarray(0.5 * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))))
        case "mish":
            return np.tanh(_rectifier("softplus", x, ()))
        case _:
            return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _erf(x: FloatArray) -> FloatArray:
    from scipy.special import erf

    return np.asarray(erf(x))


def alpha(parameters: tuple[float, ...], default: float = 0.3) -> float:
    """The parameter alpha, or its default."""
    return parameters[0] if parameters else default


def slope(parameters: tuple[float, ...]) -> Fraction:
    """The slope of leaky_relu below 0 as its user wrote it."""
    return written(alpha(parameters))


def written(number: float) -> Fraction:
    """The rational that a user wrote where a float32 stands: 1/5 for 0.2, else the float32."""
    single = np.float32(number)
    for denominator in range(1, MOST_WRITTEN + 1):
        near = Fraction(round(float(single) * denominator), denominator)
        if np.float32(float(near)) == single:
            return near
    return Fraction(float(single))


def piecewise_linear(function: Function) -> bool:
    """Whether the function is linear in pieces, so that integers carry it exactly."""
    return function in ("relu", "leaky_relu", "hard_sigmoid", "hard_tanh", "abs")


def clip_ends(
    function: Function, parameters: tuple[float, ...]
) -> tuple[Fraction, Fraction, Fraction, Fraction | None] | None:
    """(slope, offset, low, high) of a function that clips slope * x + offset; None for others.

    The written numbers 1/5 and 1/2 of hard_sigmoid are exact.
    """
    one, zero = Fraction(1), Fraction(0)
    match function:
        case "relu":
            return one, zero, zero, Fraction(parameters[0]) if parameters else None
        case "hard_tanh":
            low, high = parameters or (-1.0, 1.0)
            return one, zero, Fraction(low), Fraction(high)
        case "hard_sigmoid":
            if not parameters:
                return Fraction(1, 5), Fraction(1, 2), zero, one
            return Fraction(parameters[0]), Fraction(parameters[1]), zero, one
        case _:
            return None
