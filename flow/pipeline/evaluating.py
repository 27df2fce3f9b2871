"""What the integer network answers to samples, as the framework would say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.files.data import decode, encode, read_data
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import read_manifest
from flow.pipeline.importing import encode_samples, import_model
from flow.pipeline.reading import read_text
from flow.progress import Progress, silent

PART = 4096
"""Samples that are evaluated at once."""


@dataclass(frozen=True)
class Answer:
    """The real outputs (samples, ...) of each output of the network, heads applied."""

    outputs: dict[str, Any]
    network: Network
    notes: tuple[str, ...]


def answer(config: BuildConfig, progress: Progress = silent) -> Answer:
    """The answers of a model file, or of the network in a build folder, to the data."""
    if config.model is None or config.data is None:
        raise UsageError("eval needs a model and data", hint="flow eval MODEL --data X -o Y.npy")
    if config.model.is_dir():
        return _of_folder(config.model, config.data, progress)
    imported = import_model(replace(config, head="logits"), faithful=True, progress=progress)
    assert imported.samples is not None
    inputs = encode_samples(imported.network, imported.samples)
    return Answer(_real(imported.network, inputs, progress), imported.network, imported.notes)


def _of_folder(folder: Path, data: Path, progress: Progress) -> Answer:
    read_manifest(folder)
    path = folder / "01-import" / "network.json"
    network = parse_network(read_text(path), str(path))
    shapes = {layer.name: layer.tensor.shape for layer in network.inputs}
    samples = read_data(data, shapes)
    inputs = {
        layer.name: encode(layer, np.asarray(samples.inputs[layer.name]))
        for layer in network.inputs
    }
    return Answer(_real(network, inputs, progress), network, ())


def _real(network: Network, inputs: dict[str, Any], progress: Progress) -> dict[str, Any]:
    values = _in_parts(network, inputs, progress)
    result = {}
    for name in network.outputs:
        real = decode(network.types[name], values[name])
        decided = network.layer(name).kind in ("argmax", "at_least")
        result[name] = real if decided else apply_head(network.head, real)
    return result


def _in_parts(network: Network, inputs: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """What the network answers, PART samples at a time: big data needs less memory so."""
    samples = max((len(array) for array in inputs.values()), default=0)
    if samples <= PART:
        return evaluate_network(network, inputs)
    parts = []
    for start in range(0, samples, PART):
        progress("samples answered", start, samples)
        part = {name: array[start : start + PART] for name, array in inputs.items()}
        parts.append(evaluate_network(network, part))
    progress("samples answered", samples, samples)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def apply_head(head: str, x: Any) -> Any:
    """softmax or its logarithm over the last axis, or sigmoid, in float64; nothing for `none`."""
    match head:
        case "softmax":
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            return e / e.sum(axis=-1, keepdims=True)
        case "log_softmax":
            below = x - x.max(axis=-1, keepdims=True)
            return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
        case "sigmoid":
            positive = np.exp(-np.abs(x))
            return np.where(x >= 0, 1 / (1 + positive), positive / (1 + positive))
        case _:
            return x
