"""Folds the scalers and batch normalisations of a float model into its dense layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.frontend.float_model import source_shapes
from flow.frontend.source import (
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceReshape,
    Weights,
)


def fold(model: SourceModel, keep: tuple[str, ...] = ()) -> SourceModel:
    """The same float function with fewer affine layers; weights with a step are left as they are.

    An affine map goes into the dense layer before it, or into all the dense layers behind it,
    also across a reshape to one axis; a map of nothing goes. `keep` names layers to leave.
    """
    while (folded := _step(model, keep)) is not None:
        model = folded
    return model


def readers(model: SourceModel, name: str) -> list[SourceLayer]:
    """The layers that read `name`."""
    return [x for x in model.layers if name in x.sources]


def _step(model: SourceModel, keep: tuple[str, ...]) -> SourceModel | None:
    shapes = source_shapes(model)
    by_name = {x.name: x for x in model.layers}
    for layer in model.layers:
        if not isinstance(layer, SourceAffine) or layer.name in keep:
            continue
        source = by_name[layer.sources[0]]
        behind = readers(model, layer.name)
        if _identity(layer) and layer.name not in model.outputs:
            return _without(model, layer, {})
        before_alone = len(readers(model, source.name)) == 1 and source.name not in model.outputs
        if isinstance(source, SourceDense) and source.kernel.step is None and before_alone:
            changed = {source.name: _after(source, layer)}
            return _without(model, layer, changed)
        if not behind or layer.name in model.outputs:
            continue
        if all(isinstance(x, SourceDense) and x.kernel.step is None for x in behind):
            dense = [x for x in behind if isinstance(x, SourceDense)]
            return _without(model, layer, {x.name: _before(x, layer) for x in dense})
        reader = behind[0]
        if len(behind) == 1 and isinstance(reader, SourceReshape) and len(reader.shape) == 1:
            return _across(model, layer, reader, shapes[layer.name])
    return None


def _identity(layer: SourceAffine) -> bool:
    return bool((layer.multiplier == 1).all() and (layer.offset == 0).all())


def _after(dense: SourceDense, affine: SourceAffine) -> SourceDense:
    bias = 0.0 if dense.bias is None else dense.bias.values
    outputs = dense.kernel.values.shape[1]
    values = np.broadcast_to(bias * affine.multiplier + affine.offset, (outputs,)).copy()
    kernel = dense.kernel.values * affine.multiplier
    return replace(dense, kernel=Weights(kernel), bias=Weights(values))


def _before(dense: SourceDense, affine: SourceAffine) -> SourceDense:
    inputs = dense.kernel.values.shape[0]
    factor = np.broadcast_to(affine.multiplier, (inputs,))
    offset = np.broadcast_to(affine.offset, (inputs,))
    bias = 0.0 if dense.bias is None else dense.bias.values
    values = offset @ dense.kernel.values + bias
    return replace(
        dense, kernel=Weights(dense.kernel.values * factor[:, None]), bias=Weights(values)
    )


def _without(
    model: SourceModel, layer: SourceLayer, changed: dict[str, SourceDense]
) -> SourceModel:
    """The model without a layer; its readers read what it read."""
    layers = [changed.get(x.name, x) for x in model.layers if x is not layer]
    source = layer.sources[0]
    layers = [
        replace(x, sources=tuple(source if s == layer.name else s for s in x.sources))
        for x in layers
    ]
    outputs = tuple(source if x == layer.name else x for x in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs)


def _across(
    model: SourceModel, affine: SourceAffine, reshape: SourceReshape, shape: tuple[int, ...]
) -> SourceModel:
    """The affine map behind the reshape instead of before it."""
    factor, offset = (
        np.broadcast_to(x, shape).reshape(-1).copy() for x in (affine.multiplier, affine.offset)
    )
    first = replace(reshape, name=affine.name, sources=affine.sources)
    second = replace(
        affine, name=reshape.name, sources=(affine.name,), multiplier=factor, offset=offset
    )
    swapped: dict[str, SourceLayer] = {affine.name: first, reshape.name: second}
    return replace(model, layers=tuple(swapped.get(x.name, x) for x in model.layers))


def leading_affines(model: SourceModel) -> tuple[SourceAffine, ...]:
    """The affine maps that read an input and nothing else reads it."""
    inputs = {x.name for x in model.layers if isinstance(x, SourceInput)}
    return tuple(
        x
        for x in model.layers
        if isinstance(x, SourceAffine)
        and x.sources[0] in inputs
        and len(readers(model, x.sources[0])) == 1
        and x.sources[0] not in model.outputs
    )
