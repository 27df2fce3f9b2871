"""Tensors on their way into a Network: integers n with rationals m, b, real = n * m + b."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

from flow.frontend.obstacle import Obstacle
from flow.frontend.rational import common_divisors, full, integers
from flow.frontend.source import Function, SourceInput, SourceLayer, SourceModel
from flow.ir.layers import Affine, Layer, Relu, Requantize
from flow.ir.names import unique
from flow.ir.tensor import FractionArray, TensorType, compact, narrow

Clip = tuple[Fraction, Fraction | None]
"""The ends that a real value is clipped to; None: no upper end."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor on its way: real = function(clip(n * m + b)), n the integers of a network layer."""

    layer: str
    m: FractionArray
    b: FractionArray
    clip: Clip | None = None
    function: Function | None = None


def alive(model: SourceModel) -> tuple[SourceLayer, ...]:
    """The inputs and the layers that an output depends on, in order."""
    wanted = set(model.outputs)
    for layer in reversed(model.layers):
        if layer.name in wanted:
            wanted.update(layer.sources)
    return tuple(x for x in model.layers if x.name in wanted or isinstance(x, SourceInput))


class Workbench:
    """The layers made so far, their types, and the value of each layer of the file."""

    def __init__(self, model: SourceModel) -> None:
        self.model = model
        self.source = alive(model)
        texts = [x.name for x in self.source]
        self.names = dict(zip(texts, unique(texts), strict=True))
        self.reads = Counter(s for x in self.source for s in x.sources)
        self.values: dict[str, Value] = {}
        self.layers: list[Layer] = []
        self.types: dict[str, TensorType] = {}
        self._taken = set(self.names.values())
        self._places = {x.name: x.place for x in self.source}

    def plain(self, name: str) -> Value:
        """The value of a layer of the file as integers with m and b only."""
        value = self.values[name]
        if value.function is not None:
            raise Obstacle(f"{value.function} of {name!r} has no quantiser behind it")
        if value.clip is None:
            return value
        plain = self._clipped(name, value, *value.clip)
        self.values[name] = plain
        return plain

    def _clipped(self, name: str, value: Value, low: Fraction, high: Fraction | None) -> Value:
        lows = full(low, value.m.shape)
        if high is None:
            # max(x, low) = low + relu(x - low)
            above = replace(value, b=value.b - low, clip=None)
            flat = self.rescaled(name, above, common_divisors(above.m, above.b))
            relu = Relu(self.new(f"{name}_relu"), (flat.layer,), self._places[name])
            return Value(self.emit(relu), flat.m, lows)
        highs = full(high, value.m.shape)
        scale = common_divisors(value.m, value.b, lows, highs)
        clip = Requantize(
            self.new(f"{name}_clip"), (value.layer,), self._places[name],
            compact(value.m / scale), compact(value.b / scale), "floor", "saturate",
            narrow(compact(integers(lows / scale))), narrow(compact(integers(highs / scale))),
            compact(scale),
        )  # fmt: skip
        return Value(self.emit(clip), scale, full(0, scale.shape))

    def rescaled(
        self,
        name: str,
        value: Value,
        scale: FractionArray,
        keep: FractionArray | None = None,
        labelled: bool = False,
    ) -> Value:
        """The value on the grid `scale`, of which m and b are multiples; `keep` stays outside.

        If `labelled`, the scale in the type of its layer is that grid too.
        """
        offset = full(0, scale.shape) if keep is None else keep
        multiplier, added = integers(value.m / scale), integers(value.b / scale)
        label = not labelled or (self.types[value.layer].scale == scale).all()
        if (multiplier == 1).all() and not added.any() and label:
            return replace(value, b=offset)
        layer = self.emit(
            Affine(
                self.new(f"{name}_scaled"), (value.layer,), self._places[name],
                narrow(compact(multiplier)), narrow(compact(added)), compact(scale),
            )
        )  # fmt: skip
        return Value(layer, scale, offset)

    def new(self, text: str) -> str:
        """A name that no layer has, like the text."""
        (name,) = unique([text], self._taken)
        self._taken.add(name)
        return name

    def emit(self, layer: Layer) -> str:
        """Append a layer and return its name."""
        self.types[layer.name] = layer.infer_type(*(self.types[s] for s in layer.sources))
        self.layers.append(layer)
        return layer.name
