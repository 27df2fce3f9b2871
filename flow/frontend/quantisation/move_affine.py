"""Moves an affine map across layers that move, pool or join elements, towards weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flow.frontend.quantisation.rewire import fresh, named, only_reader
from flow.frontend.source import (
    FloatArray,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceLayer,
    SourceModel,
    SourcePool,
    SourceReshape,
)
from flow.ir.tensor import compact

Shape = tuple[int, ...]


def backward(
    model: SourceModel, affine: SourceAffine, shapes: Mapping[str, Shape]
) -> SourceModel | None:
    """The model with the map before the layer that it reads, if weights wait further up."""
    above = named(model, affine.sources[0])
    if only_reader(model, above.name) is not affine or not _weights_above(model, above):
        return None
    if isinstance(above, SourceConcat):
        return _before_concat(model, affine, above, shapes)
    found = _earlier(above, affine, shapes)
    if found is None:
        return None
    factor, offset = found
    first = replace(affine, sources=above.sources, multiplier=factor, offset=offset)
    return _exchanged(model, affine, above, (first,))


def forward(
    model: SourceModel, affine: SourceAffine, shapes: Mapping[str, Shape]
) -> SourceModel | None:
    """The model with the map behind its only reader, if weights wait further down."""
    below = only_reader(model, affine.name)
    if below is None or not _weights_below(model, below):
        return None
    found = _later(below, affine, shapes)
    if found is None:
        return None
    first = replace(below, name=affine.name, sources=affine.sources)
    second = replace(
        affine, name=below.name, sources=(affine.name,), multiplier=found[0], offset=found[1]
    )
    new: dict[str, SourceLayer] = {affine.name: first, below.name: second}
    return replace(model, layers=tuple(new.get(x.name, x) for x in model.layers))


def _weights_above(model: SourceModel, layer: SourceLayer) -> bool:
    if isinstance(layer, SourceDense | SourceConv):
        return layer.kernel.step is None
    moves = isinstance(layer, SourceReshape | SourcePool | SourceConcat) and len(
        set(layer.sources)
    ) == len(layer.sources)
    return moves and all(
        only_reader(model, s) is layer and _weights_above(model, named(model, s))
        for s in layer.sources
    )


def _weights_below(model: SourceModel, layer: SourceLayer) -> bool:
    if isinstance(layer, SourceDense | SourceConv):
        return layer.kernel.step is None
    below = only_reader(model, layer.name)
    moves = isinstance(layer, SourceReshape | SourceGather | SourcePool)
    return moves and below is not None and _weights_below(model, below)


def _earlier(
    layer: SourceLayer, affine: SourceAffine, shapes: Mapping[str, Shape]
) -> tuple[FloatArray, FloatArray] | None:
    """Factor and offset before the layer, one for each channel; None where there are none."""
    shape = shapes[layer.sources[0]]
    factor, offset = compact(affine.multiplier), compact(affine.offset)
    match layer:
        case SourceReshape():
            old = shapes[layer.name]
            factor, offset = (
                compact(np.broadcast_to(x, old).reshape(shape)) if x.ndim else x
                for x in (factor, offset)
            )
        case SourcePool() if not _passes(layer, factor, offset):
            return None
    return None if max(factor.ndim, offset.ndim) > 1 else (factor, offset)


def _later(
    layer: SourceLayer, affine: SourceAffine, shapes: Mapping[str, Shape]
) -> tuple[FloatArray, FloatArray] | None:
    """Factor and offset behind the layer; None where there are none."""
    shape = shapes[affine.name]
    factor, offset = compact(affine.multiplier), compact(affine.offset)
    match layer:
        case SourceReshape():
            moved = [np.broadcast_to(x, shape).reshape(layer.shape) for x in (factor, offset)]
        case SourceGather(indices=indices, fill=fill):
            if (indices < 0).any() and (fill or offset.any()):
                return None
            at = np.maximum(indices, 0).astype(np.int64)
            moved = [np.broadcast_to(x, shape).reshape(-1)[at] for x in (factor, offset)]
        case SourcePool() if max(factor.ndim, offset.ndim) < 2 and _passes(layer, factor, offset):
            moved = [factor, offset]
        case _:
            return None
    return compact(np.array(moved[0])), compact(np.array(moved[1]))


def _passes(pool: SourcePool, factor: FloatArray, offset: FloatArray) -> bool:
    """Whether the pooling of x * factor + offset is that map of the pooling of x."""
    if pool.pool == "max":
        return bool((factor > 0).all())
    if not offset.any():
        return True
    return pool.pool == "average" and not (pool.count_padding and np.any(pool.padding))


def _before_concat(
    model: SourceModel, affine: SourceAffine, above: SourceConcat, shapes: Mapping[str, Shape]
) -> SourceModel | None:
    axis = above.axis % len(shapes[above.name])
    ends = np.cumsum([shapes[s][axis] for s in above.sources])[:-1]
    parts = []
    for numbers in (affine.multiplier, affine.offset):
        whole = np.broadcast_to(numbers, shapes[above.name])
        parts.append([compact(x) for x in np.split(whole, ends, axis=axis)])
    if any(x.ndim > 1 for part in parts for x in part):
        return None
    firsts = []
    for k, (source, factor, offset) in enumerate(zip(above.sources, *parts, strict=True)):
        name = fresh(model, f"{affine.name}_{k}")
        firsts.append(SourceAffine(name, (source,), affine.place, factor, offset))
    return _exchanged(model, affine, above, tuple(firsts))


def _exchanged(
    model: SourceModel, affine: SourceAffine, above: SourceLayer, firsts: tuple[SourceAffine, ...]
) -> SourceModel:
    """The model with maps before `above` in place of the one behind it."""
    layers: list[SourceLayer] = []
    for x in model.layers:
        if x is above:
            layers += [*firsts, replace(above, sources=tuple(f.name for f in firsts))]
        elif x is not affine:
            sources = tuple(above.name if s == affine.name else s for s in x.sources)
            layers.append(replace(x, sources=sources))
    outputs = tuple(above.name if x == affine.name else x for x in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs)
