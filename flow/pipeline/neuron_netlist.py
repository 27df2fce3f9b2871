"""A binary network as threshold gates, compared with the network on the samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.analysis.binary_layers import binary_layers
from flow.errors import Mismatch, UnsupportedModel
from flow.ir.interval import IntRange
from flow.ir.threshold import Bits, ThresholdNetlist
from flow.mapping.threshold.layers import layers_netlist
from flow.pipeline.state import State, have

SAMPLES = 512
"""So many samples are compared."""


def neurons_of(state: State) -> tuple[ThresholdNetlist | None, str]:
    """A gate for each neuron of the imported network, or None; and a note on either.

    Mismatch where the gates do not answer a sample as the network does.
    """
    network = have(state.network)
    try:
        layers = binary_layers(network)
        ranges = _ranges(state)
        netlist = layers_netlist(layers, ranges, "network")
    except UnsupportedModel as error:
        return None, f"its gates come of the circuit, not of neurons: {error.message}"
    expected = np.concatenate(
        [np.asarray(x).reshape(len(x), -1) for x in state.expected.values()], axis=1
    )[:SAMPLES]
    bits = netlist.evaluate(_bits(state, ranges)[:SAMPLES]).astype(np.int64)
    found = (bits << np.arange(bits.shape[1])).sum(axis=1)
    if expected.shape[1] != 1 or not np.array_equal(found, expected[:, 0].astype(np.int64)):
        raise Mismatch(
            "the threshold gates do not answer as the network",
            hint="report this with the model and the data",
        )
    return netlist, f"every neuron is one gate; they answer {len(found)} samples as the network"


def _ranges(state: State) -> list[IntRange]:
    """Of every input element; 0 to 1 where each has two values at most, as its bit has."""
    every = [r for layer in have(state.network).inputs for r in layer.tensor.ranges()]
    if all(r.hi - r.lo <= 1 for r in every):
        return [IntRange(0, 1)] * len(every)
    return every


def _bits(state: State, ranges: list[IntRange]) -> Bits:
    """The samples as bits, lowest first; where inputs are bits, the lower value is 0."""
    lows = [r.lo for layer in have(state.network).inputs for r in layer.tensor.ranges()]
    values: NDArray[np.int64] = np.concatenate(
        [np.asarray(x, dtype=np.int64).reshape(len(x), -1) for x in state.inputs.values()], axis=1
    )
    if all(r == IntRange(0, 1) for r in ranges):
        values = values - np.array(lows)
    columns = [values[:, e] >> i & 1 for e, r in enumerate(ranges) for i in range(r.width)]
    return np.stack(columns, axis=1).astype(np.uint8)
