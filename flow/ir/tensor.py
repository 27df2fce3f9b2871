"""Integer tensors of a Network: shape, interval per element, and scale at the edges."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.interval import IntRange

IntArray = NDArray[Any]
"""Integers: int64, or Python integers (dtype object) where 62 bits are too few."""

FractionArray = NDArray[Any]
"""Exact rationals, dtype object."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorType:
    """Shape (without the batch), interval and scale of every element.

    `lo`, `hi` (Python integers) and `scale` (Fraction) are object arrays of the full shape. The
    real value of an element is `integer * scale`; only edges and reports use the scale.
    """

    shape: tuple[int, ...]
    lo: IntArray
    hi: IntArray
    scale: FractionArray

    def __post_init__(self) -> None:
        if any(a.shape != self.shape for a in (self.lo, self.hi, self.scale)):
            raise IRError(f"arrays of a tensor type do not have the shape {self.shape}")
        if (self.lo > self.hi).any():
            raise IRError("a tensor type holds an empty interval")

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def hull(self) -> IntRange:
        """The interval that covers every element."""
        return IntRange(int(self.lo.min()), int(self.hi.max()))

    def ranges(self) -> list[IntRange]:
        """The interval of each element, in row-major order."""
        pairs = zip(self.lo.ravel().tolist(), self.hi.ravel().tolist(), strict=True)
        return [IntRange(int(lo), int(hi)) for lo, hi in pairs]


def tensor_type(
    shape: tuple[int, ...],
    lo: int | IntArray,
    hi: int | IntArray,
    scale: Fraction | FractionArray = Fraction(1),
) -> TensorType:
    """A tensor type whose arguments are broadcast to the shape."""
    return TensorType(shape, exact(lo, shape), exact(hi, shape), fractions(scale, shape))


def exact(values: int | IntArray, shape: tuple[int, ...]) -> IntArray:
    """Python integers of the given shape, by broadcasting."""
    array = np.asarray(values)
    if array.dtype != object:
        if not np.issubdtype(array.dtype, np.integer):
            raise IRError(f"integers expected, not {array.dtype}")
        array = array.astype(object)
    return np.broadcast_to(array, shape).copy()


def fractions(values: Fraction | int | FractionArray, shape: tuple[int, ...]) -> FractionArray:
    """Exact rationals of the given shape, by broadcasting."""
    array: FractionArray = np.asarray(values, dtype=object)
    flat = [Fraction(v) for v in array.ravel().tolist()]
    exact_array: FractionArray = np.empty(len(flat), dtype=object)
    exact_array[:] = flat
    return np.broadcast_to(exact_array.reshape(array.shape), shape).copy()


def narrow(values: IntArray) -> IntArray:
    """The integers as int64 where all fit into 62 bits, else as Python integers."""
    if values.size and max(abs(int(values.min())), abs(int(values.max()))) >= 1 << 62:
        return values
    return values.astype(np.int64)


def compact(array: NDArray[Any]) -> NDArray[Any]:
    """The smallest shape, (), the last axis or the whole, that broadcasts to the array."""
    if array.size == 0 or array.ndim == 0:
        return array
    first = array.reshape(-1)[0]
    if (array == first).all():
        single: NDArray[Any] = np.empty((), dtype=array.dtype)
        single[()] = first
        return single
    last: NDArray[Any] = array.reshape(-1, array.shape[-1])[0]
    return last if (array == last).all() else array
