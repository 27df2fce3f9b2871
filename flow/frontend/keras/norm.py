"""Normalisations of Keras as one multiplication and one addition, computed in float32 as there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, laid
from flow.frontend.keras.steps import Obstacle, affine
from flow.frontend.qkeras import quantisers as qkeras
from flow.frontend.qkeras import spec as qkeras_spec

Arrays = Mapping[str, NDArray[np.float32]]
Factors = tuple[NDArray[Any], NDArray[Any]]
"""The multiplier and the offset of each element along the axes."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The axes it acts on, the weights it needs, and what makes multiplier and offset of them.

    `factors` has the weights, the number of elements along the axes, and the place in the file.
    """

    axis: Any
    names: tuple[str, ...]
    factors: Callable[[Arrays, int, str], Factors]


def plan_norm(settings: Settings) -> Build:
    """BatchNormalization, QBatchNormalization, Normalization and Rescaling: an affine layer."""
    plans = {"Normalization": plan_normalization, "Rescaling": plan_rescaling}
    plan = plans.get(settings.kind, plan_batch_norm)(settings)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        spread = _spread(plan.axis, shape)
        multiplier, offset = plan.factors(site.weights(plan.names), math.prod(spread), site.place)
        step = affine(multiplier.reshape(spread), offset.reshape(spread))
        return laid(site, (step,), shape)

    return build


def _spread(axis: Any, shape: Shape) -> Shape:
    """The sizes of the named axes, from the first of them on, the others being 1."""
    axes = axis if isinstance(axis, list) else [axis]
    rank = len(shape)
    places = []
    for a in axes:
        if type(a) is not int or not (0 < a <= rank or -rank <= a < 0):
            raise Obstacle(f"axis={axis!r} of a tensor of shape {list(shape)}; use another axis")
        places.append(a - 1 if a > 0 else a + rank)
    first = min(places, default=0)
    return tuple(n if first + i in places else 1 for i, n in enumerate(shape[first:]))


def plan_batch_norm(settings: Settings) -> Normalisation:
    """y = x * inv + (beta - mean * inv), inv = gamma / sqrt(variance + epsilon).

    This is the order of tf.nn.batch_normalization, which Keras 2 and 3 call for dense layers.
    QBatchNormalization passes each of the four through its quantiser first.
    """
    parts = ("gamma", "beta", "mean", "variance")
    settings.allow(
        "axis", "momentum", "epsilon", "center", "scale", "fused", "synchronized",
        "renorm_momentum", "renorm_clipping",
        "virtual_batch_size", "mode", "beta_range", "gamma_range",
        *(f"{part}_quantizer" for part in parts if settings.kind == "QBatchNormalization"),
    )  # fmt: skip
    for key in ("virtual_batch_size", "mode"):
        if settings.get(key):
            raise Obstacle(f"the setting {key}={settings.get(key)!r} is not known; leave it out")
    epsilon = np.float32(settings.number("epsilon", 1e-3, 0.0, 1e6))
    used = {
        "gamma": settings.flag("scale", True), "beta": settings.flag("center", True),
        "moving_mean": True, "moving_variance": True,
    }  # fmt: skip
    names = tuple(name for name, on in used.items() if on)
    shapers = {
        name: qkeras.weight_shaper(spec, kernel=part in ("gamma", "variance"))
        for name, part in zip(used, parts, strict=True)
        if settings.kind == "QBatchNormalization" and name in names
        for spec in [qkeras_spec.read_quantiser(settings.get(f"{part}_quantizer"))]
        if spec is not None
    }

    def factors(arrays: Arrays, size: int, place: str) -> Factors:
        values = {
            name: shapers[name](array).values.astype(np.float32) if name in shapers else array
            for name, array in arrays.items()
        }
        values = {name: array.reshape(-1) for name, array in values.items()}
        for name, array in values.items():
            _require_size(array, size, f"{place}, {name}")
        spread = values["moving_variance"] + epsilon
        if (spread <= 0).any():
            index = int(np.argmax(spread <= 0))
            raise UsageError(
                f"variance + epsilon at index {index} is not positive",
                where=f"{place}, moving_variance",
                hint="train again, or repair the file",
            )
        inverse = np.float32(1) / np.sqrt(spread)
        if "gamma" in values:
            inverse = inverse * values["gamma"]
        offset = -values["moving_mean"] * inverse
        if "beta" in values:
            offset = values["beta"] + offset
        return _checked(inverse, offset, place)

    return Normalisation(settings.get("axis", -1), names, factors)


def plan_normalization(settings: Settings) -> Normalisation:
    """y = (x - mean) / max(sqrt(variance), 1e-7), with the moments in the weights or settings."""
    settings.allow("axis", "mean", "variance", "invert")
    axis = settings.get("axis", -1)
    if axis is None:
        axis = -1
    given = settings.get("mean"), settings.get("variance")
    names = ("mean", "variance") if given == (None, None) else ()
    constants = [_constant(v, key) for v, key in zip(given, ("mean", "variance"), strict=True)]
    inverted = settings.flag("invert", False)

    def factors(arrays: Arrays, size: int, place: str) -> Factors:
        moments = [arrays["mean"], arrays["variance"]] if names else constants
        for array, name in zip(moments, ("mean", "variance"), strict=True):
            guards.check_finite(array, f"{place}, {name}")
        mean, variance = (_broadcast(array, size, place) for array in moments)
        if (variance < 0).any():
            raise UsageError("a variance is negative", where=place, hint="repair the file")
        spread = np.maximum(np.sqrt(variance), np.float32(1e-7)).astype(np.float64)
        shift = mean.astype(np.float64)
        if inverted:
            return spread, shift
        return 1 / spread, -shift / spread

    return Normalisation(axis, names, factors)


def plan_rescaling(settings: Settings) -> Normalisation:
    """y = x * scale + offset"""
    settings.allow("scale", "offset")
    scale = _constant(settings.get("scale"), "scale")
    offset = _constant(settings.get("offset", 0.0), "offset")

    def factors(arrays: Arrays, size: int, place: str) -> Factors:
        return _checked(_broadcast(scale, size, place), _broadcast(offset, size, place), place)

    return Normalisation(-1, (), factors)


def _checked(multiplier: NDArray[Any], offset: NDArray[Any], place: str) -> Factors:
    guards.check_finite(multiplier, f"{place}, multiplier")
    guards.check_finite(offset, f"{place}, offset")
    return multiplier, offset


def _constant(value: Any, key: str) -> NDArray[np.float32]:
    try:
        return np.asarray(0.0 if value is None else value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise Obstacle(f"the setting {key} is no number and no list of numbers") from error


def _broadcast(array: NDArray[np.float32], size: int, place: str) -> NDArray[np.float32]:
    flat = array.reshape(-1)
    if flat.size not in (1, size):
        _require_size(flat, size, place)
    return np.broadcast_to(flat, (size,)).copy()


def _require_size(array: NDArray[Any], size: int, place: str) -> None:
    if array.shape != (size,):
        raise UsageError(
            f"the weights have the shape {list(array.shape)}, not {[size]}",
            where=place,
            hint="give the weights and the configuration of one model",
        )
