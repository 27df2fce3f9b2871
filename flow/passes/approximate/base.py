"""What an approximation of a network may look at, and the dense layers that it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import Dense, Layer, MaskedDense
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray, TensorType

Samples = Mapping[str, IntArray]
"""Training data: an integer array (samples, *shape) for each input layer."""


class MultiplierAreas(Protocol):
    """What a bespoke multiplier takes, measured under one technology."""

    def area(self, weight: int, input_bits: int) -> float:
        """The cell area (um2) of x * weight for an unsigned x of so many bits."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What an approximation may look at: training data, and areas of multipliers if measured."""

    samples: Samples
    areas: MultiplierAreas | None = None


Change = Callable[[MaskedDense, TensorType, IntArray], MaskedDense]
"""A new layer for one, from the type of its source and the training values of its source."""


def approximate(
    network: Network, change: Change, facts: Facts, name: str, layer: str = ""
) -> Network:
    """The network with dense layers changed in order, each on the values that those before give.

    Layers whose source may be negative stay. Raises UsageError where `layer` names none that can
    be changed.
    """
    known = [one.name for one in network.layers if as_masked(one, network) is not None]
    if layer and layer not in known:
        raise UsageError(
            f"{name}: there is no dense layer {layer!r} with unsigned inputs",
            hint=f"there are {', '.join(known) or 'none'}",
        )
    for one in [layer] if layer else known:
        plain = as_masked(network.layer(one), network)
        assert plain is not None
        (source,) = plain.sources
        values = evaluate_network(network, facts.samples, keep=(source,))[source]
        new = change(plain, network.types[source], values.reshape(-1, values.shape[-1]))
        layers = tuple(new if old.name == one else old for old in network.layers)
        network = replace(network, layers=layers)
    return network


def as_masked(layer: Layer, network: Network) -> MaskedDense | None:
    """The layer as a masked one that keeps every bit; None where it is no dense layer of
    unsigned inputs."""
    if isinstance(layer, MaskedDense):
        return layer
    if not isinstance(layer, Dense) or (network.types[layer.sources[0]].lo < 0).any():
        return None
    widest = network.types[layer.sources[0]].hull.hi.bit_length()
    shape = layer.weights.shape
    masks = np.full(shape, (1 << widest) - 1, dtype=object if widest > 62 else np.int64)
    keep = np.full(shape, -1, dtype=np.int64)
    return MaskedDense(
        layer.name, layer.sources, layer.place, layer.weights, masks, keep, layer.bias, layer.scale
    )


def cut(layer: MaskedDense, keep: IntArray, values: IntArray, step: int = 1) -> MaskedDense:
    """The layer with products that keep fewer bits; biases take over the mean of what is lost.

    A new bias is a multiple of `step`, the nearest to the mean over the training values.
    """
    new = replace(layer, keep=keep)
    lost = (layer.evaluate(values) - new.evaluate(values)).sum(axis=0)
    bias = [
        step * ((2 * (int(b) * len(values) + int(n)) + step * len(values))
                // (2 * step * len(values)))
        for b, n in zip(layer.bias.tolist(), lost.tolist(), strict=True)
    ]  # fmt: skip
    return replace(new, bias=np.array(bias, dtype=layer.bias.dtype))


def product_widths(layer: MaskedDense, x: TensorType) -> IntArray:
    """Bits of the largest value of each product (inputs, outputs)."""
    highest = x.hi.reshape(-1, x.shape[-1]).max(axis=0).tolist()
    return np.array(
        [
            [(abs(w) * (((1 << hi.bit_length()) - 1) & m)).bit_length()
             for w, m in zip(ws, ms, strict=True)]
            for hi, ws, ms in zip(highest, layer.weights.tolist(), layer.masks.tolist(),
                                  strict=True)
        ],
        dtype=np.int64,
    )  # fmt: skip
