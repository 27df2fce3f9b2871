"""What a SourceModel answers in float64: for calibration, and for the model's own accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np

from flow.errors import UsageError
from flow.frontend.float_layers import convolve, gather, pool, sum_tables
from flow.frontend.functions import apply_function
from flow.frontend.source import (
    FloatArray,
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
from flow.ir.rounding import Rounding


def evaluate_source(model: SourceModel, inputs: Mapping[str, Any]) -> dict[str, FloatArray]:
    """The float64 value (samples, *shape) of every layer, by name, heads and quantisers included.

    `inputs` has an array for each input layer. UsageError where one is missing or misshapen.
    """
    values: dict[str, FloatArray] = {}
    for layer in model.layers:
        if isinstance(layer, SourceInput):
            values[layer.name] = _input(layer, inputs)
        else:
            values[layer.name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
    return values


def evaluate_layer(layer: SourceLayer, *sources: FloatArray) -> FloatArray:
    """The float64 result of one layer for a batch."""
    x = sources[0]
    match layer:
        case SourceDense(kernel=kernel, bias=bias):
            product: FloatArray = x @ kernel.values
            return product if bias is None else product + bias.values
        case SourceConv():
            return convolve(layer, x)
        case SourcePool():
            return pool(layer, x)
        case SourceGather():
            return gather(layer, x)
        case SourceTableSum():
            return sum_tables(layer, x)
        case SourceAffine(multiplier=multiplier, offset=offset):
            result: FloatArray = x * multiplier + offset
            return result
        case SourceActivation(function=function, parameters=parameters):
            return apply_function(function, x, *parameters)
        case SourceQuantise(quantiser=quantiser):
            return apply_quantiser(quantiser, x)
        case SourceReshape(shape=shape):
            return x.reshape(len(x), *shape)
        case _:
            return _together(layer, sources)


def _together(layer: SourceLayer, sources: tuple[FloatArray, ...]) -> FloatArray:
    match layer:
        case SourceAdd():
            return sum(sources[1:], start=sources[0])
        case SourceMultiply():
            result = sources[0]
            for x in sources[1:]:
                result = result * x
            return result
        case SourceConcat(axis=axis):
            return np.concatenate(sources, axis=axis if axis < 0 else axis + 1)
        case _:
            raise TypeError(f"no float meaning for {type(layer).__name__}")


def apply_quantiser(quantiser: Quantiser, x: FloatArray) -> FloatArray:
    """step * overflow(round(x / step), lo, hi)"""
    step = quantiser.step.astype(np.float64)
    whole = round_float(x / step, quantiser.rounding)
    lo, hi = (np.asarray(end).astype(np.float64) for end in (quantiser.lo, quantiser.hi))
    if quantiser.overflow == "wrap":
        whole = (whole - lo) % (hi - lo + 1) + lo
    else:
        whole = np.clip(whole, lo, hi)
    result: FloatArray = whole * step
    return result


def round_float(x: FloatArray, rounding: Rounding) -> FloatArray:
    """x as an integral float."""
    floor = np.floor(x)
    rest = x - floor
    match rounding:
        case "floor":
            return floor
        case "ceil":
            return np.ceil(x)
        case "zero":
            return np.trunc(x)
        case "half_even":
            return np.rint(x)
        case "half_up":
            up = rest >= 0.5
        case "half_down":
            up = rest > 0.5
        case "half_away":
            up = (rest > 0.5) | ((rest == 0.5) & (x >= 0))
        case "half_zero":
            up = (rest > 0.5) | ((rest == 0.5) & (x < 0))
        case _:
            assert_never(rounding)
    result: FloatArray = floor + up
    return result


def _input(layer: SourceInput, inputs: Mapping[str, Any]) -> FloatArray:
    if layer.name not in inputs:
        raise UsageError(f"no values for the input {layer.name!r}", where=layer.place)
    value = np.asarray(inputs[layer.name], dtype=np.float64)
    if value.shape[1:] != layer.shape:
        raise UsageError(
            f"the values for the input {layer.name!r} have the shape {value.shape[1:]}, "
            f"not {layer.shape}",
            where=layer.place,
            hint="the first axis counts samples; the other axes are the model's",
        )
    return value
