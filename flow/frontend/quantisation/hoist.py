"""Moves the quantiser of an input before the layers that only rearrange its elements.

There the coding of the input carries it out, and no hardware does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flow.frontend.quantisation.rewire import only_reader
from flow.frontend.source import (
    Quantiser,
    SourceAffine,
    SourceGather,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceQuantise,
    SourceReshape,
)
from flow.ir.tensor import IntArray, compact


def hoist(model: SourceModel) -> SourceModel:
    """The same function with every such quantiser, and an affine map before it, at its input."""
    for layer in model.layers:
        if isinstance(layer, SourceInput):
            model = _hoisted(model, layer)
    return model


@dataclass(frozen=True)
class _Chain:
    moves: tuple[SourceLayer, ...]
    affine: SourceAffine | None
    quantise: SourceQuantise
    indices: IntArray
    """The element of the input that each element behind the moves is; -1: a zero."""


def _hoisted(model: SourceModel, start: SourceInput) -> SourceModel:
    chain = _chain(model, start)
    if chain is None:
        return model
    q, affine = chain.quantise.quantiser, chain.affine
    if (chain.indices < 0).any() and (affine is not None or not _keeps_zero(q)):
        return model
    numbers = [q.step, np.asarray(q.lo), np.asarray(q.hi)]
    numbers += [] if affine is None else [affine.multiplier, affine.offset]
    placed = [y for x in numbers if (y := _placed(x, chain.indices, start.shape)) is not None]
    if len(placed) < len(numbers):
        return model
    step, lo, hi, *rest = placed
    first: list[SourceLayer] = []
    if affine is not None:
        first.append(replace(affine, sources=(start.name,), multiplier=rest[0], offset=rest[1]))
    before = first[-1].name if first else start.name
    new = replace(q, step=step, lo=_end(lo), hi=_end(hi))
    first.append(replace(chain.quantise, sources=(before,), quantiser=new))
    return _reordered(model, start, chain, first)


def _chain(model: SourceModel, start: SourceInput) -> _Chain | None:
    indices: IntArray = np.arange(int(np.prod(start.shape, dtype=np.int64))).reshape(start.shape)
    moves: list[SourceLayer] = []
    layer = only_reader(model, start.name)
    while isinstance(layer, SourceReshape | SourceGather):
        if isinstance(layer, SourceReshape):
            indices = indices.reshape(layer.shape)
        elif (layer.indices < 0).any() and layer.fill:
            return None
        else:
            at = layer.indices.astype(np.int64)
            indices = np.where(at < 0, -1, indices.reshape(-1)[at])
        moves.append(layer)
        layer = only_reader(model, layer.name)
    affine = None
    if isinstance(layer, SourceAffine):
        affine, layer = layer, only_reader(model, layer.name)
    if not moves or not isinstance(layer, SourceQuantise):
        return None
    return _Chain(tuple(moves), affine, layer, indices)


def _keeps_zero(q: Quantiser) -> bool:
    return bool((np.asarray(q.lo) <= 0).all() and (np.asarray(q.hi) >= 0).all())


def _placed(numbers: IntArray, indices: IntArray, shape: tuple[int, ...]) -> IntArray | None:
    """The numbers of the elements of the input; None where one element would need two."""
    if numbers.ndim == 0:
        return numbers
    whole = np.broadcast_to(numbers, indices.shape).reshape(-1)
    flat, at = np.full(int(np.prod(shape)), whole[0], dtype=numbers.dtype), indices.reshape(-1)
    flat[at[at >= 0]] = whole[at >= 0]
    if (flat[at[at >= 0]] != whole[at >= 0]).any():
        return None
    return compact(flat.reshape(shape))


def _end(numbers: IntArray) -> int | IntArray:
    return int(numbers) if numbers.ndim == 0 else numbers


def _reordered(
    model: SourceModel, start: SourceInput, chain: _Chain, first: list[SourceLayer]
) -> SourceModel:
    """The model with `first` behind the input, then the moves."""
    gone = {chain.quantise.name} | ({chain.affine.name} if chain.affine else set())
    last = chain.moves[-1].name
    layers: list[SourceLayer] = []
    for x in model.layers:
        if x.name in gone:
            continue
        if x is chain.moves[0]:
            layers.append(replace(x, sources=(first[-1].name,)))
        else:
            sources = tuple(last if s == chain.quantise.name else s for s in x.sources)
            layers.append(replace(x, sources=sources))
        if x is start:
            layers += first
    outputs = tuple(last if x == chain.quantise.name else x for x in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs)
