"""A float or quantised SourceModel as a graph that gradients go through, with its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.float_layers import pool_counts
from flow.frontend.functions import alpha
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    HEADS,
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
    SourcePool,
    SourceQuantise,
    SourceReshape,
)
from flow.ir.windows import windows
from flow.train.float_graph import (
    Add,
    Array,
    Concat,
    Conv,
    Dense,
    FloatGraph,
    Op,
    Parameters,
    Relu,
    Reshape,
    Round,
    Scale,
    Select,
    Smooth,
)
from flow.train.losses import LossKind, answer

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Differentiable:
    """A graph up to the sums before the model's head, its weights, and the loss of its answers."""

    graph: FloatGraph
    weights: Parameters
    kind: LossKind

    def wanted(self, inputs: Mapping[str, Array], labels: Any = None) -> Array:
        """What the loss compares with: classes as shares, or, without labels, its own answers."""
        sums = self.graph.values(inputs, self.weights)[self.graph.output]
        if labels is None:
            return answer(self.kind, sums)
        classes = np.asarray(labels).reshape(-1).astype(np.int64)
        if sums.shape[-1] == 1:
            return classes[:, None].astype(np.float64)
        return np.asarray(np.eye(sums.shape[-1])[classes])


def differentiable(model: SourceModel, labelled: bool) -> Differentiable:
    """The graph of a model of one output. UnsupportedModel names every layer without a derivative.

    `labelled`: the outputs are scores of classes, also where no head says so.
    """
    if len(model.outputs) != 1:
        raise UnsupportedModel(
            f"{model.name} has {len(model.outputs)} outputs, and one can be trained",
            hint="cut the model to the output that matters",
        )
    by_name = {layer.name: layer for layer in model.layers}
    last, head = by_name[model.outputs[0]], ""
    while isinstance(last, SourceActivation) and last.function in (*HEADS, "sigmoid"):
        head = head or last.function
        last = by_name[last.sources[0]]
    shapes = source_shapes(model)
    ops: list[Op] = []
    weights: dict[str, tuple[Array, Array]] = {}
    obstacles = []
    for layer in model.layers[: model.layers.index(last) + 1]:
        if isinstance(layer, SourceInput):
            continue
        op = _op(layer, shapes)
        if op is None:
            obstacles.append(f"{layer.place}: no derivative of {_kind(layer)}")
            continue
        ops.append(op)
        if isinstance(layer, SourceDense | SourceConv):
            kernel = layer.kernel.values
            bias = np.zeros(kernel.shape[-1]) if layer.bias is None else layer.bias.values
            weights[layer.name] = kernel, bias
    if obstacles:
        raise UnsupportedModel(
            f"{model.name} cannot be differentiated", obstacles=tuple(obstacles),
            hint="the widths of any model are found by flow check --loss, without gradients",
        )  # fmt: skip
    inputs = tuple(x.name for x in model.layers if isinstance(x, SourceInput))
    kind = _loss(head, labelled, shapes[last.name])
    return Differentiable(FloatGraph(inputs, tuple(ops), last.name), weights, kind)


def _loss(head: str, labelled: bool, shape: tuple[int, ...]) -> LossKind:
    if head == "sigmoid":
        return "sigmoid"
    if head or (labelled and shape[-1] > 1):
        return "softmax"
    return "sigmoid" if labelled else "square"


def _kind(layer: SourceLayer) -> str:
    return layer.function if isinstance(layer, SourceActivation) else type(layer).__name__[6:]


def _op(layer: SourceLayer, shapes: Shapes) -> Op | None:
    name, sources = layer.name, layer.sources
    match layer:
        case SourceDense():
            return Dense(name, sources)
        case SourceConv(strides=strides, padding=padding, dilation=dilation, groups=groups):
            return Conv(name, sources, strides, padding, dilation, groups)
        case SourceAffine(multiplier=multiplier, offset=offset):
            return Scale(name, sources, multiplier, offset)
        case SourceActivation(function="relu", parameters=parameters):
            return Relu(name, sources, 0.0, parameters[0] if parameters else None)
        case SourceActivation(function="leaky_relu", parameters=parameters):
            return Relu(name, sources, float(Fraction(alpha(parameters))))
        case SourceActivation(function="tanh" | "sigmoid" as function):
            return Smooth(name, sources, function)
        case SourceQuantise(quantiser=q) if q.rounding in ("floor", "half_up", "half_even"):
            step = np.asarray(q.step).astype(np.float64)
            lo, hi = (np.asarray(end).astype(np.float64) for end in (q.lo, q.hi))
            return Round(name, sources, step, lo, hi, q.rounding == "floor")
        case SourcePool():
            return _pool(layer, shapes[sources[0]])
        case SourceGather(indices=indices, fill=fill) if fill == 0 or (indices >= 0).all():
            return Select(name, sources, indices.astype(np.int64))
        case SourceReshape(shape=shape):
            return Reshape(name, sources, shape)
        case SourceAdd():
            return Add(name, sources)
        case SourceConcat(axis=axis):
            return Concat(name, sources, axis if axis < 0 else axis + 1)
        case _:
            return None


def _pool(layer: SourcePool, shape: tuple[int, ...]) -> Select:
    """The elements of each window by their index, those of the padding -1."""
    places = np.arange(prod(shape)).reshape(1, *shape)
    ones = (1,) * len(layer.window)
    seen = windows(places, layer.window, layer.strides, layer.padding, ones, -1)[0]
    axes = len(layer.window)
    moved = np.moveaxis(seen, -1, axes).reshape(*seen.shape[:axes], shape[-1], -1)
    counts = pool_counts(layer, shape) if layer.pool == "average" else None
    return Select(layer.name, layer.sources, moved.astype(np.int64), layer.pool, counts)
