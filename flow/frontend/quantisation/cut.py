"""Smaller layers: outputs that matter least are taken out, with the inputs that read them.

What an output matters is how far it moves the sums behind it: its root mean square on samples times
the size of the weights that read it, the structured form of Han et al., NeurIPS 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.equalise import following
from flow.frontend.quantisation.rewire import named, swapped
from flow.frontend.source import (
    FloatArray,
    SourceConv,
    SourceDense,
    SourceModel,
    SourceReshape,
    Weights,
)
from flow.ir.tensor import IntArray


def can_shrink(model: SourceModel) -> tuple[str, ...]:
    """The layers whose outputs may become fewer, in order."""
    return tuple(x.name for x in model.layers if _pair(model, x.name) is not None)


def shrunk(
    model: SourceModel, outputs: Mapping[str, int], inputs: Mapping[str, FloatArray]
) -> SourceModel:
    """The model with so many outputs of each of these layers, those that matter most."""
    values = evaluate_source(model, inputs)
    for name, count in outputs.items():
        pair = _pair(model, name)
        assert pair is not None
        first, second, channels = pair
        if count < first.kernel.values.shape[-1]:
            matters = _matters(second, channels, values[second.sources[0]])
            kept = np.sort(np.argsort(-matters, kind="stable")[:count])
            model = _cut(model, first, second, channels, kept)
            values = evaluate_source(model, inputs)
    return model


def _pair(
    model: SourceModel, name: str
) -> tuple[SourceDense | SourceConv, SourceDense | SourceConv, IntArray] | None:
    found = following(model, name, bounded=True)
    if found is None:
        return None
    grouped = any(isinstance(x, SourceConv) and x.groups > 1 for x in found[:2])
    return None if grouped else found


def _matters(second: SourceDense | SourceConv, channels: IntArray, seen: FloatArray) -> FloatArray:
    """How much each output of the first layer moves the sums of the second."""
    rows = np.moveaxis(second.kernel.values, -2, 0).reshape(len(channels), -1)
    size = np.sqrt(np.square(seen).reshape(-1, len(channels)).mean(axis=0))
    total: FloatArray = np.zeros(int(channels.max()) + 1)
    np.add.at(total, channels, np.square(size * np.linalg.norm(rows, axis=1)))
    return total


def _cut(
    model: SourceModel,
    first: SourceDense | SourceConv,
    second: SourceDense | SourceConv,
    channels: IntArray,
    kept: IntArray,
) -> SourceModel:
    bias = None if first.bias is None else Weights(first.bias.values[kept])
    rows = np.flatnonzero(np.isin(channels, kept))
    changed = {
        first.name: replace(first, kernel=Weights(first.kernel.values[..., kept]), bias=bias),
        second.name: replace(second, kernel=Weights(second.kernel.values[..., rows, :])),
    }
    model = swapped(model, changed)
    at = second.sources[0]
    while at != first.name:
        layer = named(model, at)
        if isinstance(layer, SourceReshape):
            model = swapped(model, {at: replace(layer, shape=(len(rows),))})
        at = layer.sources[0]
    return model
