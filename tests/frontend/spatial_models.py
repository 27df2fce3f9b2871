"""Random quantised models with every kind of source layer, which float64 computes exactly."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
from frontend.source_models import model

from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    SourceTableSum,
    Weights,
)
from flow.ir.rounding import ROUNDINGS

KINDS = (
    "dense", "conv", "conv", "max", "average", "sum", "gather", "multiply", "table_sum", "affine",
    "activation", "activation", "function", "add", "concat", "reshape", "quantise",
)  # fmt: skip


def random_model(rng, depth=6):
    """A random quantised model; every number is a short multiple of a power of two."""
    shape = [(4, 4, 2), (5, 3), (3, 5, 1), (6,)][rng.integers(4)]
    layers = [SourceInput("x", (), "file: x", shape), _quantise(rng, "q", "x", shape)]
    for i in range(depth):
        shapes = source_shapes(model(layers))
        # A function has no tensor of integers until its quantiser.
        names = [x.name for x in layers[1:] if not x.name.endswith("_f")]
        source = names[-1] if rng.random() < 0.7 else str(rng.choice(names))
        kind = str(rng.choice(KINDS))
        narrowed = SourceQuantise(
            f"n{i}", (source,), f"file: n{i}", _quantiser(rng, shapes[source], wide=False)
        )
        made = _layer(rng, f"l{i}", kind, narrowed.name, shapes[source])
        if kind in ("add", "concat"):
            other = str(rng.choice([n for n in names if shapes[n] == shapes[source]]))
            layers += [narrowed, _join(rng, f"l{i}", kind, narrowed.name, other, shapes[source])]
        elif made is not None:
            layers += [narrowed, *made]
    return model(layers)


def _layer(rng, name, kind, source, shape):
    place, last = f"file: {name}", shape[-1]
    spatial = len(shape) > 1
    match kind:
        case "dense":
            outputs = int(rng.integers(1, 4))
            kernel = _weights(rng, (last, outputs))
            return [SourceDense(name, (source,), place, kernel, _bias(rng, outputs))]
        case "conv" if spatial:
            return [_conv(rng, name, source, shape)]
        case "max" | "average" | "sum" if spatial:
            return [_pool(rng, name, kind, source, shape)]
        case "gather":
            size = [shape, (*shape[:-1], last + 1), (3, last), (4,)][rng.integers(4)]
            indices = rng.integers(0, prod(shape), size)
            fill = 0.0
            if rng.random() < 0.5:
                indices = np.where(rng.random(size) < 0.3, -1, indices)
                fill = float(rng.integers(-8, 9) / 4)
            return [SourceGather(name, (source,), place, indices, fill)]
        case "multiply":
            return [SourceMultiply(name, (source, source), place)]
        case "table_sum":
            return _table_sum(rng, name, source, shape)
        case "affine":
            size = [(), (last,), shape][rng.integers(3)]
            factor = np.asarray(rng.integers(-3, 4, size) / 2.0)
            offset = np.asarray(rng.integers(-9, 9, size) / 8.0)
            return [SourceAffine(name, (source,), place, factor, offset)]
        case "activation":
            function, parameters = [
                ("relu", ()), ("relu", (1.5,)), ("hard_tanh", ()), ("hard_tanh", (-0.5, 2.0)),
                ("hard_sigmoid", (0.25, 0.5)), ("leaky_relu", (0.25,)), ("abs", ()),
                ("square", ()),
            ][rng.integers(8)]  # fmt: skip
            return [SourceActivation(name, (source,), place, function, parameters)]
        case "function":
            function = ["tanh", "sigmoid", "silu", "elu", "gelu", "softplus"][rng.integers(6)]
            inner = SourceActivation(f"{name}_f", (source,), place, function)
            return [inner, _quantise(rng, name, inner.name, shape)]
        case "reshape":
            shapes = [(prod(shape),), (*shape, 1), shape[::-1]]
            return [SourceReshape(name, (source,), place, shapes[rng.integers(3)])]
        case "quantise":
            return [_quantise(rng, name, source, shape)]
    return None


def _join(rng, name, kind, one, other, shape):
    place = f"file: {name}"
    if kind == "add":
        return SourceAdd(name, (one, other, one), place)
    return SourceConcat(name, (one, other), place, int(rng.integers(-len(shape), len(shape))))


def _conv(rng, name, source, shape):
    axes, channels = len(shape) - 1, shape[-1]
    groups = int(rng.choice([g for g in (1, channels) if channels % g == 0]))
    filters = groups * int(rng.integers(1, 3))
    window = tuple(int(min(rng.integers(1, 4), n)) for n in shape[:-1])
    padding = tuple(tuple(int(p) for p in rng.integers(0, 2, 2)) for _ in range(axes))
    strides = tuple(int(s) for s in rng.integers(1, 3, axes))
    dilation = tuple(
        int(rng.integers(1, 3)) if n + sum(p) > 2 * (k - 1) else 1
        for n, k, p in zip(shape, window, padding, strict=False)
    )
    kernel = _weights(rng, (*window, channels // groups, filters))
    bias = _bias(rng, filters)
    return SourceConv(
        name, (source,), f"file: {name}", kernel, bias, strides, padding, dilation, groups
    )


def _pool(rng, name, kind, source, shape):
    window = tuple(int(min(rng.integers(1, 3), n)) for n in shape[:-1])
    counted = bool(rng.random() < 0.5)
    # A mean of three, where padding is not counted, is no float64.
    most = [min(2, k) if kind != "average" or counted else 1 for k in window]
    padding = tuple(tuple(int(p) for p in rng.integers(0, n, 2)) for n in most)
    strides = tuple(int(s) for s in rng.integers(1, 3, len(window)))
    return SourcePool(name, (source,), f"file: {name}", kind, window, strides, padding, counted)


def _table_sum(rng, name, source, shape):
    last, outputs = shape[-1], int(rng.integers(1, 3))
    quantiser = Quantiser(_steps(rng, last), -4, 3)
    domain = tuple((step, -4, 3) for step in quantiser.step.tolist())
    step = _steps(rng, (last, outputs))
    tables = tuple(
        tuple(
            None if rng.random() < 0.2 else rng.integers(-5, 6, 8) * float(step[i, j])
            for j in range(outputs)
        )
        for i in range(last)
    )
    return [
        SourceQuantise(f"{name}_q", (source,), f"file: {name}_q", quantiser),
        SourceTableSum(name, (f"{name}_q",), f"file: {name}", domain, tables, step),
    ]


def _weights(rng, shape):
    whole = rng.integers(-7, 8, shape)
    step = [_steps(rng, ()), _steps(rng, shape[-1]), _steps(rng, shape)][rng.integers(3)]
    return Weights(whole * np.broadcast_to(step.astype(float), shape), step)


def _bias(rng, outputs):
    fine = _steps(rng, outputs)
    exact = Weights(rng.integers(-7, 8, outputs) * fine.astype(float), fine)
    return [None, exact, Weights(rng.integers(-99, 99, outputs) / 64.0)][rng.integers(3)]


def _steps(rng, shape):
    count = prod(shape) if isinstance(shape, tuple) else int(shape)
    array = np.empty(count, dtype=object)
    array[:] = [Fraction(1, 1 << int(k)) for k in rng.integers(0, 4, count)]
    return array.reshape(shape)


def _quantiser(rng, shape, wide=True):
    step = [_steps(rng, ()), _steps(rng, shape[-1]), _steps(rng, shape)][rng.integers(3)]
    lo, hi = [(-8, 7), (0, 15), (-7, 7), (0, 1)][rng.integers(4)]
    if rng.random() < 0.3:
        lo = rng.integers(-8, 1, [shape, shape[-1:]][rng.integers(2)])
        hi = lo + rng.integers(0, 9, lo.shape)
    rounding = ROUNDINGS[rng.integers(len(ROUNDINGS))]
    overflow = ["saturate", "saturate", "wrap"][rng.integers(3)] if wide else "saturate"
    return Quantiser(step, lo, hi, rounding, overflow)


def _quantise(rng, name, source, shape):
    return SourceQuantise(name, (source,), f"file: {name}", _quantiser(rng, shape))
