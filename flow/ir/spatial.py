"""The layers of a Network that move windows or single elements: convolution, pooling, gathering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from flow.errors import IRError
from flow.ir.layer import Layer
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions
from flow.ir.windows import Padding, exact_product, window_shape, windows

PoolKind = Literal["max", "sum"]

_CHUNK = 1 << 24
"""Elements of all windows of a batch that are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Layer):
    """A convolution over the axes of a tensor (*positions, channels), with zeros around it.

    y[p, f] = bias[f] + sum over window w and channels c of
    x[p * strides + w * dilation - before, c] * weights[w, c, f]. The weights have the shape
    (*window, channels / groups, filters); filter f reads the channels of group
    f // (filters / groups).
    """

    kind: ClassVar[str] = "conv"

    weights: IntArray
    bias: IntArray
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The exact hull of every output."""
        (x,) = sources
        counts = self._counts(x.shape)
        plus, minus = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        bias = exact(self.bias, self.bias.shape)
        lo, hi = x.lo[None], x.hi[None]
        low = self._sum(lo, plus) + self._sum(hi, minus) + bias
        high = self._sum(hi, plus) + self._sum(lo, minus) + bias
        shape = (*counts, self.weights.shape[-1])
        return TensorType(shape, low[0], high[0], fractions(self.scale, shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """The convolution of every sample."""
        (x,) = sources
        counts = self._counts(x.shape[1:])
        each = int(np.prod((*counts, *self.weights.shape[:-2], x.shape[-1]), dtype=np.int64))
        step = max(1, _CHUNK // max(each, 1))
        parts = [self._sum(x[i : i + step], self.weights) for i in range(0, len(x), step)]
        if not parts:
            return np.zeros((0, *counts, self.weights.shape[-1]), dtype=x.dtype)
        result: IntArray = np.concatenate(parts) + self.bias.astype(x.dtype)
        return result

    def peak(self, *sources: TensorType) -> int:
        """The sum of all magnitudes, so that no order of summation overflows."""
        (x,) = sources
        ends = np.maximum(abs(x.lo), abs(x.hi))[None]
        bias = abs(exact(self.bias, self.bias.shape))
        return int((self._sum(ends, abs(self.weights)) + bias).max())

    def _counts(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        *window, channels, filters = self.weights.shape
        counts = window_shape(shape, tuple(window), self.strides, self.padding, self.dilation)
        fits = self.groups >= 1 and shape[-1] == channels * self.groups
        if not fits or filters % self.groups or self.bias.shape != (filters,):
            raise IRError(
                f"{self.name}: weights {self.weights.shape} in {self.groups} groups meet a "
                f"tensor {shape}"
            )
        return counts

    def _sum(self, x: IntArray, weights: IntArray) -> IntArray:
        """The sums without the bias, for a batch."""
        *window, channels, filters = weights.shape
        seen = windows(x, tuple(window), self.strides, self.padding, self.dilation, 0)
        places, each = seen.shape[: len(window) + 1], filters // self.groups
        parts = []
        for g in range(self.groups):
            part = seen[..., g * channels : (g + 1) * channels].reshape(*places, -1)
            part_weights = weights[..., g * each : (g + 1) * each].reshape(-1, each)
            parts.append(exact_product(part, part_weights))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Layer):
    """The largest element or the sum of every window, for each channel; padding is not counted.

    The elements of a window need one scale, which the result keeps.
    """

    kind: ClassVar[str] = "pool"

    pool: PoolKind
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The largest, or the sums, of the ends."""
        (x,) = sources
        lo, hi = self.evaluate(x.lo[None])[0], self.evaluate(x.hi[None])[0]
        return TensorType(lo.shape, lo, hi, self._scale(x))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """max or sum over each window"""
        (x,) = sources
        axes = tuple(range(len(self.window) + 1, 2 * len(self.window) + 1))
        if self.pool == "sum":
            result: IntArray = self._windows(x, 0).sum(axis=axes)
            return result
        # Below every element, so that padding is never the largest.
        lowest = x.min() if x.size else 0
        largest: IntArray = self._windows(x, lowest).max(axis=axes)
        return largest

    def peak(self, *sources: TensorType) -> int:
        """The sum of the magnitudes of a window."""
        (x,) = sources
        most = max(abs(x.hull.lo), abs(x.hull.hi))
        return most * int(np.prod(self.window, dtype=np.int64))

    def __post_init__(self) -> None:
        if self.pool not in ("max", "sum"):
            raise IRError(f"{self.name}: no pooling {self.pool!r}")
        pairs = zip(self.padding, self.window, strict=False)
        if any(max(ends) >= k for ends, k in pairs):
            raise IRError(f"{self.name}: a window would lie in the padding {self.padding}")

    def _windows(self, x: IntArray, fill: int) -> IntArray:
        ones = (1,) * len(self.window)
        return windows(x, self.window, self.strides, self.padding, ones, fill)

    def _scale(self, x: TensorType) -> FractionArray:
        first = x.scale.ravel()[0]
        axes = len(self.window)
        if (x.scale == first).all():
            return fractions(
                first, (*self._windows(x.lo[None], 0).shape[1 : axes + 1], x.shape[-1])
            )
        seen = self._windows(x.scale[None], 0)[0]
        flat = seen.reshape(*seen.shape[:axes], -1, x.shape[-1])
        scale: FractionArray = flat.max(axis=axes)
        if ((flat != scale[..., None, :]) & (flat != 0)).any():
            raise IRError(f"{self.name}: the elements of a window have different scales")
        return scale


@dataclass(frozen=True, slots=True, eq=False)
class Gather(Layer):
    """y.flat[k] = x.flat[indices.flat[k]], or `fill` where the index is -1.

    The result has the shape of `indices`. A filled element has the scale of the first gathered one.
    """

    kind: ClassVar[str] = "gather"

    indices: IntArray
    fill: int

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The types of the gathered elements."""
        (x,) = sources
        taken = self.indices[self.indices >= 0]
        if not self.indices.size or self.indices.min() < -1 or self.indices.max() >= x.size:
            raise IRError(f"{self.name}: an index lies outside a tensor {x.shape}")
        lo, hi = (self.evaluate(end[None])[0] for end in (x.lo, x.hi))
        scale = x.scale.ravel()[self.indices.astype(np.int64)]
        scale[self.indices < 0] = x.scale.ravel()[int(taken[0]) if len(taken) else 0]
        return TensorType(self.indices.shape, lo, hi, scale)

    def evaluate(self, *sources: IntArray) -> IntArray:
        """x.flat[indices]"""
        (x,) = sources
        gathered: IntArray = x.reshape(len(x), -1)[:, self.indices.astype(np.int64)]
        gathered[:, self.indices < 0] = self.fill
        return gathered
