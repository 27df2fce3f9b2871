"""The Network: layers over integer tensors, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from flow.errors import IRError
from flow.ir.layers import Input, Layer
from flow.ir.spec import NAME
from flow.ir.tensor import IntArray, TensorType, narrow

SAFE = 1 << 62

Head = Literal["none", "softmax", "log_softmax", "sigmoid"]
"""What the model applies to the outputs on the host: not hardware."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers in topological order over integer tensors; immutable.

    `outputs` are names of layers. `head` is the function that the model puts on its outputs, or
    one for each of them, and that no circuit computes; `flow eval` applies it to the exact integer
    result.
    """

    name: str
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    head: Head | tuple[Head, ...] = "none"
    types: Mapping[str, TensorType] = field(init=False, repr=False)
    _wide: dict[str, bool] = field(init=False, repr=False, default_factory=dict)
    _ends: dict[str, tuple[IntArray, IntArray]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        types: dict[str, TensorType] = {}
        for layer in self.layers:
            if not NAME.fullmatch(layer.name):
                raise IRError(f"{layer.name!r} is not a name of the form {NAME.pattern}")
            if layer.name in types:
                raise IRError(f"two layers have the name {layer.name!r}")
            missing = [s for s in layer.sources if s not in types]
            if missing:
                raise IRError(f"{layer.name!r} reads {missing[0]!r}, which does not come before it")
            types[layer.name] = layer.infer_type(*(types[s] for s in layer.sources))
        if not self.outputs or any(name not in types for name in self.outputs):
            raise IRError(f"there is no layer for an output among {self.outputs}")
        if isinstance(self.head, tuple) and len(self.head) != len(self.outputs):
            raise IRError(f"{len(self.outputs)} outputs have {len(self.head)} heads")
        object.__setattr__(self, "types", types)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The input layers, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Input))

    @property
    def heads(self) -> tuple[Head, ...]:
        """What the host applies to each output."""
        return self.head if isinstance(self.head, tuple) else (self.head,) * len(self.outputs)

    def wide(self, layer: Layer) -> bool:
        """Whether 62 bits may be too few for a value of the layer or on the way to it."""
        if layer.name not in self._wide:
            sources = [self.types[s] for s in layer.sources]
            bounds = [layer.peak(*sources)]
            for tensor in (self.types[layer.name], *sources):
                bounds += [abs(tensor.hull.lo), abs(tensor.hull.hi)]
            self._wide[layer.name] = max(bounds) >= SAFE
        return self._wide[layer.name]

    def ends(self, name: str) -> tuple[IntArray, IntArray]:
        """The ends of the interval of a layer's tensor, as int64 where they fit."""
        if name not in self._ends:
            self._ends[name] = narrow(self.types[name].lo), narrow(self.types[name].hi)
        return self._ends[name]

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise IRError(f"there is no layer {name!r}")

    def readers(self, name: str) -> tuple[Layer, ...]:
        """The layers that read the result of `name`, in order."""
        return tuple(layer for layer in self.layers if name in layer.sources)


def evaluate_network(
    network: Network, inputs: Mapping[str, IntArray], keep: tuple[str, ...] = ()
) -> dict[str, IntArray]:
    """The integer outputs for a batch: what the network means.

    `inputs` has an integer array (samples, *shape) for each input layer. The result has one for
    each output, and for each layer named in `keep`. Raises IRError where a value lies outside
    the interval of its tensor.
    """
    wanted = {*network.outputs, *keep}
    values: dict[str, IntArray] = {}
    for layer in network.layers:
        here = network.types[layer.name]
        if isinstance(layer, Input):
            if layer.name not in inputs:
                raise IRError(f"no values for the input {layer.name!r}")
            value = np.asarray(inputs[layer.name])
        else:
            dtype: Any = object if network.wide(layer) else np.int64
            value = layer.evaluate(*(values[s].astype(dtype) for s in layer.sources))
        if value.shape[1:] != here.shape:
            raise IRError(f"{layer.name} gave the shape {value.shape[1:]}, not {here.shape}")
        lo, hi = network.ends(layer.name)
        if value.size and ((value < lo).any() or (value > hi).any()):
            raise IRError(f"{layer.name} gave a value outside the interval of its tensor")
        values[layer.name] = value
    return {name: values[name] for name in values if name in wanted}
