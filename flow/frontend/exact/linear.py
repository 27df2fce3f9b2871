"""Dense layers, convolutions and sums of tables, carried over exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np

from flow.frontend.exact.integer_weights import (
    exact_values,
    integer_weights,
    multiples,
    whole_values,
)
from flow.frontend.exact.rational import (
    arranged,
    full,
    hull_divisor,
    integers,
    rational,
    round_offsets,
    spread,
)
from flow.frontend.exact.workbench import ZERO, Value, Workbench
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import SourceConv, SourceDense, SourceTableSum, Weights
from flow.ir.layers import Conv, Dense, TableSum
from flow.ir.rounding import round_fraction
from flow.ir.tensor import FractionArray, IntArray, compact, narrow


def dense(bench: Workbench, layer: SourceDense) -> Value:
    """The dense layer as integers; what its bias has beside the grid stays outside."""
    source = layer.sources[0]
    value = bench.by_channel(source, bench.plain(source))
    _quantised(layer.kernel)
    m = value.m if value.m.ndim == 0 else value.m[:, None]
    weights, scale = integer_weights(layer.kernel, m)
    total = _bias(layer.bias, len(scale))
    if value.b.any():
        whole, unit = whole_values(layer.kernel)
        grid, offsets = multiples(spread(value.b, _thin(value.b, whole.shape[0])))
        moved = offsets.astype(object).reshape(-1, whole.shape[0]).dot(whole.astype(object))
        total = moved.reshape(*offsets.shape[:-1], -1) * (grid * unit) + total
    bias, rest = _split(bench, layer.bias, arranged(total), scale)
    name = bench.emit(
        Dense(
            bench.names[layer.name], (value.layer,), layer.place, weights, bias, compact(scale)
        )
    )  # fmt: skip
    return Value(name, compact(scale), rest)


def convolution(bench: Workbench, layer: SourceConv) -> Value:
    """The convolution as integers; zeros around it are real zeros whatever the offsets are."""
    source = layer.sources[0]
    value = bench.by_channel(source, bench.plain(source))
    _quantised(layer.kernel)
    *_, channels, filters = layer.kernel.values.shape
    weights, scale = integer_weights(
        layer.kernel, _each_filter(value.m, channels, filters, layer.groups)
    )
    total = _bias(layer.bias, filters)
    if value.b.any():
        total = _convolved(bench, layer, value) + total
    bias, rest = _split(bench, layer.bias, arranged(total), scale)
    name = bench.emit(
        Conv(
            bench.names[layer.name], (value.layer,), layer.place, weights, bias,
            layer.strides, layer.padding, layer.dilation, layer.groups, compact(scale),
        )
    )  # fmt: skip
    return Value(name, compact(scale), rest)


def table_sum(bench: Workbench, layer: SourceTableSum) -> Value:
    """The sum of tables; its inputs are the integers of the quantisers in its domain."""
    source = layer.sources[0]
    value = bench.plain(source)
    steps = arranged(rational([step for step, _, _ in layer.domain]))
    if (value.m != steps).any() or value.b.any():
        try:
            value = bench.rescaled(source, value, steps)
        except ValueError as error:
            raise Obstacle(
                "the input of its tables lies off their grid; quantise it before them"
            ) from error
    here = bench.types[value.layer]
    lows, highs = [lo for _, lo, _ in layer.domain], [hi for _, _, hi in layer.domain]
    if (here.lo < np.array(lows, dtype=object)).any() or (
        here.hi > np.array(highs, dtype=object)
    ).any():
        raise Obstacle("the input of its tables can leave their domain; quantise it before them")
    outputs = len(layer.tables[0])
    steps_of = np.broadcast_to(rational(layer.step), (len(layer.tables), outputs))
    scale = rational([hull_divisor(steps_of[:, j]) for j in range(outputs)])
    tables = tuple(
        tuple(
            None if table is None else _entries(table, step, s)
            for table, step, s in zip(row, steps, scale, strict=True)
        )
        for row, steps in zip(layer.tables, steps_of, strict=True)
    )
    bias = np.zeros(outputs, dtype=np.int64)
    name = bench.emit(
        TableSum(
            bench.names[layer.name], (value.layer,), layer.place,
            tuple(lows), tables, bias, compact(scale),
        )
    )  # fmt: skip
    return Value(name, compact(scale), ZERO)


def _entries(table: object, step: Fraction, scale: Fraction) -> tuple[int, ...]:
    values = Weights(np.asarray(table, dtype=np.float64), np.asarray(step, dtype=object))
    return tuple(integers(exact_values(values) / scale).tolist())


def _quantised(kernel: Weights) -> None:
    if kernel.step is None:
        raise Obstacle(
            "the weights have no quantiser; give every layer one, or leave all without: "
            "a model without any is quantised after training"
        )


def _bias(bias: Weights | None, outputs: int) -> FractionArray:
    if bias is None:
        return full(0, (outputs,))
    return rational(bias.values) if bias.step is None else exact_values(bias)


def _split(
    bench: Workbench, bias: Weights | None, total: FractionArray, scale: FractionArray
) -> tuple[IntArray, FractionArray]:
    """(integer bias, what remains): total = bias * scale + remainder, a bias for each output.

    A float bias is rounded to the grid where the workbench rounds biases, and leaves nothing.
    """
    outputs = len(scale)
    same = total.ndim < 2
    loose = bench.round_bias and (bias is None or bias.step is None)
    mode: Literal["half_even", "floor"] = "half_even" if loose and same else "floor"
    first = spread(total, (outputs,)) if same else total.reshape(-1, outputs)[0]
    whole: IntArray = np.empty(outputs, dtype=object)
    whole[:] = [
        round_fraction(v / s, mode) for v, s in zip(first.tolist(), scale.tolist(), strict=True)
    ]
    if loose and same:
        return narrow(whole), ZERO
    rest = arranged(total - whole * scale)
    return narrow(whole), round_offsets(rest, scale) if bench.round_bias else rest


def _thin(offsets: FractionArray, channels: int) -> tuple[int, ...]:
    return offsets.shape if offsets.ndim > 1 else (channels,)


def _each_filter(m: FractionArray, channels: int, filters: int, groups: int) -> FractionArray:
    """m of the channel that weight (..., c, f) meets."""
    if m.ndim == 0:
        return m
    each = np.repeat(m.reshape(groups, channels).T, filters // groups, axis=1)
    return each if groups > 1 else m[:, None]


def _convolved(bench: Workbench, layer: SourceConv, value: Value) -> FractionArray:
    """What the offsets of the input add to each output."""
    whole, unit = whole_values(layer.kernel)
    grid, offsets = multiples(value.b)
    shape = bench.shape(value)
    still = Conv(
        "offset", ("x",), layer.place, whole, np.zeros(whole.shape[-1], dtype=np.int64),
        layer.strides, layer.padding, layer.dilation, layer.groups, full(1, ()),
    )  # fmt: skip
    moved = still.evaluate(np.broadcast_to(offsets, shape)[None])[0]
    return np.asarray(compact(moved).astype(object) * (grid * unit), dtype=object)
