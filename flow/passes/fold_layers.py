"""Folding on the Network: what batch normalisation and scalers leave behind disappears, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from flow.ir.layers import Affine, Conv, Dense, Layer, Relu, Requantize
from flow.ir.network import Network
from flow.ir.rounding import round_fraction
from flow.ir.tensor import exact, fractions, narrow

Shape = tuple[int, ...]
Fold = Callable[[Shape, Layer, Layer], Layer | None]
"""From the shape of a source, the source that nobody else reads, and its reader: one layer for
both, or None."""


@dataclass(frozen=True)
class FoldLayers:
    """Merge an Affine into its Dense, Conv, Affine or Requantize neighbour; drop a Relu that a
    saturation at 0 repeats."""

    name: ClassVar[str] = "fold-layers"
    exact: ClassVar[bool] = True

    def run(self, network: Network) -> Network:
        """The network with every such pair merged, in one walk: a merged layer is tried again."""
        reads = Counter(s for layer in network.layers for s in layer.sources)
        kept: dict[str, Layer] = {}
        for layer in network.layers:
            while len(layer.sources) == 1:
                (name,) = layer.sources
                if name in network.outputs or reads[name] != 1:
                    break
                merged = _merged(network.types[name].shape, kept[name], layer)
                if merged is None:
                    break
                del kept[name]
                layer = merged
            kept[layer.name] = layer
        if len(kept) == len(network.layers):
            return network
        return Network(network.name, tuple(kept.values()), network.outputs, network.head)


def _merged(shape: Shape, source: Layer, reader: Layer) -> Layer | None:
    folds: tuple[Fold, ...] = (weights_affine, affine_affine, affine_requantize, relu_requantize)
    return next((m for fold in folds if (m := fold(shape, source, reader)) is not None), None)


def weights_affine(shape: Shape, source: Layer, reader: Layer) -> Layer | None:
    """m * (W x + b) + c = (m W) x + (m b + c), with one m and c for each neuron or filter"""
    if not isinstance(source, (Conv, Dense)) or not isinstance(reader, Affine):
        return None
    outputs = source.bias.shape
    if reader.multiplier.ndim > 1 or reader.offset.ndim > 1:
        return None
    m, c = exact(reader.multiplier, outputs), exact(reader.offset, outputs)
    return replace(
        source,
        name=reader.name,
        weights=narrow(exact(source.weights, source.weights.shape) * m),
        bias=narrow(exact(source.bias, outputs) * m + c),
        scale=reader.scale,
    )


def affine_affine(shape: Shape, source: Layer, reader: Layer) -> Layer | None:
    """m * (k x + d) + c = (m k) x + (m d + c)"""
    if not isinstance(source, Affine) or not isinstance(reader, Affine):
        return None
    k, d = exact(source.multiplier, shape), exact(source.offset, shape)
    m, c = exact(reader.multiplier, shape), exact(reader.offset, shape)
    return replace(reader, sources=source.sources, multiplier=m * k, offset=m * d + c)


def affine_requantize(shape: Shape, source: Layer, reader: Layer) -> Layer | None:
    """round(m * (k x + d) + c) = round((m k) x + (m d + c))"""
    if not isinstance(source, Affine) or not isinstance(reader, Requantize):
        return None
    k, d = exact(source.multiplier, shape), exact(source.offset, shape)
    m, c = fractions(reader.multiplier, shape), fractions(reader.offset, shape)
    return replace(reader, sources=source.sources, multiplier=m * k, offset=m * d + c)


def relu_requantize(shape: Shape, source: Layer, reader: Layer) -> Layer | None:
    """saturate(round(m * max(x, 0) + c), 0, hi) = saturate(round(m x + c), 0, hi)

    where m >= 0 and round(c) <= 0: below zero both give 0.
    """
    if not isinstance(source, Relu) or not isinstance(reader, Requantize):
        return None
    if reader.overflow != "saturate" or (reader.lo != 0).any() or (reader.multiplier < 0).any():
        return None
    offsets = fractions(reader.offset, shape).ravel().tolist()
    if any(round_fraction(c, reader.rounding) > 0 for c in offsets):
        return None
    return replace(reader, sources=source.sources)
