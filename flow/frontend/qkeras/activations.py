"""QKeras quantisers as activations, as release 0.9.0 acts when it answers.

The value of a quantiser is taken as defined; QKeras adds `x + (q(x) - x)` in float32, which may
differ from q(x) by a rounding of that sum where x saturates.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from flow.frontend.keras.steps import (
    Chain,
    Obstacle,
    Step,
    affine,
    at_most,
    clip,
    exceeds,
    function,
    join,
    product,
    quantise,
    reaches,
    scaled_clip,
    total,
)
from flow.frontend.qkeras.quantisers import (
    MAX_BITS,
    alpha_of,
    bits_grid,
    check_qnoise,
    exponents,
    linear_grid,
    relu_grid,
    threshold_of,
)
from flow.frontend.qkeras.spec import Spec

LEVELS = 64
"""The most powers of two of an activation; each is a comparison."""


def activation_steps(spec: Spec) -> tuple[Step, ...]:
    """What the quantiser does to activations; Obstacle where it is not exact."""
    check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            return _bits(spec)
        case "quantized_linear":
            return (quantise(*linear_grid(spec)),)
        case "quantized_relu":
            return _relu(spec)
        case "binary" | "stochastic_binary":
            zero_one = "use_01" in spec.settings and spec.flag("use_01")
            return _binary(_alpha(spec), zero_one)
        case "ternary" | "stochastic_ternary":
            return _ternary(spec)
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
        case "quantized_hswish":
            return _hard_swish(spec)
        case "quantized_ulaw":
            return _logarithmic(spec)
        case "quantized_po2" | "quantized_relu_po2":
            return _powers(spec)
        case "hard_tanh":
            return (function("hard_tanh"),)
        case "hard_sigmoid":
            return scaled_clip(0.5, 0.5)
        case "smooth_sigmoid":
            return scaled_clip(0.1875, 0.5)
        case "smooth_tanh":
            return join(scaled_clip(0.1875, 0.5), (affine(2.0, -1.0),))
        case "binary_tanh":
            return join(exceeds(0.0), (affine(2.0, -1.0),))
        case "binary_sigmoid":
            return exceeds(0.0)
        case _:
            raise Obstacle(f"{spec.name} as an activation; use quantized_relu or quantized_bits")


def _alpha(spec: Spec) -> Fraction:
    alpha = alpha_of(spec)
    if isinstance(alpha, str):
        raise Obstacle(f"{spec.name} with alpha={alpha!r} as an activation; use alpha=1")
    return alpha


def _times(alpha: Fraction) -> tuple[Step, ...]:
    return () if alpha == 1 else (affine(float(alpha), 0.0),)


def _bits(spec: Spec) -> tuple[Step, ...]:
    alpha = _alpha(spec)
    step, lo, hi = bits_grid(spec)
    if (lo, hi) == (0, 0):
        return _binary(alpha, zero_one=False)
    return (quantise(step, lo, hi), *_times(alpha))


def _binary(alpha: Fraction, zero_one: bool) -> tuple[Step, ...]:
    """x >= 0 is floor(x) clipped to [-1, 0], plus one."""
    a = float(alpha)
    return quantise(Fraction(1), -1, 0, "floor"), affine(a, a) if zero_one else affine(2 * a, a)


def _ternary(spec: Spec) -> tuple[Step, ...]:
    """sign(x) where |x| >= t: (x >= t) + (x > -t) - 1, each an exact comparison."""
    alpha = _alpha(spec)
    t = float(threshold_of(spec))
    return (
        affine(1.0, -t, inputs=(-1,)),
        quantise(Fraction(1), -1, 0, "floor"),
        *exceeds(-t, inputs=(-1,)),
        total(1, 3),
        *_times(alpha),
    )


def _relu(spec: Spec) -> tuple[Step, ...]:
    """quantized_relu with a slope below 0, the upper bound, or the sigmoid in front."""
    slope = spec.number("negative_slope", 0.0, 1.0)
    bound = None
    if not spec.flag("is_quantized_clip") and spec.settings["relu_upper_bound"]:
        bound = float(np.float32(spec.number("relu_upper_bound", 2.0**-64, 2.0**64)))
    if spec.flag("use_sigmoid"):
        steps = _sigmoid_relu(spec, slope)
    elif not slope:
        step, lo, hi = relu_grid(spec, 0)
        if bound is not None and (Fraction(bound) / step).denominator == 1:
            return (quantise(step, lo, min(hi, int(Fraction(bound) / step))),)
        steps = (quantise(step, lo, hi),)
    else:
        step, lo, hi = relu_grid(spec, 1)
        low = -Fraction(slope) * (hi + 1)
        # Where less than one step is left below 0, any negative integer means all of it.
        unit = Fraction(1) if low.denominator == 1 else -low
        down = int(low) if low.denominator == 1 else -1
        chain = Chain()
        positive = chain.add(quantise(step, lo, hi, inputs=(-1,)))
        negative = chain.add(
            affine(slope, 0.0, inputs=(-1,)), quantise(step, down, 0), *_times(unit)
        )
        chain.add(total(positive, negative))
        steps = tuple(chain.steps)
    return steps if bound is None else join(steps, at_most(bound))


def _sigmoid_relu(spec: Spec, slope: float) -> tuple[Step, ...]:
    """2 * round(m * hard_sigmoid(x / 2**integer)) / m - 1 within its limits, times 2**integer."""
    step, _, hi = relu_grid(spec, int(slope > 0))
    m = hi + 1
    scale = float(step * m)
    if m < 2:
        raise Obstacle("quantized_relu with use_sigmoid and one level; give it more bits")
    top = scale * (1.0 - 1.0 / m)
    positive = (
        affine(0.5 / scale, 0.5, inputs=(-1,)), quantise(Fraction(1, m), m // 2, m),
        affine(2.0 * scale, -scale),
    )  # fmt: skip
    if not slope:
        return join(positive, at_most(top))
    half = Fraction(slope) * m / 2
    if half.denominator != 1:
        raise Obstacle(f"quantized_relu with use_sigmoid and negative_slope={slope}; use a larger")
    chain = Chain()
    above = chain.add(*positive, *at_most(top))
    below = chain.add(
        affine(0.5 * slope / scale, 0.5 * slope, inputs=(-1,)),
        quantise(Fraction(1, m), 0, int(half)),
        affine(2.0 * scale, -scale * slope),
    )
    chain.add(total(above, below))
    return tuple(chain.steps)


def _hard_swish(spec: Spec) -> tuple[Step, ...]:
    """quantized_bits of x * clip(x + shift, 0, bound) / bound.

    The division by the bound is in the step of a first quantiser, where it is exact; a second one
    brings its result back onto the grid.
    """
    shift = spec.number("relu_shift", 2.0**-24, 2.0**24)
    bound = spec.number("relu_upper_bound", 2.0**-24, 2.0**24)
    chain = Chain()
    chain.add(affine(1.0, shift, inputs=(-1,)), *clip(0.0, bound))
    last = len(chain.steps) - 1
    chain.add(product(-1, last))
    step, lo, hi = bits_grid(spec)
    if (lo, hi) == (0, 0):
        return join(chain.steps, _bits(spec))
    if math.frexp(bound)[0] == 0.5:
        return join(chain.steps, (affine(1.0 / bound, 0.0),), _bits(spec))
    coarse = quantise(step * Fraction(bound), lo, hi)
    return join(chain.steps, (coarse, affine(1.0 / bound, 0.0)), _bits(spec))


def _logarithmic(spec: Spec) -> tuple[Step, ...]:
    """The u-law of r = 2 * round(m * hard_sigmoid(x / 2**integer)) / m - 1, both signs apart."""
    m = 1 << (spec.whole("bits", 2, MAX_BITS) - 1)
    scale = 2.0 ** spec.whole("integer", -64, 64)
    u = spec.number("u", 2.0**-24, 2.0**24)
    lo = -1.0 + spec.flag("symmetric") / m
    chain = Chain()
    level = chain.add(affine(0.5 / scale, 0.5), quantise(Fraction(1, m), 0, m), affine(2.0, -1.0))
    ends = []
    for sign in (1.0, -1.0):
        ends.append(
            chain.add(
                affine(sign, 0.0, inputs=(level,)), function("relu"), affine(u, 1.0),
                function("log"), affine(sign / float(np.log1p(u)), 0.0),
            )
        )  # fmt: skip
    chain.add(total(*ends), *clip(lo, 1.0 - 1.0 / m), affine(scale, 0.0))
    return tuple(chain.steps)


def _powers(spec: Spec) -> tuple[Step, ...]:
    """A power of two with the sign of x: one comparison for each exponent above the lowest.

    An exponent is reached at the power of two halfway on the logarithmic scale, which no number
    of a grid equals.
    """
    relu = spec.name == "quantized_relu_po2"
    if relu:
        spec.require("negative_slope", 0, "use 0")
    spec.require("log2_rounding", "rnd", "use 'rnd'")
    if spec.flag("quadratic_approximation"):
        raise Obstacle(f"{spec.name} with quadratic_approximation as an activation; leave it out")
    lowest, highest, top = exponents(spec)
    if top is not None:
        highest = max(lowest, min(highest, round(float(np.log2(top)))))
    if highest - lowest >= LEVELS or lowest < -23:
        raise Obstacle(
            f"{spec.name} with {highest - lowest + 1} levels as an activation; use fewer bits"
        )
    chain = Chain()
    ends = []
    if not relu:
        ends.append(chain.add(*reaches(0.0, (-1,)), affine(2.0 * 2.0**lowest, -(2.0**lowest))))
    else:
        ends.append(chain.add(affine(0.0, 2.0**lowest, (-1,))))
    for exponent in range(lowest, highest):
        border = float(np.exp2(exponent + 0.5))
        ends.append(chain.add(*reaches(border, (-1,)), affine(2.0**exponent, 0.0)))
        if not relu:
            mirrored = affine(-1.0, -border, (-1,))
            floor = quantise(Fraction(1), -1, 0, "floor")
            ends.append(chain.add(mirrored, floor, affine(-(2.0**exponent), -(2.0**exponent))))
    chain.add(total(*ends))
    return tuple(chain.steps)
