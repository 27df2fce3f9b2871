"""Tensors of an ONNX graph as views of the layers that hold them: axes, arrangements, sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import FractionArray, IntArray

BATCH = -(1 << 40)
"""Stands for the unknown batch in the result of Shape."""

MAX_ELEMENTS = 1 << 24
"""Of one constant, of one tensor, and of all weights together."""


class Obstacle(Exception):
    """One thing of the model that cannot be represented; collected, then told all at once."""


class Exhausted(Obstacle):
    """The obstacle behind which no more of the file is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A known array; `step` where a quantiser has made it, broadcast from the last axis."""

    values: NDArray[Any]
    step: FractionArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """How integers of QuantizeLinear stand for reals: integer = real / step + zero.

    `step` and `zero` broadcast to (batch, *shape) of the tensor; the integers lie in [lo, hi].
    """

    step: NDArray[Any]
    zero: NDArray[Any]
    lo: int
    hi: int


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A tensor that depends on the inputs.

    `shape` is that of the ONNX tensor without the batch, `built` that of the layer `layer`.
    Element k of the tensor is the layer's element view.flat[k], or `fill` where that is -1; with
    no view they are the same in row-major order. So what only moves elements costs nothing until
    a layer needs it, and two permutations that cancel leave no trace. With a `code`, the tensor
    holds integers and the layer the reals that they stand for.
    """

    layer: str
    built: tuple[int, ...]
    shape: tuple[int, ...]
    integer: bool = False
    view: IntArray | None = None
    fill: float = 0.0
    code: Code | None = None

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return math.prod(self.shape)


class Unknown:
    """A tensor that could not be represented; its obstacle has been noted."""


Value = Constant | Variable | Unknown


def indices(x: Variable) -> IntArray:
    """For each element of the tensor its place in the layer, or -1."""
    return np.arange(x.size).reshape(x.shape) if x.view is None else x.view


def is_plain(view: IntArray, built: tuple[int, ...]) -> bool:
    """Whether the view shows every element of the layer once, in order."""
    flat = view.reshape(-1)
    return flat.size == math.prod(built) and bool((flat == np.arange(flat.size)).all())


def is_onto(x: Variable) -> bool:
    """Whether the tensor shows every element of its layer once."""
    if x.view is None:
        return True
    size = math.prod(x.built)
    if x.view.size != size or x.view.min(initial=0) < 0:
        return False
    return bool((np.bincount(x.view.reshape(-1), minlength=size) == 1).all())


def seen(x: Variable, view: IntArray, fill: float | None = None) -> Variable:
    """The tensor of this view on the layer of x."""
    plain = is_plain(view, x.built)
    return Variable(
        x.layer, x.built, view.shape, x.integer, None if plain else view,
        x.fill if fill is None else fill, x.code,
    )  # fmt: skip


def natural_order(x: Variable) -> tuple[int, ...]:
    """The axes of the tensor in the order in which the layer holds them, slowest first."""
    view = indices(x)
    strides: list[float] = []
    for axis in range(view.ndim):
        along_axis = np.moveaxis(view, axis, 0)
        before, after = along_axis[:-1], along_axis[1:]
        steps = np.abs(after - before)[(before >= 0) & (after >= 0)]
        strides.append(float(steps.min(where=steps > 0, initial=1 << 62)))
    return tuple(sorted(range(view.ndim), key=lambda a: -strides[a]))


def along(array: NDArray[Any], x: Variable) -> NDArray[Any]:
    """An array that broadcasts to the tensor as one that broadcasts to its layer.

    `x` shows each element of its layer once.
    """
    if array.size == 1:
        return array.reshape(())
    places = np.broadcast_to(np.arange(array.size).reshape(array.shape), x.shape)
    if x.view is not None:
        turned = np.empty(x.size, dtype=np.int64)
        turned[x.view.reshape(-1)] = places.reshape(-1)
        places = turned
    return np.asarray(array.reshape(-1)[folded_axes(places.reshape(x.built))])


def folded_axes(array: NDArray[Any]) -> NDArray[Any]:
    """The array with one element along each axis on which it does not change, none leading."""
    for axis in range(array.ndim):
        first = np.take(array, [0], axis=axis)
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    lead = next((i for i, n in enumerate(array.shape) if n != 1), array.ndim)
    return array.reshape(array.shape[lead:])


def without_batch(
    array: NDArray[Any], shape: tuple[int, ...], batch: int | None = None
) -> NDArray[Any]:
    """The array without the batch axis, where it broadcasts with (batch, *shape)."""
    full = array
    over = array.ndim - len(shape)
    if over > 0 and array.shape[0] == 1 and (over == 1 or batch == 1):
        full = array[0]
    if full.ndim <= len(shape) or (over > 1 and batch == 1):
        try:
            np.broadcast_shapes(full.shape, shape)
        except ValueError:
            pass
        else:
            return full
    raise Obstacle(
        f"a constant of the shape {list(array.shape)} meets a tensor of the shape "
        f"{['batch', *shape]}"
    )


def checked_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, if a tensor of that shape may be held."""
    if math.prod(shape) > MAX_ELEMENTS:
        raise Obstacle(f"a tensor of the shape {list(shape)} is too large")
    return shape
