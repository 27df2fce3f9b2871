"""The weights of HGQ 1 proxies: already quantised, so that their grid is read off the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flow.frontend.exact.ports import grid
from flow.frontend.exact.rational import power_of_two
from flow.frontend.source import SourceConv, SourceDense, SourceLayer, Weights
from flow.ir.tensor import FractionArray, compact

WIDEST = 24
"""Bits of the widest weight that a quantiser has shaped."""


def settle_weights(layers: Sequence[SourceLayer]) -> tuple[SourceLayer, ...]:
    """The layers of a proxy with the steps that the values of their weights are multiples of."""
    return tuple(_settled(layer) for layer in layers)


def _settled(layer: SourceLayer) -> SourceLayer:
    if not isinstance(layer, SourceDense | SourceConv):
        return layer
    bias = None if layer.bias is None else _gridded(layer.bias)
    return replace(layer, kernel=_gridded(layer.kernel), bias=bias)


def _gridded(weights: Weights) -> Weights:
    """A step for each place of the last axis; none where a value needs too many bits."""
    if weights.step is not None:
        return weights
    values = weights.values
    columns = values.reshape(-1, values.shape[-1]).T
    exponents = [grid(column) or 0 for column in columns]
    for column, exponent in zip(columns, exponents, strict=True):
        if np.abs(column).max(initial=0) >= 2.0 ** (exponent + WIDEST):
            return weights
    steps: FractionArray = np.empty(len(exponents), dtype=object)
    steps[:] = [power_of_two(e) for e in exponents]
    return Weights(values, compact(steps))
