"""The configuration of a Keras model: its layers, who feeds whom, and what comes out.

Keras 2 and Keras 3 write the same graph in two forms (`inbound_nodes` as lists, or as serialised
`__keras_tensor__` objects); both become a list of calls here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.keras.calls import (
    Call,
    Tensor,
    malformed,
    plain_call,
    read_call,
    read_tensors,
)

MODELS = ("Sequential", "Functional", "Model")
"""The classes of a whole model."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerConfig:
    """One layer of the configuration, with its calls.

    `path` are the names of the models around it and its own there, by which its weights are
    found; `inner` is the model where the layer is one.
    """

    name: str
    kind: str
    module: str | None
    config: Mapping[str, Any]
    build: Mapping[str, Any]
    calls: tuple[Call, ...]
    place: str
    path: tuple[str, ...] = ()
    inner: ModelConfig | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ModelConfig:
    """All layers in the order of the file, an input before them where the file implies it."""

    name: str
    layers: tuple[LayerConfig, ...]
    outputs: tuple[Tensor, ...]
    sequential: bool
    inputs: tuple[str, ...] = ()


def read_config(value: Any, where: str, within: bool = False) -> ModelConfig:
    """The model in a parsed JSON value; UsageError where it is no model or malformed.

    `within` another model, an input may lack its shape.
    """
    kind, config = read_class(value, where, listed=True)
    if kind not in MODELS:
        raise UsageError(
            f"the file holds the class {kind!r} and not a model",
            where=where,
            hint="save a Sequential or Functional Keras model",
        )
    entries = config.get("layers") if isinstance(config, Mapping) else config
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        malformed("the model has no list of layers", where)
    if len(entries) > guards.LAYERS:
        raise UsageError(
            f"the model has {len(entries)} layers",
            where=where,
            hint=f"at most {guards.LAYERS} are read",
        )
    if not entries:
        malformed("the model has no layers", where)
    name = config.get("name") if isinstance(config, Mapping) else None
    if kind == "Sequential":
        layers = tuple(_sequential(entries, where, within))
        outputs: tuple[Tensor, ...] = ((layers[-1].name, 0, 0),)
        inputs: tuple[str, ...] = (layers[0].name,)
    else:
        layers = tuple(_functional(entries, where))
        outputs = tuple(_ends(config.get("output_layers"), where, "output_layers"))
        if not outputs:
            malformed("the model has no outputs", where)
        inputs = tuple(x.name for x in layers if x.kind == "InputLayer")
        if within:
            inputs = tuple(t[0] for t in _ends(config.get("input_layers"), where, "input_layers"))
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            malformed(f"two layers are named {layer.name!r}", where)
        seen.add(layer.name)
    title = str(name) if _is_text(name) else "model"
    return ModelConfig(title, layers, outputs, kind == "Sequential", inputs)


def read_class(value: Any, where: str, listed: bool = False) -> tuple[str, Any]:
    """Class name and settings of a serialised Keras object, or UsageError.

    With `listed`, the settings may be a list, as Keras before 2.2.3 wrote a Sequential.
    """
    kind = value.get("class_name") if isinstance(value, dict) else None
    config = value.get("config", {}) if isinstance(value, dict) else None
    if not isinstance(kind, str) or not isinstance(config, dict | list if listed else dict):
        malformed("no class_name and config", where)
    return kind, config


def _sequential(entries: list[dict[str, Any]], where: str, within: bool) -> Iterator[LayerConfig]:
    previous: str | None = None
    for index, entry in enumerate(entries):
        layer = _layer(entry, index, where, ())
        if previous is None and layer.kind != "InputLayer":
            source = _implied_input(layer, entries, where, within)
            yield source
            previous = source.name
        call = Call() if previous is None else plain_call((previous, 0, 0))
        yield replace(layer, calls=(call,))
        previous = layer.name


def _implied_input(
    first: LayerConfig, entries: list[dict[str, Any]], where: str, within: bool
) -> LayerConfig:
    shape = first.config.get("batch_input_shape", first.config.get("batch_shape"))
    if shape is None:
        shape = first.build.get("input_shape")
    within_it = first.config.get("layer")
    if shape is None and isinstance(within_it, dict):
        given = within_it.get("config")
        shape = given.get("batch_input_shape") if isinstance(given, dict) else None
    if shape is None and first.inner is not None:
        given = first.inner.layers[0].config
        shape = given.get("batch_input_shape", given.get("batch_shape"))
    if shape is None and not within:
        malformed("the first layer does not know its input shape", where)
    names = {_name(entry, where) for entry in entries}
    name = f"{first.name}_input"
    while name in names:
        name += "_"
    place = f"{where}, input of layer {first.name!r}"
    return LayerConfig(name, "InputLayer", None, {"batch_shape": shape}, {}, (Call(),), place)


def _functional(entries: list[dict[str, Any]], where: str) -> Iterator[LayerConfig]:
    for index, entry in enumerate(entries):
        place = _place(entry, where)
        nodes = entry.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            malformed("inbound_nodes is no list", place)
        calls = tuple(read_call(node, place) for node in nodes) or (Call(),)
        yield _layer(entry, index, where, calls)


def _ends(value: Any, where: str, what: str) -> Iterator[Tensor]:
    """The inputs or outputs of a model: a list of tensors, or an object with them."""
    if isinstance(value, dict):
        for key in value:
            yield from read_tensors(value[key], where, what)
    else:
        yield from read_tensors(value, where, what)


def _layer(entry: dict[str, Any], index: int, where: str, calls: tuple[Call, ...]) -> LayerConfig:
    is_model = entry.get("class_name") in MODELS
    kind, config = read_class(entry, f"{where}, layer {index}", listed=is_model)
    name = _name(entry, where)
    module = entry.get("module")
    build = entry.get("build_config")
    return LayerConfig(
        name=name,
        kind=kind,
        module=module if isinstance(module, str) else None,
        config=config if isinstance(config, dict) else {},
        build=build if isinstance(build, dict) else {},
        calls=calls,
        place=_place(entry, where),
        path=(name,),
        inner=read_config(entry, _place(entry, where), within=True) if is_model else None,
    )


def _name(entry: dict[str, Any], where: str) -> str:
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, dict) else None)
    if not _is_text(name):
        malformed("a layer has no name", where)
    return str(name)


def _is_text(value: Any) -> bool:
    """Whether it is a string with something in it, and no half of a surrogate pair."""
    if not isinstance(value, str) or not value:
        return False
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


def _place(entry: dict[str, Any], where: str) -> str:
    return f"{where}, layer {_name(entry, where)!r}"
