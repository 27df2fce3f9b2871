"""Models within models, laid flat: every layer of an inner model once, with all of its calls.

An inner model that is called k times calls each of its layers k times with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from flow.frontend.files import guards
from flow.frontend.keras.calls import Call, Tensor, malformed
from flow.frontend.keras.config import LayerConfig, ModelConfig

SEPARATOR = "/"
"""Between the name of an inner model and the name of a layer in it."""


def flatten(model: ModelConfig) -> ModelConfig:
    """The model without inner models; UsageError where an inner model is called wrongly."""
    if not any(layer.inner for layer in model.layers):
        return model
    read = {t[:2] for layer in model.layers for call in layer.calls for t in call.sources}
    ends = {tensor[:2] for tensor in model.outputs}
    layers: list[LayerConfig] = []
    aliases: dict[Tensor, Tensor] = {}
    finals: dict[Tensor, Tensor] = {}
    for layer in model.layers:
        if layer.inner is None:
            layers.append(layer)
        else:
            inner = flatten(layer.inner)
            for tensor, (call, output) in _results(layer, inner):
                aliases[(layer.name, call + ((layer.name, 0) not in read), output)] = tensor
                finals[(layer.name, call + ((layer.name, 0) not in ends), output)] = tensor
            layers.extend(_spread(layer, inner))
    flat = [_redirected(layer, aliases) for layer in layers]
    outputs = tuple(
        _resolve(finals.get(tensor, tensor), aliases, "output_layers") for tensor in model.outputs
    )
    return replace(model, layers=tuple(flat), outputs=outputs)


def _results(outer: LayerConfig, inner: ModelConfig) -> Iterator[tuple[Tensor, tuple[int, int]]]:
    """What stands for each output of each call of an inner model.

    The calls count from 0 here. Keras 2 counts them from 1, since the model itself is its call 0,
    and Keras 3 does so in the outputs of a model alone.
    """
    for k, call in enumerate(outer.calls):
        if len(call.sources) != len(inner.inputs):
            malformed(f"it reads {len(call.sources)} tensors, not {len(inner.inputs)}", outer.place)
        for number, tensor in enumerate(inner.outputs):
            yield _outward(outer, inner, k)(tensor), (k, number)


def _outward(outer: LayerConfig, inner: ModelConfig, k: int) -> Callable[[Tensor], Tensor]:
    """From a tensor of the inner model to that of its call k in the outer one."""
    counts = {layer.name: len(layer.calls) for layer in inner.layers}

    def move(tensor: Tensor) -> Tensor:
        name, call, output = tensor
        if name in inner.inputs:
            return outer.calls[k].sources[inner.inputs.index(name)]
        return (_joined(outer, name), k * counts.get(name, 1) + call, output)

    return move


def _spread(outer: LayerConfig, inner: ModelConfig) -> Iterator[LayerConfig]:
    """The layers of an inner model under the names of the outer one."""
    for layer in inner.layers:
        if layer.kind == "InputLayer" and layer.name in inner.inputs:
            continue
        if len(outer.calls) * len(layer.calls) > guards.LAYERS:
            malformed(f"it is called more than {guards.LAYERS} times", layer.place)
        calls = tuple(
            replace(call, sources=tuple(map(_outward(outer, inner, k), call.sources)))
            for k in range(len(outer.calls))
            for call in layer.calls
        )
        yield replace(
            layer, name=_joined(outer, layer.name), calls=calls, path=(outer.name, *layer.path)
        )


def _joined(outer: LayerConfig, name: str) -> str:
    return f"{outer.name}{SEPARATOR}{name}"


def _redirected(layer: LayerConfig, aliases: Mapping[Tensor, Tensor]) -> LayerConfig:
    def move(call: Call) -> Call:
        sources = tuple(_resolve(t, aliases, layer.place) for t in call.sources)
        return replace(call, sources=sources)

    return replace(layer, calls=tuple(map(move, layer.calls)))


def _resolve(tensor: Tensor, aliases: Mapping[Tensor, Tensor], place: str) -> Tensor:
    for _ in range(len(aliases) + 1):
        if tensor not in aliases:
            return tensor
        tensor = aliases[tensor]
    malformed("its layers form a cycle", place)
