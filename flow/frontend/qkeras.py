"""QKeras quantisers (Coelho et al., Nature Machine Intelligence 3, 2021), as release 0.9.0 acts.

The value of a quantiser is taken as defined; QKeras adds `x + (q(x) - x)` in float32, which may
differ from q(x) by a rounding of that sum where x saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flow.frontend import qkeras_scale
from flow.frontend.keras_steps import (
    Obstacle,
    Step,
    affine,
    function,
    quantise,
    scaled_clip,
    total,
)
from flow.frontend.qkeras_spec import Spec
from flow.frontend.source import Weights, step_array

Shape = Callable[[NDArray[np.float32]], Weights]
"""Float32 weights -> their quantised values."""

MAX_BITS = 24
"""Above this, float32 itself does not hold the quantised values."""


def weight_shaper(spec: Spec, kernel: bool) -> Shape:
    """What the quantiser does to weights; Obstacle where it is not exact.

    As QDense does, a kernel without alpha is scaled by `auto_po2`.
    """
    settings = dict(spec.settings)
    if kernel and "alpha" in settings and settings["alpha"] is None:
        settings["alpha"] = "auto_po2"
    spec = Spec(spec.name, settings)
    _check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            return _shape_bits(spec)
        case "quantized_linear":
            step, lo, hi = _linear_grid(spec)
            return lambda x: _on_grid(x, step, lo, hi)
        case "quantized_relu":
            step, lo, hi = _relu_grid(spec)
            return lambda x: _on_grid(x, step, lo, hi)
        case "quantized_po2" | "quantized_relu_po2":
            return _shape_po2(spec)
        case "binary" | "stochastic_binary":
            return _shape_binary(spec)
        case "ternary" | "stochastic_ternary":
            return _shape_ternary(spec)
        case _:
            raise Obstacle(f"{spec.name} as a quantiser of weights; use quantized_bits")


def activation_steps(spec: Spec) -> tuple[Step, ...]:
    """What the quantiser does to activations; Obstacle where it is not exact."""
    _check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            alpha = _activation_alpha(spec)
            step, lo, hi = _bits_grid(spec)
            if (lo, hi) == (0, 0):
                return _binary_steps(alpha, zero_one=False)
            return (quantise(step, lo, hi), *_times(alpha))
        case "quantized_linear":
            return (quantise(*_linear_grid(spec)),)
        case "quantized_relu":
            return (quantise(*_relu_grid(spec)),)
        case "binary" | "stochastic_binary":
            zero_one = "use_01" in spec.settings and spec.flag("use_01")
            return _binary_steps(_activation_alpha(spec), zero_one)
        case "ternary" | "stochastic_ternary":
            return _ternary_steps(spec)
        case "quantized_tanh":
            m = 1 << (spec.whole("bits", 2, MAX_BITS) - 1)
            first = (function("tanh"),) if spec.flag("use_real_tanh") else ()
            lo = -m + spec.flag("symmetric")
            return (*first, quantise(Fraction(1, m), lo, m - 1))
        case "quantized_sigmoid":
            m = 1 << spec.whole("bits", 1, MAX_BITS)
            real = spec.flag("use_real_sigmoid")
            first = (function("sigmoid"),) if real else (affine(0.5, 0.5),)
            return (*first, quantise(Fraction(1, m), int(spec.flag("symmetric")), m - 1))
        case "hard_tanh":
            return (function("hard_tanh"),)
        case "hard_sigmoid":
            return scaled_clip(0.5, 0.5)
        case "binary_tanh":
            return quantise(Fraction(1), 0, 1, "ceil"), affine(2, -1)
        case "binary_sigmoid":
            return (quantise(Fraction(1), 0, 1, "ceil"),)
        case _:
            raise Obstacle(
                f"{spec.name} as an activation, whose levels are not evenly spaced; "
                "use quantized_relu or quantized_bits"
            )


def _check_qnoise(spec: Spec) -> None:
    if "qnoise_factor" in spec.settings:
        spec.require("qnoise_factor", 1.0, "the quantiser must be fully on; set it to 1")


def _bits_grid(spec: Spec) -> tuple[Fraction, int, int]:
    """Step, lowest and highest integer; (1, 0, 0) for the sign, which one bit means."""
    negative = spec.flag("keep_negative")
    bits = spec.whole("bits", 1, MAX_BITS) - negative
    if bits == 0:
        return Fraction(1), 0, 0
    step = Fraction(2) ** (spec.whole("integer", -64, 64) - bits)
    symmetric = spec.flag("symmetric")
    return step, negative * (symmetric - (1 << bits)), (1 << bits) - 1


def _linear_grid(spec: Spec) -> tuple[Fraction, int, int]:
    """As quantized_bits, with alpha within the step."""
    alpha = _alpha(spec)
    if isinstance(alpha, str) or not is_power(alpha):
        raise Obstacle(f"quantized_linear with alpha={alpha!s}; give a power of two such as 1")
    step, lo, hi = _bits_grid(spec)
    if (lo, hi) == (0, 0):
        raise Obstacle("quantized_linear of one bit; use binary")
    return step * alpha, lo, hi


def is_power(value: Fraction) -> bool:
    """Whether a positive rational is a power of two."""
    return value.numerator.bit_count() == value.denominator.bit_count() == 1


def _relu_grid(spec: Spec) -> tuple[Fraction, int, int]:
    spec.require("use_sigmoid", 0, "use 0")
    spec.require("negative_slope", 0, "use 0")
    if not spec.flag("is_quantized_clip"):
        spec.require("relu_upper_bound", None, "leave it out")
    bits = spec.whole("bits", 1, MAX_BITS)
    return Fraction(2) ** (spec.whole("integer", -64, 64) - bits), 0, (1 << bits) - 1


def _alpha(spec: Spec) -> Fraction | str:
    """alpha as the float32 that QKeras multiplies by, or `auto`, `auto_po2`."""
    alpha = spec.settings["alpha"]
    if alpha in ("auto", "auto_po2"):
        return str(alpha)
    if alpha is None:
        return Fraction(1)
    value = np.float32(spec.number("alpha", 2.0**-64, 2.0**64))
    return Fraction(float(value))


def _activation_alpha(spec: Spec) -> Fraction:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        raise Obstacle(f"{spec.name} with alpha={alpha!r} as an activation; use alpha=1")
    return alpha


def _times(alpha: Fraction) -> tuple[Step, ...]:
    return () if alpha == 1 else (affine(float(alpha), 0.0),)


def _binary_steps(alpha: Fraction, zero_one: bool) -> tuple[Step, ...]:
    """x >= 0 is floor(x) clipped to [-1, 0], plus one."""
    a = float(alpha)
    return quantise(Fraction(1), -1, 0, "floor"), affine(a, a) if zero_one else affine(2 * a, a)


def _ternary_steps(spec: Spec) -> tuple[Step, ...]:
    """sign(x) where |x| >= t: (x >= t) + (x > -t) - 1, each an exact comparison."""
    alpha = _activation_alpha(spec)
    t = float(_threshold(spec))
    return (
        affine(1.0, -t, inputs=(-1,)),
        quantise(Fraction(1), -1, 0, "floor"),
        affine(1.0, t, inputs=(-1,)),
        quantise(Fraction(1), 0, 1, "ceil"),
        total(1, 3),
        *_times(alpha),
    )


def _threshold(spec: Spec) -> np.float32:
    if spec.settings["threshold"] is None:
        return np.float32(0.33)
    return np.float32(spec.number("threshold", 2.0**-64, 2.0**64))


def _on_grid(x: NDArray[np.float32], step: Fraction, lo: int, hi: int) -> Weights:
    whole = np.clip(np.rint(x.astype(np.float64) * float(1 / step)), lo, hi)
    return Weights(whole * float(step), step_array(step))


def _shape_bits(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        if not spec.flag("keep_negative"):
            raise Obstacle(f"quantized_bits without negative numbers and alpha={alpha!r}")
        spec.require("scale_axis", None, "scale along the last axis")
        bits, integer = spec.whole("bits", 2, MAX_BITS), spec.whole("integer", -64, 64)
        return lambda x: qkeras_scale.scaled_bits(x, bits, integer, alpha)
    step, lo, hi = _bits_grid(spec)
    if (lo, hi) == (0, 0):
        return lambda x: _signs(x, alpha, zero_one=False)
    return lambda x: _multiplied(_on_grid(x, step, lo, hi), alpha)


def _multiplied(weights: Weights, alpha: Fraction) -> Weights:
    if alpha == 1 or weights.step is None:
        return weights
    return Weights(weights.values * float(alpha), weights.step * alpha)


def _signs(x: NDArray[np.float32], alpha: Fraction, zero_one: bool) -> Weights:
    low = 0.0 if zero_one else -1.0
    return Weights(np.where(x >= 0, 1.0, low) * float(alpha), step_array(alpha))


def _shape_binary(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    zero_one = "use_01" in spec.settings and spec.flag("use_01")
    if isinstance(alpha, str):
        if zero_one:
            raise Obstacle(f"{spec.name} with use_01 and alpha={alpha!r}; use alpha=1")
        return lambda x: qkeras_scale.scaled_signs(x, alpha)
    return lambda x: _signs(x, alpha, zero_one)


def _shape_ternary(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        spec.require("threshold", None, "leave it out where alpha is automatic")
        unrolls = spec.whole("number_of_unrolls", 1, 100)
        return lambda x: qkeras_scale.scaled_ternary(x, unrolls, alpha)
    t = _threshold(spec)
    return lambda x: Weights(
        np.where(np.abs(x) >= t, np.sign(x), 0.0).astype(np.float64) * float(alpha),
        step_array(alpha),
    )


def _shape_po2(spec: Spec) -> Shape:
    relu = spec.name == "quantized_relu_po2"
    if relu:
        spec.require("negative_slope", 0, "use 0")
    if spec.settings["log2_rounding"] not in ("rnd", "floor"):
        spec.require("log2_rounding", "rnd", "use 'rnd' or 'floor'")
    top = None
    if spec.settings["max_value"] is not None:
        top = float(np.float32(spec.number("max_value", 2.0**-64, 2.0**64)))
    bits = spec.whole("bits", 1 + (not relu), 7) - (not relu) - (top is None or top > 1)
    quadratic = spec.flag("quadratic_approximation")
    floor = spec.settings["log2_rounding"] == "floor"
    return lambda x: qkeras_scale.powers_of_two(x, bits, top, quadratic, floor, relu)
