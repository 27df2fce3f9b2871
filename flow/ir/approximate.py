"""The approximate layers: sums of masked products, and a tournament on some bits of its values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from flow.errors import IRError
from flow.ir.layer import Layer
from flow.ir.tensor import FractionArray, IntArray, TensorType, exact, fractions

Rounds = tuple[tuple[int, int, int], ...]
"""Comparators of a tournament: the places of its left and its right value, and a mask."""

LIMIT = 1 << 62
"""What every mask lies below."""

TRIED = 4096
"""Values of an input up to which truncated products are tried one by one for their interval."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskedDense(Layer):
    """y[..., j] = bias[j] + sum over i of sign(w) * ((|w| * (x[..., i] & mask)) & keep)

    `weights`, `masks` and `keep` have the shape (inputs, outputs); x and masks are never
    negative; keep is -1 (every bit) or not negative.
    """

    kind: ClassVar[str] = "masked_dense"

    weights: IntArray
    masks: IntArray
    keep: IntArray
    bias: IntArray
    scale: FractionArray

    def infer_type(self, *sources: TensorType) -> TensorType:
        """The exact hull of every output.

        A bound where a truncated product by no power of two has an input of more than `TRIED`
        values.
        """
        (x,) = sources
        self._check(x)
        shape = (*x.shape[:-1], self.weights.shape[1])
        rows = [
            self._ends(tuple(lo), tuple(hi))
            for lo, hi in zip(
                x.lo.reshape(-1, x.shape[-1]).tolist(),
                x.hi.reshape(-1, x.shape[-1]).tolist(),
                strict=True,
            )
        ]
        lo, hi = (exact(np.array(ends, dtype=object), (len(rows), shape[-1])).reshape(shape)
                  for ends in zip(*rows, strict=True))  # fmt: skip
        return TensorType(shape, lo, hi, fractions(self.scale, shape))

    def _check(self, x: TensorType) -> None:
        if self.weights.ndim != 2 or not x.shape or x.shape[-1] != self.weights.shape[0]:
            raise IRError(f"{self.name}: weights {self.weights.shape} meet a tensor {x.shape}")
        if not self.weights.shape == self.masks.shape == self.keep.shape:
            raise IRError(
                f"{self.name}: weights {self.weights.shape} have masks {self.masks.shape} "
                f"and keep {self.keep.shape}"
            )
        if self.bias.shape != self.weights.shape[1:]:
            raise IRError(
                f"{self.name}: weights {self.weights.shape} have a bias {self.bias.shape}"
            )
        if (x.lo < 0).any():
            raise IRError(f"{self.name}: masks meet a value that may be negative")
        if (self.masks < 0).any() or (self.masks >= LIMIT).any():
            raise IRError(f"{self.name}: a mask lies outside [0, 2**62 - 1]")
        if (self.keep < -1).any() or (self.keep >= LIMIT).any():
            raise IRError(f"{self.name}: a field of kept bits lies outside [-1, 2**62 - 1]")

    def _ends(self, lo: tuple[int, ...], hi: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """The least and the largest sum for one row of inputs in their intervals."""
        size: IntArray = abs(self.weights)
        rising: IntArray = (self.keep == -1) | (size & (size - 1) == 0)
        tried = [
            _corners(a, b) if row.all() or b - a >= TRIED else tuple(range(a, b + 1))
            for a, b, row in zip(lo, hi, rising, strict=True)
        ]
        longest = max(map(len, tried))
        x = np.array([row + row[:1] * (longest - len(row)) for row in tried], dtype=object)
        peak = max(hi, default=0) * int(size.max(initial=0))
        if peak < LIMIT:
            x = x.astype(np.int64)
        product = self._product(x[:, :, None], slice(None), 1)  # (inputs, tried, outputs)
        low, high = product.min(axis=1), product.max(axis=1)
        loose = ~rising & (np.array([b - a >= TRIED for a, b in zip(lo, hi, strict=True)])[:, None])
        if loose.any():
            # (|w| x) & keep is at most both; x & mask at most hi.
            most = np.minimum(size.astype(object) * np.array(hi, dtype=object)[:, None], self.keep)
            low, high = np.where(loose, 0, low), np.where(loose, most, high)
        minus = self.weights < 0
        least = np.where(minus, -high, low).astype(object).sum(axis=0)
        most = np.where(minus, -low, high).astype(object).sum(axis=0)
        bias = exact(self.bias, self.bias.shape)
        return (least + bias).tolist(), (most + bias).tolist()

    def _product(self, x: IntArray, outputs: slice | int, axis: int | None = None) -> IntArray:
        """(|w| * (x & mask)) & keep, the parameters broadcast against x."""
        parts = (abs(self.weights[:, outputs]), self.masks[:, outputs], self.keep[:, outputs])
        if axis is not None:
            parts = tuple(np.expand_dims(part, axis) for part in parts)  # type: ignore[assignment]
        size, mask, keep = (part.astype(x.dtype) for part in parts)
        result: IntArray = ((x & mask) * size) & keep
        return result

    def evaluate(self, *sources: IntArray) -> IntArray:
        """bias + sum of the masked, truncated products"""
        (x,) = sources
        sums = [
            (self._product(x, j) * np.sign(self.weights[:, j]).astype(x.dtype)).sum(axis=-1)
            for j in range(self.weights.shape[1])
        ]
        result: IntArray = np.stack(sums, axis=-1) + self.bias.astype(x.dtype)
        return result

    def peak(self, *sources: TensorType) -> int:
        """The sum of all magnitudes, so that no order of summation overflows."""
        (x,) = sources
        size = exact(abs(self.weights), self.weights.shape)
        rows = x.hi.reshape(-1, x.shape[-1]).dot(size) + abs(exact(self.bias, self.bias.shape))
        return int(rows.max())


@cache
def _corners(lo: int, hi: int) -> tuple[int, ...]:
    """Values among which, for every mask, x & mask is least and largest over [lo, hi].

    A value below hi leaves it at a one, and may have all ones after it; one above lo leaves it
    at a zero, and may have all zeros after it.
    """
    found = [lo, hi]
    for i in range(hi.bit_length()):
        if hi >> i & 1 and (below := (hi >> i << i) - 1) >= lo:
            found.append(below)
        if not lo >> i & 1 and (above := (lo >> i | 1) << i) <= hi:
            found.append(above)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, eq=False)
class Tournament(Layer):
    """The index of the winner of a tournament over the last axis: an approximate argmax.

    Elements have the places 0 to n-1, the winner of comparator c has the place n+c. The left one
    wins where (left & mask) >= (right & mask), with the bits of two's complement; a negative mask
    has the sign in it. The last winner's index is the answer; 0 of one element alone.
    """

    kind: ClassVar[str] = "tournament"

    rounds: Rounds

    @property
    def decides(self) -> bool:
        """An index it is."""
        return True

    def infer_type(self, *sources: TensorType) -> TensorType:
        """From the lowest to the highest index that reaches the last comparator."""
        (x,) = sources
        if not x.shape or (x.scale != x.scale.ravel()[0]).any():
            raise IRError(f"{self.name}: the elements have different scales")
        count = x.shape[-1]
        if not self.rounds and count > 1:
            raise IRError(f"{self.name}: {count} elements meet no comparator")
        spans = [(i, i) for i in range(count)]
        for c, (left, right, mask) in enumerate(self.rounds):
            if not (0 <= left < count + c and 0 <= right < count + c):
                raise IRError(f"{self.name}: comparator {c} reads a place that comes later")
            if not -LIMIT <= mask < LIMIT:
                raise IRError(f"{self.name}: a mask lies outside [-2**62, 2**62 - 1]")
            lowest, highest = zip(spans[left], spans[right], strict=True)
            spans.append((min(lowest), max(highest)) if mask else spans[left])
        shape = x.shape[:-1] or (1,)
        lo, hi = spans[-1]
        return TensorType(shape, exact(lo, shape), exact(hi, shape), fractions(1, shape))

    def evaluate(self, *sources: IntArray) -> IntArray:
        """The index that the last comparator lets pass."""
        (x,) = sources
        values = [x[..., i] for i in range(x.shape[-1])]
        indices = [np.full_like(value, i) for i, value in enumerate(values)]
        for left, right, mask in self.rounds:
            a, b = values[left], values[right]
            stays = (a & mask) >= (b & mask)
            values.append(np.where(stays, a, b))
            indices.append(np.where(stays, indices[left], indices[right]))
        index = indices[-1]
        result: IntArray = (index if index.ndim > 1 else index[:, None]).astype(x.dtype)
        return result


def exact_rounds(count: int) -> Rounds:
    """The rounds of the exact argmax, neighbours first; the lowest index of equals wins."""
    places, rounds = list(range(count)), list[tuple[int, int, int]]()
    while len(places) > 1:
        winners = []
        for i in range(0, len(places) - 1, 2):
            winners.append(count + len(rounds))
            rounds.append((places[i], places[i + 1], -1))
        places = winners + places[len(winners) * 2 :]
    return tuple(rounds)
