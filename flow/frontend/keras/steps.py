"""The source layers that one Keras layer becomes, and what stands in the way of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    SourceConcat,
    SourceGather,
    SourceLayer,
    SourceMultiply,
    SourceQuantise,
    SourceReshape,
    step_array,
)
from flow.ir.rounding import Rounding
from flow.ir.tensor import IntArray

Make = Callable[[str, tuple[str, ...], str], SourceLayer]
"""Name, sources and place of a source layer -> the layer."""


class Obstacle(UnsupportedModel):
    """One thing that cannot be represented, with what to do. Readers collect them all."""


@dataclass(frozen=True, slots=True)
class Step:
    """One source layer of a chain.

    `inputs` are numbers of earlier steps; -1, -2, ... are what enters the chain, the first, the
    second, ... tensor. None is the step before, and for the first step all that enters.
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


def function(kind: Function, *parameters: float, inputs: tuple[int, ...] | None = None) -> Step:
    """y = kind(x, *parameters)"""
    return Step(
        lambda name, sources, place: SourceActivation(name, sources, place, kind, parameters),
        inputs,
    )


def quantise(
    step: Fraction,
    lo: int,
    hi: int,
    rounding: Rounding = "half_even",
    inputs: tuple[int, ...] | None = None,
) -> Step:
    """y = step * clip(round(x / step), lo, hi)"""
    quantiser = Quantiser(step_array(step), lo, hi, rounding)
    return Step(
        lambda name, sources, place: SourceQuantise(name, sources, place, quantiser), inputs
    )


def total(*inputs: int) -> Step:
    """The sum of earlier steps, or of all that enters."""
    return Step(SourceAdd, inputs or None)


def product(*inputs: int) -> Step:
    """The product of earlier steps, or of all that enters."""
    return Step(SourceMultiply, inputs or None)


def gather(indices: IntArray, fill: float = 0.0, inputs: tuple[int, ...] | None = None) -> Step:
    """The elements at flat indices, -1 being `fill`."""
    return Step(
        lambda name, sources, place: SourceGather(name, sources, place, indices, fill), inputs
    )


def reshape(shape: tuple[int, ...], inputs: tuple[int, ...] | None = None) -> Step:
    """The same elements in another shape."""
    return Step(lambda name, sources, place: SourceReshape(name, sources, place, shape), inputs)


def concat(axis: int, *inputs: int) -> Step:
    """Earlier steps, or all that enters, one after the other along an axis."""
    return Step(
        lambda name, sources, place: SourceConcat(name, sources, place, axis), inputs or None
    )


def clip(lo: float, hi: float) -> tuple[Step, ...]:
    """y = min(max(x, lo), hi) for lo < hi, without a rounding where both are on a coarse grid."""
    half, middle = (hi - lo) / 2, (hi + lo) / 2
    if math.frexp(half)[0] != 0.5:
        return join(at_least(lo) if lo else (function("relu"),), at_most(hi))
    return affine(1 / half, -middle / half), function("hard_tanh"), affine(half, middle)


def scaled_clip(slope: float, middle: float) -> tuple[Step, ...]:
    """y = min(max(slope * x + middle, 0), 1)"""
    return affine(2 * slope, 2 * middle - 1), function("hard_tanh"), affine(0.5, 0.5)


def at_most(limit: float) -> tuple[Step, ...]:
    """y = min(x, limit)"""
    return affine(-1.0, limit), function("relu"), affine(-1.0, limit)


def at_least(limit: float) -> tuple[Step, ...]:
    """y = max(x, limit)"""
    return affine(1.0, -limit), function("relu"), affine(1.0, limit)


def reaches(threshold: float, inputs: tuple[int, ...] | None = None) -> tuple[Step, ...]:
    """y = 1 where x >= threshold, else 0: floor(x - threshold) clipped to [-1, 0], plus one."""
    moved = affine(1.0, -threshold, inputs)
    return moved, quantise(Fraction(1), -1, 0, "floor"), affine(1.0, 1.0)


def exceeds(threshold: float, inputs: tuple[int, ...] | None = None) -> tuple[Step, ...]:
    """y = 1 where x > threshold, else 0: ceil(x - threshold) clipped to [0, 1]."""
    return affine(1.0, -threshold, inputs), quantise(Fraction(1), 0, 1, "ceil")


class Chain:
    """A chain that grows step by step; `add` answers the number of the last step added."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, *steps: Step) -> int:
        """Steps after the ones that are there; their inputs are numbers of this chain."""
        self.steps.extend(steps)
        return len(self.steps) - 1


def join(*parts: Sequence[Step]) -> tuple[Step, ...]:
    """Chains one after the other: what enters a part is the result of the part before."""
    steps: list[Step] = []
    for part in parts:
        base = len(steps)
        for step in part:
            inputs = step.inputs
            if inputs is not None and base:
                inputs = tuple(j + base if j >= 0 else base - 1 for j in inputs)
            steps.append(replace(step, inputs=inputs))
    return tuple(steps)


def lay(
    steps: Sequence[Step], name: str, source: tuple[str, ...], place: str
) -> tuple[SourceLayer, ...]:
    """The layers of a chain. The last has the given name, the others `name.0`, `name.1`, ..."""
    names = [f"{name}.{i}" for i in range(len(steps) - 1)] + [name]
    layers: list[SourceLayer] = []
    for i, step in enumerate(steps):
        if step.inputs is None:
            sources = source if i == 0 else (names[i - 1],)
        else:
            sources = tuple(source[-1 - j] if j < 0 else names[j] for j in step.inputs)
        layers.append(step.make(names[i], sources, place))
    return tuple(layers)
