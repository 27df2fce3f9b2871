"""A model without the quantisers of its file, so that other widths may be found for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceLayer,
    SourceModel,
    SourceQuantise,
    Weights,
)

FEW = 3
"""Values of a quantiser that is more than a rounding: a sign, or minus one, zero and one."""


def unquantised(model: SourceModel) -> SourceModel:
    """The same layers with real numbers: quantised weights keep their values but not their steps.

    A quantiser that saturates at zero and above becomes a ReLU with its upper end, one that makes
    elements constantly zero a product that does so too, and any other is left out: it changed no
    value by more than a step, but where it saturated or wrapped. A model without quantisers is
    returned as it is. UnsupportedModel names the quantisers of so few values that they are the
    activation themselves, such as a sign.
    """
    if not any(_shaped(layer) for layer in model.layers):
        return model
    if obstacles := tuple(_obstacles(model)):
        raise UnsupportedModel(
            f"{model.name} is not the same network without its quantisers", obstacles=obstacles,
            hint="the widths of such a model are those of its file",
        )  # fmt: skip
    layers: list[SourceLayer] = []
    stands: dict[str, str] = {}
    for layer in model.layers:
        sources = tuple(stands.get(name, name) for name in layer.sources)
        layer = replace(layer, sources=sources)
        if isinstance(layer, SourceQuantise):
            plain = _plain(layer)
            if plain is None:
                stands[layer.name] = sources[0]
                continue
            layer = plain
        elif isinstance(layer, SourceDense | SourceConv):
            bias = None if layer.bias is None else Weights(layer.bias.values)
            layer = replace(layer, kernel=Weights(layer.kernel.values), bias=bias)
        layers.append(layer)
    outputs = tuple(stands.get(name, name) for name in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs, retraced=None)


def _shaped(layer: SourceLayer) -> bool:
    if isinstance(layer, SourceDense | SourceConv):
        return layer.kernel.step is not None
    return isinstance(layer, SourceQuantise)


def _obstacles(model: SourceModel) -> Iterator[str]:
    for layer in model.layers:
        if isinstance(layer, SourceQuantise):
            q = layer.quantiser
            values = int(np.max(np.asarray(q.hi) - np.asarray(q.lo))) + 1
            if values <= FEW and np.min(q.lo) < 0:
                yield f"{layer.place}: its quantiser of {values} values is an activation"


def _plain(layer: SourceQuantise) -> SourceLayer | None:
    """What a quantiser does besides rounding, or None."""
    q = layer.quantiser
    lo, hi = (np.asarray(end, dtype=np.float64) for end in (q.lo, q.hi))
    name, sources, place = layer.name, layer.sources, layer.place
    if not lo.any() and q.overflow == "saturate" and hi.any():
        return SourceActivation(name, sources, place, "relu", (_top(q),))
    dead = (lo == 0) & (hi == 0)
    if dead.any():
        return SourceAffine(name, sources, place, np.where(dead, 0.0, 1.0), np.zeros(1))
    return None


def _top(quantiser: Quantiser) -> float:
    step = np.asarray(quantiser.step).astype(np.float64)
    return float(np.max(step * np.asarray(quantiser.hi, dtype=np.float64)))
