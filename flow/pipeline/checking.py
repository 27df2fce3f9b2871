"""What a model becomes, or what stands in its way: the work of `flow check`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flow.frontend.quantise import to_network
from flow.ir.layers import Dense
from flow.passes.fold_layers import FoldLayers
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import inputs_of, quantise_options, read_samples, read_source


def examine(config: BuildConfig) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each layer of the integer network, and notes. UnsupportedModel names obstacles."""
    source = read_source(config)
    samples = read_samples(source, config.calibrate or config.data)
    options = replace(quantise_options(config, samples), exact_input=True)
    quantised = to_network(source, options, inputs_of(samples))
    network = FoldLayers().run(quantised.network)
    rows = []
    for layer in network.layers:
        tensor = network.types[layer.name]
        weights = layer.weights if isinstance(layer, Dense) else None
        rows.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "shape": "x".join(map(str, tensor.shape)) or "1",
                "weights": 0 if weights is None else int(weights.size),
                "weight bits": 0 if weights is None else _bits(weights),
                "range": str(tensor.hull),
                "bits": max(1, tensor.hull.width),
            }
        )
    return rows, list(dict.fromkeys((*source.notes, *quantised.notes)))


def _bits(weights: Any) -> int:
    largest, smallest = int(weights.max()), int(weights.min())
    return max(largest, ~smallest).bit_length() + 1
