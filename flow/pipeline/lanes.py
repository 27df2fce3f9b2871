"""Values of a network by port of its circuit, (samples, lanes), and back by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import IntArray
from flow.passes.lower_layers import port_names


def flat(array: Any) -> Any:
    """(samples, lanes), in row-major order of the tensor."""
    return array.reshape(array.shape[0], -1)


def port_inputs(network: Network, values: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Inputs by name (samples, *shape) from those of the ports x (samples, lanes)."""
    names = port_names("x", len(network.inputs))
    lanes = [np.asarray(values[port]) for port in names]
    return split_inputs(network, np.concatenate(lanes, axis=1))


def split_inputs(network: Network, lanes: IntArray) -> dict[str, IntArray]:
    """Inputs by name from all lanes side by side; UsageError where their number is another."""
    sizes = [layer.tensor.size for layer in network.inputs]
    if lanes.shape[1] != sum(sizes):
        raise UsageError(f"{lanes.shape[1]} lanes for a network of {sum(sizes)} inputs")
    parts = np.split(lanes, np.cumsum(sizes)[:-1], axis=1)
    return {
        layer.name: part.reshape(-1, *layer.tensor.shape)
        for layer, part in zip(network.inputs, parts, strict=True)
    }


def port_answers(network: Network, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a network answers to inputs by port of its circuit, (samples, lanes), the same way."""
    answers = evaluate_network(network, port_inputs(network, inputs))
    ports = port_names("y", len(network.outputs))
    return {p: flat(answers[n]) for p, n in zip(ports, network.outputs, strict=True)}


def lane_scales(network: Network) -> Mapping[str, str]:
    """The value of 1 on each port whose lanes have one scale."""
    found: dict[str, str] = {}
    inputs = [layer.name for layer in network.inputs]
    pairs = [
        *zip(port_names("x", len(inputs)), inputs, strict=True),
        *zip(port_names("y", len(network.outputs)), network.outputs, strict=True),
    ]
    for port, name in pairs:
        scales = set(network.types[name].scale.ravel().tolist())
        if len(scales) == 1:
            found[port] = str(scales.pop())
    return found
