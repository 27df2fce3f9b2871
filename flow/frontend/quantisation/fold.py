"""Folds the scalers and batch normalisations of a float model into its dense layers and
convolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.frontend.quantisation.move_affine import backward, forward
from flow.frontend.quantisation.rewire import named, only_reader, readers, without
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    FloatArray,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    Weights,
)
from flow.ir.tensor import compact


def fold(model: SourceModel, keep: tuple[str, ...] = ()) -> SourceModel:
    """The same float function with fewer affine layers; weights with a step are left as they are.

    An affine map goes into the dense layer or convolution before it, or into all those behind it,
    also across layers that only move, pool or join elements; a map of nothing goes. Of a map
    before a convolution that pads with zeros only the factor goes. `keep` names layers to leave.
    """
    while (folded := _step(model, keep)) is not None:
        model = folded
    return model


def _step(model: SourceModel, keep: tuple[str, ...]) -> SourceModel | None:
    shapes = source_shapes(model)
    for layer in model.layers:
        if not isinstance(layer, SourceAffine) or layer.name in keep:
            continue
        if _identity(layer) and layer.name not in model.outputs:
            return without(model, layer, {})
        for attempt in (_into_source, _into_readers):
            if (folded := attempt(model, layer)) is not None:
                return folded
        for move in (backward, forward):
            if (moved := move(model, layer, shapes)) is not None:
                return moved
    return None


def _identity(layer: SourceAffine) -> bool:
    return bool((layer.multiplier == 1).all() and (layer.offset == 0).all())


def loose(layer: SourceLayer) -> bool:
    """Whether the layer has float weights, which may take a factor up."""
    return isinstance(layer, SourceDense | SourceConv) and layer.kernel.step is None


def _into_source(model: SourceModel, affine: SourceAffine) -> SourceModel | None:
    source = named(model, affine.sources[0])
    if only_reader(model, source.name) is None or not loose(source):
        return None
    factor, offset = compact(affine.multiplier), compact(affine.offset)
    if factor.ndim > 1 or offset.ndim > 1:
        return None
    assert isinstance(source, SourceDense | SourceConv)
    kernel = source.kernel.values
    bias = 0.0 if source.bias is None else source.bias.values
    values = np.broadcast_to(bias * factor + offset, kernel.shape[-1:]).copy()
    changed = replace(source, kernel=Weights(kernel * factor), bias=Weights(values))
    return without(model, affine, {source.name: changed})


def _into_readers(model: SourceModel, affine: SourceAffine) -> SourceModel | None:
    behind = readers(model, affine.name)
    if not behind or affine.name in model.outputs or not all(loose(x) for x in behind):
        return None
    factor, offset = compact(affine.multiplier), compact(affine.offset)
    if factor.ndim > 1 or offset.ndim > 1:
        return None
    weighted = [x for x in behind if isinstance(x, SourceDense | SourceConv)]
    padded = any(isinstance(x, SourceConv) and np.any(x.padding) for x in weighted)
    if not (padded and offset.any()):
        changed = {x.name: _before(x, factor, offset) for x in weighted}
        return without(model, affine, changed)
    if (factor == 1).all() or not factor.all():
        return None
    # x * m + b = m * (x + b / m): the zeros around it stay zeros.
    still = np.zeros(())
    layers: dict[str, SourceLayer] = {x.name: _before(x, factor, still) for x in weighted}
    rest = replace(affine, multiplier=np.ones(()), offset=np.asarray(offset / factor))
    layers[affine.name] = rest
    return replace(model, layers=tuple(layers.get(x.name, x) for x in model.layers))


def _before(
    layer: SourceDense | SourceConv, factor: FloatArray, offset: FloatArray
) -> SourceDense | SourceConv:
    """The layer that takes x where the old one took x * factor + offset."""
    kernel = layer.kernel.values
    groups = layer.groups if isinstance(layer, SourceConv) else 1
    rows, outputs = kernel.shape[-2:]

    def spread(numbers: FloatArray) -> FloatArray:
        each = np.broadcast_to(numbers, (groups * rows,)).reshape(groups, rows).T
        return np.repeat(each, outputs // groups, axis=1)

    bias = 0.0 if layer.bias is None else layer.bias.values
    values = (kernel * spread(offset)).reshape(-1, outputs).sum(axis=0) + bias
    return replace(layer, kernel=Weights(kernel * spread(factor)), bias=Weights(values))


def leading_affines(model: SourceModel) -> tuple[SourceAffine, ...]:
    """The affine maps that read an input and nothing else reads it."""
    inputs = {x.name for x in model.layers if isinstance(x, SourceInput)}
    return tuple(
        x
        for x in model.layers
        if isinstance(x, SourceAffine)
        and x.sources[0] in inputs
        and only_reader(model, x.sources[0]) is x
    )
