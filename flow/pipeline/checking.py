"""What a model becomes, or what stands in its way: the work of `flow check`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flow.frontend.hgq.retrace import retrace
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.unrolled import refuse_too_large
from flow.ir.layers import Conv, Dense, MaskedDense
from flow.ir.network import Network
from flow.passes.fold_layers import FoldLayers
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import (
    Imported,
    inputs_of,
    quantise_options,
    read_samples,
    read_source,
    searched,
)
from flow.pipeline.picking import import_point, is_front
from flow.pipeline.studying import studied
from flow.progress import Progress, silent
from flow.report.quantisation import QuantisedLayer


@dataclass(frozen=True)
class Examined:
    """A row for each layer of the integer network, what quantisation costs, and notes."""

    layers: list[dict[str, Any]]
    quantisation: tuple[QuantisedLayer, ...]
    notes: list[str]


def examine(config: BuildConfig, progress: Progress = silent) -> Examined:
    """What the model becomes, or a point of a search. UnsupportedModel names every obstacle."""
    progress("reading the model")
    if is_front(config.model):
        found = import_point(config)
        return Examined(_rows(FoldLayers().run(found.network)), (), list(found.notes))
    source = read_source(config)
    refuse_too_large(source)
    samples = read_samples(source, config.data)
    calibration = read_samples(source, config.calibrate) or samples
    source, traced = retrace(source, inputs_of(calibration))
    options = replace(quantise_options(config, samples), exact_input=True)
    options, notes = searched(config, source, options, calibration, progress)
    progress("quantising")
    quantised = to_network(source, options, inputs_of(calibration))
    network = FoldLayers().run(quantised.network)
    progress("studying the layers")
    said = tuple(dict.fromkeys((*source.notes, *traced, *notes, *quantised.notes)))
    imported = Imported(
        source, samples, network, said, quantised.options, calibration, quantised.values
    )
    return Examined(_rows(network), studied(imported), list(said))


def _rows(network: Network) -> list[dict[str, Any]]:
    rows = []
    for layer in network.layers:
        tensor = network.types[layer.name]
        weights = layer.weights if isinstance(layer, (Conv, Dense, MaskedDense)) else None
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
    return rows


def _bits(weights: Any) -> int:
    largest, smallest = int(weights.max()), int(weights.min())
    return max(largest, ~smallest).bit_length() + 1
