"""Keras layers that move elements: flatten, reshape, permute, repeat, upsample, pad and crop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flow.frontend.files import guards
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, laid, misfit, moved, places
from flow.frontend.keras.steps import Obstacle, Step
from flow.ir.tensor import IntArray

Move = Callable[[IntArray, Site], IntArray]
"""Flat indices of a tensor -> the same moved, -1 standing for zero."""


def move(change: Move) -> Build:
    """A layer that moves elements."""

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        indices = change(places(shape), site)
        return laid(site, moved(indices, shape), indices.shape)

    return build


def first_to_last(shape: Shape) -> tuple[tuple[Step, ...], Shape]:
    """Channels from the first axis to the last, and the new shape."""
    indices = np.moveaxis(places(shape), 0, -1)
    return moved(indices, shape), indices.shape


def last_to_first(shape: Shape) -> tuple[tuple[Step, ...], Shape]:
    """Channels from the last axis to the first, and the new shape."""
    indices = np.moveaxis(places(shape), -1, 0)
    return moved(indices, shape), indices.shape


def channels_first(settings: Settings) -> bool:
    """Whether the layer has its channels before its positions."""
    value = settings.get("data_format")
    if value not in (None, "channels_last", "channels_first"):
        raise Obstacle(f"data_format={value!r}; use 'channels_last'")
    return bool(value == "channels_first")


def plan_flatten(settings: Settings) -> Build:
    """Flatten, in row-major order with the channels last."""
    settings.allow("data_format")
    first = channels_first(settings)

    def change(x: IntArray, site: Site) -> IntArray:
        return (np.moveaxis(x, 0, -1) if first and x.ndim > 1 else x).reshape(-1)

    return move(change)


def plan_reshape(settings: Settings) -> Build:
    """Reshape; one size may be -1."""
    settings.allow("target_shape")
    target = settings.get("target_shape")
    if not isinstance(target, list) or not all(type(size) is int for size in target):
        raise Obstacle(f"target_shape={target!r}; give a list of integers")
    return move(lambda x, site: x.reshape(reshaped(site.shapes[0], target, site)))


def reshaped(shape: Shape, target: list[int] | tuple[int, ...], site: Site) -> Shape:
    """The target with its -1 worked out; UsageError where the elements do not fit."""
    elements, known = math.prod(shape), math.prod(s for s in target if s != -1)
    sizes = [elements // known if s == -1 and known > 0 else s for s in target]
    if list(target).count(-1) > 1 or min(sizes, default=1) < 1 or math.prod(sizes) != elements:
        raise misfit(f"{list(shape)} does not reshape to {list(target)}", site)
    return tuple(sizes)


def plan_permute(settings: Settings) -> Build:
    """Permute: axis i of the result is axis dims[i], counted from 1."""
    settings.allow("dims")
    dims = settings.get("dims")
    if not isinstance(dims, list) or sorted(map(str, dims)) != sorted(
        str(i + 1) for i in range(len(dims))
    ):
        raise Obstacle(f"dims={dims!r}; give each axis from 1 once")

    def change(x: IntArray, site: Site) -> IntArray:
        if len(dims) != x.ndim:
            raise misfit(f"dims={dims} for a tensor of shape {list(x.shape)}", site)
        return x.transpose([d - 1 for d in dims])

    return move(change)


def plan_repeat_vector(settings: Settings) -> Build:
    """RepeatVector: (features,) -> (n, features)."""
    settings.allow("n")
    count = settings.whole("n", 1, 1 << 16)

    def change(x: IntArray, site: Site) -> IntArray:
        return np.broadcast_to(x, guards.check_shape((count, *x.shape), site.place))

    return move(change)


def plan_upsampling(settings: Settings) -> Build:
    """UpSampling1D, 2D and 3D by repetition."""
    settings.allow("size", "data_format", "interpolation")
    rank = rank_of(settings.kind)
    if settings.get("interpolation", "nearest") != "nearest":
        raise Obstacle(f"interpolation={settings.get('interpolation')!r}; use 'nearest'")
    factors = sizes(settings, "size", rank, 2)

    def change(x: IntArray, site: Site) -> IntArray:
        guards.check_shape((*x.shape, *factors), site.place)
        for axis, factor in enumerate(factors):
            x = np.repeat(x, factor, axis=axis)
        return x

    return _spatial(settings, rank, change)


def plan_zero_padding(settings: Settings) -> Build:
    """ZeroPadding1D, 2D and 3D."""
    settings.allow("padding", "data_format")
    rank = rank_of(settings.kind)
    margins = _margins(settings, "padding", rank)

    def change(x: IntArray, site: Site) -> IntArray:
        return padded(x, (*margins, (0, 0)), site)

    return _spatial(settings, rank, change)


def padded(x: IntArray, margins: tuple[tuple[int, int], ...], site: Site) -> IntArray:
    """The indices with -1 before and after each axis."""
    whole = tuple(n + a + b for n, (a, b) in zip(x.shape, margins, strict=True))
    guards.check_shape(whole, site.place)
    return np.pad(x, margins, constant_values=-1)


def plan_cropping(settings: Settings) -> Build:
    """Cropping1D, 2D and 3D."""
    settings.allow("cropping", "data_format")
    rank = rank_of(settings.kind)
    margins = _margins(settings, "cropping", rank)

    def change(x: IntArray, site: Site) -> IntArray:
        return x[tuple(slice(a, n - b) for (a, b), n in zip(margins, x.shape, strict=False))]

    return _spatial(settings, rank, change)


def plan_center_crop(settings: Settings) -> Build:
    """CenterCrop of a tensor that is no smaller than the window."""
    settings.allow("height", "width", "data_format")
    window = settings.whole("height", 1, 1 << 16), settings.whole("width", 1, 1 << 16)

    def change(x: IntArray, site: Site) -> IntArray:
        starts = [(n - wanted) // 2 for wanted, n in zip(window, x.shape, strict=False)]
        if min(starts) < 0:
            raise Obstacle(
                f"a crop of {list(x.shape[:2])} to {list(window)}, which resizes; give whole images"
            )
        return x[tuple(slice(a, a + n) for a, n in zip(starts, window, strict=True))]

    return _spatial(settings, 2, change)


def rank_of(kind: str) -> int:
    """How many axes of positions a class has, by the digit in its name."""
    return next(int(c) for c in kind if c in "123")


def sizes(settings: Settings, key: str, rank: int, default: Any) -> tuple[int, ...]:
    """A positive integer for each axis, given as one or as a list."""
    value = settings.get(key)
    value = default if value is None else value
    values = value if isinstance(value, list | tuple) else [value] * rank
    if len(values) == 1:
        values = list(values) * rank
    if len(values) != rank or not all(type(v) is int and 0 < v < 1 << 16 for v in values):
        raise Obstacle(f"{key}={value!r}; give a positive integer for each of the {rank} axes")
    return tuple(values)


def _spatial(settings: Settings, rank: int, change: Move) -> Build:
    """A move of positions, of either order of the channels."""
    first = channels_first(settings)

    def whole(x: IntArray, site: Site) -> IntArray:
        if x.ndim != rank + 1:
            raise misfit(f"a tensor of shape {list(x.shape)} has not {rank + 1} axes", site)
        y = change(np.moveaxis(x, 0, -1) if first else x, site)
        if not y.size:
            raise misfit(f"nothing is left of a tensor of shape {list(x.shape)}", site)
        return np.moveaxis(y, -1, 0) if first else y

    return move(whole)


def _margins(settings: Settings, key: str, rank: int) -> tuple[tuple[int, int], ...]:
    """Numbers before and after each axis: one, one an axis, or a pair an axis."""
    value = settings.get(key, 1)
    values = value if isinstance(value, list) else [value] * rank
    if rank == 1 and len(values) == 2 and all(type(v) is int for v in values):
        values = [values]
    pairs = [v if isinstance(v, list) else [v, v] for v in values]
    good = all(len(p) == 2 and all(type(n) is int and 0 <= n < 1 << 16 for n in p) for p in pairs)
    if len(pairs) != rank or not good:
        raise Obstacle(f"{key}={value!r}; give two numbers for each of the {rank} axes")
    return tuple((p[0], p[1]) for p in pairs)
