"""What the integers of a network cost as a bespoke circuit, roughly, without building it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.layers import Conv, Dense, Layer, Requantize
from flow.ir.network import Network


def cost(network: Network) -> int:
    """Bits of the adders of a bespoke circuit, roughly: non-zero signed digits of each weight
    times the bits of its input, at every position, and the bits that requantisations hand on."""
    return sum(_layer(network, layer) for layer in network.layers)


def _layer(network: Network, layer: Layer) -> int:
    here = network.types[layer.name]
    match layer:
        case Dense(weights=weights):
            widths = _widths(network, layer).reshape(-1, weights.shape[0])
            return int(widths.sum(axis=0) @ signed_digits(weights).sum(axis=1))
        case Conv(weights=weights):
            channels = _widths(network, layer).reshape(
                -1, network.types[layer.sources[0]].shape[-1]
            )
            positions = here.size // weights.shape[-1]
            digits = signed_digits(weights).reshape(-1, *weights.shape[-2:]).sum(axis=(0, 2))
            each = channels.max(axis=0).reshape(layer.groups, -1).mean(axis=0)
            return int(positions * (each @ digits))
        case Requantize():
            return sum(r.width for r in here.ranges())
        case _:
            return 0


def _widths(network: Network, layer: Layer) -> NDArray[np.int64]:
    return np.array([r.width for r in network.types[layer.sources[0]].ranges()])


def signed_digits(weights: NDArray[Any]) -> NDArray[np.int64]:
    """Non-zero digits of the canonical signed form: the bits in which w and 3w differ."""
    w = np.abs(weights.astype(np.int64))
    digits: NDArray[np.int64] = np.bitwise_count(w ^ (3 * w)).astype(np.int64)
    return digits
