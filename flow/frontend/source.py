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
from flow.ir.tensor import FractionArray, IntArray

FloatArray = NDArray[np.float64]

Function = Literal[
    "relu", "sigmoid", "hard_sigmoid", "tanh", "hard_tanh", "softmax", "argmax",
    "leaky_relu", "elu", "selu", "softplus", "softsign", "silu", "gelu", "gelu_tanh", "exponential",
    "mish", "hard_swish", "log_sigmoid", "celu", "abs", "square", "sqrt", "reciprocal", "log",
    "sin", "cos", "arctan", "erf", "log_softmax", "soft_shrink", "hard_shrink", "tanh_shrink",
    "squareplus", "sparse_plus",
]  # fmt: skip
"""Names of real functions of one element, besides softmax, log_softmax and argmax: heads."""

HEADS: tuple[Function, ...] = ("softmax", "log_softmax", "argmax")
"""Functions of a whole tensor that may only end a model."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """How the integer bits of a quantiser that wraps follow from samples (trace_minmax of HGQ 2).

    `fraction` are the fraction bits of each element, or `width` all bits but the sign; an axis of
    one shares them. `limits` bound the integer bits. Quantisers of one `key` share their bits.
    `stale`: the bits in the file are those of training, so that values may wrap.
    """

    key: str
    fraction: IntArray | None
    width: IntArray | None
    limits: tuple[float, float]
    stale: bool


@dataclass(frozen=True, slots=True, eq=False)
class Quantiser:
    """x -> step * overflow(round(x / step), lo, hi): a uniform fixed-point quantiser.

    `step` holds positive rationals, `lo` and `hi` integers; each is one for all elements, or an
    array that broadcasts from the last axis. An element with lo = hi = 0 is always 0.
    """

    step: FractionArray
    lo: int | IntArray
    hi: int | IntArray
    rounding: Rounding = "half_even"
    overflow: Overflow = "saturate"
    trace: Trace | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """An array of weights; where `step` is given, every value is an integer times its step.

    `step` broadcasts from the last axis, as numpy does.
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
class SourceConv(SourceLayer):
    """A convolution over n axes of a tensor (*positions, channels), n = 1, 2 or 3.

    kernel (*window, channels / groups, filters), bias (filters,) or None. `strides` and
    `dilation` have a number for each axis, `padding` the zeros before and after it. With groups,
    filter f reads the channels of group f // (filters / groups). A depthwise convolution has as
    many groups as channels. The kernel is not flipped (cross-correlation).
    """

    kernel: Weights
    bias: Weights | None
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class SourcePool(SourceLayer):
    """The largest, the mean or the sum of each window of a tensor (*positions, channels).

    What `padding` adds counts for nothing: it never wins a maximum, and a mean divides by the
    elements that are there, unless `count_padding`.
    """

    pool: Literal["max", "average", "sum"]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    count_padding: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SourceGather(SourceLayer):
    """y.flat[k] = x.flat[indices.flat[k]], or `fill` where the index is -1; y has the shape of
    `indices`. Permutations, slices, zero padding, repetition, broadcasting, upsampling."""

    indices: IntArray
    fill: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SourceMultiply(SourceLayer):
    """The product, element by element, of several tensors of one shape."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceTableSum(SourceLayer):
    """`y[..., j] = sum over i of tables[i, j](x[..., i])`: a dense layer of functions (HGQ-LUT).

    `domain[i]` has the steps and the ends (step, lo, hi) of the quantiser that input i has passed;
    table (i, j) holds a value for each integer from lo to hi, an integer times `step[i, j]`.
    `tables[i][j]` is an array of real values; a pair that is pruned has None.
    """

    domain: tuple[tuple[Fraction, int, int], ...]
    tables: tuple[tuple[FloatArray | None, ...], ...]
    step: FractionArray


@dataclass(frozen=True, slots=True, eq=False)
class SourceAffine(SourceLayer):
    """y = x * multiplier + offset, broadcast from the last axis: batch normalisation, a scaler.

    The arrays hold the values that the framework computes with (float32 values where it does).
    """

    multiplier: FloatArray
    offset: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SourceActivation(SourceLayer):
    """y = function(x, *parameters): leaky_relu, elu and celu have the parameter alpha.

    relu may have an upper end, hard_sigmoid a slope and an offset (1/5 and 1/2 if not given),
    hard_tanh a lower and an upper end (-1 and 1 if not given): `functions.apply_function`.
    """

    function: Function
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SourceQuantise(SourceLayer):
    """y = quantiser(x)"""

    quantiser: Quantiser


@dataclass(frozen=True, slots=True, eq=False)
class SourceAdd(SourceLayer):
    """The sum of several tensors of one shape."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceConcat(SourceLayer):
    """Tensors one after the other along `axis` of the shape without the batch, -1 the last."""

    axis: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class SourceReshape(SourceLayer):
    """The same elements in another shape, without the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceModel:
    """A model as its file has it, in topological order.

    `format` names the kind of file, `sha256` the content of all files read; `classes` are the
    labels of the outputs where the file knows them. Where quantisers have the bits of training,
    `retraced` is the model with its constants as they are once those are traced.
    """

    name: str
    format: str
    layers: tuple[SourceLayer, ...]
    outputs: tuple[str, ...]
    sha256: str
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = field(default=())
    retraced: SourceModel | None = None

    @property
    def quantised(self) -> bool:
        """Whether the file itself says how every weight is quantised."""
        kernels = [x.kernel for x in self.layers if isinstance(x, (SourceDense, SourceConv))]
        shaped = any(isinstance(x, SourceTableSum | SourceQuantise) for x in self.layers)
        return (bool(kernels) or shaped) and all(k.step is not None for k in kernels)


def step_array(step: Fraction | int) -> FractionArray:
    """One step for all elements."""
    array: FractionArray = np.empty((), dtype=object)
    array[()] = Fraction(step)
    return array
