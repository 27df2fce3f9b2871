"""Changes of the graph of a SourceModel: layers put between others, taken out, renamed sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flow.frontend.source import Quantiser, SourceLayer, SourceModel, SourceQuantise


def named(model: SourceModel, name: str) -> SourceLayer:
    """The layer of that name."""
    return next(x for x in model.layers if x.name == name)


def readers(model: SourceModel, name: str) -> list[SourceLayer]:
    """The layers that read `name`."""
    return [x for x in model.layers if name in x.sources]


def only_reader(model: SourceModel, name: str) -> SourceLayer | None:
    """The layer that reads `name`, where one does and `name` is no output."""
    behind = readers(model, name)
    return behind[0] if len(behind) == 1 and name not in model.outputs else None


def fresh(model: SourceModel, name: str) -> str:
    """A name that no layer has, like this one."""
    taken = {x.name for x in model.layers}
    while name in taken:
        name += "_"
    return name


def swapped(model: SourceModel, changed: Mapping[str, SourceLayer]) -> SourceModel:
    """The model with other layers in place of those of these names."""
    return replace(model, layers=tuple(changed.get(x.name, x) for x in model.layers))


def inserted(model: SourceModel, after: str, layer: SourceLayer) -> SourceModel:
    """The model with `layer` reading `after`, and all readers of `after` reading it."""
    new = replace(layer, sources=(after,))
    layers: list[SourceLayer] = []
    for x in model.layers:
        sources = tuple(layer.name if s == after else s for s in x.sources)
        layers.append(replace(x, sources=sources))
        if x.name == after:
            layers.append(new)
    return replace(model, layers=tuple(layers))


def between(model: SourceModel, source: str, reader: str, q: Quantiser) -> SourceModel:
    """The model with a quantiser between one tensor and one reader of it."""
    name = fresh(model, f"{reader}_in")
    layers: list[SourceLayer] = []
    for x in model.layers:
        if x.name == reader:
            layers.append(SourceQuantise(name, (source,), x.place, q))
            x = replace(x, sources=tuple(name if s == source else s for s in x.sources))
        layers.append(x)
    return replace(model, layers=tuple(layers))


def without(
    model: SourceModel, layer: SourceLayer, changed: Mapping[str, SourceLayer]
) -> SourceModel:
    """The model without a layer; its readers read what it read."""
    layers = [changed.get(x.name, x) for x in model.layers if x is not layer]
    source = layer.sources[0]
    layers = [
        replace(x, sources=tuple(source if s == layer.name else s for s in x.sources))
        for x in layers
    ]
    outputs = tuple(source if x == layer.name else x for x in model.outputs)
    return replace(model, layers=tuple(layers), outputs=outputs)
