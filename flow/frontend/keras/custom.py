"""Layers that are not of Keras but are met in published models, known by their names.

Binary and ternary layers: Courbariaux et al., arXiv 1602.02830, with the rounding of the training
code that hls4ml reads: a weight is H where 0.5 * w / H + 0.5 rounds to 1, else -H; and for ternary
ones H above 0.5 * H, -H up to -0.5 * H, else 0. The rounding, padding and saturation layers are
those of the ECON-T encoder (arXiv 2105.01683).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.moves import move
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site, check_shapes, elementwise, laid
from flow.frontend.keras.steps import Obstacle, Step, at_most, join, quantise
from flow.frontend.source import SourceDense, Weights, step_array
from flow.ir.rounding import Rounding

LIMIT = 1 << 40
"""The magnitude at which a rounding to integers saturates; no tensor of a circuit reaches it."""


def plan_binary_dense(settings: Settings) -> Build:
    """BinaryDense and TernaryDense: a dense layer whose weights are two or three values."""
    settings.allow(
        "units", "use_bias", "activation", "input_dim", "H", "kernel_lr_multiplier",
        "bias_lr_multiplier",
    )  # fmt: skip
    units = settings.whole("units", 1, 1 << 20)
    names = ("kernel", "bias") if settings.flag("use_bias", True) else ("kernel",)
    after = plan_activation(settings)
    ternary = settings.kind == "TernaryDense"
    given = settings.get("H", 1.0)
    if given != "Glorot":
        given = settings.number("H", 1.0, 2.0**-24, 2.0**24)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        arrays = site.weights(names)
        check_shapes(arrays, {"kernel": (shape[-1], units), "bias": (units,)}, site)
        scale = np.float32(np.sqrt(1.5 / (shape[-1] + units)) if given == "Glorot" else given)
        kernel = (_ternary if ternary else _binary)(arrays["kernel"], scale)
        bias = Weights(arrays["bias"].astype(np.float64)) if "bias" in arrays else None
        dense = Step(lambda name, sources, place: SourceDense(name, sources, place, kernel, bias))
        return laid(site, join((dense,), after), (*shape[:-1], units))

    return build


def _binary(x: NDArray[np.float32], scale: np.float32) -> Weights:
    middle = np.clip(np.float32(0.5) * (x / scale) + np.float32(0.5), 0, 1)
    return _scaled(2.0 * np.rint(middle) - 1.0, scale)


def _ternary(x: NDArray[np.float32], scale: np.float32) -> Weights:
    ratio = x / scale
    return _scaled(np.where(ratio > 0.5, 1.0, np.where(ratio <= -0.5, -1.0, 0.0)), scale)


def _scaled(signs: NDArray[np.float64], scale: np.float32) -> Weights:
    return Weights(signs * float(scale), step_array(Fraction(float(scale))))


def plan_keras_pad(settings: Settings) -> Build:
    """keras_pad: one row of zeros below and one column behind."""
    settings.allow()
    return move(lambda x, site: np.pad(x, [(0, 1), (0, 1), (0, 0)][: x.ndim], constant_values=-1))


def integer_step(rounding: Rounding) -> Step:
    """x rounded to an integer."""
    return quantise(Fraction(1), -LIMIT, LIMIT, rounding)


def plan_keras_floor(settings: Settings) -> Build:
    """keras_floor: the largest integer that is not above."""
    settings.allow()
    return elementwise((integer_step("floor"),))


def plan_keras_minimum(settings: Settings) -> Build:
    """keras_minimum: min(x, sat_val), which is an argument of the call and 1 by default."""
    settings.allow()

    def build(site: Site) -> Built:
        limit = site.call.kwargs.get("sat_val", 1)
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise Obstacle(f"sat_val={limit!r}; give a number")
        return laid(site, at_most(float(limit)), site.shapes[0])

    return build
