"""Pooling, gathering, joining and reshaping, carried over exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flow.frontend.exact.pending import Step, arrays, mapped, rising
from flow.frontend.exact.rational import arranged, full, rational, spread
from flow.frontend.exact.workbench import ZERO, Value, Workbench
from flow.frontend.float_layers import pool_counts
from flow.frontend.source import (
    SourceConcat,
    SourceGather,
    SourcePool,
    SourceReshape,
)
from flow.ir.layers import Concat, Gather, Pool, Reshape
from flow.ir.tensor import FractionArray, IntArray
from flow.ir.windows import windows


def pooled(bench: Workbench, layer: SourcePool) -> Value:
    """The pooled tensor; a maximum comes before functions that never fall."""
    return _largest(bench, layer) if layer.pool == "max" else _mean(bench, layer)


def _largest(bench: Workbench, layer: SourcePool) -> Value:
    source = layer.sources[0]
    value = bench.values[source]
    late = all(rising(s) and _by_channel(s) for s in value.steps)
    steps = value.steps if late else ()
    value = Value(value.layer, value.m, value.b) if late else bench.plain(source)
    value = bench.by_channel(source, value, comparable=True)
    labels = bench.types[value.layer].scale
    if not _even(labels):
        value = bench.rescaled(source, value, value.m, value.b, labelled=True)
    name = _emit(bench, layer, value, "max")
    return Value(name, value.m, value.b, steps)


def _mean(bench: Workbench, layer: SourcePool) -> Value:
    source = layer.sources[0]
    value = bench.by_channel(source, bench.plain(source))
    shape = bench.shape(value)
    if not _even(bench.types[value.layer].scale):
        value = bench.rescaled(
            source, Value(value.layer, value.m, ZERO), value.m, value.b, labelled=True
        )
    b = value.b
    if b.any():
        ones = (1,) * len(layer.window)
        fill = Fraction(0)
        seen = windows(
            spread(b, shape)[None], layer.window, layer.strides, layer.padding, ones, fill
        )
        b = arranged(seen.sum(axis=tuple(range(len(ones) + 1, 2 * len(ones) + 1)))[0])
    name = _emit(bench, layer, value, "sum")
    if layer.pool == "sum":
        return Value(name, value.m, b)
    count = arranged(rational(pool_counts(layer, shape)))
    return Value(name, arranged(value.m / count), arranged(b / count))


def _emit(bench: Workbench, layer: SourcePool, value: Value, kind: str) -> str:
    return bench.emit(
        Pool(
            bench.names[layer.name], (value.layer,), layer.place,
            "max" if kind == "max" else "sum", layer.window, layer.strides, layer.padding,
        )
    )  # fmt: skip


def gathered(bench: Workbench, layer: SourceGather) -> Value:
    """The gathered elements; a filled one is an integer of the scale of its neighbours if the
    fill is one, else 0 with the fill as its offset."""
    source = layer.sources[0]
    filled = layer.indices < 0
    value = bench.plain(source) if filled.any() else bench.values[source]
    shape = bench.shape(value)
    taken = np.where(filled, _neighbours(layer.indices, shape), layer.indices).astype(np.int64)

    def take(numbers: FractionArray) -> FractionArray:
        if numbers.ndim == 0:
            return numbers
        return arranged(spread(numbers, shape).reshape(-1)[taken])

    m, b = take(value.m), take(value.b)
    fill = 0
    if filled.any():
        fill, b = _filled(Fraction(layer.fill), m, b, filled)
    indices = layer.indices.astype(np.int64)
    name = bench.emit(Gather(bench.names[layer.name], (value.layer,), layer.place, indices, fill))
    return Value(name, m, b, tuple(mapped(s, take) for s in value.steps))


def _neighbours(indices: IntArray, shape: tuple[int, ...]) -> IntArray:
    """For every element one of the source that a filled one is like: of the same channel."""
    if not shape or not indices.ndim or indices.shape[-1] != shape[-1]:
        return np.zeros_like(indices)
    return np.broadcast_to(np.arange(shape[-1]), indices.shape)


def _filled(
    fill: Fraction, m: FractionArray, b: FractionArray, filled: IntArray
) -> tuple[int, FractionArray]:
    """The integer of the filled elements, and the offsets with which they have the fill."""
    wanted = np.asarray(
        np.frompyfunc(lambda m, b: (fill - b) / m if m else Fraction(1, 2), 2, 1)(m, b)
    )
    levels = set(np.broadcast_to(wanted, filled.shape)[filled].tolist())
    level = levels.pop()
    if not levels and level.denominator == 1:
        return int(level), b
    return 0, arranged(np.where(filled, full(fill, filled.shape), b))


def joined(bench: Workbench, layer: SourceConcat) -> Value:
    """Tensors one after the other."""
    values = [bench.plain(s) for s in layer.sources]
    axis = layer.axis
    sources = tuple(v.layer for v in values)
    name = bench.emit(Concat(bench.names[layer.name], sources, layer.place, axis))

    def join(parts: list[FractionArray]) -> FractionArray:
        if all(p.ndim == 0 and p.item() == parts[0].item() for p in parts):
            return parts[0]
        shapes = [bench.shape(v) for v in values]
        whole = [spread(p, s) for p, s in zip(parts, shapes, strict=True)]
        return arranged(np.concatenate(whole, axis=axis))

    return Value(name, join([v.m for v in values]), join([v.b for v in values]))


def reshaped(bench: Workbench, layer: SourceReshape) -> Value:
    """The elements in another shape."""
    value = bench.values[layer.sources[0]]
    shape = bench.shape(value)

    def change(numbers: FractionArray) -> FractionArray:
        return (
            numbers if numbers.ndim == 0 else arranged(spread(numbers, shape).reshape(layer.shape))
        )

    name = bench.emit(Reshape(bench.names[layer.name], (value.layer,), layer.place, layer.shape))
    steps = tuple(mapped(s, change) for s in value.steps)
    return Value(name, change(value.m), change(value.b), steps)


def _by_channel(step: Step) -> bool:
    return all(numbers is None or numbers.ndim < 2 for numbers in arrays(step))


def _even(labels: FractionArray) -> bool:
    """Whether the scale in a type is the same at all places of a channel."""
    first = labels.reshape(-1, labels.shape[-1])[0]
    return bool((labels == first).all())
