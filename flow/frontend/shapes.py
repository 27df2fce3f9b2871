"""The shape of every tensor of a SourceModel, and whether the layers meet."""

from __future__ import annotations

from math import prod

import numpy as np

from flow.errors import IRError
from flow.frontend.source import (
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    SourceTableSum,
)
from flow.ir.windows import window_shape

Shape = tuple[int, ...]


def source_shapes(model: SourceModel) -> dict[str, Shape]:
    """The shape of every layer's result, without the batch. ValueError where layers do not meet."""
    shapes: dict[str, Shape] = {}
    for layer in model.layers:
        try:
            shapes[layer.name] = _shape(layer, [shapes[s] for s in layer.sources])
        except (ValueError, IRError, IndexError) as error:
            raise ValueError(f"{layer.place}: {error}") from error
    return shapes


def _shape(layer: SourceLayer, sources: list[Shape]) -> Shape:
    match layer:
        case SourceInput(shape=shape):
            return shape
        case SourceDense() | SourceConv() | SourcePool() | SourceTableSum():
            return _weighted(layer, sources[0])
        case SourceGather(indices=indices):
            low, high = int(indices.min(initial=0)), int(indices.max(initial=-1))
            if low < -1 or high >= prod(sources[0]):
                raise ValueError(f"an index lies outside a tensor {sources[0]}")
            return indices.shape
        case SourceAffine(multiplier=multiplier, offset=offset):
            return _same(sources[0], multiplier.shape, offset.shape)
        case SourceQuantise(quantiser=q):
            return _same(sources[0], q.step.shape, np.shape(q.lo), np.shape(q.hi))
        case SourceActivation(function="argmax"):
            return sources[0][:-1] or (1,)
        case SourceActivation():
            return sources[0]
        case SourceAdd() | SourceMultiply():
            if any(s != sources[0] for s in sources):
                raise ValueError(f"tensors of the shapes {sources} meet")
            return sources[0]
        case SourceConcat(axis=axis):
            empty = [np.broadcast_to(np.zeros(()), s) for s in sources]
            return np.concatenate(empty, axis=axis).shape
        case SourceReshape(shape=shape):
            if prod(shape) != prod(sources[0]):
                raise ValueError(f"{sources[0]} does not reshape to {shape}")
            return shape
        case _:
            raise TypeError(f"no shape of {type(layer).__name__}")


def _weighted(layer: SourceLayer, x: Shape) -> Shape:
    match layer:
        case SourceDense(kernel=kernel, bias=bias):
            inputs, outputs = kernel.values.shape
            if x[-1:] != (inputs,) or (bias and bias.values.shape != (outputs,)):
                raise ValueError(f"weights {kernel.values.shape} meet a tensor {x}")
            return (*x[:-1], outputs)
        case SourceConv(kernel=kernel, bias=bias):
            *window, channels, filters = kernel.values.shape
            fits = layer.groups > 0 and x[-1:] == (channels * layer.groups,)
            if not fits or filters % layer.groups or (bias and bias.values.shape != (filters,)):
                raise ValueError(f"weights {kernel.values.shape} meet a tensor {x}")
            counts = window_shape(x, tuple(window), layer.strides, layer.padding, layer.dilation)
            return (*counts, filters)
        case SourcePool(window=window):
            ones = (1,) * len(window)
            return (*window_shape(x, window, layer.strides, layer.padding, ones), x[-1])
        case SourceTableSum(tables=tables, domain=domain):
            if x[-1:] != (len(tables),) or len(domain) != len(tables):
                raise ValueError(f"tables of {len(tables)} inputs meet a tensor {x}")
            return (*x[:-1], len(tables[0]))
        case _:
            raise TypeError(f"no weights in {type(layer).__name__}")


def _same(shape: Shape, *others: Shape) -> Shape:
    if np.broadcast_shapes(shape, *others) != shape:
        raise ValueError(f"numbers of the shapes {others} meet a tensor {shape}")
    return shape
