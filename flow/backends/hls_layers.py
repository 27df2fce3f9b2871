"""A Network as the list of layers that hls4ml turns into a project, with exact integer types.

Every tensor is an array of integers of one type, the narrowest that holds all its elements. What
hls4ml's own layers do exactly on integers is theirs; all else is a call of a function of
`templates/hls/flow_layers.h.j2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flow.backends.hls_calls import CALLS, PAIRS, Operation, copy
from flow.backends.hls_constants import array, plain_array, type_of
from flow.backends.hls_native import NATIVE
from flow.errors import UnsupportedModel
from flow.ir.layers import Add, Concat, Conv, Input, Layer, Multiply, Pool, Reshape
from flow.ir.network import Network
from flow.ir.tensor import TensorType
from flow.passes.lower_layers import port_names
from flow.tools.hls4ml import OWN, Call, HlsLayer, Integer

WIDEST_PORT = 53
"""Bits of a port at most: the bench hands values over as double."""
RESERVED = ("input",)
"""Names that hls4ml keeps for itself."""


@dataclass(frozen=True, slots=True)
class HlsModel:
    """The layers for hls4ml, the names of the outputs among them, and the constants of our own
    functions as C++."""

    layers: tuple[HlsLayer, ...]
    outputs: tuple[str, ...]
    constants: str


def hls_model(network: Network) -> HlsModel:
    """The layers of a Network. UnsupportedModel names every layer that no HLS code is made for."""
    _refuse(network)
    builder = _Builder(network)
    for layer in network.layers:
        builder.add(layer)
    return builder.model()


def _refuse(network: Network) -> None:
    obstacles = [
        f"{layer.name}: a layer of kind {layer.kind}"
        for layer in network.layers
        if type(layer) not in _KNOWN
    ]
    for layer in network.layers:
        axes = len(layer.strides) if isinstance(layer, (Conv, Pool)) else 0
        if axes > 2:
            obstacles.append(f"{layer.name}: windows over {axes} axes")
    if obstacles:
        raise UnsupportedModel(
            "an HLS project cannot hold every layer of this network",
            hint="build it with --target asic, fpga or printed",
            obstacles=tuple(obstacles),
        )
    for name in (*(layer.name for layer in network.inputs), *network.outputs):
        bits = network.types[name].hull.width
        if bits > WIDEST_PORT:
            raise UnsupportedModel(
                f"{name} has {bits} bits, an HLS project at most {WIDEST_PORT} at its ports",
                hint="give inputs, weights or activations fewer bits, or take --head decision",
            )


class _Builder:
    """Collects the layers of one network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._layers: list[HlsLayer] = []
        self._constants: list[str] = []
        self._ports = dict(
            zip(
                (layer.name for layer in network.inputs),
                port_names("x", len(network.inputs)),
                strict=True,
            )
        )
        self._taken = {*RESERVED, *self._ports.values()}
        self._names: dict[str, str] = {}

    def add(self, layer: Layer) -> None:
        """Add what the layer becomes."""
        here = self._network.types[layer.name]
        if isinstance(layer, Input):
            port = self._ports[layer.name]
            self._names[layer.name] = port
            self._put(port, "InputLayer", (), here, input_shape=list(here.shape))
        elif isinstance(layer, Reshape):
            self._names[layer.name] = self._reshaped(layer, here)
        elif isinstance(layer, (Add, Multiply, Concat)):
            self._names[layer.name] = self._chain(layer)
        elif (native := NATIVE.get(type(layer))) is not None and (
            made := native(layer, self._type(layer.sources[0]), here)
        ) is not None:
            sources = tuple(self._names[s] for s in layer.sources)
            name = self._fresh(layer.name)
            self._put(name, made.kind, sources, here, made.types, **made.attributes)
            self._names[layer.name] = name
        else:
            operation = CALLS[type(layer)](layer, self._type(layer.sources[0]), here)
            sources = (self._names[layer.sources[0]],)
            self._names[layer.name] = self._call(layer, sources, here, operation)

    def model(self) -> HlsModel:
        """The model, each of its outputs a layer of its own that nothing else reads."""
        outputs: list[str] = []
        for name in self._network.outputs:
            made = self._names[name]
            read = any(made in layer.inputs for layer in self._layers)
            if read or made in outputs or made in self._ports.values():
                here, layer = self._network.types[name], self._network.layer(name)
                made = self._call(layer, (made,), here, copy(here))
            outputs.append(made)
        return HlsModel(tuple(self._layers), tuple(outputs), "\n".join(self._constants))

    def _type(self, name: str) -> TensorType:
        return self._network.types[name]

    def _fresh(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _put(
        self,
        name: str,
        kind: str,
        sources: tuple[str, ...],
        here: TensorType,
        types: Mapping[str, Integer] | None = None,
        call: Call | None = None,
        **attributes: Any,
    ) -> None:
        found = {"result": type_of(here.hull), **(types or {})}
        self._layers.append(HlsLayer(name, kind, sources, here.shape, found, attributes, call))

    def _call(
        self, layer: Layer, sources: tuple[str, ...], here: TensorType, operation: Operation
    ) -> str:
        """The name of a new layer that calls one of our functions."""
        name = self._fresh(layer.name)
        constants = []
        for key, values in operation.plain.items():
            constants.append(f"{name}_{key}")
            self._constants.append(plain_array(constants[-1], values))
        for key, values in operation.constants.items():
            constants.append(f"{name}_{key}")
            self._constants.append(array(constants[-1], values, layer.place))
        call = Call(operation.function, operation.config, tuple(constants))
        self._put(name, OWN, sources, here, call=call)
        return name

    def _reshaped(self, layer: Reshape, here: TensorType) -> str:
        """A view for the layers that follow; nothing where nobody looks at the shape."""
        source = self._names[layer.sources[0]]
        if not self._network.readers(layer.name):
            return source
        name = self._fresh(layer.name)
        self._put(name, "Reshape", (source,), here, target_shape=list(here.shape))
        return name

    def _chain(self, layer: Add | Multiply | Concat) -> str:
        """The sources one after the other, two at a time."""
        first, *others = layer.sources
        made, so_far = self._names[first], self._type(first)
        if not others:
            return self._call(layer, (made,), so_far, copy(so_far))
        for source in others:
            so_far, operation = PAIRS[type(layer)](layer, so_far, self._type(source))
            made = self._call(layer, (made, self._names[source]), so_far, operation)
        return made


_KNOWN: frozenset[type[Layer]] = frozenset({Input, Reshape, *CALLS, *PAIRS, *NATIVE})
