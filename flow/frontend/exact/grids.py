"""Steps of weights, inputs and activations of a quantisation after training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from flow.frontend.exact.ports import fixed_point, grid
from flow.frontend.exact.rational import power_of_two
from flow.frontend.float_model import apply_quantiser
from flow.frontend.quantisation.options import RangeRule, WeightStep
from flow.frontend.source import FloatArray, Quantiser, step_array
from flow.ir.rounding import Rounding

PERCENTILE = 99.9
LOOKED_AT = 1 << 18
"""Values from which on only every k-th is looked at for the squared error."""


def weight_step(
    values: FloatArray, bits: int, rule: WeightStep = "power_of_two"
) -> tuple[Fraction, FloatArray]:
    """A step for symmetric weights in [-(2**(bits-1) - 1), 2**(bits-1) - 1], and the values on it.

    The candidate of least squared error: powers of two, or also fractions of the largest value.
    """
    top = (1 << (bits - 1)) - 1
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return Fraction(1), np.zeros_like(values)
    exponent = int(np.ceil(np.log2(largest / top)))
    if rule == "best":
        steps = [short(largest / top * part) for part in np.linspace(0.5, 1.0, 26)]
    else:
        steps = [power_of_two(exponent - k) for k in (0, 1, 2)]
    errors = [float(((values - _on_grid(values, s, top)) ** 2).sum()) for s in steps]
    best = steps[int(np.argmin(errors))]
    return best, _on_grid(values, best, top)


def activation_quantiser(
    values: FloatArray,
    bits: int,
    signed: bool,
    rule: RangeRule = "mse",
    rounding: Rounding = "half_up",
    unit: Fraction = Fraction(1),
    percentile: float = PERCENTILE,
    judge: Callable[[Quantiser], float] | None = None,
) -> Quantiser:
    """A quantiser for values like these, whose step is `unit` times a power of two.

    Its range holds all values (`max`), that share in percent of them (`percentile`), or whatever
    gives the least squared error (`mse`), or the least of what `judge` says (`cross_entropy`).
    """
    magnitudes = np.abs(values)
    largest = float(magnitudes.max(initial=0.0)) or 1.0
    if rule == "percentile":
        largest = float(np.percentile(_some(magnitudes), percentile)) or largest
    lo, hi, step = fixed_point(largest / float(unit), bits, signed)
    tried = 4 if rule in ("mse", "cross_entropy") else 1
    steps = [unit * step / (1 << k) for k in range(tried)]
    nearest = [Quantiser(step_array(s), lo, hi) for s in steps]
    if rule == "cross_entropy" and judge is not None:
        ready = [replace(q, rounding=rounding) for q in nearest]
        return ready[int(np.argmin([judge(q) for q in ready]))]
    return replace(_best(nearest, _some(values)), rounding=rounding)


def input_quantiser(data: FloatArray, bits: int, signed: bool | None = None) -> Quantiser:
    """A quantiser for these data: exact in `bits` bits or fewer where these suffice; else of the
    power-of-two steps, and for unsigned data the one whose last level is the largest datum, the
    step of least squared error."""
    negative = bool(data.min() < 0) if signed is None else signed
    largest = float(np.abs(data).max())
    exact = grid(data)
    if exact is not None:
        top = round(largest / 2.0**exact)
        width = top.bit_length() + negative
        if width <= bits:
            lo = -(1 << (width - 1)) if negative else 0
            return Quantiser(step_array(power_of_two(exact)), lo, lo + (1 << width) - 1)
    lo, hi, step = fixed_point(largest, bits, negative)
    steps = [step, step / 2]
    if not negative and largest > 0:
        steps.append(short(largest) / hi)
    return _best([Quantiser(step_array(s), lo, hi) for s in steps], _some(data))


def unit_quantiser(signed: bool, bits: int) -> Quantiser:
    """A quantiser of [0, 1], or of [-1, 1]."""
    lo, hi, step = fixed_point(1.0, bits, signed)
    return Quantiser(step_array(step), lo, hi)


def short(value: float, bits: int = 12) -> Fraction:
    """The value with that many significant bits."""
    mantissa, exponent = np.frexp(value)
    return Fraction(round(float(mantissa) * (1 << bits))) * power_of_two(int(exponent) - bits)


def _best(quantisers: list[Quantiser], values: FloatArray) -> Quantiser:
    """The first of least squared error."""
    errors = [float(((values - apply_quantiser(q, values)) ** 2).sum()) for q in quantisers]
    return quantisers[int(np.argmin(errors))]


def _some(values: FloatArray) -> FloatArray:
    """Every k-th value, so that they are not too many."""
    flat = values.reshape(-1)
    return flat[:: 1 + flat.size // LOOKED_AT]


def _on_grid(values: FloatArray, step: Fraction, top: int) -> FloatArray:
    whole = np.clip(np.rint(values / float(step)), -top, top)
    result: FloatArray = whole * float(step)
    return result
