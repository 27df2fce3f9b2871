"""The layers of a Network: one immutable class each, with its type and its integer meaning.

Here are those of plain arithmetic; `spatial.py` has those of windows and places, `table_layers.py`
those of functions given by their values, `approximate.py` those of masked bits, `gate_layer.py`
that of gates. Every layer has a `name` (of the form `spec.NAME`), the names of its `sources`, and
the `place` of the user's layer for messages. `evaluate` takes arrays of shape (samples, *shape).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.approximate import MaskedDense, Tournament
from flow.ir.gate_layer import Gates
from flow.ir.layer import Layer
from flow.ir.rounding import ROUNDINGS, Overflow, Rounding, round_ratio
from flow.ir.spatial import Conv, Gather, Pool
from flow.ir.table_layers import Lookup, TableSum
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions
from flow.ir.windows import exact_product

__all__ = [
    "LAYER_TYPES", "Add", "Affine", "ArgMax", "AtLeast", "Concat", "Conv", "Dense", "Gates",
    "Gather", "Input", "Layer", "Lookup", "MaskedDense", "Multiply", "Pool", "Relu", "Requantize",
    "Reshape", "TableSum", "Tournament",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Input(Layer):
    """An input of the network. A real input x is coded as the integer that `rounding` makes of
    (x - offset) / scale, brought into the interval of the element by `overflow`."""

    kind: ClassVar[str] = "input"

    tensor: TensorType
    offset: FractionArray
    rounding: Rounding = "half_even"
    overflow: Overflow = "saturate"

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The declared type."""
        if self.offset.shape != self.tensor.shape:
            raise IRError(f"{self.name}: the offset has shape {self.offset.shape}")
        return self.tensor

    def evaluate(self, *sources: IntArray) -> IntArray:
        """Refuses: an input has no value of its own."""
        raise IRError(f"input {self.name!r} has no value of its own")


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Layer):
    """y[..., j] = bias[j] + sum over i of x[..., i] * weights[i, j]"""

    kind: ClassVar[str] = "dense"

    weights: IntArray
    bias: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The exact hull of every output."""
        (x,) = sources
        inputs, outputs = self.weights.shape
        if not x.shape or x.shape[-1] != inputs or self.bias.shape != (outputs,):
            raise IRError(f"{self.name}: weights {self.weights.shape} meet a tensor {x.shape}")
        plus, minus = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        bias = exact(self.bias, (outputs,))
        lo = exact_product(x.lo, plus) + exact_product(x.hi, minus) + bias
        hi = exact_product(x.hi, plus) + exact_product(x.lo, minus) + bias
        shape = (*x.shape[:-1], outputs)
        return TensorType(shape, lo, hi, fractions(self.scale, shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x @ weights + bias"""
        (x,) = sources
        result: IntArray = exact_product(x, self.weights) + self.bias.astype(x.dtype)
        return result

    def peak(self, *sources: TensorType) -> int:
        """The sum of all magnitudes, so that no order of summation overflows."""
        (x,) = sources
        ends = np.maximum(abs(x.lo), abs(x.hi))
        bias = abs(exact(self.bias, self.bias.shape))
        return int((exact_product(ends, abs(self.weights)) + bias).max())


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Layer):
    """y = x * multiplier + offset, element by element, integers broadcast from the last axis."""

    kind: ClassVar[str] = "affine"

    multiplier: IntArray
    offset: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The two ends, in order."""
        (x,) = sources
        m, b = exact(self.multiplier, x.shape), exact(self.offset, x.shape)
        ends = x.lo * m + b, x.hi * m + b
        return TensorType(
            x.shape, np.minimum(*ends), np.maximum(*ends), fractions(self.scale, x.shape)
        )

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x * multiplier + offset"""
        (x,) = sources
        result: IntArray = x * self.multiplier.astype(x.dtype) + self.offset.astype(x.dtype)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Requantize(Layer):
    """y = overflow(round(x * multiplier + offset)) into [lo, hi], element by element.

    Multiplier and offset are exact rationals, broadcast from the last axis; lo and hi are
    integers. `wrap` is modulo hi - lo + 1.
    """

    kind: ClassVar[str] = "requantize"

    multiplier: FractionArray
    offset: FractionArray
    rounding: Rounding
    overflow: Overflow
    lo: IntArray
    hi: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The interval of the rounded ends, saturated; all of [lo, hi] where it may wrap."""
        (x,) = sources
        n, b, d = _integers(self)
        lo, hi = exact(self.lo, x.shape), exact(self.hi, x.shape)
        if (lo > hi).any():
            raise IRError(f"{self.name}: an empty range to requantise into")
        ends = exact(x.lo * n + b, x.shape), exact(x.hi * n + b, x.shape)
        low = round_ratio(np.minimum(*ends), d, self.rounding)
        high = round_ratio(np.maximum(*ends), d, self.rounding)
        if self.overflow == "wrap":
            fits = (low >= lo) & (high <= hi)
            low, high = np.where(fits, low, lo), np.where(fits, high, hi)
        else:
            low, high = np.minimum(np.maximum(low, lo), hi), np.minimum(np.maximum(high, lo), hi)
        return TensorType(x.shape, low, high, fractions(self.scale, x.shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """overflow(round(x * multiplier + offset))"""
        (x,) = sources
        n, b, d = _integers(self)
        y = round_ratio(x * n.astype(x.dtype) + b.astype(x.dtype), d.astype(x.dtype), self.rounding)
        lo, hi = self.lo.astype(x.dtype), self.hi.astype(x.dtype)
        if self.overflow == "wrap":
            result: IntArray = (y - lo) % (hi - lo + 1) + lo
        else:
            result = np.minimum(np.maximum(y, lo), hi)
        return result

    def ratio(self, shape: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
        """Integers n, b, d with multiplier = n/d and offset = b/d, of the given shape."""
        n, b, d = (exact(v, shape) for v in _integers(self))
        return n, b, d

    def peak(self, *sources: TensorType) -> int:
        """The doubled numerator, as the comparison with one half needs it."""
        (x,) = sources
        n, b, d = _integers(self)
        ends = np.maximum(abs(x.lo), abs(x.hi)) * abs(n) + abs(b)
        return int((4 * (ends + d)).max())

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS or self.overflow not in ("saturate", "wrap"):
            raise IRError(f"{self.name}: no rounding {self.rounding!r} or {self.overflow!r}")


@lru_cache(maxsize=64)
def _integers(layer: Requantize) -> tuple[IntArray, IntArray, IntArray]:
    """The `ratio` of a layer in shapes that broadcast from the last axis, worked out once."""
    m, b = (fractions(v, np.shape(v)) for v in (layer.multiplier, layer.offset))
    d = np.asarray(np.lcm(_denominator(m), _denominator(b)), dtype=object)
    n = _numerator(np.asarray(m * d, dtype=object))
    return n, _numerator(np.asarray(b * d, dtype=object)), d


@dataclass(frozen=True, slots=True, eq=False)
class Relu(Layer):
    """y = max(x, 0)"""

    kind: ClassVar[str] = "relu"

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The ends, each at least 0."""
        (x,) = sources
        return TensorType(x.shape, np.maximum(x.lo, 0), np.maximum(x.hi, 0), x.scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """max(x, 0)"""
        result: IntArray = np.maximum(sources[0], 0)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Add(Layer):
    """y = x0 + x1 + ..., tensors of one shape and one scale."""

    kind: ClassVar[str] = "add"

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The sum of the intervals."""
        x = sources[0]
        if any(s.shape != x.shape or (s.scale != x.scale).any() for s in sources):
            raise IRError(f"{self.name}: tensors of different shape or scale are added")
        lo, hi = (
            sum(ends[1:], start=ends[0])
            for ends in ([s.lo for s in sources], [s.hi for s in sources])
        )
        return TensorType(x.shape, lo, hi, x.scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x0 + x1 + ..."""
        return sum(sources[1:], start=sources[0])


@dataclass(frozen=True, slots=True, eq=False)
class Multiply(Layer):
    """y = x0 * x1 * ..., element by element, tensors of one shape."""

    kind: ClassVar[str] = "multiply"

    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The hull of the products of the ends; the square of one tensor is never negative."""
        first, *others = sources
        if any(s.shape != first.shape for s in others):
            raise IRError(f"{self.name}: tensors of different shape are multiplied")
        lo, hi = first.lo, first.hi
        for s in others:
            ends = lo * s.lo, lo * s.hi, hi * s.lo, hi * s.hi
            lo, hi = np.minimum.reduce(ends), np.maximum.reduce(ends)
        if len(self.sources) == 2 and self.sources[0] == self.sources[1]:
            lo = np.maximum(lo, 0)
        return TensorType(first.shape, lo, hi, fractions(self.scale, first.shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x0 * x1 * ..."""
        product: IntArray = sources[0]
        for x in sources[1:]:
            product = product * x
        return product

    def peak(self, *sources: TensorType) -> int:
        """The product of all magnitudes."""
        peak = 1
        for x in sources:
            peak *= max(abs(x.hull.lo), abs(x.hull.hi), 1)
        return peak


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Layer):
    """The tensors one after the other along `axis` (of the shape without the batch)."""

    kind: ClassVar[str] = "concat"

    axis: int

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The intervals and scales one after the other."""
        try:
            lo, hi, scale = (
                np.concatenate([getattr(s, part) for s in sources], axis=self.axis)
                for part in ("lo", "hi", "scale")
            )
        except ValueError as error:
            raise IRError(f"{self.name}: {error}") from error
        return TensorType(lo.shape, lo, hi, scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """concatenate along axis + 1, behind the batch"""
        axis = self.axis if self.axis < 0 else self.axis + 1
        return np.concatenate(sources, axis=axis)


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Layer):
    """The same elements, in row-major order, in another shape."""

    kind: ClassVar[str] = "reshape"

    shape: tuple[int, ...]

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The same intervals and scales in the new shape."""
        (x,) = sources
        if x.size != int(np.prod(self.shape, dtype=np.int64)):
            raise IRError(f"{self.name}: {x.shape} does not reshape to {self.shape}")
        arrays = (a.reshape(self.shape) for a in (x.lo, x.hi, x.scale))
        return TensorType(self.shape, *arrays)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x.reshape(samples, *shape)"""
        return sources[0].reshape(-1, *self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class ArgMax(Layer):
    """The index of the largest element of the last axis; the lowest index where several are.

    The elements need one scale, so that integers compare as the real values do.
    """

    kind: ClassVar[str] = "argmax"

    @property
    def decides(self) -> bool:
        """An index it is."""
        return True

    def infer_type(self, *sources: TensorType) -> TensorType:
        """[0, elements - 1]"""
        (x,) = sources
        if not x.shape or (x.scale != x.scale.ravel()[0]).any():
            raise IRError(f"{self.name}: the elements have different scales")
        shape = x.shape[:-1] or (1,)
        return TensorType(
            shape, exact(0, shape), exact(x.shape[-1] - 1, shape), fractions(1, shape)
        )

    def evaluate(self, *sources: IntArray) -> IntArray:
        """argmax(x)"""
        (x,) = sources
        index = np.argmax(x, axis=-1)
        result: IntArray = (index if index.ndim > 1 else index[:, None]).astype(x.dtype)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class AtLeast(Layer):
    """y = 1 where x >= bound, else 0: a decision; the bound is an integer per element."""

    kind: ClassVar[str] = "at_least"

    bound: IntArray

    @property
    def decides(self) -> bool:
        """An index it is."""
        return True

    def infer_type(self, *sources: TensorType) -> TensorType:
        """[0, 1], or one of its ends where the interval decides."""
        (x,) = sources
        bound = exact(self.bound, x.shape)
        lo = np.where(x.lo >= bound, 1, 0).astype(object)
        hi = np.where(x.hi >= bound, 1, 0).astype(object)
        return TensorType(x.shape, lo, hi, fractions(1, x.shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x >= bound"""
        (x,) = sources
        result: IntArray = (x >= self.bound.astype(x.dtype)).astype(x.dtype)
        return result


LAYER_TYPES: tuple[type[Layer], ...] = (
    Input, Dense, Conv, Affine, Requantize, Relu, Lookup, TableSum, Pool, Add, Multiply, Concat,
    Gather, Reshape, ArgMax, AtLeast, MaskedDense, Tournament, Gates,
)  # fmt: skip
"""Every layer, in reading order. Tests hold each table of layers against this one."""


def _denominator(values: FractionArray) -> IntArray:
    result: Any = np.frompyfunc(lambda v: v.denominator, 1, 1)(values)
    return np.asarray(result, dtype=object)


def _numerator(values: FractionArray) -> IntArray:
    result: Any = np.frompyfunc(lambda v: v.numerator, 1, 1)(values)
    return np.asarray(result, dtype=object)
