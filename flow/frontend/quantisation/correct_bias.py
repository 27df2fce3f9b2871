"""Biases that take back the mean error of a quantised layer.

The mean of what a layer answers on the calibration data is brought back to that of the float
layer: "empirical bias correction" of Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", ICCV 2019. It costs no hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flow.frontend.float_model import evaluate_layer
from flow.frontend.quantisation.rewire import named
from flow.frontend.source import (
    FloatArray,
    SourceConv,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    Weights,
)

FEWEST = 32
"""Samples below which a mean says too little."""


def with_corrected_biases(
    ready: SourceModel, plain: SourceModel, values: Mapping[str, FloatArray]
) -> SourceModel:
    """The quantised model with other biases; `values` are those of the float model `plain`, whose
    layers have the names of those of `ready`. What `ready` adds to a bias on purpose stays."""
    if len(next(iter(values.values()))) < FEWEST:
        return ready
    known: dict[str, FloatArray] = {}
    layers: list[SourceLayer] = []
    for layer in ready.layers:
        if isinstance(layer, SourceInput):
            known[layer.name] = values[layer.name]
        else:
            known[layer.name] = evaluate_layer(layer, *(known[s] for s in layer.sources))
        if isinstance(layer, SourceDense | SourceConv) and _loose(plain, layer.name):
            error = values[layer.name] - known[layer.name]
            own = _bias(layer) - _bias(named(plain, layer.name))
            delta = error.mean(axis=tuple(range(error.ndim - 1))) + own
            layer = replace(layer, bias=Weights(_bias(layer) + delta))
            known[layer.name] = known[layer.name] + delta
        layers.append(layer)
    return replace(ready, layers=tuple(layers))


def _loose(model: SourceModel, name: str) -> bool:
    layer = named(model, name)
    assert isinstance(layer, SourceDense | SourceConv)
    return layer.kernel.step is None and (layer.bias is None or layer.bias.step is None)


def _bias(layer: SourceLayer) -> FloatArray:
    assert isinstance(layer, SourceDense | SourceConv)
    if layer.bias is None:
        return np.zeros(layer.kernel.values.shape[-1])
    return layer.bias.values
