"""What a reader of model files hands on: layers with real weights and the file's quantisers.

This is the only graph with floats. A weight array that a quantiser has shaped is stored as its
exact values together with the quantiser's step, so that `quantise.py` makes integers of it
without a rounding of its own; an array without a step is a float array to be quantised after
training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flow.ir.rounding import Overflow, Rounding
from flow.ir.tensor import FractionArray

FloatArray = NDArray[np.float64]

Function = Literal["relu", "sigmoid", "hard_sigmoid", "tanh", "hard_tanh", "softmax", "argmax"]


@dataclass(frozen=True, slots=True, eq=False)
class Quantiser:
    """x -> step * overflow(round(x / step), lo, hi): a uniform fixed-point quantiser.

    `step` holds positive rationals, one for all elements or one per element of the last axis.
    """

    step: FractionArray
    lo: int
    hi: int
    rounding: Rounding = "half_even"
    overflow: Overflow = "saturate"


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """An array of weights; where `step` is given, every value is an integer times its step.

    `step` is broadcast from the last axis.
    """

    values: FloatArray
    step: FractionArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SourceLayer:
    """One layer of the file: `name` as the user wrote it, `place` for messages."""

    name: str
    sources: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class SourceInput(SourceLayer):
    """An input; `shape` without the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceDense(SourceLayer):
    """y = x @ kernel + bias; kernel (inputs, outputs), bias (outputs,) or None."""

    kernel: Weights
    bias: Weights | None


@dataclass(frozen=True, slots=True, eq=False)
class SourceAffine(SourceLayer):
    """y = x * multiplier + offset on the last axis: batch normalisation, a scaler, Add, Mul.

    The arrays hold the values that the framework computes with (float32 values where it does).
    """

    multiplier: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SourceActivation(SourceLayer):
    """y = function(x)"""

    function: Function


@dataclass(frozen=True, slots=True, eq=False)
class SourceQuantise(SourceLayer):
    """y = quantiser(x)"""

    quantiser: Quantiser


@dataclass(frozen=True, slots=True, eq=False)
class SourceAdd(SourceLayer):
    """The sum of several tensors of one shape."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceConcat(SourceLayer):
    """Tensors side by side on the last axis."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceReshape(SourceLayer):
    """The same elements in another shape, without the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceModel:
    """A model as its file has it, in topological order.

    `format` names the kind of file, `sha256` the content of all files read; `classes` are the
    labels of the outputs where the file knows them.
    """

    name: str
    format: str
    layers: tuple[SourceLayer, ...]
    outputs: tuple[str, ...]
    sha256: str
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def quantised(self) -> bool:
        """Whether the file itself says how every weight is quantised."""
        dense = [layer for layer in self.layers if isinstance(layer, SourceDense)]
        return bool(dense) and all(layer.kernel.step is not None for layer in dense)


def step_array(step: Fraction | int) -> FractionArray:
    """One step for all elements."""
    array: FractionArray = np.empty((), dtype=object)
    array[()] = Fraction(step)
    return array
