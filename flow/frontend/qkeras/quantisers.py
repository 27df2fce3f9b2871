"""QKeras quantisers of weights (Coelho et al., Nature Machine Intelligence 3, 2021).

They are taken as release 0.9.0 acts when it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flow.frontend.keras.steps import Obstacle
from flow.frontend.qkeras import scale as qkeras_scale
from flow.frontend.qkeras.spec import Spec
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
    check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            return _shape_bits(spec)
        case "quantized_linear":
            step, lo, hi = linear_grid(spec)
            return lambda x: _on_grid(x, step, lo, hi)
        case "quantized_relu":
            _plain_relu(spec)
            step, lo, hi = relu_grid(spec, 0)
            return lambda x: _on_grid(x, step, lo, hi)
        case "quantized_po2" | "quantized_relu_po2":
            return _shape_po2(spec)
        case "binary" | "stochastic_binary":
            return _shape_binary(spec)
        case "ternary" | "stochastic_ternary":
            return _shape_ternary(spec)
        case _:
            raise Obstacle(f"{spec.name} as a quantiser of weights; use quantized_bits")


def _plain_relu(spec: Spec) -> None:
    spec.require("use_sigmoid", 0, "use 0")
    spec.require("negative_slope", 0, "use 0")
    if not spec.flag("is_quantized_clip"):
        spec.require("relu_upper_bound", None, "leave it out")


def check_qnoise(spec: Spec) -> None:
    """Obstacle where the quantiser is not fully on."""
    if "qnoise_factor" in spec.settings:
        spec.require("qnoise_factor", 1.0, "the quantiser must be fully on; set it to 1")


def bits_grid(spec: Spec) -> tuple[Fraction, int, int]:
    """Step, lowest and highest integer; (1, 0, 0) for the sign, which one bit means."""
    negative = spec.flag("keep_negative")
    bits = spec.whole("bits", 1, MAX_BITS) - negative
    if bits == 0:
        return Fraction(1), 0, 0
    step = Fraction(2) ** (spec.whole("integer", -64, 64) - bits)
    symmetric = spec.flag("symmetric")
    return step, negative * (symmetric - (1 << bits)), (1 << bits) - 1


def linear_grid(spec: Spec) -> tuple[Fraction, int, int]:
    """As quantized_bits, with alpha within the step."""
    alpha = alpha_of(spec)
    if isinstance(alpha, str) or not is_power(alpha):
        raise Obstacle(f"quantized_linear with alpha={alpha!s}; give a power of two such as 1")
    step, lo, hi = bits_grid(spec)
    if (lo, hi) == (0, 0):
        raise Obstacle("quantized_linear of one bit; use binary")
    return step * alpha, lo, hi


def is_power(value: Fraction) -> bool:
    """Whether a positive rational is a power of two."""
    return value.numerator.bit_count() == value.denominator.bit_count() == 1


def relu_grid(spec: Spec, sign: int) -> tuple[Fraction, int, int]:
    """Step, lowest and highest integer of the part above 0; `sign` bits are not of it."""
    bits = spec.whole("bits", 1, MAX_BITS) - sign
    return Fraction(2) ** (spec.whole("integer", -64, 64) - bits), 0, (1 << bits) - 1


def alpha_of(spec: Spec) -> Fraction | str:
    """alpha as the float32 that QKeras multiplies by, or `auto`, `auto_po2`."""
    alpha = spec.settings["alpha"]
    if alpha in ("auto", "auto_po2"):
        return str(alpha)
    if alpha is None:
        return Fraction(1)
    value = np.float32(spec.number("alpha", 2.0**-64, 2.0**64))
    return Fraction(float(value))


def threshold_of(spec: Spec) -> np.float32:
    """Where ternary leaves 0."""
    if spec.settings["threshold"] is None:
        return np.float32(0.33)
    return np.float32(spec.number("threshold", 2.0**-64, 2.0**64))


def _on_grid(x: NDArray[np.float32], step: Fraction, lo: int, hi: int) -> Weights:
    whole = np.clip(np.rint(x.astype(np.float64) * float(1 / step)), lo, hi)
    return Weights(whole * float(step), step_array(step))


def _shape_bits(spec: Spec) -> Shape:
    alpha = alpha_of(spec)
    if isinstance(alpha, str):
        if not spec.flag("keep_negative"):
            raise Obstacle(f"quantized_bits without negative numbers and alpha={alpha!r}")
        bits, integer = spec.whole("bits", 2, MAX_BITS), spec.whole("integer", -64, 64)
        axis = spec.settings["scale_axis"]
        return lambda x: qkeras_scale.scaled_bits(x, bits, integer, alpha, axis)
    step, lo, hi = bits_grid(spec)
    if (lo, hi) == (0, 0):
        return lambda x: _signs(x, alpha, zero_one=False)
    return lambda x: _multiplied(_on_grid(x, step, lo, hi), alpha)


def _multiplied(weights: Weights, alpha: Fraction) -> Weights:
    if alpha == 1 or weights.step is None:
        return weights
    return Weights(weights.values * float(alpha), step_array(weights.step.item() * alpha))


def _signs(x: NDArray[np.float32], alpha: Fraction, zero_one: bool) -> Weights:
    low = 0.0 if zero_one else -1.0
    return Weights(np.where(x >= 0, 1.0, low) * float(alpha), step_array(alpha))


def _shape_binary(spec: Spec) -> Shape:
    alpha = alpha_of(spec)
    zero_one = "use_01" in spec.settings and spec.flag("use_01")
    if isinstance(alpha, str):
        if zero_one:
            raise Obstacle(f"{spec.name} with use_01 and alpha={alpha!r}; use alpha=1")
        return lambda x: qkeras_scale.scaled_signs(x, alpha)
    return lambda x: _signs(x, alpha, zero_one)


def _shape_ternary(spec: Spec) -> Shape:
    alpha = alpha_of(spec)
    if isinstance(alpha, str):
        spec.require("threshold", None, "leave it out where alpha is automatic")
        unrolls = spec.whole("number_of_unrolls", 1, 100)
        return lambda x: qkeras_scale.scaled_ternary(x, unrolls, alpha)
    t = threshold_of(spec)
    return lambda x: Weights(
        np.where(np.abs(x) >= t, np.sign(x), 0.0).astype(np.float64) * float(alpha),
        step_array(alpha),
    )


def exponents(spec: Spec) -> tuple[int, int, float | None]:
    """The lowest and highest exponent of a quantiser to powers of two, and its largest value."""
    relu = spec.name == "quantized_relu_po2"
    top = None
    if spec.settings["max_value"] is not None:
        top = float(np.float32(spec.number("max_value", 2.0**-64, 2.0**64)))
    bits = spec.whole("bits", 1 + (not relu), 7) - (not relu) - (top is None or top > 1)
    return -(2**bits), 2**bits - 1, top


def _shape_po2(spec: Spec) -> Shape:
    relu = spec.name == "quantized_relu_po2"
    if relu:
        spec.require("negative_slope", 0, "use 0")
    if spec.settings["log2_rounding"] not in ("rnd", "floor"):
        spec.require("log2_rounding", "rnd", "use 'rnd' or 'floor'")
    lowest, highest, top = exponents(spec)
    quadratic = spec.flag("quadratic_approximation")
    floor = spec.settings["log2_rounding"] == "floor"
    return lambda x: qkeras_scale.powers_of_two(x, (lowest, highest), top, quadratic, floor, relu)
