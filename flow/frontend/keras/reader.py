"""Keras 2 and Keras 3 models from their files, without Keras: `.h5`, `.json` and `.keras`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.files import guards
from flow.frontend.files.hdf5 import MAGIC, WeightFile
from flow.frontend.hgq.classes import HGQ_MERGES, PROXIES, plain_kind
from flow.frontend.hgq.proxy import settle_weights
from flow.frontend.hgq.tracing import traces
from flow.frontend.keras.bypass import without_bypass
from flow.frontend.keras.calls import Call, Tensor, malformed
from flow.frontend.keras.config import LayerConfig, ModelConfig, read_config
from flow.frontend.keras.layers import plan_layer
from flow.frontend.keras.merge import MERGES
from flow.frontend.keras.nested import flatten
from flow.frontend.keras.operations import is_operation, outputs_of
from flow.frontend.keras.site import Build, Site
from flow.frontend.keras.steps import Obstacle
from flow.frontend.keras.weights import LayerWeights
from flow.frontend.source import SourceLayer, SourceModel


def read_keras_h5(path: Path) -> SourceModel:
    """A whole model in one HDF5 file; UsageError or UnsupportedModel."""
    where = path.name
    data = guards.read_bytes(path)
    with WeightFile(data, where) as file:
        text = file.text((), "model_config")
        if text is None:
            raise UsageError(
                "the file holds weights but no model",
                where=where,
                hint="give the .json of the model, and this file by --weights",
            )
        config = read_config(guards.parse_json(text.encode(), where), where)
        planned = _plan(config, _major(file.text((), "keras_version")), where)
        return _convert(planned, file, "keras-h5", _sha256(data))


def read_keras_json(path: Path, weights: Path | None) -> SourceModel:
    """A configuration with its weights, by default from the one `.h5` or `.hdf5` beside it."""
    where = path.name
    data = guards.read_bytes(path, guards.JSON_BYTES)
    value = guards.parse_json(data, where)
    planned = _plan(read_config(value, where), _version(value), where)
    beside = _beside(path) if weights is None else weights
    stored = guards.read_bytes(beside)
    if not stored.startswith(MAGIC):
        raise UsageError(
            "the weight file is not an HDF5 file",
            where=beside.name,
            hint="give the file that model.save_weights wrote",
        )
    with WeightFile(stored, beside.name) as file:
        return _convert(planned, file, "keras-json", _sha256(data, stored))


def read_keras_zip(path: Path) -> SourceModel:
    """A `.keras` archive of Keras 3, or of Keras 2.12 and later."""
    where = path.name
    data = guards.read_bytes(path)
    members = guards.open_zip(data, where)
    for name in ("config.json", "model.weights.h5"):
        if name not in members:
            raise UsageError(
                f"the archive has no {name}", where=where, hint="save it by model.save"
            )
    config = guards.read_member(data, members["config.json"], guards.JSON_BYTES, where)
    stored = guards.read_member(data, members["model.weights.h5"], guards.FILE_BYTES, where)
    version: Any = None
    if "metadata.json" in members:
        text = guards.read_member(data, members["metadata.json"], guards.JSON_BYTES, where)
        metadata = guards.parse_json(text, f"{where}, metadata.json")
        version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    place = f"{where}, config.json"
    model = read_config(guards.parse_json(config, place), where)
    planned = _plan(model, _major(version), where)
    with WeightFile(stored, f"{where}, model.weights.h5") as file:
        return _convert(planned, file, "keras-zip", _sha256(data))


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A configuration in which nothing stands in the way, with what builds each layer.

    `model` is the file's, `flat` the same without inner models.
    """

    model: ModelConfig
    flat: ModelConfig
    builds: Mapping[str, Build]
    where: str


def _convert(planned: Planned, file: WeightFile, kind: str, digest: str) -> SourceModel:
    model = _converted(planned, file, kind, digest, False)
    if not any(trace.stale for trace in traces(model)):
        return model
    return replace(model, retraced=_converted(planned, file, kind, digest, True))


def _converted(
    planned: Planned, file: WeightFile, kind: str, digest: str, retraced: bool
) -> SourceModel:
    model, where = planned.flat, planned.where
    weights = LayerWeights(file, planned.model, retraced)
    layers: list[SourceLayer] = []
    shapes: dict[Tensor, tuple[int, ...]] = {}
    results: dict[Tensor, str] = {}
    for layer, tensor in _order(model, where):
        _, number, output = tensor
        call = layer.calls[number]
        _check_sources(layer, call)
        site = Site(
            name=layer.name + (f"#{number}" if number else "") + (f":{output}" if output else ""),
            place=layer.place,
            sources=tuple(results[s] for s in call.sources),
            shapes=tuple(shapes[s] for s in call.sources),
            weights=partial(weights.read, layer),
            branch=partial(weights.branch, layer),
            call=call,
            output=output,
        )
        try:
            built, shape = planned.builds[layer.name](site)
        except Obstacle as obstacle:
            raise _unsupported([_line(layer, obstacle)], where) from obstacle
        shapes[tensor] = guards.check_shape(shape, layer.place)
        results[tensor] = built[-1].name if built else site.sources[0]
        layers.extend(built)
    if any(plain_kind(layer.kind) in PROXIES for layer in model.layers):
        layers = list(settle_weights(layers))
    _check_names(layers, where)
    names = tuple(results[tensor] for tensor in model.outputs)
    kept, outputs, notes = without_bypass(layers, names)
    return SourceModel(model.name, kind, kept, outputs, digest, notes=notes)


def _plan(model: ModelConfig, keras: int | None, where: str) -> Planned:
    """The plan of each layer, or UnsupportedModel with every obstacle."""
    builds: dict[str, Build] = {}
    obstacles: list[str] = []
    flat = flatten(model)
    for layer in flat.layers:
        try:
            builds[layer.name] = plan_layer(layer, keras)
        except Obstacle as obstacle:
            obstacles.append(_line(layer, obstacle))
    if obstacles:
        raise _unsupported(obstacles, where)
    return Planned(model, flat, builds, where)


def _order(model: ModelConfig, where: str) -> Iterator[tuple[LayerConfig, Tensor]]:
    """Every tensor that an output needs, and every input, after what it reads.

    Ties follow the order of the file. UsageError for a cycle or a tensor that is not there.
    """
    layers = {layer.name: layer for layer in model.layers}
    inputs = [(layer.name, 0, 0) for layer in model.layers if layer.kind == "InputLayer"]
    done: set[Tensor] = set()
    opened: set[Tensor] = set()
    stack = [(tensor, where) for tensor in (*reversed(model.outputs), *reversed(inputs))]
    while stack:
        tensor, reader = stack[-1]
        name, call, output = tensor
        if (
            name not in layers
            or call >= len(layers[name].calls)
            or output >= outputs_of(layers[name])
        ):
            malformed(f"there is no tensor {output} of call {call} of a layer {name!r}", reader)
        layer = layers[name]
        sources = layer.calls[call].sources
        missing = [t for t in sources if t not in done]
        if tensor in done:
            stack.pop()
        elif not missing:
            stack.pop()
            done.add(tensor)
            yield layer, tensor
        elif tensor in opened:
            malformed("its layers form a cycle", layer.place)
        else:
            opened.add(tensor)
            stack.extend((t, layer.place) for t in reversed(missing))


def _check_sources(layer: LayerConfig, call: Call) -> None:
    if is_operation(layer):
        return
    given = call.tensor_arguments()
    if given:
        malformed(f"a tensor is given as the argument {given[0]!r}", layer.place)
    expected = 0 if layer.kind == "InputLayer" else 1
    if layer.kind in MERGES or plain_kind(layer.kind) in HGQ_MERGES:
        if not call.sources:
            malformed("it reads no tensor", layer.place)
    elif len(call.sources) != expected:
        malformed(f"it reads {len(call.sources)} tensors, not {expected}", layer.place)


def _check_names(layers: Sequence[SourceLayer], where: str) -> None:
    names: set[str] = set()
    for layer in layers:
        if layer.name in names:
            raise UsageError(
                f"two layers would be named {layer.name!r}",
                where=where,
                hint="rename one of the layers",
            )
        names.add(layer.name)


def _line(layer: LayerConfig, obstacle: Obstacle) -> str:
    return f"layer {layer.name!r} ({layer.kind}): {obstacle.message}"


def _unsupported(obstacles: list[str], where: str) -> UnsupportedModel:
    count = "1 thing" if len(obstacles) == 1 else f"{len(obstacles)} things"
    return UnsupportedModel(
        f"{count} in the model cannot become a circuit",
        where=where,
        hint="change the model as said below, train it and save it again",
        obstacles=tuple(obstacles),
    )


def _beside(path: Path) -> Path:
    found = sorted(file for file in path.parent.iterdir() if file.suffix in (".h5", ".hdf5"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise UsageError(
            f"several weight files lie beside the model: {names}"
            if found
            else "no weight file lies beside the model",
            where=path.name,
            hint="name the weight file by --weights",
        )
    return found[0]


def _major(version: Any) -> int | None:
    """2 for "2.4.0" and for "2.15.0-tf", 3 for "3.3.3", None for anything else."""
    head = version.split(".")[0] if isinstance(version, str) else ""
    return int(head) if head in ("1", "2", "3") else None


def _version(value: Mapping[str, Any]) -> int | None:
    """The version in a JSON text; Keras 3 writes none, and a module instead."""
    major = _major(value.get("keras_version"))
    module = value.get("module")
    return 3 if major is None and isinstance(module, str) and module.startswith("keras") else major


def _sha256(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
