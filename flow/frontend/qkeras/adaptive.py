"""QAdaptiveActivation of QKeras: a quantiser whose integer bits follow the range that it has seen.

When it answers, the bits are those of its two moving averages (QKeras 0.9.0, once called).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site, check_shapes, laid
from flow.frontend.keras.steps import Chain, Obstacle, Step, affine, total
from flow.frontend.qkeras.quantisers import MAX_BITS
from flow.frontend.source import Quantiser, SourceQuantise
from flow.ir.tensor import FractionArray, compact

NAMES = ("Variable", "ema_min", "ema_max")
"""The step of the training, and the averages of the smallest and the largest value."""


def plan_adaptive(settings: Settings) -> Build:
    """quantized_bits or quantized_relu of `total_bits` bits, for all channels or for each."""
    settings.allow(
        "activation", "total_bits", "current_step", "symmetric", "quantization_delay",
        "ema_freeze_delay", "ema_decay", "per_channel", "po2_rounding", "relu_neg_slope",
    )  # fmt: skip
    kind = settings.get("activation")
    if kind not in ("quantized_bits", "quantized_relu"):
        raise Obstacle(f"the activation {kind!r}; use 'quantized_bits' or 'quantized_relu'")
    relu = kind == "quantized_relu"
    slope = settings.number("relu_neg_slope", 0.0, 0.0, 1.0) if relu else 0.0
    negative = slope != 0 or not relu
    bits = settings.whole("total_bits", 1 + negative, MAX_BITS) - negative
    symmetric = settings.flag("symmetric", True)
    rounded = settings.flag("po2_rounding", False)
    per_channel = settings.flag("per_channel", False)
    least = -Fraction(slope) * (1 << bits)
    if least.denominator != 1:
        raise Obstacle(f"relu_neg_slope={slope}; use a larger slope, or more bits")

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        arrays = site.weights(NAMES)
        size = (shape[-1] if per_channel else 1,)
        check_shapes(arrays, {"Variable": (), "ema_min": size, "ema_max": size}, site)
        integer = _integer_bits(arrays, bits, symmetric, negative, rounded)
        step: FractionArray = np.empty(size, dtype=object)
        step[:] = [Fraction(2) ** (int(i) - bits) for i in integer]
        step = compact(step)
        hi = (1 << bits) - 1
        chain = Chain()
        if not relu:
            chain.add(_quantise(step, int(symmetric) - (1 << bits), hi))
        else:
            above = chain.add(_quantise(step, 0, hi, (-1,)))
            if slope:
                below = chain.add(affine(slope, 0.0, (-1,)), _quantise(step, int(least), 0))
                chain.add(total(above, below))
        return laid(site, chain.steps, shape)

    return build


def _quantise(step: FractionArray, lo: int, hi: int, inputs: tuple[int, ...] | None = None) -> Step:
    quantiser = Quantiser(step, lo, hi)
    return Step(
        lambda name, sources, place: SourceQuantise(name, sources, place, quantiser), inputs
    )


def _integer_bits(
    arrays: Mapping[str, NDArray[np.float32]],
    bits: int,
    symmetric: bool,
    negative: bool,
    rounded: bool,
) -> NDArray[np.float32]:
    """The bits before the point that cover the range, at most `bits`, in float32 as there."""
    low, high = arrays["ema_min"], arrays["ema_max"]
    if not negative:
        low, high = np.maximum(low, np.float32(0)), np.maximum(high, np.float32(0))
    ends = [_logarithm(low), _logarithm(high)]
    if rounded:
        lowest, highest = (np.rint(end) for end in ends)
    else:
        lowest, highest = (np.ceil(end) for end in ends)
        most = np.exp2(highest) - np.exp2(np.minimum(highest - bits, 0))
        highest = np.where(high <= most, highest, highest + 1)
        if symmetric:
            least = np.exp2(np.minimum(lowest - bits, 0)) - np.exp2(lowest)
            lowest = np.where(least <= low, lowest, lowest + 1)
    result: NDArray[np.float32] = np.minimum(np.maximum(lowest, highest), np.float32(bits))
    return result


def _logarithm(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """max(log2(|x|), 0)"""
    with np.errstate(divide="ignore"):
        power = np.log(np.abs(x)) / np.float32(np.log(2.0))
    result: NDArray[np.float32] = np.maximum(power, np.float32(0))
    return result
