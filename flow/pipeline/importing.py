"""A model file and sample data become a Network: shared by build, eval and check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.exact.workbench import Value
from flow.frontend.files.data import Samples, encode, read_data
from flow.frontend.hgq.retrace import retrace
from flow.frontend.quantisation.options import QuantiseOptions, parse_layer_bits
from flow.frontend.quantisation.quantise import Quantised, to_network
from flow.frontend.quantisation.search_widths import search_widths
from flow.frontend.read import read_model
from flow.frontend.shapes import source_shapes
from flow.frontend.source import SourceActivation, SourceInput, SourceModel
from flow.frontend.unrolled import refuse_too_large
from flow.ir.network import Network
from flow.pipeline.config import BuildConfig
from flow.progress import Progress, silent

DEFAULT_WEIGHT_BITS = 8
FAITHFUL_BITS = 24
"""As many as the mantissa of the frameworks' float32."""


Most = tuple[int, str]
"""A number of multiplications, and of what it is the limit."""


@dataclass(frozen=True)
class Imported:
    """A model, the data it is tested on, and what it means as integers; and how it got them.

    `values` has what each layer of the file has become.
    """

    source: SourceModel
    samples: Samples | None
    network: Network
    notes: tuple[str, ...]
    options: QuantiseOptions
    calibration: Samples | None
    values: Mapping[str, Value]


def import_model(
    config: BuildConfig,
    *,
    faithful: bool = False,
    most: Most | None = None,
    progress: Progress = silent,
) -> Imported:
    """Read model and data, and quantise.

    `faithful` fills what the configuration leaves open with what changes the answers least: an
    input that the model does not quantise holds every sample exactly, up to 32 bits; a float
    network has FAITHFUL_BITS everywhere. Otherwise the defaults are those of small circuits, and
    more multiplications than `most` are refused.
    """
    progress("reading the model")
    source = read_source(config)
    progress("reading the data")
    samples = read_samples(source, config.data)
    calibration = read_samples(source, config.calibrate) or samples
    if calibration is None and not source.quantised:
        raise UsageError(
            "a float network is quantised from samples, and none are given",
            hint="give samples of its inputs with --calibrate or --data",
        )
    source, traced = retrace(source, inputs_of(calibration))
    options = quantise_options(config, samples)
    if not faithful:
        refuse_too_large(source, *(most or ()))
    if faithful:
        options = _faithful(config, options, source)
    options, notes = searched(config, source, options, calibration, progress)
    progress("quantising")
    quantised: Quantised = to_network(source, options, inputs_of(calibration))
    said = (*source.notes, *traced, *notes, *quantised.notes)
    return Imported(
        source, samples, quantised.network, said, quantised.options, calibration, quantised.values
    )


def searched(
    config: BuildConfig,
    source: SourceModel,
    options: QuantiseOptions,
    calibration: Samples | None,
    progress: Progress = silent,
) -> tuple[QuantiseOptions, tuple[str, ...]]:
    """The options with the narrowest widths within `config.loss`, if it is given, and notes."""
    if config.loss is None or source.quantised:
        return options, ()
    if calibration is None or calibration.labels is None:
        raise UsageError(
            "--loss needs samples with labels",
            hint="give them with --calibrate or --data",
        )
    found = search_widths(
        source, options, calibration.inputs, calibration.labels, config.loss, config.seed, progress
    )
    return found.options, found.notes


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
    return read_data(path, shapes, classes=source.classes, outputs=class_outputs(source))


def class_outputs(source: SourceModel) -> int | None:
    """How many outputs say the class, 1 for a sigmoid of two; None where that is not known."""
    if len(source.outputs) != 1:
        return None
    last = next(layer for layer in source.layers if layer.name == source.outputs[0])
    function = last.function if isinstance(last, SourceActivation) else None
    name = last.sources[0] if function == "argmax" else last.name
    shape = source_shapes(source)[name]
    if len(shape) != 1 or (shape[0] == 1 and function != "sigmoid"):
        return None
    return shape[0]


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
        per_channel=config.per_channel,
        per_input=config.per_input,
        weight_step=config.weight_step,
        weight_rounding=config.weight_rounding,
        equalise=config.equalise,
        bias_correction=config.bias_correction,
        activation_range=config.range or "mse",
        percentile=config.percentile,
        layers=parse_layer_bits(config.layer_bits or ""),
    )


def _faithful(
    config: BuildConfig, options: QuantiseOptions, source: SourceModel
) -> QuantiseOptions:
    if source.quantised:
        return replace(options, exact_input=True)
    activation = FAITHFUL_BITS if config.activation_bits is None else options.activation_bits
    return replace(
        options,
        input_bits=config.input_bits or FAITHFUL_BITS,
        weight_bits=config.weight_bits or FAITHFUL_BITS,
        activation_bits=activation,
        activation_range=config.range or "max",
    )


def encode_samples(network: Network, samples: Samples) -> dict[str, Any]:
    """The integer inputs of every sample, by name of the network's input."""
    arrays = list(samples.inputs.values())
    return {
        layer.name: encode(layer, np.asarray(array))
        for layer, array in zip(network.inputs, arrays, strict=True)
    }
