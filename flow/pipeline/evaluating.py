"""What the integer network answers to samples, as the framework would say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.frontend.exact.workbench import Value
from flow.frontend.files.data import decode, encode, read_data
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import read_manifest
from flow.pipeline.importing import Imported, import_model
from flow.pipeline.picking import import_point, is_front
from flow.pipeline.reading import read_text
from flow.progress import Progress, silent

PART = 4096
"""Samples that are evaluated at once."""


@dataclass(frozen=True)
class Question:
    """A network and real inputs by its names; `values`: what each layer of the file became."""

    network: Network
    inputs: Mapping[str, Any]
    values: Mapping[str, Value]
    notes: tuple[str, ...]


def ask(config: BuildConfig, progress: Progress = silent) -> Question:
    """The network of a model file, in a build folder or of a search, and the data."""
    if is_front(config.model):
        return _asked(import_point(config))
    if config.model is None or config.data is None:
        raise UsageError("eval needs a model and data", hint="flow eval MODEL --data X -o Y.npy")
    if config.model.is_dir():
        return _of_folder(config.model, config.data)
    imported = import_model(replace(config, head="logits"), faithful=True, progress=progress)
    return _asked(imported)


def _asked(imported: Imported) -> Question:
    assert imported.samples is not None
    network, arrays = imported.network, imported.samples.inputs.values()
    inputs = {x.name: np.asarray(a) for x, a in zip(network.inputs, arrays, strict=True)}
    return Question(network, inputs, imported.values, imported.notes)


def _of_folder(folder: Path, data: Path) -> Question:
    read_manifest(folder)
    path = folder / "01-import" / "network.json"
    network = parse_network(read_text(path), str(path))
    shapes = {layer.name: layer.tensor.shape for layer in network.inputs}
    samples = read_data(data, shapes)
    inputs = {name: np.asarray(array) for name, array in samples.inputs.items()}
    return Question(network, inputs, {}, ())


def answer(question: Question, progress: Progress = silent) -> dict[str, Any]:
    """The real outputs (samples, ...) of the network by their names, heads applied."""
    network = question.network
    values = integers(question, (), progress)
    result = {}
    for name, head in zip(network.outputs, network.heads, strict=True):
        real = decode(network.types[name], values[name])
        decided = network.layer(name).decides
        result[name] = real if decided else apply_head(head, real)
    return result


def integers(
    question: Question, keep: tuple[str, ...], progress: Progress = silent
) -> dict[str, Any]:
    """The integers of the outputs and the layers in `keep`, PART samples at a time: big data
    needs less memory so."""
    network, inputs = question.network, question.inputs
    samples = max((len(array) for array in inputs.values()), default=0)
    parts = []
    for start in range(0, max(samples, 1), PART):
        if samples > PART:
            progress("samples answered", start, samples)
        coded = {x.name: encode(x, inputs[x.name][start : start + PART]) for x in network.inputs}
        parts.append(evaluate_network(network, coded, keep))
    if samples > PART:
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
