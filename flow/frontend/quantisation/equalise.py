"""Cross-layer equalisation: channels of neighbouring layers take ranges of one size.

Factors move through what is positively homogeneous: a ReLU of x * s is that of x, times s. With
one step for a whole kernel, channels of small weights keep more of their bits so. Nagel et al.,
"Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.frontend.quantisation.fold import loose
from flow.frontend.quantisation.rewire import named, only_reader, swapped
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    FloatArray,
    SourceActivation,
    SourceConv,
    SourceDense,
    SourceLayer,
    SourceModel,
    SourcePool,
    SourceReshape,
    Weights,
)
from flow.ir.tensor import IntArray

ROUNDS = 20
"""Sweeps over all pairs of layers; fewer where nothing changes any more."""
STILL = 1e-3


def equalised(model: SourceModel) -> SourceModel:
    """The same function with the ranges of neighbouring float layers made alike."""
    for _ in range(ROUNDS):
        most = 0.0
        for layer in model.layers:
            pair = following(model, layer.name)
            if pair is not None:
                first, second, channels = pair
                factors = _factors(first, second, channels)
                most = max(most, float(np.abs(np.log(factors)).max(initial=0.0)))
                model = swapped(model, _scaled(first, second, channels, factors))
        if most < STILL:
            break
    return model


def following(
    model: SourceModel, name: str, bounded: bool = False
) -> tuple[SourceDense | SourceConv, SourceDense | SourceConv, IntArray] | None:
    """A float layer and the one behind it, with the channel of the first for each input channel of
    the second; None where something else reads it, or stands between.

    What stands between keeps positive factors; `bounded`: a ReLU with an upper end, which does not,
    may stand there too."""
    first = named(model, name)
    if not (isinstance(first, SourceDense | SourceConv) and loose(first)):
        return None
    shapes = source_shapes(model)
    channels: IntArray = np.arange(shapes[first.name][-1])
    at: SourceLayer = first
    while (below := only_reader(model, at.name)) is not None:
        match below:
            case SourceDense() | SourceConv():
                return (first, below, channels) if loose(below) and _takes(below) else None
            case SourceActivation(function="relu", parameters=ends) if bounded or not ends:
                pass
            case SourceActivation(function="leaky_relu") | SourcePool():
                pass
            case SourceReshape(shape=shape) if len(shape) == 1:
                channels = np.tile(channels, shape[0] // len(channels))
            case _:
                return None
        at = below
    return None


def _takes(layer: SourceDense | SourceConv) -> bool:
    """Whether a factor of one input channel is one of the kernel's rows, or of its filters."""
    if isinstance(layer, SourceDense) or layer.groups == 1:
        return True
    return layer.kernel.values.shape[-2:] == (1, layer.groups)


def _rows(layer: SourceDense | SourceConv) -> FloatArray:
    """The kernel as (channels, all others), a row for each input channel."""
    kernel = layer.kernel.values
    if isinstance(layer, SourceConv) and layer.groups > 1:
        return kernel.reshape(-1, kernel.shape[-1]).T
    return np.moveaxis(kernel, -2, 0).reshape(kernel.shape[-2], -1)


def _factors(
    first: SourceDense | SourceConv, second: SourceDense | SourceConv, channels: IntArray
) -> FloatArray:
    """By what the outputs of `first` are divided: s = sqrt(r1 / r2), equation 11."""
    kernel = first.kernel.values
    before = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0)
    behind = np.zeros_like(before)
    np.maximum.at(behind, channels, np.abs(_rows(second)).max(axis=1))
    alive = (before > 0) & (behind > 0)
    ratio = np.where(alive, before, 1.0) / np.where(alive, behind, 1.0)
    return np.asarray(np.sqrt(ratio))


def _scaled(
    first: SourceDense | SourceConv,
    second: SourceDense | SourceConv,
    channels: IntArray,
    factors: FloatArray,
) -> dict[str, SourceLayer]:
    bias = None if first.bias is None else Weights(first.bias.values / factors)
    spread = factors[channels]
    depthwise = isinstance(second, SourceConv) and second.groups > 1
    kernel = second.kernel.values * (spread if depthwise else spread[:, np.newaxis])
    return {
        first.name: replace(first, kernel=Weights(first.kernel.values / factors), bias=bias),
        second.name: replace(second, kernel=Weights(kernel)),
    }
