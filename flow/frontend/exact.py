"""A SourceModel whose numbers are all exact, as a Network: nothing is rounded that it does not.

Between quantisers a tensor is a tensor of integers n together with rationals m, b per element:
its real value is n * m + b. Batch normalisation and biases off the grid live in m and b until a
quantiser takes them up; only where none does, an Affine layer brings them to one scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.heads import decide, host_head, logits, split_heads
from flow.frontend.integer_weights import exact_values, integer_weights
from flow.frontend.obstacle import Obstacle
from flow.frontend.ports import Port
from flow.frontend.rational import (
    common_divisors,
    full,
    hull_divisor,
    rational,
    round_offsets,
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
from flow.frontend.tables import tabulate
from flow.frontend.workbench import Clip, Value, Workbench
from flow.ir.layers import (
    Add,
    Concat,
    Dense,
    Input,
    Lookup,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.names import identifier
from flow.ir.network import Head, Network
from flow.ir.rounding import round_fraction
from flow.ir.tensor import FractionArray, IntArray, compact, exact, narrow


def lower_exactly(
    model: SourceModel, ports: Mapping[str, Port], decision: bool, round_bias: bool
) -> Network:
    """The network that answers what the model answers on the coded inputs.

    `decision` puts a class at the end instead of logits; `round_bias` rounds a bias that has no
    step to the grid of its accumulator. UnsupportedModel lists everything that stands in the way.
    """
    return _Lowering(model, ports, round_bias).run(decision)


class _Lowering:
    def __init__(self, model: SourceModel, ports: Mapping[str, Port], round_bias: bool) -> None:
        self.bench = Workbench(model)
        self.ports = ports
        self.round_bias = round_bias

    def run(self, decision: bool) -> Network:
        bench, model = self.bench, self.bench.model
        heads, below = split_heads(bench)
        head: Head = "none"
        obstacles = []
        broken: set[str] = set()
        for layer in bench.source:
            if broken.intersection(layer.sources):
                broken.add(layer.name)
            elif layer.name not in heads:
                try:
                    value = self._layer(layer)
                except Obstacle as error:
                    obstacles.append(f"{layer.place}: {error}")
                    broken.add(layer.name)
                else:
                    if value is not None:
                        bench.values[layer.name] = value
        names = []
        if not obstacles:
            try:
                head = host_head(bench, heads)
                names = [
                    self._output(n, b, heads, decision)
                    for n, b in zip(model.outputs, below, strict=True)
                ]
            except Obstacle as error:
                obstacles.append(f"output of {model.name}: {error}")
        if obstacles:
            raise UnsupportedModel(
                f"{model.name} cannot be represented exactly",
                hint="quantise the named layers when training, or leave them out",
                obstacles=tuple(obstacles),
            )
        decided = decision and len(names) == 1
        return Network(
            identifier(model.name), tuple(bench.layers), tuple(names), "none" if decided else head
        )

    def _output(self, name: str, below: str, heads: Mapping[str, Function], decision: bool) -> str:
        bench, head = self.bench, heads.get(name)
        place = next(x.place for x in bench.source if x.name == name)
        if decision and len(bench.model.outputs) == 1:
            return decide(bench, below, head, "decision", place)
        if head == "argmax":
            return decide(bench, below, head, name, place)
        return logits(bench, below)

    def _layer(self, layer: SourceLayer) -> Value | None:
        match layer:
            case SourceInput(name=name):
                return self._input(layer, self.ports[name])
            case SourceQuantise(name=name) if (port := self._absorbing(name)) is not None:
                assert port.step is not None
                source = self._root(layer)
                return Value(self.bench.names[source], port.step, full(0, port.step.shape))
            case SourceQuantise(quantiser=quantiser):
                return self._quantise(layer, self.bench.values[layer.sources[0]], quantiser)
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
                value = self.bench.plain(layer.sources[0])
                name = self.bench.emit(
                    Reshape(self.bench.names[layer.name], (value.layer,), layer.place, shape)
                )
                return Value(name, value.m.reshape(shape), value.b.reshape(shape))
            case _:
                raise Obstacle(f"no exact form of {type(layer).__name__}")

    def _absorbing(self, name: str) -> Port | None:
        return next((p for p in self.ports.values() if p.absorbed == name), None)

    def _feeds_absorbed(self, name: str) -> bool:
        absorbed = {p.absorbed for p in self.ports.values()}
        return any(name in x.sources and x.name in absorbed for x in self.bench.source)

    def _root(self, layer: SourceLayer) -> str:
        return next(n for n, p in self.ports.items() if p.absorbed == layer.name)

    def _input(self, layer: SourceInput, port: Port) -> Value:
        name = self.bench.emit(
            Input(self.bench.names[layer.name], (), layer.place, port.tensor, port.offset)
        )
        return Value(name, port.tensor.scale, port.offset)

    def _affine(self, layer: SourceAffine) -> Value:
        value = self.bench.values[layer.sources[0]]
        factor, offset = rational(layer.multiplier), rational(layer.offset)
        moved = _moved(value.clip, compact(factor), compact(offset))
        if value.function is not None or (value.clip is not None and moved is None):
            value, moved = self.bench.plain(layer.sources[0]), None
        shape = value.m.shape
        m = value.m * np.broadcast_to(factor, shape)
        b = value.b * np.broadcast_to(factor, shape) + np.broadcast_to(offset, shape)
        if self.round_bias:
            b = round_offsets(b, m)
        return Value(value.layer, m, b, moved)

    def _activation(self, layer: SourceActivation, function: Function) -> Value:
        value = self.bench.values[layer.sources[0]]
        if function == "relu" and value.clip is not None:
            low, high = value.clip
            zero = Fraction(0)
            return replace(value, clip=(max(low, zero), high if high is None else max(high, zero)))
        value = self.bench.plain(layer.sources[0])
        match function:
            case "relu" if not value.b.any() and all(v > 0 for v in value.m.ravel().tolist()):
                name = self.bench.emit(
                    Relu(self.bench.names[layer.name], (value.layer,), layer.place)
                )
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
            value = self.bench.plain(layer.sources[0])
        shape = value.m.shape
        step = np.broadcast_to(rational(q.step), shape)
        multiplier, offset = value.m / step, value.b / step
        lo, hi = exact(q.lo, shape), exact(q.hi, shape)
        if value.clip is not None:
            low, high = value.clip
            lo = _clipped(low, step, q)
            hi = hi if high is None else _clipped(high, step, q)
        here = self.bench.types[value.layer]
        fits = (here.lo >= lo).all() and (here.hi <= hi).all()
        if fits and (multiplier == 1).all() and not offset.any():
            return Value(value.layer, step, full(0, shape))
        name = self.bench.emit(
            Requantize(
                self.bench.names[layer.name], (value.layer,), layer.place,
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
        here = self.bench.types[value.layer].hull
        base, entries = tabulate(value.function, here, m.item(), b.item(), q)
        source, last = value.layer, base + len(entries) - 1
        if here.lo < base or here.hi > last:
            source = self.bench.emit(
                Requantize(
                    self.bench.new(f"{layer.name}_clip"), (source,), layer.place, full(1, ()),
                    full(0, ()), "floor", "saturate", np.array(base), np.array(last), m,
                )
            )  # fmt: skip
        name = self.bench.emit(
            Lookup(self.bench.names[layer.name], (source,), layer.place, base, entries, step)
        )
        return Value(name, full(step.item(), shape), full(0, shape))

    def _dense(self, layer: SourceDense) -> Value:
        value = self.bench.plain(layer.sources[0])
        if layer.kernel.step is None:
            raise Obstacle("the weights have no quantiser")
        inputs, outputs = layer.kernel.values.shape
        rows = value.m.reshape(-1, inputs)
        if (rows != rows[0]).any():
            columns = [[c for c in column if c] for column in rows.T.tolist()]
            scale = rational([hull_divisor(rational(c or [1])) for c in columns])
            # Only the scale is shared: offsets may differ from place to place.
            value = self.bench.rescaled(
                layer.sources[0], replace(value, b=full(0, value.m.shape)),
                np.broadcast_to(scale, value.m.shape), value.b,
            )  # fmt: skip
        weights, scale = integer_weights(layer.kernel, value.m.reshape(-1, inputs)[0])
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
        name = self.bench.emit(
            Dense(
                self.bench.names[layer.name], (value.layer,), layer.place,
                weights, narrow(bias), compact(scale),
            )
        )  # fmt: skip
        return Value(name, np.broadcast_to(scale, shape), rest)

    def _bias(self, bias: Weights | None, outputs: int) -> FractionArray:
        if bias is None:
            return full(0, (outputs,))
        return rational(bias.values) if bias.step is None else exact_values(bias)

    def _add(self, layer: SourceAdd) -> Value:
        values = [self.bench.plain(s) for s in layer.sources]
        scale = common_divisors(*(v.m for v in values))
        zero = full(0, scale.shape)
        aligned = [
            self.bench.rescaled(s, replace(v, b=zero), scale, v.b, labelled=True)
            for s, v in zip(layer.sources, values, strict=True)
        ]
        offset = sum((v.b for v in aligned[1:]), start=aligned[0].b)
        sources = tuple(v.layer for v in aligned)
        name = self.bench.emit(Add(self.bench.names[layer.name], sources, layer.place))
        return Value(name, scale, offset)

    def _concat(self, layer: SourceConcat) -> Value:
        values = [self.bench.plain(s) for s in layer.sources]
        sources = tuple(v.layer for v in values)
        name = self.bench.emit(Concat(self.bench.names[layer.name], sources, layer.place, -1))
        m, b = (np.concatenate(x, axis=-1) for x in ([v.m for v in values], [v.b for v in values]))
        return Value(name, m, b)


def _moved(clip: Clip | None, factor: FractionArray, offset: FractionArray) -> Clip | None:
    """The clip behind an affine map, where one clip of all elements still says it."""
    if clip is None or factor.ndim or offset.ndim or factor.item() <= 0:
        return None
    low, high = (None if end is None else end * factor.item() + offset.item() for end in clip)
    assert low is not None
    return low, high


def _clipped(end: Fraction, step: FractionArray, q: Quantiser) -> IntArray:
    flat = [min(max(round_fraction(end / s, q.rounding), q.lo), q.hi) for s in step.ravel()]
    result: IntArray = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(step.shape)
