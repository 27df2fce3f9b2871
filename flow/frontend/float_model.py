"""What a SourceModel answers in float64: for calibration, and for the model's own accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np

from flow.errors import UsageError
from flow.frontend.source import (
    FloatArray,
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
        case SourceAffine(multiplier=multiplier, offset=offset):
            result: FloatArray = x * multiplier + offset
            return result
        case SourceActivation(function=function):
            return apply_function(function, x)
        case SourceQuantise(quantiser=quantiser):
            return apply_quantiser(quantiser, x)
        case SourceAdd():
            total: FloatArray = np.sum(np.stack(sources), axis=0)
            return total
        case SourceConcat():
            return np.concatenate(sources, axis=-1)
        case SourceReshape(shape=shape):
            return x.reshape(len(x), *shape)
        case _:
            raise TypeError(f"no float meaning for {type(layer).__name__}")


def source_shapes(model: SourceModel) -> dict[str, tuple[int, ...]]:
    """The shape of every layer's result, without the batch."""
    zeros = {x.name: np.zeros((1, *x.shape)) for x in model.layers if isinstance(x, SourceInput)}
    return {name: value.shape[1:] for name, value in evaluate_source(model, zeros).items()}


def apply_function(function: Function, x: FloatArray) -> FloatArray:
    """function(x); hard_tanh clips x to [-1, 1], hard_sigmoid clips x/5 + 1/2 to [0, 1].

    Softmax is over the last axis; argmax gives an index of the last axis, the lowest on a tie.
    """
    match function:
        case "relu":
            return np.maximum(x, 0.0)
        case "sigmoid":
            return 0.5 * (1.0 + np.tanh(0.5 * x))
        case "hard_sigmoid":
            return np.clip(0.2 * x + 0.5, 0.0, 1.0)
        case "tanh":
            return np.tanh(x)
        case "hard_tanh":
            return np.clip(x, -1.0, 1.0)
        case "softmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            result: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
            return result
        case "argmax":
            index = np.argmax(x, axis=-1).astype(np.float64)
            indices: FloatArray = index if index.ndim > 1 else index[:, None]
            return indices
        case _:
            assert_never(function)


def apply_quantiser(quantiser: Quantiser, x: FloatArray) -> FloatArray:
    """step * overflow(round(x / step), lo, hi)"""
    step = quantiser.step.astype(np.float64)
    whole = round_float(x / step, quantiser.rounding)
    if quantiser.overflow == "wrap":
        whole = (whole - quantiser.lo) % (quantiser.hi - quantiser.lo + 1) + quantiser.lo
    else:
        whole = np.clip(whole, quantiser.lo, quantiser.hi)
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
