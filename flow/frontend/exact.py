"""A SourceModel whose numbers are all exact, as a Network: nothing is rounded that it does not.

Between quantisers a tensor is a tensor of integers n together with rationals m, b per element:
its real value is n * m + b. Batch normalisation and biases off the grid live in m and b until a
quantiser takes them up; only where none does, an Affine layer brings them to one scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.float_model import apply_function, round_float
from flow.frontend.ports import Port
from flow.frontend.rational import (
    common_divisors,
    counts,
    full,
    hull_divisor,
    integers,
    rational,
)
from flow.frontend.source import (
    Function,
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceDense,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceQuantise,
    SourceReshape,
    Weights,
)
from flow.ir.layers import (
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Dense,
    Input,
    Layer,
    Lookup,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.names import identifier, unique
from flow.ir.network import Head, Network
from flow.ir.rounding import round_fraction
from flow.ir.tensor import FractionArray, IntArray, TensorType, compact, exact, narrow

MAX_TABLE = 1 << 16
MAX_SCAN = 1 << 22
TRIMMED = 1 << 12
"""Entries from which on the constant ends of a table are cut off by a clip before it."""

_FLAT = {"sigmoid": 45.0, "tanh": 25.0}
"""Beyond these arguments a float64 of the function no longer changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor on its way: real = function(clip(n * m + b)), n the integers of a network layer."""

    layer: str
    m: FractionArray
    b: FractionArray
    clip: tuple[Fraction, Fraction | None] | None = None
    function: Function | None = None


class Obstacle(Exception):
    """One thing that stands in the way, in one line."""


def lower_exactly(
    model: SourceModel, ports: Mapping[str, Port], decision: bool, round_bias: bool
) -> Network:
    """The network that answers what the model answers on the coded inputs.

    `decision` puts a class at the end instead of logits; `round_bias` rounds a bias that has no
    step to the grid of its accumulator. UnsupportedModel lists everything that stands in the way.
    """
    return _Lowering(model, ports, round_bias).run(decision)


def alive(model: SourceModel) -> tuple[SourceLayer, ...]:
    """The inputs and the layers that an output depends on, in order."""
    wanted = set(model.outputs)
    for layer in reversed(model.layers):
        if layer.name in wanted:
            wanted.update(layer.sources)
    return tuple(x for x in model.layers if x.name in wanted or isinstance(x, SourceInput))


class _Lowering:
    def __init__(self, model: SourceModel, ports: Mapping[str, Port], round_bias: bool) -> None:
        self.model = model
        self.ports = ports
        self.round_bias = round_bias
        self.source = alive(model)
        self.names = dict(
            zip(
                [x.name for x in self.source],
                unique([x.name for x in self.source]),
                strict=True,
            )
        )
        self.taken = set(self.names.values())
        self.reads = Counter(s for x in self.source for s in x.sources)
        self.values: dict[str, Value] = {}
        self.layers: list[Layer] = []
        self.types: dict[str, TensorType] = {}

    def run(self, decision: bool) -> Network:
        heads, outputs = self._heads()
        obstacles = []
        broken: set[str] = set()
        for layer in self.source:
            if layer.name in heads or broken.intersection(layer.sources):
                if broken.intersection(layer.sources):
                    broken.add(layer.name)
                continue
            try:
                value = self._layer(layer)
                if value is not None:
                    self.values[layer.name] = value
            except Obstacle as error:
                obstacles.append(f"{layer.place}: {error}")
                broken.add(layer.name)
        head = self._head(heads, obstacles)
        if obstacles:
            raise UnsupportedModel(
                f"{self.model.name} cannot be represented exactly",
                hint="quantise the named layers when training, or leave them out",
                obstacles=tuple(obstacles),
            )
        names = []
        for output, name in zip(self.model.outputs, outputs, strict=True):
            names.append(self._output(output, name, heads.get(output), decision))
        if decision and len(names) == 1:
            head = "none"
        return Network(identifier(self.model.name), tuple(self.layers), tuple(names), head)

    # ------------------------------------------------------------------ outputs

    def _heads(self) -> tuple[dict[str, Function], list[str]]:
        """The functions that end the model, by output, and the tensor below each."""
        by_name = {x.name: x for x in self.source}
        heads: dict[str, Function] = {}
        below = []
        for name in self.model.outputs:
            layer = by_name[name]
            if (
                isinstance(layer, SourceActivation)
                and layer.function in ("softmax", "sigmoid", "argmax")
                and not self.reads[name]
            ):
                heads[name] = layer.function
                name = layer.sources[0]
            below.append(name)
        return heads, below

    def _head(self, heads: dict[str, Function], obstacles: list[str]) -> Head:
        kinds: set[str] = {h for h in heads.values() if h != "argmax"}
        if not kinds:
            return "none"
        if len(kinds) > 1 or len(heads) < len(self.model.outputs):
            obstacles.append(f"{self.model.name}: the outputs end in different functions")
            return "none"
        return "softmax" if "softmax" in kinds else "sigmoid"

    def _output(self, output: str, name: str, head: Function | None, decision: bool) -> str:
        place = next(x.place for x in self.source if x.name == output)
        decide = decision and len(self.model.outputs) == 1
        value = self._plain(name)
        size = value.m.shape[-1] if value.m.ndim else 1
        if decide and head != "argmax" and (size == 1 or head == "sigmoid"):
            value = self._positive(name, value)
            bound = [round_fraction(v, "ceil") for v in (-value.b / value.m).ravel().tolist()]
            array: IntArray = np.empty(len(bound), dtype=object)
            array[:] = bound
            array = compact(array.reshape(value.m.shape))
            return self._emit(AtLeast(self._new("decision"), (value.layer,), place, narrow(array)))
        if head == "argmax" or decide:
            scale = hull_divisor(np.concatenate([value.m.ravel(), value.b.ravel()]))
            value = self._rescaled(name, value, full(scale, value.m.shape))
            word = "decision" if decide else self.names[output]
            return self._emit(ArgMax(self._new(word), (value.layer,), place))
        value = self._rescaled(name, value, common_divisors(value.m, value.b))
        return value.layer

    def _positive(self, name: str, value: Value) -> Value:
        if all(v > 0 for v in value.m.ravel().tolist()):
            return value
        return self._rescaled(name, value, common_divisors(value.m, value.b))

    # ------------------------------------------------------------------ layers

    def _layer(self, layer: SourceLayer) -> Value | None:
        match layer:
            case SourceInput(name=name):
                return self._input(layer, self.ports[name])
            case SourceQuantise(name=name) if (port := self._absorbing(name)) is not None:
                assert port.step is not None
                source = self._root(layer)
                return Value(self.names[source], port.step, full(0, port.step.shape))
            case SourceQuantise(quantiser=quantiser):
                return self._quantise(layer, self.values[layer.sources[0]], quantiser)
            case SourceAffine(name=name) if self._feeds_absorbed(name):
                return None
            case SourceAffine():
                return self._affine(layer)
            case SourceActivation(function=function):
                return self._activation(layer, function)
            case SourceDense():
                return self._dense(layer)
            case SourceAdd():
                return self._add(layer)
            case SourceConcat():
                return self._concat(layer)
            case SourceReshape(shape=shape):
                value = self._plain(layer.sources[0])
                name = self._emit(
                    Reshape(self.names[layer.name], (value.layer,), layer.place, shape)
                )
                return Value(name, value.m.reshape(shape), value.b.reshape(shape))
            case _:
                raise Obstacle(f"no exact form of {type(layer).__name__}")

    def _absorbing(self, name: str) -> Port | None:
        return next((p for p in self.ports.values() if p.absorbed == name), None)

    def _feeds_absorbed(self, name: str) -> bool:
        absorbed = {p.absorbed for p in self.ports.values()}
        return any(name in x.sources and x.name in absorbed for x in self.source)

    def _root(self, layer: SourceLayer) -> str:
        return next(n for n, p in self.ports.items() if p.absorbed == layer.name)

    def _input(self, layer: SourceInput, port: Port) -> Value:
        name = self._emit(Input(self.names[layer.name], (), layer.place, port.tensor, port.offset))
        return Value(name, port.tensor.scale, port.offset)

    def _affine(self, layer: SourceAffine) -> Value:
        value = self._plain(layer.sources[0])
        factor = np.broadcast_to(rational(layer.multiplier), value.m.shape)
        offset = np.broadcast_to(rational(layer.offset), value.m.shape)
        return replace(value, m=value.m * factor, b=value.b * factor + offset)

    def _activation(self, layer: SourceActivation, function: Function) -> Value:
        value = self._plain(layer.sources[0])
        match function:
            case "relu" if not value.b.any() and all(v > 0 for v in value.m.ravel().tolist()):
                name = self._emit(Relu(self.names[layer.name], (value.layer,), layer.place))
                return replace(value, layer=name)
            case "relu":
                return replace(value, clip=(Fraction(0), None))
            case "hard_tanh":
                return replace(value, clip=(Fraction(-1), Fraction(1)))
            case "hard_sigmoid":
                fifth, half = Fraction(1, 5), Fraction(1, 2)
                clip = (Fraction(0), Fraction(1))
                return replace(value, m=value.m * fifth, b=value.b * fifth + half, clip=clip)
            case "sigmoid" | "tanh":
                return replace(value, function=function)
            case _:
                raise Obstacle(f"{function} is only possible at an output")

    def _quantise(self, layer: SourceQuantise, value: Value, q: Quantiser) -> Value:
        if value.function is not None:
            return self._lookup(layer, value, q)
        if value.clip is not None and q.overflow == "wrap":
            value = self._plain(layer.sources[0])
        shape = value.m.shape
        step = np.broadcast_to(rational(q.step), shape)
        multiplier, offset = value.m / step, value.b / step
        lo, hi = exact(q.lo, shape), exact(q.hi, shape)
        if value.clip is not None:
            low, high = value.clip
            lo = _clipped(low, step, q)
            hi = hi if high is None else _clipped(high, step, q)
        here = self.types[value.layer]
        fits = (here.lo >= lo).all() and (here.hi <= hi).all()
        if fits and (multiplier == 1).all() and not offset.any():
            return Value(value.layer, step, full(0, shape))
        name = self._emit(
            Requantize(
                self.names[layer.name], (value.layer,), layer.place,
                compact(multiplier), compact(offset), q.rounding, q.overflow,
                narrow(compact(lo)), narrow(compact(hi)), compact(step),
            )
        )  # fmt: skip
        return Value(name, step, full(0, shape))

    def _lookup(self, layer: SourceQuantise, value: Value, q: Quantiser) -> Value:
        assert value.function is not None
        shape = value.m.shape
        m, b, step = compact(value.m), compact(value.b), compact(rational(q.step))
        if m.ndim or b.ndim or step.ndim:
            raise Obstacle(f"{value.function} of channels with different scales")
        scale, offset, grid = m[()], b[()], step[()]
        if not scale:
            raise Obstacle(f"{value.function} of a constant")
        flat = Fraction(_FLAT[value.function])
        ends = sorted([(-flat - offset) / scale, (flat - offset) / scale])
        here = self.types[value.layer].hull
        lo = min(max(here.lo, round_fraction(ends[0], "floor")), here.hi)
        hi = max(min(here.hi, round_fraction(ends[1], "ceil")), here.lo)
        if hi - lo >= MAX_SCAN:
            raise Obstacle(f"{value.function} of integers in [{lo}, {hi}]: quantise them first")
        real = np.arange(lo, hi + 1).astype(np.float64) * float(scale) + float(offset)
        table = _quantised(apply_function(value.function, real), grid, q)
        change = np.flatnonzero(np.diff(table))
        first, last = (int(change[0]), int(change[-1]) + 1) if change.size else (0, 0)
        if here.hi - here.lo < TRIMMED and (lo, hi) == (here.lo, here.hi):
            first, last = 0, hi - lo
        if last - first >= MAX_TABLE:
            raise Obstacle(f"{value.function} needs a table of {last - first + 1} entries")
        entries = tuple(table[first : last + 1].tolist())
        source = value.layer
        if here.lo < lo + first or here.hi > lo + last:
            ends_ = [np.array(v, dtype=object) for v in (lo + first, lo + last)]
            source = self._emit(
                Requantize(
                    self._new(f"{layer.name}_clip"), (source,), layer.place, full(1, ()),
                    full(0, ()), "floor", "saturate", narrow(ends_[0]), narrow(ends_[1]), m,
                )
            )  # fmt: skip
        name = self._emit(
            Lookup(self.names[layer.name], (source,), layer.place, lo + first, entries, step)
        )
        return Value(name, full(grid, shape), full(0, shape))

    def _dense(self, layer: SourceDense) -> Value:
        value = self._plain(layer.sources[0])
        if layer.kernel.step is None:
            raise Obstacle("the weights have no quantiser")
        inputs, outputs = layer.kernel.values.shape
        rows = value.m.reshape(-1, inputs)
        if (rows != rows[0]).any():
            columns = [[c for c in column if c] for column in rows.T.tolist()]
            scale = rational([hull_divisor(rational(c or [1])) for c in columns])
            # Only the scale is shared: offsets may differ from place to place.
            value = self._rescaled(
                layer.sources[0], replace(value, b=full(0, value.m.shape)),
                np.broadcast_to(scale, value.m.shape), value.b,
            )  # fmt: skip
        weights, scale = _integer_weights(layer.kernel, value.m.reshape(-1, inputs)[0])
        total = self._bias(layer.bias, outputs)
        if value.b.any():
            real = exact_values(layer.kernel)
            total = value.b.reshape(-1, inputs).dot(real).reshape(*value.b.shape[:-1], -1) + total
        first = total.reshape(-1, outputs)[0] / scale
        nearest = self.round_bias and (layer.bias is None or layer.bias.step is None)
        mode: Literal["half_even", "floor"] = "half_even" if nearest else "floor"
        bias: IntArray = np.empty(outputs, dtype=object)
        bias[:] = [round_fraction(v, mode) for v in first.tolist()]
        shape = (*value.m.shape[:-1], outputs)
        rest = full(0, shape) if nearest else np.broadcast_to(total - bias * scale, shape)
        name = self._emit(
            Dense(
                self.names[layer.name], (value.layer,), layer.place,
                weights, narrow(bias), compact(scale),
            )
        )  # fmt: skip
        return Value(name, np.broadcast_to(scale, shape), rest)

    def _bias(self, bias: Weights | None, outputs: int) -> FractionArray:
        if bias is None:
            return full(0, (outputs,))
        return rational(bias.values) if bias.step is None else exact_values(bias)

    def _add(self, layer: SourceAdd) -> Value:
        values = [self._plain(s) for s in layer.sources]
        scale = common_divisors(*(v.m for v in values))
        zero = full(0, scale.shape)
        aligned = [
            self._rescaled(s, replace(v, b=zero), scale, v.b)
            for s, v in zip(layer.sources, values, strict=True)
        ]
        offset = sum((v.b for v in aligned[1:]), start=aligned[0].b)
        sources = tuple(v.layer for v in aligned)
        name = self._emit(Add(self.names[layer.name], sources, layer.place))
        return Value(name, scale, offset)

    def _concat(self, layer: SourceConcat) -> Value:
        values = [self._plain(s) for s in layer.sources]
        sources = tuple(v.layer for v in values)
        name = self._emit(Concat(self.names[layer.name], sources, layer.place, -1))
        m, b = (np.concatenate(x, axis=-1) for x in ([v.m for v in values], [v.b for v in values]))
        return Value(name, m, b)

    # ------------------------------------------------------------------ helpers

    def _plain(self, name: str) -> Value:
        """The value of a layer of the file as integers with m and b only."""
        value = self.values[name]
        if value.function is not None:
            raise Obstacle(f"{value.function} of {name!r} has no quantiser behind it")
        if value.clip is None:
            return value
        low, high = value.clip
        parts = [value.m, value.b, full(low, value.m.shape)]
        if high is not None:
            parts.append(full(high, value.m.shape))
        scale = common_divisors(*parts)
        if high is None:
            flat = self._rescaled(name, replace(value, clip=None), scale)
            source = Relu(self._new(f"{name}_relu"), (flat.layer,), self._place(name))
            plain = replace(flat, layer=self._emit(source))
        else:
            clip = Requantize(
                self._new(f"{name}_clip"), (value.layer,), self._place(name),
                compact(value.m / scale), compact(value.b / scale), "floor", "saturate",
                narrow(compact(integers(full(low, scale.shape) / scale))),
                narrow(compact(integers(full(high, scale.shape) / scale))), compact(scale),
            )  # fmt: skip
            plain = Value(self._emit(clip), scale, full(0, scale.shape))
        self.values[name] = plain
        return plain

    def _rescaled(
        self, name: str, value: Value, scale: FractionArray, keep: FractionArray | None = None
    ) -> Value:
        """The value on the grid `scale`, of which m and b are multiples; `keep` stays outside."""
        offset = full(0, scale.shape) if keep is None else keep
        multiplier, added = integers(value.m / scale), integers(value.b / scale)
        if (multiplier == 1).all() and not added.any():
            return replace(value, b=offset)
        layer = self._emit(
            Affine(
                self._new(f"{name}_scaled"), (value.layer,), self._place(name),
                narrow(compact(multiplier)), narrow(compact(added)), compact(scale),
            )
        )  # fmt: skip
        return Value(layer, scale, offset)

    def _place(self, name: str) -> str:
        return next(x.place for x in self.source if x.name == name)

    def _new(self, text: str) -> str:
        (name,) = unique([text], self.taken)
        self.taken.add(name)
        return name

    def _emit(self, layer: Layer) -> str:
        self.types[layer.name] = layer.infer_type(*(self.types[s] for s in layer.sources))
        self.layers.append(layer)
        return layer.name


def exact_values(weights: Weights) -> FractionArray:
    """The exact rationals of weights with a step. Obstacle where they are off its grid."""
    assert weights.step is not None
    return _counts(weights) * np.broadcast_to(rational(weights.step), weights.values.shape)


def _counts(weights: Weights) -> IntArray:
    assert weights.step is not None
    try:
        return counts(weights.values, weights.step).astype(object)
    except ValueError as error:
        raise Obstacle(str(error)) from error


def _integer_weights(kernel: Weights, m: FractionArray) -> tuple[IntArray, FractionArray]:
    """Integers and a scale per output: integer * scale = weight * m of its input."""
    assert kernel.step is not None
    whole = _counts(kernel)
    inputs, outputs = whole.shape
    step = rational(kernel.step)
    if step.ndim < 2 and (m == m[0]).all() and m[0]:
        scale = np.broadcast_to(step * abs(m[0]), (outputs,)).copy()
        return narrow(whole if m[0] > 0 else -whole), scale
    unit = np.broadcast_to(step, whole.shape) * m[:, None]
    scale = full(1, (outputs,))
    for j in range(outputs):
        used = [u for u, k in zip(unit[:, j].tolist(), whole[:, j].tolist(), strict=True) if k]
        scale[j] = hull_divisor(rational(used or unit[:, j]))
    return narrow(integers(whole * unit / scale)), scale


def _clipped(end: Fraction, step: FractionArray, q: Quantiser) -> IntArray:
    flat = [min(max(round_fraction(end / s, q.rounding), q.lo), q.hi) for s in step.ravel()]
    result: IntArray = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(step.shape)


def _quantised(values: Any, step: Fraction, q: Quantiser) -> Any:
    whole = round_float(values / float(step), q.rounding).astype(np.int64)
    if q.overflow == "wrap":
        return (whole - q.lo) % (q.hi - q.lo + 1) + q.lo
    return np.clip(whole, q.lo, q.hi)
