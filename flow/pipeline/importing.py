"""A model file and sample data become a Network: shared by build, eval and check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.data import Samples, encode, read_data
from flow.frontend.options import QuantiseOptions
from flow.frontend.quantise import Quantised, to_network
from flow.frontend.read import read_model
from flow.frontend.search_widths import search_widths
from flow.frontend.source import SourceInput, SourceModel
from flow.ir.network import Network
from flow.pipeline.config import BuildConfig

DEFAULT_WEIGHT_BITS = 8


@dataclass(frozen=True)
class Imported:
    """A model, the data it is tested on, and what it means as integers."""

    source: SourceModel
    samples: Samples | None
    network: Network
    notes: tuple[str, ...]


def import_model(config: BuildConfig, *, exact_input: bool = False) -> Imported:
    """Read model and data, and quantise.

    With `exact_input`, an input that the model does not quantise holds every sample exactly, up
    to 32 bits, where `input_bits` is left open.
    """
    source = read_source(config)
    samples = read_samples(source, config.data)
    calibration = read_samples(source, config.calibrate) or samples
    if calibration is None and not source.quantised:
        raise UsageError(
            "a float network is quantised from samples, and none are given",
            hint="give samples of its inputs with --calibrate or --data",
        )
    options = replace(quantise_options(config, samples), exact_input=exact_input)
    notes: tuple[str, ...] = ()
    if config.loss is not None and not source.quantised:
        if calibration is None or calibration.labels is None:
            raise UsageError(
                "--loss needs samples with labels",
                hint="give them with --calibrate or --data",
            )
        found = search_widths(source, options, calibration.inputs, calibration.labels, config.loss)
        options, notes = found.options, found.notes
    quantised: Quantised = to_network(source, options, inputs_of(calibration))
    return Imported(source, samples, quantised.network, (*source.notes, *notes, *quantised.notes))


def read_source(config: BuildConfig) -> SourceModel:
    """The model file of a configuration."""
    if config.model is None:
        raise UsageError("no model is named", hint="flow build MODEL, or model in flow.toml")
    return read_model(config.model, config.weights)


def read_samples(source: SourceModel, path: Path | None) -> Samples | None:
    """The samples of a data file in the shapes of the model's inputs."""
    if path is None:
        return None
    shapes = {layer.name: layer.shape for layer in source.layers if isinstance(layer, SourceInput)}
    return read_data(path, shapes, classes=source.classes)


def inputs_of(samples: Samples | None) -> Mapping[str, Any] | None:
    """The input arrays by name of the model's input."""
    return None if samples is None else samples.inputs


def quantise_options(config: BuildConfig, samples: Samples | None) -> QuantiseOptions:
    """What a configuration says of the quantisation."""
    head = config.head
    if head == "auto" and samples is not None and samples.labels is not None:
        head = "decision"
    return QuantiseOptions(
        input_bits=config.input_bits,
        weight_bits=config.weight_bits or DEFAULT_WEIGHT_BITS,
        activation_bits=config.activation_bits or None,
        head=head,
    )


def encode_samples(network: Network, samples: Samples) -> dict[str, Any]:
    """The integer inputs of every sample, by name of the network's input."""
    arrays = list(samples.inputs.values())
    return {
        layer.name: encode(layer, np.asarray(array))
        for layer, array in zip(network.inputs, arrays, strict=True)
    }
