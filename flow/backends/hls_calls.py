"""Layers that hls4ml has not: calls of the functions in `templates/hls/flow_layers.h.j2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from flow.backends.hls_constants import config, signed_width
from flow.backends.hls_native import spread
from flow.backends.hls_requantise import steps
from flow.ir.layers import (
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Conv,
    Gather,
    Layer,
    Lookup,
    Multiply,
    Pool,
    Requantize,
    TableSum,
)
from flow.ir.rounding import Rounding
from flow.ir.tensor import IntArray, TensorType, exact, tensor_type
from flow.ir.windows import Padding

KEEP, SATURATE, WRAP, REMAINDER = range(4)
"""What the function `requantize` does with values outside its range."""

Ratio = tuple[int, int, int]
"""n, b, d: the function (n x + b) / d."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A C++ function, the lines of its configuration, its constants in order; `plain` are those
    of C types, which come first."""

    function: str
    config: tuple[str, ...]
    constants: Mapping[str, Sequence[int]] = field(default_factory=dict)
    plain: Mapping[str, Sequence[int]] = field(default_factory=dict)


def _requantize(layer: Requantize, x: TensorType, here: TensorType) -> Operation:
    ratios = [
        tuple(v) for v in zip(*(a.ravel().tolist() for a in layer.ratio(x.shape)), strict=True)
    ]
    least, most = (exact(end, x.shape).ravel().tolist() for end in (layer.lo, layer.hi))
    return _rounded(x, ratios, layer.rounding, least, most, layer.overflow == "wrap")


def _affine(layer: Affine, x: TensorType, here: TensorType) -> Operation:
    """A requantisation that rounds and cuts nothing."""
    factors, offsets = exact(layer.multiplier, x.shape), exact(layer.offset, x.shape)
    ratios = [
        (n, b, 1) for n, b in zip(factors.ravel().tolist(), offsets.ravel().tolist(), strict=True)
    ]
    return _rounded(x, ratios, "floor", here.lo.ravel().tolist(), here.hi.ravel().tolist(), False)


def _rounded(
    x: TensorType,
    ratios: Sequence[Any],
    rounding: Rounding,
    least: list[int],
    most: list[int],
    wraps: bool,
) -> Operation:
    """round((n x + b) / d) into [least, most], element by element."""
    spans: dict[Ratio, tuple[int, int]] = {}
    for ratio, lo, hi in zip(ratios, x.lo.ravel().tolist(), x.hi.ravel().tolist(), strict=True):
        so_far = spans.get(ratio, (lo, hi))
        spans[ratio] = min(lo, so_far[0]), max(hi, so_far[1])
    made = {ratio: steps(*ratio, *span, rounding) for ratio, span in spans.items()}
    shift = max(s.shift for s in made.values())
    made = {ratio: s.at(shift) for ratio, s in made.items()}
    ends = {ratio: s.sums(*spans[ratio]) for ratio, s in made.items()}
    if wraps:
        sizes = {hi - lo + 1 for lo, hi in zip(least, most, strict=True)}
        overflow = WRAP if all(size & (size - 1) == 0 for size in sizes) else REMAINDER
    else:
        overflow = SATURATE
    if all(
        lo <= (ends[r][0] >> shift) - 1 and ends[r][1] >> shift <= hi
        for r, lo, hi in zip(ratios, least, most, strict=True)
    ):
        overflow = KEEP
    columns = (ratios, least, most) if overflow != KEEP else (ratios,)
    period = _period(x.shape, list(zip(*columns, strict=True)))
    first = [made[ratio] for ratio in ratios[:period]]
    by_sign = any(s.low != s.high for s in first)
    to_even = any(s.bound for s in first)
    inside = [end for pair in ends.values() for end in pair]
    widest = max(
        signed_width(min(inside) - (1 << shift), max(inside)),
        signed_width(min(*inside, 0) - max(*most, 0), max(*inside, 0) - min(*least, 0) + 1),
    )
    none = [0]
    return Operation(
        "requantize",
        config(
            {
                "n": x.size, "period": period, "shift": shift, "by_sign": int(by_sign),
                "to_even": int(to_even), "overflow": overflow,
            },
            {"value_t": signed_width(x.hull.lo, x.hull.hi), "product_t": widest},
        ),
        {
            "mul": [s.mul for s in first],
            "low": [s.low for s in first] if by_sign else none,
            "high": [s.high for s in first],
            "pivot": [s.pivot for s in first] if by_sign else none,
            "bound": [s.bound for s in first] if to_even else none,
            "least": least[:period] if overflow != KEEP else none,
            "most": most[:period] if overflow != KEEP else none,
        },
    )  # fmt: skip


def _period(shape: tuple[int, ...], rows: list[Any]) -> int:
    """After how many elements the rows repeat: 1, or the size of some last axes."""
    sizes = accumulate(reversed(shape), lambda a, b: a * b, initial=1)
    return next(n for n in sizes if rows == rows[:n] * (len(rows) // n))


def _lookup(layer: Lookup, x: TensorType, here: TensorType) -> Operation:
    starts = [0, *accumulate(len(table) for table in layer.tables)]
    choice = exact(layer.choice, x.shape).ravel().tolist()
    period = _period(x.shape, choice)
    start = [starts[k] - layer.bases[k] for k in choice[:period]]
    ends = [x.hull.lo + min(start), x.hull.hi + max(start), x.hull.lo, x.hull.hi]
    return Operation(
        "lookup",
        config({"n": x.size, "period": period}, {"value_t": signed_width(min(ends), max(ends))}),
        {"start": start, "table": [v for table in layer.tables for v in table]},
    )


def _table_sum(layer: TableSum, x: TensorType, here: TensorType) -> Operation:
    """Equal tables are kept once."""
    inputs, outputs = len(layer.tables), len(layer.bias)
    places: dict[tuple[int, ...], int] = {}
    flat: list[int] = []
    start: list[int] = []
    for row in layer.tables:
        for table in row:
            if table is not None and table not in places:
                places[table] = len(flat)
                flat += table
            start.append(-1 if table is None else places[table])
    ends = [x.hull.lo, x.hull.hi, x.hull.lo - max(layer.bases), x.hull.hi - min(layer.bases)]
    return Operation(
        "table_sum",
        config(
            {
                "n_in": x.size, "n_out": here.size, "rows": x.size // inputs, "inputs": inputs,
                "outputs": outputs,
            },
            {
                "value_t": signed_width(min(ends), max(ends)),
                "sum_t": signed_width(here.hull.lo, here.hull.hi),
            },
        ),
        {"base": layer.bases, "start": start, "bias": layer.bias.tolist(), "table": flat or [0]},
    )  # fmt: skip


def _windows(
    x: TensorType,
    here: TensorType,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
) -> dict[str, int]:
    """The numbers of windows over two axes; one axis is the second of two."""

    def two(values: Sequence[int]) -> Sequence[int]:
        return (1, *values) if len(values) == 1 else values

    before, after, window, strides = map(two, (x.shape[:-1], here.shape[:-1], window, strides))
    ends: Padding = ((0, 0), *padding)[-2:]
    return {
        "n_in": x.size, "n_out": here.size, "channels": x.shape[-1],
        "in_height": before[0], "in_width": before[1],
        "out_height": after[0], "out_width": after[1],
        "height": window[0], "width": window[1],
        "stride_height": strides[0], "stride_width": strides[1],
        "pad_top": ends[0][0], "pad_left": ends[1][0],
    }  # fmt: skip


def _conv(layer: Conv, x: TensorType, here: TensorType) -> Operation:
    """A convolution as loops; groups and dilation become zero weights."""
    weights = spread(layer.weights, layer.groups, layer.dilation)
    numbers = _windows(x, here, weights.shape[:-2], layer.strides, layer.padding)
    flat = weights.ravel().tolist()
    return Operation(
        "conv",
        config(
            numbers | {"filters": weights.shape[-1]},
            {
                "sum_t": signed_width(here.hull.lo, here.hull.hi),
                "weight_t": signed_width(min(flat), max(flat)),
            },
        ),
        {"bias": layer.bias.tolist()},
        {"weights": flat},
    )


def _pool(layer: Pool, x: TensorType, here: TensorType) -> Operation:
    numbers = _windows(x, here, layer.window, layer.strides, layer.padding)
    return Operation(
        "pool",
        config(
            numbers | {"largest": int(layer.pool == "max")},
            {"sum_t": signed_width(min(here.hull.lo, x.hull.lo), max(here.hull.hi, x.hull.hi))},
        ),
    )  # fmt: skip


def _gather(layer: Gather, x: TensorType, here: TensorType) -> Operation:
    numbers = {"n_in": x.size, "n": here.size, "fill": layer.fill}
    return Operation("gather", config(numbers), {"index": layer.indices.ravel().tolist()})


def _argmax(layer: ArgMax, x: TensorType, here: TensorType) -> Operation:
    numbers = {"n_in": x.size, "rows": here.size, "width": x.shape[-1]}
    return Operation("argmax", config(numbers, {"value_t": signed_width(x.hull.lo, x.hull.hi)}))


def _at_least(layer: AtLeast, x: TensorType, here: TensorType) -> Operation:
    bounds = exact(layer.bound, x.shape).ravel().tolist()
    period = _period(x.shape, bounds)
    return Operation(
        "at_least",
        config({"n": x.size, "period": period}, {"value_t": signed_width(x.hull.lo, x.hull.hi)}),
        {"bound": bounds[:period]},
    )


CALLS: Mapping[type[Layer], Callable[[Any, TensorType, TensorType], Operation]] = {
    Requantize: _requantize, Affine: _affine, Lookup: _lookup, TableSum: _table_sum, Pool: _pool,
    Conv: _conv, Gather: _gather, ArgMax: _argmax, AtLeast: _at_least,
}  # fmt: skip
"""The layers of one source: from the layer, the type of its source, and its own."""


def copy(x: TensorType) -> Operation:
    """The same elements once more."""
    return Operation("copy", config({"n": x.size}))


def _add(layer: Add, a: TensorType, b: TensorType) -> tuple[TensorType, Operation]:
    here = tensor_type(a.shape, a.lo + b.lo, a.hi + b.hi)
    return here, Operation("add", config({"n": here.size}))


def _multiply(layer: Multiply, a: TensorType, b: TensorType) -> tuple[TensorType, Operation]:
    ends = a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi
    here = tensor_type(a.shape, np.minimum.reduce(ends), np.maximum.reduce(ends))
    return here, Operation("multiply", config({"n": here.size}))


def _join(layer: Concat, a: TensorType, b: TensorType) -> tuple[TensorType, Operation]:
    ends: list[IntArray] = [
        np.concatenate(pair, axis=layer.axis) for pair in ((a.lo, b.lo), (a.hi, b.hi))
    ]
    here = tensor_type(ends[0].shape, *ends)
    rows = int(np.prod(here.shape[: layer.axis % len(here.shape)], dtype=np.int64))
    numbers = {"n_a": a.size, "n_b": b.size, "n": here.size, "rows": rows}
    return here, Operation(
        "join", config(numbers | {"left": a.size // rows, "right": b.size // rows})
    )


PAIRS: Mapping[
    type[Layer], Callable[[Any, TensorType, TensorType], tuple[TensorType, Operation]]
] = {Add: _add, Multiply: _multiply, Concat: _join}
"""The layers of several sources: what two of them become, with the type of the result."""
