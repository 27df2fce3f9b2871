"""Weights of a float model on steps: one for all, one for each output, one for each input.

Where inputs of a layer differ much in their range (raw features, a normalisation folded into the
rows), one step for all leaves the weights of the large ones a few levels. A row then gets a power
of two of its own, which is a shift in the circuit: the scaling of input channels of Meller et al.,
"Same, Same But Different", ICML 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from flow.frontend.exact.grids import short, weight_step
from flow.frontend.exact.rational import power_of_two, rational
from flow.frontend.float_model import evaluate_layer
from flow.frontend.functions import alpha
from flow.frontend.quantisation.correct_bias import FEWEST
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.round_adaptively import rounded_adaptively
from flow.frontend.source import (
    FloatArray,
    SourceActivation,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceLayer,
    Weights,
    step_array,
)

UNEVEN = 4.0
"""How often the largest weight of a row fits into that of another, for rows to be looked at."""
GAIN = 4.0
"""The part of the squared error that rows have to save to be chosen: what one more bit saves."""
WIDEST = 16
"""Bits of weights beyond which one step for all serves every row."""
LOOKED_AT = 512
"""Samples on which the error of a layer is compared."""


def quantise_weights(
    layer: SourceLayer, options: QuantiseOptions, values: Mapping[str, FloatArray]
) -> SourceLayer:
    """The layer with its constants on their steps; `values` are what its sources hold in the float
    model, on samples from which no weight has learned."""
    bits = options.weight_bits_of(layer.name)
    match layer:
        case SourceAffine():
            # Every element has its own constant, so each may have its own step.
            shortened = np.vectorize(lambda v: float(short(v, bits - 1)), otypes=[np.float64])
            return replace(layer, multiplier=shortened(layer.multiplier))
        case SourceActivation(function="leaky_relu", parameters=parameters):
            return replace(layer, parameters=(float(short(alpha(parameters), bits)),))
        case SourceDense() | SourceConv() if layer.kernel.step is None:
            return _kernel(layer, bits, options, values[layer.sources[0]])
        case _:
            return layer


def _kernel(
    layer: SourceDense | SourceConv, bits: int, options: QuantiseOptions, seen: FloatArray
) -> SourceLayer:
    rounded = _nearest(layer, bits, options, seen[:LOOKED_AT])
    if options.weight_rounding == "nearest" or bits > WIDEST:
        return rounded
    about_mean = options.bias_correction and len(seen) >= FEWEST
    return replace(
        rounded, kernel=rounded_adaptively(layer, rounded.kernel, bits, seen, about_mean)
    )


def _nearest(
    layer: SourceDense | SourceConv, bits: int, options: QuantiseOptions, seen: FloatArray
) -> SourceDense | SourceConv:
    """The layer with each weight at its nearest value."""
    together = replace(layer, kernel=_on_steps(layer.kernel.values, bits, options))
    if options.per_input is False:
        return together
    factors = _row_factors(layer.kernel.values)
    if (factors == 1).all():
        return together
    scaled = _on_steps(layer.kernel.values / factors, bits, options)
    assert scaled.step is not None
    steps = np.asarray(scaled.step * rational(factors), dtype=object)
    apart = replace(layer, kernel=Weights(scaled.values * factors, steps))
    if options.per_input:
        return apart
    if bits > WIDEST or factors.max() < UNEVEN * factors.min():
        return together
    wanted = evaluate_layer(layer, seen)
    errors = [float(np.square(evaluate_layer(x, seen) - wanted).sum()) for x in (together, apart)]
    return apart if errors[1] * GAIN <= errors[0] else together


def _on_steps(values: FloatArray, bits: int, options: QuantiseOptions) -> Weights:
    """The weights with one step, or with one for each output."""
    rule = options.weight_step
    if not options.per_channel:
        step, rounded = weight_step(values, bits, rule)
        return Weights(rounded, step_array(step))
    columns = [weight_step(values[..., j], bits, rule) for j in range(values.shape[-1])]
    steps = rational([step for step, _ in columns])
    return Weights(np.stack([c for _, c in columns], axis=-1), steps)


def _row_factors(values: FloatArray) -> FloatArray:
    """A power of two for each input, (inputs, 1): by how much its weights are the smaller ones."""
    axes = (*range(values.ndim - 2), values.ndim - 1)
    largest = np.abs(values).max(axis=axes)
    top = float(largest.max(initial=0.0))
    safe = np.where(largest > 0, largest, top or 1.0)
    exponents = np.rint(np.log2(safe / (top or 1.0))).astype(int)
    factors = np.array([float(power_of_two(int(e))) for e in exponents])
    return factors[:, np.newaxis]
