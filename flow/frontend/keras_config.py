"""The configuration of a Keras model: its layers, who feeds whom, and what comes out.

Keras 2 and Keras 3 write the same graph in two forms (`inbound_nodes` as lists, or as serialised
`__keras_tensor__` objects); both become a list of calls here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from flow.errors import UsageError
from flow.frontend import guards

MODELS = ("Sequential", "Functional", "Model")
"""The classes of a whole model."""

Tensor = tuple[str, int, int]
"""Name of the layer, number of its call, number of its output."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerConfig:
    """One layer of the configuration; `calls` has the source tensors of each of its calls."""

    name: str
    kind: str
    module: str | None
    config: Mapping[str, Any]
    build: Mapping[str, Any]
    calls: tuple[tuple[Tensor, ...], ...]
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class ModelConfig:
    """All layers in the order of the file, an input before them where the file implies it."""

    name: str
    layers: tuple[LayerConfig, ...]
    outputs: tuple[Tensor, ...]
    sequential: bool


def read_config(value: Any, where: str) -> ModelConfig:
    """The model in a parsed JSON value; UsageError where it is no model or malformed."""
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
        layers = tuple(_sequential(entries, where))
        outputs: tuple[Tensor, ...] = ((layers[-1].name, 0, 0),)
    else:
        layers = tuple(_functional(entries, where))
        outputs = tuple(_tensors(config.get("output_layers"), where, "output_layers"))
        if not outputs:
            malformed("the model has no outputs", where)
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            malformed(f"two layers are named {layer.name!r}", where)
        seen.add(layer.name)
    title = str(name) if _is_text(name) else "model"
    return ModelConfig(title, layers, outputs, kind == "Sequential")


def read_class(value: Any, where: str, listed: bool = False) -> tuple[str, Any]:
    """Class name and settings of a serialised Keras object, or UsageError.

    With `listed`, the settings may be a list, as Keras before 2.2.3 wrote a Sequential.
    """
    kind = value.get("class_name") if isinstance(value, dict) else None
    config = value.get("config", {}) if isinstance(value, dict) else None
    if not isinstance(kind, str) or not isinstance(config, dict | list if listed else dict):
        malformed("no class_name and config", where)
    return kind, config


def malformed(message: str, where: str) -> NoReturn:
    """UsageError: the configuration is not as Keras writes it."""
    raise UsageError(
        f"the configuration is malformed: {message}", where=where, hint="save the model again"
    )


def _sequential(entries: list[dict[str, Any]], where: str) -> Iterator[LayerConfig]:
    previous: str | None = None
    for index, entry in enumerate(entries):
        layer = _layer(entry, index, where, ())
        if previous is None and layer.kind != "InputLayer":
            source = _implied_input(layer, entries, where)
            yield source
            previous = source.name
        calls = ((),) if previous is None else (((previous, 0, 0),),)
        yield _layer(entry, index, where, calls)
        previous = layer.name


def _implied_input(first: LayerConfig, entries: list[dict[str, Any]], where: str) -> LayerConfig:
    shape = first.config.get("batch_input_shape", first.config.get("batch_shape"))
    if shape is None:
        shape = first.build.get("input_shape")
    if shape is None:
        malformed("the first layer does not know its input shape", where)
    names = {_name(entry, where) for entry in entries}
    name = f"{first.name}_input"
    while name in names:
        name += "_"
    place = f"{where}, input of layer {first.name!r}"
    return LayerConfig(name, "InputLayer", None, {"batch_shape": shape}, {}, ((),), place)


def _functional(entries: list[dict[str, Any]], where: str) -> Iterator[LayerConfig]:
    for index, entry in enumerate(entries):
        place = _place(entry, where)
        nodes = entry.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            malformed("inbound_nodes is no list", place)
        calls = tuple(tuple(_call(node, place)) for node in nodes) or ((),)
        yield _layer(entry, index, where, calls)


def _call(node: Any, place: str) -> Iterator[Tensor]:
    """The source tensors of one call, in either form."""
    if isinstance(node, dict):
        yield from _keras_tensors(node.get("args", []), place)
        kwargs = node.get("kwargs", {})
        if not isinstance(kwargs, dict):
            malformed("the arguments of a call are no object", place)
        for key in sorted(kwargs):
            if any(True for _ in _keras_tensors(kwargs[key], place)):
                malformed(f"a tensor is given as the argument {key!r}", place)
    else:
        yield from _tensors(node, place, "inbound_nodes")


def _keras_tensors(value: Any, place: str) -> Iterator[Tensor]:
    if isinstance(value, list):
        for item in value:
            yield from _keras_tensors(item, place)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        yield from _tensors([history], place, "keras_history")


def _tensors(value: Any, place: str, what: str) -> Iterator[Tensor]:
    """`[name, call, output]`, a list of them, or with settings behind them."""
    if not isinstance(value, list):
        malformed(f"{what} is no list", place)
    entries = [value] if value and isinstance(value[0], str) else value
    for entry in entries:
        match entry:
            case [str() as name, int() as call, int() as output, *_] if call >= 0 <= output:
                yield name, call, output
            case _:
                malformed(f"{what} names no tensor", place)


def _layer(
    entry: dict[str, Any], index: int, where: str, calls: tuple[tuple[Tensor, ...], ...]
) -> LayerConfig:
    kind, config = read_class(entry, f"{where}, layer {index}")
    name = _name(entry, where)
    module = entry.get("module")
    build = entry.get("build_config")
    return LayerConfig(
        name=name,
        kind=kind,
        module=module if isinstance(module, str) else None,
        config=config,
        build=build if isinstance(build, dict) else {},
        calls=calls,
        place=_place(entry, where),
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
