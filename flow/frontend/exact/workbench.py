"""Tensors on their way into a Network: integers n with rationals m, b, real = n * m + b."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from flow.frontend.exact.pending import Call, Clip, Scale, Step
from flow.frontend.exact.rational import (
    arranged,
    common_divisor,
    common_divisors,
    full,
    integers,
    rational,
    spread,
)
from flow.frontend.functions import alpha, slope
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import SourceInput, SourceLayer, SourceModel
from flow.ir.layers import Add, Affine, Layer, Multiply, Relu, Requantize
from flow.ir.names import unique
from flow.ir.tensor import FractionArray, TensorType, compact, narrow

ZERO, ONE = full(0, ()), full(1, ())


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor on its way: real = steps(n * m + b), n the integers of a network layer.

    m and b broadcast from the last axis to the shape of the layer.
    """

    layer: str
    m: FractionArray
    b: FractionArray
    steps: tuple[Step, ...] = ()


def alive(model: SourceModel) -> tuple[SourceLayer, ...]:
    """The inputs and the layers that an output depends on, in order."""
    wanted = set(model.outputs)
    for layer in reversed(model.layers):
        if layer.name in wanted:
            wanted.update(layer.sources)
    return tuple(x for x in model.layers if x.name in wanted or isinstance(x, SourceInput))


class Workbench:
    """The layers made so far, their types, and the value of each layer of the file."""

    def __init__(self, model: SourceModel, round_bias: bool = False) -> None:
        self.model = model
        self.round_bias = round_bias
        self.source = alive(model)
        texts = [x.name for x in self.source]
        self.names = dict(zip(texts, unique(texts), strict=True))
        self.reads = Counter(s for x in self.source for s in x.sources)
        self.values: dict[str, Value] = {}
        self.layers: list[Layer] = []
        self.types: dict[str, TensorType] = {}
        self._taken = set(self.names.values())
        self._places = {x.name: x.place for x in self.source}

    def shape(self, value: Value) -> tuple[int, ...]:
        """The shape of the tensor, without the batch."""
        return self.types[value.layer].shape

    def whole(self, value: Value) -> Value:
        """The value with m and b in the full shape."""
        shape = self.shape(value)
        return replace(value, m=spread(value.m, shape), b=spread(value.b, shape))

    def plain(self, name: str) -> Value:
        """The value of a layer of the file as integers with m and b only."""
        value = self.values[name]
        if value.steps:
            value = self.settled(name, value)
            self.values[name] = value
        return value

    def settled(self, name: str, value: Value) -> Value:
        """The value with every step made a layer. Obstacle where a function is no arithmetic."""
        for step in value.steps:
            value = self._step(name, replace(value, steps=()), step)
        return value

    def _step(self, name: str, value: Value, step: Step) -> Value:
        match step:
            case Clip():
                return self._clipped(name, value, step)
            case Scale(m=m, b=b):
                return replace(value, m=arranged(value.m * m), b=arranged(value.b * m + b))
            case Call(function="leaky_relu", parameters=parameters):
                # max(x, 0) + a min(x, 0) = a x + (1 - a) max(x, 0)
                below = Fraction(alpha(parameters)) if self.round_bias else slope(parameters)
                return self._bent(name, value, below, 1 - below)
            case Call(function="abs"):
                return self._bent(name, value, Fraction(-1), Fraction(2))
            case Call(function="square"):
                return self.product(name, [name, name], [value, value])
            case Call(function=function):
                raise Obstacle(
                    f"{function} of {name!r} has no quantiser behind it; quantise its result"
                )

    def _clipped(self, name: str, value: Value, clip: Clip) -> Value:
        if clip.low is None or clip.high is None:
            return self._half_clipped(name, value, clip)
        scale = common_divisors(value.m, value.b, clip.low, clip.high)
        layer = Requantize(
            self.new(f"{name}_clip"), (value.layer,), self._places[name],
            arranged(value.m / scale), arranged(value.b / scale), "floor", "saturate",
            narrow(integers(arranged(clip.low / scale))),
            narrow(integers(arranged(clip.high / scale))), scale,
        )  # fmt: skip
        return Value(self.emit(layer), scale, ZERO)

    def _half_clipped(self, name: str, value: Value, clip: Clip) -> Value:
        """max(x, low) = low + relu(x - low); min(x, high) = high - relu(high - x)"""
        sign, end = (1, clip.low) if clip.low is not None else (-1, clip.high)
        if end is None:
            return value
        above = Value(value.layer, arranged(value.m * sign), arranged((value.b - end) * sign))
        if above.b.any() or not positive(above.m):
            above = self.rescaled(name, above, common_divisors(above.m, above.b))
        relu = Relu(self.new(f"{name}_relu"), (above.layer,), self._places[name])
        return Value(self.emit(relu), arranged(above.m * sign), end)

    def _bent(self, name: str, value: Value, straight: Fraction, bent: Fraction) -> Value:
        """straight * x + bent * max(x, 0)"""
        above = self._half_clipped(name, value, Clip(ZERO, None))
        parts = [
            replace(v, m=arranged(v.m * factor), b=arranged(v.b * factor))
            for v, factor in ((value, straight), (above, bent))
            if factor
        ]
        return parts[0] if len(parts) == 1 else self.total(name, [name, name], parts)

    def total(self, name: str, texts: list[str], values: list[Value]) -> Value:
        """The sum of plain values of one shape; `texts` name new layers."""
        scale = common_divisors(*(v.m for v in values))
        aligned = [
            self.rescaled(text, replace(v, b=ZERO), scale, v.b, labelled=True)
            for text, v in zip(texts, values, strict=True)
        ]
        offset = arranged(sum((v.b for v in aligned[1:]), start=aligned[0].b))
        sources = tuple(v.layer for v in aligned)
        layer = Add(self.new_or_own(name, "sum"), sources, self._places[name])
        return Value(self.emit(layer), scale, offset)

    def product(self, name: str, texts: list[str], values: list[Value]) -> Value:
        """The product of plain values of one shape; `texts` name new layers."""
        pure: dict[str, Value] = {}
        for text, v in zip(texts, values, strict=True):
            if text not in pure:
                grid = common_divisors(v.m, v.b) if v.b.any() else v.m
                pure[text] = self.rescaled(text, v, grid)
        factors = [pure[text] for text in texts]
        scale = factors[0].m
        for v in factors[1:]:
            scale = arranged(scale * v.m)
        sources = tuple(v.layer for v in factors)
        layer = Multiply(self.new_or_own(name, "product"), sources, self._places[name], scale)
        return Value(self.emit(layer), scale, ZERO)

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
        offset = ZERO if keep is None else keep
        multiplier, added = integers(arranged(value.m / scale)), integers(arranged(value.b / scale))
        label = not labelled or bool((self.types[value.layer].scale == scale).all())
        if (multiplier == 1).all() and not added.any() and label:
            return Value(value.layer, scale, offset)
        layer = Affine(
            self.new(f"{name}_scaled"), (value.layer,), self._places[name],
            narrow(compact(multiplier)), narrow(compact(added)), compact(scale),
        )  # fmt: skip
        return Value(self.emit(layer), scale, offset)

    def by_channel(self, name: str, value: Value, comparable: bool = False) -> Value:
        """The value with an m that is the same at all places of a channel; b stays outside.

        If `comparable`, m is positive and b the same at all places too: integers of a channel
        compare as the real values do.
        """
        shape = self.shape(value)
        even = value.m.ndim < 2 and not (comparable and value.b.ndim > 1)
        if even and not (comparable and not positive(value.m)):
            return value
        fold = comparable and value.b.ndim > 1
        numbers = [value.m, value.b] if fold else [value.m]
        columns = np.concatenate([spread(x, shape).reshape(-1, shape[-1]) for x in numbers])
        scale = arranged(rational([common_divisor(*c) for c in columns.T.tolist()]))
        if fold:
            return self.rescaled(name, value, scale)
        return self.rescaled(name, replace(value, b=ZERO), scale, value.b)

    def new(self, text: str) -> str:
        """A name that no layer has, like the text."""
        (name,) = unique([text], self._taken)
        self._taken.add(name)
        return name

    def new_or_own(self, name: str, word: str) -> str:
        """The name of the network's layer for a layer of the file, or one like it if it is used."""
        own = self.names[name]
        return self.new(f"{name}_{word}") if own in self.types else own

    def emit(self, layer: Layer) -> str:
        """Append a layer and return its name."""
        self.types[layer.name] = layer.infer_type(*(self.types[s] for s in layer.sources))
        self.layers.append(layer)
        return layer.name


def positive(m: FractionArray) -> bool:
    """Whether every rational is above 0."""
    return all(v > 0 for v in m.ravel().tolist())
