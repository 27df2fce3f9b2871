"""The layers of a Network: one immutable class each, with its type and its integer meaning.

Every layer has a `name` (of the form `spec.NAME`), the names of its `sources`, and the `place`
of the user's layer for messages. `evaluate` takes arrays of shape (samples, *shape).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.rounding import ROUNDINGS, Overflow, Rounding, round_fraction, round_ratio
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions


@dataclass(frozen=True, slots=True, eq=False)
class Layer(ABC):
    """One operation on integer tensors."""

    kind: ClassVar[str]

    name: str
    sources: tuple[str, ...]
    place: str

    @abstractmethod
    def infer_type(self, *sources: TensorType) -> TensorType:
        """The type of the result; IRError where the sources do not fit."""

    @abstractmethod
    def evaluate(self, *sources: IntArray) -> IntArray:
        """The result for a batch; int64, or Python integers where the source is that."""

    def peak(self, *sources: TensorType) -> int:
        """A bound of every intermediate value's magnitude, beside source and result."""
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class Input(Layer):
    """An input of the network. A real input x is coded as the integer nearest to
    (x - offset) / scale, ties to even, saturated to the interval of the element."""

    kind: ClassVar[str] = "input"

    tensor: TensorType
    offset: FractionArray

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
        weights = exact(self.weights, self.weights.shape)
        plus, minus = np.maximum(weights, 0), np.minimum(weights, 0)
        bias = exact(self.bias, (outputs,))
        lo = x.lo.dot(plus) + x.hi.dot(minus) + bias
        hi = x.hi.dot(plus) + x.lo.dot(minus) + bias
        shape = (*x.shape[:-1], outputs)
        return TensorType(shape, lo, hi, fractions(self.scale, shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x @ weights + bias"""
        (x,) = sources
        weights = self.weights.astype(x.dtype)
        if x.dtype == object:
            # numpy multiplies object matrices of two dimensions only.
            product: IntArray = x.reshape(-1, x.shape[-1]).dot(weights)
            product = product.reshape(*x.shape[:-1], -1)
        else:
            product = x @ weights
        result: IntArray = product + self.bias.astype(x.dtype)
        return result

    def peak(self, *sources: TensorType) -> int:
        """The sum of all magnitudes, so that no order of summation overflows."""
        (x,) = sources
        ends = np.maximum(abs(x.lo), abs(x.hi))
        weights = abs(exact(self.weights, self.weights.shape))
        return int((ends.dot(weights) + abs(exact(self.bias, self.bias.shape))).max())


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
        m, b = fractions(self.multiplier, x.shape), fractions(self.offset, x.shape)
        lo, hi = exact(self.lo, x.shape), exact(self.hi, x.shape)
        if (lo > hi).any():
            raise IRError(f"{self.name}: an empty range to requantise into")
        ends = x.lo * m + b, x.hi * m + b
        rounded = np.frompyfunc(lambda v: round_fraction(v, self.rounding), 1, 1)
        low, high = rounded(np.minimum(*ends)), rounded(np.maximum(*ends))
        if self.overflow == "wrap":
            fits = (low >= lo) & (high <= hi)
            low, high = np.where(fits, low, lo), np.where(fits, high, hi)
        else:
            low, high = np.minimum(np.maximum(low, lo), hi), np.minimum(np.maximum(high, lo), hi)
        return TensorType(x.shape, low, high, fractions(self.scale, x.shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """overflow(round(x * multiplier + offset))"""
        (x,) = sources
        n, b, d = self.ratio(x.shape[1:])
        y = round_ratio(x * n.astype(x.dtype) + b.astype(x.dtype), d.astype(x.dtype), self.rounding)
        lo, hi = self.lo.astype(x.dtype), self.hi.astype(x.dtype)
        if self.overflow == "wrap":
            result: IntArray = (y - lo) % (hi - lo + 1) + lo
        else:
            result = np.minimum(np.maximum(y, lo), hi)
        return result

    def ratio(self, shape: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
        """Integers n, b, d with multiplier = n/d and offset = b/d, of the given shape."""
        m, b = fractions(self.multiplier, shape), fractions(self.offset, shape)
        d = np.lcm(_denominator(m), _denominator(b))
        return _numerator(m * d), _numerator(b * d), d

    def peak(self, *sources: TensorType) -> int:
        """The doubled numerator, as the comparison with one half needs it."""
        (x,) = sources
        n, b, d = self.ratio(x.shape)
        ends = np.maximum(abs(x.lo), abs(x.hi)) * abs(n) + abs(b)
        return int((4 * (ends + d)).max())

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS or self.overflow not in ("saturate", "wrap"):
            raise IRError(f"{self.name}: no rounding {self.rounding!r} or {self.overflow!r}")


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
class Lookup(Layer):
    """y = table[x - base]: one function of every element, given by its values."""

    kind: ClassVar[str] = "lookup"

    base: int
    table: tuple[int, ...]
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The hull of the entries that each element reaches."""
        (x,) = sources
        if x.hull.lo < self.base or x.hull.hi >= self.base + len(self.table):
            raise IRError(f"{self.name}: a table of {len(self.table)} entries meets {x.hull}")
        pairs = list(zip(x.lo.ravel().tolist(), x.hi.ravel().tolist(), strict=True))
        reached = {p: self.table[p[0] - self.base : p[1] - self.base + 1] for p in set(pairs)}
        lo, hi = np.empty(x.size, dtype=object), np.empty(x.size, dtype=object)
        lo[:] = [min(reached[p]) for p in pairs]
        hi[:] = [max(reached[p]) for p in pairs]
        scale = fractions(self.scale, x.shape)
        return TensorType(x.shape, lo.reshape(x.shape), hi.reshape(x.shape), scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """table[x - base]"""
        (x,) = sources
        values: IntArray = np.array(self.table, dtype=x.dtype)[(x - self.base).astype(np.int64)]
        return values


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
    Input, Dense, Affine, Requantize, Relu, Lookup, Add, Concat, Reshape, ArgMax, AtLeast,
)  # fmt: skip
"""Every layer, in reading order. Tests hold each table of layers against this one."""


def _denominator(values: FractionArray) -> IntArray:
    result: Any = np.frompyfunc(lambda v: v.denominator, 1, 1)(values)
    return np.asarray(result, dtype=object)


def _numerator(values: FractionArray) -> IntArray:
    result: Any = np.frompyfunc(lambda v: v.numerator, 1, 1)(values)
    return np.asarray(result, dtype=object)
