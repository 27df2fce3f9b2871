"""What every layer of a network answers, to find where a difference to the framework arises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flow.frontend.exact.real_values import real_value
from flow.frontend.files.data import decode, encode
from flow.ir.layers import Input, Requantize
from flow.ir.network import SAFE
from flow.ir.tensor import IntArray, exact, tensor_type
from flow.pipeline.evaluating import Question, integers
from flow.progress import Progress, silent

_FAR = 1 << 50
"""An end of an interval that nothing which is worth a look goes beyond."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerAnswer:
    """The values (samples, ...) of a layer: real, or integers with their possible `interval`.

    `below` and `above` are the shares of the values that a quantiser at the end of the layer has
    clipped, or, if `wraps`, has wrapped around; None where there is no quantiser.
    """

    name: str
    kind: str
    place: str
    values: Any
    interval: tuple[int, int] | None
    below: float | None
    above: float | None
    wraps: bool

    def facts(self) -> dict[str, Any]:
        """The row of a table: everything but the values, of which the ends are given."""
        low, high = self.values.min().item(), self.values.max().item()
        return {
            "layer": self.name,
            "kind": self.kind,
            "place": self.place,
            "shape": list(self.values.shape[1:]),
            "least": low,
            "greatest": high,
            "interval": None if self.interval is None else list(self.interval),
            "below": self.below,
            "above": self.above,
            "wraps": self.wraps,
        }


def layer_answers(
    question: Question, as_integers: bool, progress: Progress = silent
) -> list[LayerAnswer]:
    """Every layer of the model file with its real values; of a build folder, every layer of its
    network. `as_integers`: every layer of the network with its integers, in both cases."""
    network, values = question.network, question.values
    found = integers(question, tuple(layer.name for layer in network.layers), progress)
    beyond = {layer.name: _beyond(question, layer.name, found) for layer in network.layers}
    rows = []
    if as_integers or not values:
        for layer in network.layers:
            tensor = network.types[layer.name]
            array = found[layer.name]
            shown = _narrow(array) if as_integers else decode(tensor, array)
            interval = (tensor.hull.lo, tensor.hull.hi) if as_integers else None
            rows.append(
                LayerAnswer(
                    layer.name, layer.kind, layer.place, shown, interval, *beyond[layer.name]
                )
            )
        return rows
    for name, value in values.items():
        layer = network.layer(value.layer)
        clipped = beyond[name] if name == value.layer and not value.steps else _NOTHING
        real = real_value(value, found[value.layer])
        rows.append(LayerAnswer(name, layer.kind, layer.place, real, None, *clipped))
    return rows


_Beyond = tuple[float | None, float | None, bool]
_NOTHING: _Beyond = (None, None, False)


def _beyond(question: Question, name: str, found: dict[str, Any]) -> _Beyond:
    """The shares of the values that a quantiser has met below and above its ends."""
    layer = question.network.layer(name)
    match layer:
        case Input(tensor=tensor):
            wide = tensor_type(tensor.shape, -_FAR, _FAR, tensor.scale)
            free = encode(
                replace(layer, tensor=wide, overflow="saturate"), question.inputs[layer.name]
            )
            lo, hi = tensor.lo, tensor.hi
        case Requantize():
            wider = replace(layer, lo=np.array(-_FAR), hi=np.array(_FAR), overflow="saturate")
            source = layer.sources[0]
            far = layer.peak(question.network.types[source]) >= SAFE
            free = wider.evaluate(found[source].astype(object if far else np.int64))
            lo, hi = exact(layer.lo, free.shape[1:]), exact(layer.hi, free.shape[1:])
        case _:
            return _NOTHING
    used = lo < hi  # Quantisers of no bits, which prune an element, are no loss.
    return _share(used & (free < lo)), _share(used & (free > hi)), layer.overflow == "wrap"


def _share(met: IntArray) -> float:
    return float(np.mean(met.astype(np.float64))) if met.size else 0.0


def _narrow(array: IntArray) -> Any:
    """int64, or the nearest float64 where that is too narrow: array files hold nothing wider."""
    if array.dtype != object:
        return array
    if array.size and max(abs(int(array.min())), abs(int(array.max()))) >= 1 << 63:
        return np.vectorize(float, otypes=[np.float64])(array)
    return array.astype(np.int64)
