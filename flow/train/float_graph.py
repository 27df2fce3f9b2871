"""A graph of differentiable layers over numpy arrays: values, and gradients by back-propagation.

Every operation takes real and complex arrays alike, so that the derivative of a gradient comes of
one complex step (Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real
Functions", SIAM Review 40(1), 1998): what branches looks at the real part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flow.ir.windows import window_shape

Array = NDArray[Any]
Parameters = Mapping[str, tuple[Array, Array]]
"""Kernel and bias of each layer with weights, by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A layer without weights: `value` of its sources, and `pull` of a gradient back to them."""

    name: str
    sources: tuple[str, ...]

    def value(self, *xs: Array) -> Array:
        """The result (samples, *shape)."""
        raise NotImplementedError

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient by each source, from that by the result."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Weighted(Op):
    """A layer with a kernel and a bias."""

    def apply(self, x: Array, kernel: Array, bias: Array) -> Array:
        """The result (samples, *shape)."""
        raise NotImplementedError

    def pull_all(self, x: Array, kernel: Array, g: Array) -> tuple[Array, Array, Array]:
        """The gradients by x, kernel and bias."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Weighted):
    """x @ kernel + bias"""

    def apply(self, x: Array, kernel: Array, bias: Array) -> Array:
        """The product."""
        result: Array = x @ kernel + bias
        return result

    def pull_all(self, x: Array, kernel: Array, g: Array) -> tuple[Array, Array, Array]:
        """The gradients by x, kernel and bias."""
        flat, rows = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
        return g @ kernel.T, rows.T @ flat, flat.sum(axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Weighted):
    """A convolution of (samples, *positions, channels), as `ir.spatial.Conv` defines it."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def apply(self, x: Array, kernel: Array, bias: Array) -> Array:
        """The sum over the taps of the window."""
        padded = np.pad(x, ((0, 0), *self.padding, (0, 0)))
        parts = [
            self._product(padded[places], kernel[tap]) for tap, places in self._taps(x, kernel)
        ]
        result: Array = sum(parts[1:], start=parts[0]) + bias
        return result

    def pull_all(self, x: Array, kernel: Array, g: Array) -> tuple[Array, Array, Array]:
        """The gradients by x, kernel and bias."""
        padded = np.pad(x, ((0, 0), *self.padding, (0, 0)))
        kind = np.result_type(x, g, kernel)
        gx, gk = np.zeros(padded.shape, kind), np.empty(kernel.shape, kind)
        for tap, places in self._taps(x, kernel):
            seen = padded[places]
            if self.groups == 1:
                gk[tap] = seen.reshape(-1, seen.shape[-1]).T @ g.reshape(-1, g.shape[-1])
                gx[places] += g @ kernel[tap].T
                continue
            apart, taken = self._grouped(seen), self._grouped(g)
            own = apart.transpose(0, 2, 1) @ taken
            gk[tap] = own.transpose(1, 0, 2).reshape(kernel[tap].shape)
            back = taken @ self._spread(kernel[tap]).transpose(0, 2, 1)
            gx[places] += back.transpose(1, 0, 2).reshape(seen.shape)
        inner = (
            slice(before, before + n)
            for (before, _), n in zip(self.padding, x.shape[1:-1], strict=True)
        )
        return gx[(slice(None), *inner)], gk, g.reshape(-1, g.shape[-1]).sum(axis=0)

    def _taps(self, x: Array, kernel: Array) -> list[tuple[tuple[int, ...], tuple[slice, ...]]]:
        window = kernel.shape[:-2]
        counts = window_shape(x.shape[1:], window, self.strides, self.padding, self.dilation)
        found = []
        for tap in product(*map(range, window)):
            starts = [t * d for t, d in zip(tap, self.dilation, strict=True)]
            places = (
                slice(start, start + (n - 1) * s + 1, s)
                for start, n, s in zip(starts, counts, self.strides, strict=True)
            )
            found.append((tap, (slice(None), *places)))
        return found

    def _product(self, x: Array, kernel: Array) -> Array:
        if self.groups == 1:
            result: Array = x @ kernel
            return result
        sums = self._grouped(x) @ self._spread(kernel)
        return np.asarray(sums.transpose(1, 0, 2).reshape(*x.shape[:-1], kernel.shape[-1]))

    def _grouped(self, x: Array) -> Array:
        """(groups, samples and positions, channels of a group)"""
        return x.reshape(-1, self.groups, x.shape[-1] // self.groups).transpose(1, 0, 2)

    def _spread(self, kernel: Array) -> Array:
        """(groups, channels, filters of a group)"""
        return kernel.reshape(len(kernel), self.groups, -1).transpose(1, 0, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Relu(Op):
    """max(x, 0) and slope * min(x, 0); not above `top`, if there is one."""

    slope: float = 0.0
    top: float | None = None

    def value(self, *xs: Array) -> Array:
        """The result, of the same shape."""
        (x,) = xs
        y = np.where(x.real > 0, x, self.slope * x)
        return y if self.top is None else np.where(y.real < self.top, y, self.top)

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient where the line is straight."""
        x = xs[0].real
        factor = np.where(x > 0, 1.0, self.slope)
        return (g * (factor if self.top is None else np.where(x < self.top, factor, 0.0)),)


@dataclass(frozen=True, slots=True, eq=False)
class Smooth(Op):
    """tanh, or the logistic function."""

    function: Literal["tanh", "sigmoid"]

    def value(self, *xs: Array) -> Array:
        """The result, of the same shape."""
        (x,) = xs
        result: Array = np.tanh(x) if self.function == "tanh" else 0.5 * (1 + np.tanh(x / 2))
        return result

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient, from the result."""
        return (g * ((1 - y * y) if self.function == "tanh" else y * (1 - y)),)


@dataclass(frozen=True, slots=True, eq=False)
class Scale(Op):
    """x * multiplier + offset, broadcast from the last axis; nothing learns here."""

    multiplier: Array
    offset: Array

    def value(self, *xs: Array) -> Array:
        """The result, of the same shape."""
        result: Array = xs[0] * self.multiplier + self.offset
        return result

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient times the multiplier."""
        return (g * self.multiplier,)


@dataclass(frozen=True, slots=True, eq=False)
class Round(Op):
    """Integers in [lo, hi] times a step; gradients pass as if only [lo, hi] were there.

    The straight-through estimator of Bengio et al. 2013, arXiv 1308.3432. With `floor` it rounds
    down, else to the nearest.
    """

    step: Array
    lo: Array
    hi: Array
    floor: bool = False

    def value(self, *xs: Array) -> Array:
        """The result, of the same shape."""
        whole = xs[0] / self.step
        whole = np.floor(whole) if self.floor else np.rint(whole)
        result: Array = np.clip(whole, self.lo, self.hi) * self.step
        return result

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient where nothing saturates."""
        whole = xs[0] / self.step
        return (g * ((whole >= self.lo) & (whole <= self.hi + 1)),)


@dataclass(frozen=True, slots=True, eq=False)
class Select(Op):
    """y.flat[k] = x.flat[indices.flat[k]], 0 where the index is -1; with `pool`, its last axis
    is a window of which the largest or the mean is taken."""

    indices: NDArray[np.int64]
    pool: Literal["none", "max", "average", "sum"] = "none"
    counts: Array | None = None

    def value(self, *xs: Array) -> Array:
        """The elements, or what the pooling makes of them."""
        seen = self._seen(xs[0])
        match self.pool:
            case "max":
                at = self._winner(seen)
                return np.asarray(np.take_along_axis(seen, at, axis=-1)[..., 0])
            case "average":
                return np.asarray(seen.sum(axis=-1) / self.counts)
            case "sum":
                return np.asarray(seen.sum(axis=-1))
            case _:
                return seen

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient, added where several elements read one."""
        x = xs[0]
        indices = self.indices
        if self.pool == "max":
            at = self._winner(self._seen(x))
            rows = np.broadcast_to(indices, (len(x), *indices.shape))
            taken = np.take_along_axis(rows, at, axis=-1)[..., 0].reshape(len(x), -1)
            flat = np.zeros((len(x), x[0].size), dtype=g.dtype)
            np.add.at(flat, (np.arange(len(x))[:, None], taken), g.reshape(len(x), -1))
            return (flat.reshape(x.shape),)
        if self.pool != "none":
            g = (g / self.counts if self.pool == "average" else g)[..., None]
        wide = np.broadcast_to(g, (len(x), *indices.shape)).reshape(len(x), -1)
        known = indices.reshape(-1) >= 0
        columns = np.zeros((x[0].size, len(x)), dtype=g.dtype)
        np.add.at(columns, indices.reshape(-1)[known], wide[:, known].T)
        return (columns.T.reshape(x.shape),)

    def _seen(self, x: Array) -> Array:
        seen = x.reshape(len(x), -1)[:, self.indices]
        return np.where(self.indices >= 0, seen, -np.inf if self.pool == "max" else 0.0)

    def _winner(self, seen: Array) -> Array:
        return np.asarray(np.argmax(seen.real, axis=-1)[..., None])


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Op):
    """The same elements in another shape."""

    shape: tuple[int, ...]

    def value(self, *xs: Array) -> Array:
        """The elements (samples, *shape)."""
        return xs[0].reshape(len(xs[0]), *self.shape)

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient in the old shape."""
        return (g.reshape(xs[0].shape),)


@dataclass(frozen=True, slots=True, eq=False)
class Add(Op):
    """The sum of its sources."""

    def value(self, *xs: Array) -> Array:
        """The sum."""
        return np.asarray(sum(xs[1:], start=xs[0]))

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The gradient, for each."""
        return (g,) * len(xs)


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Op):
    """Its sources one after the other along an axis, the batch counted."""

    axis: int

    def value(self, *xs: Array) -> Array:
        """The joined array."""
        return np.concatenate(xs, axis=self.axis)

    def pull(self, xs: Sequence[Array], y: Array, g: Array) -> tuple[Array, ...]:
        """The part of each."""
        ends = np.cumsum([x.shape[self.axis] for x in xs])[:-1]
        return tuple(np.split(g, ends, axis=self.axis))


@dataclass(frozen=True, slots=True, eq=False)
class FloatGraph:
    """Operations in topological order, the inputs by name first; `output` is what it gives."""

    inputs: tuple[str, ...]
    ops: tuple[Op, ...]
    output: str

    def values(
        self, inputs: Mapping[str, Array], weights: Parameters, add: Mapping[str, Array] = {}
    ) -> dict[str, Array]:
        """The result of every operation; `add` is added to the results of those names."""
        known = {name: x + add[name] if name in add else x for name, x in inputs.items()}
        for op in self.ops:
            xs = [known[s] for s in op.sources]
            y = op.apply(xs[0], *weights[op.name]) if isinstance(op, Weighted) else op.value(*xs)
            known[op.name] = y + add[op.name] if op.name in add else y
        return known

    def gradients(
        self, known: Mapping[str, Array], weights: Parameters, g: Array
    ) -> tuple[dict[str, tuple[Array, Array]], dict[str, Array]]:
        """The gradients by kernels and biases, and by every result, from that by the output."""
        results: dict[str, Array] = {self.output: g}
        found: dict[str, tuple[Array, Array]] = {}
        for op in reversed(self.ops):
            if op.name not in results:
                continue
            y, back = known[op.name], results[op.name]
            xs = [known[s] for s in op.sources]
            if isinstance(op, Weighted):
                gx, kernel, bias = op.pull_all(xs[0], weights[op.name][0], back)
                found[op.name] = kernel, bias
                parts: tuple[Array, ...] = (gx,)
            else:
                parts = op.pull(xs, y, back)
            for source, part in zip(op.sources, parts, strict=True):
                results[source] = results[source] + part if source in results else part
        return found, results
