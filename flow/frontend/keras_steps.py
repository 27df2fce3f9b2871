"""The source layers that one Keras layer becomes, and what stands in the way of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.source import (
    FloatArray,
    Function,
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceLayer,
    SourceQuantise,
    step_array,
)
from flow.ir.rounding import Rounding

Make = Callable[[str, tuple[str, ...], str], SourceLayer]
"""Name, sources and place of a source layer -> the layer."""


class Obstacle(UnsupportedModel):
    """One thing that cannot be represented, with what to do. Readers collect them all."""


@dataclass(frozen=True, slots=True)
class Step:
    """One source layer of a chain.

    `inputs` are numbers of earlier steps, -1 being what enters the chain; None is the step before.
    """

    make: Make
    inputs: tuple[int, ...] | None = None


def affine(
    multiplier: float | FloatArray,
    offset: float | FloatArray,
    inputs: tuple[int, ...] | None = None,
) -> Step:
    """y = x * multiplier + offset"""
    m, b = np.asarray(multiplier, np.float64), np.asarray(offset, np.float64)
    return Step(lambda name, sources, place: SourceAffine(name, sources, place, m, b), inputs)


def function(kind: Function) -> Step:
    """y = kind(x)"""
    return Step(lambda name, sources, place: SourceActivation(name, sources, place, kind))


def quantise(step: Fraction, lo: int, hi: int, rounding: Rounding = "half_even") -> Step:
    """y = step * clip(round(x / step), lo, hi)"""
    quantiser = Quantiser(step_array(step), lo, hi, rounding)
    return Step(lambda name, sources, place: SourceQuantise(name, sources, place, quantiser))


def total(*inputs: int) -> Step:
    """The sum of earlier steps."""
    return Step(SourceAdd, inputs)


def clip(lo: float, hi: float) -> tuple[Step, ...]:
    """y = min(max(x, lo), hi) for lo < hi, by the clip to [-1, 1]."""
    half, middle = (hi - lo) / 2, (hi + lo) / 2
    return affine(1 / half, -middle / half), function("hard_tanh"), affine(half, middle)


def scaled_clip(slope: float, middle: float) -> tuple[Step, ...]:
    """y = min(max(slope * x + middle, 0), 1)"""
    return affine(2 * slope, 2 * middle - 1), function("hard_tanh"), affine(0.5, 0.5)


def lay(
    steps: Sequence[Step], name: str, source: tuple[str, ...], place: str
) -> tuple[SourceLayer, ...]:
    """The layers of a chain. The last has the given name, the others `name.0`, `name.1`, ..."""
    names = [f"{name}.{i}" for i in range(len(steps) - 1)] + [name]
    layers: list[SourceLayer] = []
    for i, step in enumerate(steps):
        inputs = (i - 1,) if step.inputs is None else step.inputs
        sources = tuple(s for j in inputs for s in (source if j < 0 else (names[j],)))
        layers.append(step.make(names[i], sources, place))
    return tuple(layers)
