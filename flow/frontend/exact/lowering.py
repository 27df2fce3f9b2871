"""A SourceModel whose numbers are all exact, as a Network: nothing is rounded that it does not.

Between quantisers a tensor is a tensor of integers n together with rationals m, b per element:
its real value is n * m + b. Batch normalisation and biases off the grid live in m and b until a
quantiser takes them up; only where none does, an Affine layer brings them to one scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.exact.heads import decide, host_head, logits, split_heads
from flow.frontend.exact.linear import convolution, dense, table_sum
from flow.frontend.exact.moves import gathered, joined, pooled, reshaped
from flow.frontend.exact.pending import Call, Clip, Scale, met, moved
from flow.frontend.exact.ports import Port
from flow.frontend.exact.rational import arranged, full, rational, round_offsets
from flow.frontend.exact.tables import looked_up, rounds_apart, tabled
from flow.frontend.exact.workbench import ZERO, Value, Workbench, positive
from flow.frontend.functions import clip_ends
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import (
    HEADS,
    Function,
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    SourceTableSum,
)
from flow.ir.layers import Affine, Input, Relu, Requantize
from flow.ir.names import identifier
from flow.ir.network import Head, Network
from flow.ir.rounding import round_fraction
from flow.ir.tensor import FractionArray, IntArray, compact, narrow


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A network, and what each layer of the file has become, by the network's name for it."""

    network: Network
    values: Mapping[str, Value]


def lower_exactly(
    model: SourceModel, ports: Mapping[str, Port], decision: bool, round_bias: bool
) -> Lowered:
    """The network that answers what the model answers on the coded inputs.

    `decision` puts a class at the end instead of logits; `round_bias` rounds a bias that has no
    step to the grid of its accumulator. UnsupportedModel lists everything that stands in the way.
    """
    return _Lowering(model, ports, round_bias).run(decision)


class _Lowering:
    def __init__(self, model: SourceModel, ports: Mapping[str, Port], round_bias: bool) -> None:
        self.bench = Workbench(model, round_bias)
        self.ports = ports

    def run(self, decision: bool) -> Lowered:
        bench, model = self.bench, self.bench.model
        heads, below = split_heads(bench)
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
        names: list[str] = []
        if not obstacles:
            try:
                for name, tensor in zip(model.outputs, below, strict=True):
                    found = self._output(name, tensor, heads, decision)
                    names.append(self._copy(found, name) if found in names else found)
            except Obstacle as error:
                obstacles.append(f"output of {model.name}: {error}")
        if obstacles:
            raise UnsupportedModel(
                f"{model.name} cannot be represented exactly",
                hint="quantise the named layers when training, or leave them out",
                obstacles=tuple(obstacles),
            )
        head: Head | tuple[Head, ...]
        head = "none" if decision and len(names) == 1 else host_head(bench, heads)
        network = Network(identifier(model.name), tuple(bench.layers), tuple(names), head)
        for name, below_it in zip(model.outputs, below, strict=True):
            if name in heads:
                value = bench.values[below_it]
                ended = replace(value, steps=(*value.steps, Call(heads[name])))
                bench.values[name] = ended
        return Lowered(network, {bench.names[name]: v for name, v in bench.values.items()})

    def _copy(self, layer: str, text: str) -> str:
        """A layer that gives the same again: every output has a name of its own."""
        one, zero = np.ones((), dtype=np.int64), np.zeros((), dtype=np.int64)
        scale, place = self.bench.types[layer].scale, self._place(text)
        return self.bench.emit(Affine(self.bench.new(text), (layer,), place, one, zero, scale))

    def _output(self, name: str, below: str, heads: Mapping[str, Function], decision: bool) -> str:
        bench, head = self.bench, heads.get(name)
        place = self._place(name)
        if decision and len(bench.model.outputs) == 1:
            return decide(bench, below, head, "decision", place)
        if head == "argmax":
            return decide(bench, below, head, name, place)
        return logits(bench, below)

    def _place(self, name: str) -> str:
        return next(x.place for x in self.bench.source if x.name == name)

    def _layer(self, layer: SourceLayer) -> Value | None:
        match layer:
            case SourceInput(name=name):
                return self._input(layer, self.ports[name])
            case SourceQuantise(name=name) if (port := self._absorbing(name)) is not None:
                assert port.step is not None
                return Value(self.bench.names[self._root(layer)], compact(port.step), ZERO)
            case SourceQuantise():
                return quantised(self.bench, layer)
            case SourceAffine(name=name) if self._feeds_absorbed(name):
                return None
            case SourceAffine():
                return _affine(self.bench, layer)
            case SourceActivation():
                return _activation(self.bench, layer)
            case _:
                return _carried(self.bench, layer)

    def _absorbing(self, name: str) -> Port | None:
        return next((p for p in self.ports.values() if p.absorbed == name), None)

    def _feeds_absorbed(self, name: str) -> bool:
        absorbed = {p.absorbed for p in self.ports.values()}
        return any(name in x.sources and x.name in absorbed for x in self.bench.source)

    def _root(self, layer: SourceLayer) -> str:
        return next(n for n, p in self.ports.items() if p.absorbed == layer.name)

    def _input(self, layer: SourceInput, port: Port) -> Value:
        name = self.bench.emit(
            Input(
                self.bench.names[layer.name], (), layer.place, port.tensor, port.offset,
                port.rounding, port.overflow,
            )
        )  # fmt: skip
        return Value(name, compact(port.tensor.scale), compact(port.offset))


def _carried(bench: Workbench, layer: SourceLayer) -> Value:
    """A layer that is no function of single elements."""
    match layer:
        case SourceDense():
            return dense(bench, layer)
        case SourceConv():
            return convolution(bench, layer)
        case SourceTableSum():
            return table_sum(bench, layer)
        case SourcePool():
            return pooled(bench, layer)
        case SourceGather():
            return gathered(bench, layer)
        case SourceConcat():
            return joined(bench, layer)
        case SourceReshape():
            return reshaped(bench, layer)
        case SourceAdd(name=name, sources=sources):
            return bench.total(name, list(sources), [bench.plain(s) for s in sources])
        case SourceMultiply(name=name, sources=sources):
            return bench.product(name, list(sources), [bench.plain(s) for s in sources])
        case _:
            raise Obstacle(f"no exact form of {type(layer).__name__}")


def _affine(bench: Workbench, layer: SourceAffine) -> Value:
    value = bench.values[layer.sources[0]]
    factor, offset = arranged(rational(layer.multiplier)), arranged(rational(layer.offset))
    if not value.steps:
        b = arranged(value.b * factor + offset)
        m = arranged(value.m * factor)
        return Value(value.layer, m, round_offsets(b, m) if bench.round_bias else b)
    match value.steps:
        case (Clip() as clip,) if (behind := moved(clip, factor, offset)) is not None:
            m, b = arranged(value.m * factor), arranged(value.b * factor + offset)
            return Value(value.layer, m, b, (behind,))
    return replace(value, steps=(*value.steps, Scale(factor, offset)))


def _activation(bench: Workbench, layer: SourceActivation) -> Value:
    value, function = bench.values[layer.sources[0]], layer.function
    ends = clip_ends(function, layer.parameters)
    if ends is not None:
        slope, offset, low, high = ends
        clip = Clip(full(low, ()), None if high is None else full(high, ()))
        if slope != 1 or offset:
            value = _scaled(value, slope, offset)
        return _clipped(bench, layer, value, clip)
    if function in HEADS:
        raise Obstacle(f"{function} is only possible at an output; end the model there")
    return replace(value, steps=(*value.steps, Call(function, layer.parameters)))


def _scaled(value: Value, slope: Fraction, offset: Fraction) -> Value:
    if value.steps:
        step = Scale(full(slope, ()), full(offset, ()))
        return replace(value, steps=(*value.steps, step))
    return replace(value, m=arranged(value.m * slope), b=arranged(value.b * slope + offset))


def _clipped(bench: Workbench, layer: SourceLayer, value: Value, clip: Clip) -> Value:
    match value.steps:
        case (*before, Clip() as last):
            return replace(value, steps=(*before, met(last, clip)))
        case () if clip.high is None and not value.b.any() and positive(value.m):
            # max(n m, 0) = max(n, 0) m: `clip` is that of relu.
            relu = Relu(bench.names[layer.name], (value.layer,), layer.place)
            return replace(value, layer=bench.emit(relu))
        case steps:
            return replace(value, steps=(*steps, clip))


def quantised(bench: Workbench, layer: SourceQuantise) -> Value:
    """What a quantiser makes of its source: nothing, a requantisation, or tables."""
    source, q = layer.sources[0], layer.quantiser
    value = bench.values[source]
    if tabled(value) or rounds_apart(bench, value, q):
        return looked_up(bench, layer, value)
    clip = value.steps[-1] if value.steps else None
    if isinstance(clip, Clip) and q.overflow == "saturate":
        value = bench.settled(source, replace(value, steps=value.steps[:-1]))
    else:
        value, clip = bench.plain(source), None
    step = arranged(rational(q.step))
    multiplier, offset = arranged(value.m / step), arranged(value.b / step)
    lo, hi = _whole(q.lo), _whole(q.hi)
    if isinstance(clip, Clip):
        lo, hi = _limited(clip.low, step, q, lo), _limited(clip.high, step, q, hi)
    here = bench.types[value.layer]
    fits = bool((here.lo >= lo).all() and (here.hi <= hi).all())
    if fits and not offset.any() and (multiplier == 1).all():
        return Value(value.layer, step, ZERO)
    name = bench.emit(
        Requantize(
            bench.names[layer.name], (value.layer,), layer.place, multiplier, offset,
            q.rounding, q.overflow, narrow(compact(lo)), narrow(compact(hi)), step,
        )
    )  # fmt: skip
    return Value(name, step, ZERO)


def _whole(end: int | IntArray) -> IntArray:
    return np.asarray(end).astype(object)


def _limited(
    end: FractionArray | None, step: FractionArray, q: Quantiser, bound: IntArray
) -> IntArray:
    """The bound of the quantiser's integers where a real value is clipped at `end` before it."""
    if end is None:
        return bound
    limit = np.frompyfunc(
        lambda e, s, lo, hi: min(max(round_fraction(e / s, q.rounding), int(lo)), int(hi)), 4, 1
    )
    return arranged(limit(end, step, q.lo, q.hi))
