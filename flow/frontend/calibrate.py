"""Post-training quantisation: a float SourceModel becomes one whose weights and inputs have steps.

Ranges come from calibration data. The step of an activation is the accumulator's times a power of
two, so that a requantisation is a shift; it rounds down, and half a step in the bias before it
makes that the nearest value at no cost (uniform quantisation as in Jacob et al., CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from flow.frontend.float_model import apply_quantiser, evaluate_source
from flow.frontend.fold import fold, leading_affines, readers
from flow.frontend.options import QuantiseOptions
from flow.frontend.ports import fixed_point, grid
from flow.frontend.rational import common_divisor, hull_divisor, power_of_two, rational
from flow.frontend.source import (
    FloatArray,
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
    step_array,
)
from flow.ir.rounding import Rounding

INPUT_BITS = 8
TABLE_BITS = 10
"""Bits of the argument of a tabulated function where activations keep their full width."""

SAMPLES = 4096
"""Most calibration samples that are looked at: the first ones."""

_SPREAD = 8.0
_TABULATED = ("sigmoid", "tanh")


def calibrate(
    model: SourceModel, options: QuantiseOptions, calibration: Mapping[str, FloatArray]
) -> SourceModel:
    """The float model with a quantiser at every input, on every weight, and, if activations have
    a width, before every dense layer; biases stay float, for the grid of their accumulator.

    Every input needs calibration data.
    """
    data = {name: np.asarray(x, dtype=np.float64)[:SAMPLES] for name, x in calibration.items()}
    scaled = {x.sources[0] for x in leading_affines(model)}
    model = fold(model)
    for layer in model.layers:
        if isinstance(layer, SourceInput) and not _is_quantised(model, layer.name):
            model = _code_input(model, layer, options, data[layer.name], layer.name in scaled)
    model = fold(model, keep=tuple(x.name for x in leading_affines(model)))
    coding = {x.name for x in leading_affines(model)}
    layers = [x if x.name in coding else _quantise_weights(x, options) for x in model.layers]
    model = replace(model, layers=tuple(layers))
    return _quantise_activations(model, options, evaluate_source(model, data))


def weight_step(
    values: FloatArray, bits: int, rule: str = "power_of_two"
) -> tuple[Fraction, FloatArray]:
    """A step for symmetric weights in [-(2**(bits-1) - 1), 2**(bits-1) - 1], and the values on it.

    The candidate of least squared error: powers of two, or also fractions of the largest value.
    """
    top = (1 << (bits - 1)) - 1
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return Fraction(1), np.zeros_like(values)
    exponent = int(np.ceil(np.log2(largest / top)))
    if rule == "best":
        steps = [_short(largest / top * part) for part in np.linspace(0.5, 1.0, 26)]
    else:
        steps = [power_of_two(exponent - k) for k in (0, 1, 2)]
    errors = [float(((values - _on_grid(values, s, top)) ** 2).sum()) for s in steps]
    best = steps[int(np.argmin(errors))]
    return best, _on_grid(values, best, top)


def activation_quantiser(
    values: FloatArray,
    bits: int,
    signed: bool,
    rule: str = "mse",
    rounding: Rounding = "half_up",
    unit: Fraction = Fraction(1),
) -> Quantiser:
    """A quantiser for values like these, whose step is `unit` times a power of two."""
    magnitudes = np.abs(values)
    largest = float(magnitudes.max(initial=0.0)) or 1.0
    if rule == "percentile":
        largest = float(np.percentile(magnitudes, 99.9)) or largest
    lo, hi, step = fixed_point(largest / float(unit), bits, signed)
    steps = [unit * step / (1 << k) for k in range(3 if rule == "mse" else 1)]
    nearest = [Quantiser(step_array(s), lo, hi) for s in steps]
    return replace(_best(nearest, values), rounding=rounding)


def _best(quantisers: list[Quantiser], values: FloatArray) -> Quantiser:
    """The first of least squared error."""
    errors = [float(((values - apply_quantiser(q, values)) ** 2).sum()) for q in quantisers]
    return quantisers[int(np.argmin(errors))]


# ---------------------------------------------------------------------- inputs


def _is_quantised(model: SourceModel, name: str) -> bool:
    behind = readers(model, name)
    return bool(behind) and all(isinstance(x, SourceQuantise) for x in behind)


def _code_input(
    model: SourceModel, layer: SourceInput, options: QuantiseOptions, data: FloatArray, scaled: bool
) -> SourceModel:
    bits = options.input_bits or INPUT_BITS
    low, high = data.min(axis=0), data.max(axis=0)
    per_feature = options.per_feature
    if per_feature is None:
        spans = (high - low)[high > low]
        uneven = bits < 12 and spans.size > 0 and spans.max() > _SPREAD * spans.min()
        per_feature = scaled or bool(uneven)
    name = _fresh(model, f"{layer.name}_code")
    if not per_feature or len(layer.shape) != 1:
        quantiser = input_quantiser(data, bits, options.input_signed)
        return _insert(model, layer.name, SourceQuantise(name, (), layer.place, quantiser))
    # Feature x becomes (x - low) / span in [0, 1]; the dense layers behind take that back.
    span = np.where(high > low, high - low, 1.0)
    quantiser = Quantiser(step_array(Fraction(1, (1 << bits) - 1)), 0, (1 << bits) - 1)
    back = SourceAffine(_fresh(model, f"{layer.name}_back"), (), layer.place, span, low)
    model = _insert(model, layer.name, back)
    model = _insert(model, layer.name, SourceQuantise(name, (), layer.place, quantiser))
    unit = SourceAffine(
        _fresh(model, f"{layer.name}_unit"), (), layer.place, 1.0 / span, -low / span
    )
    return _insert(model, layer.name, unit)


def input_quantiser(data: FloatArray, bits: int, signed: bool | None = None) -> Quantiser:
    """A quantiser for these data: exact in `bits` bits or fewer where these suffice; else of the
    power-of-two steps, and for unsigned data the one whose last level is the largest datum, the
    step of least squared error."""
    negative = bool(data.min() < 0) if signed is None else signed
    largest = float(np.abs(data).max())
    exact = grid(data)
    if exact is not None:
        top = round(largest / 2.0**exact)
        width = top.bit_length() + negative
        if width <= bits:
            lo = -(1 << (width - 1)) if negative else 0
            return Quantiser(step_array(power_of_two(exact)), lo, lo + (1 << width) - 1)
    lo, hi, step = fixed_point(largest, bits, negative)
    steps = [step, step / 2]
    if not negative and largest > 0:
        steps.append(_short(largest) / hi)
    return _best([Quantiser(step_array(s), lo, hi) for s in steps], data)


# ---------------------------------------------------------------------- activations


def _quantise_activations(
    model: SourceModel, options: QuantiseOptions, values: Mapping[str, FloatArray]
) -> SourceModel:
    bits = options.activation_bits
    hidden = [
        x
        for x in model.layers
        if isinstance(x, SourceActivation)
        and x.function in _TABULATED
        and not (x.function == "sigmoid" and x.name in model.outputs and not readers(model, x.name))
    ]
    for layer in hidden:
        source = layer.sources[0]
        before = activation_quantiser(
            np.clip(values[source], -8.0, 8.0),
            min(bits or TABLE_BITS, 14),
            True,
            unit=_unit(model, source),
        )
        model = _between(model, source, layer.name, before)
        if not _is_quantised(model, layer.name):
            after = _unit_quantiser(layer.function == "tanh", bits or TABLE_BITS)
            name = _fresh(model, f"{layer.name}_q")
            model = _insert(model, layer.name, SourceQuantise(name, (), layer.place, after))
            outputs = tuple(name if x == layer.name else x for x in model.outputs)
            model = replace(model, outputs=outputs)
    if bits is None:
        return model
    for dense in [x for x in model.layers if isinstance(x, SourceDense)]:
        source = next(x.sources[0] for x in model.layers if x.name == dense.name)
        if not _narrow(model, source):
            model = _requantise(model, source, bits, options, values)
    return model


def _unit_quantiser(signed: bool, bits: int) -> Quantiser:
    lo, hi, step = fixed_point(1.0, bits, signed)
    return Quantiser(step_array(step), lo, hi)


def _requantise(
    model: SourceModel,
    source: str,
    bits: int,
    options: QuantiseOptions,
    values: Mapping[str, FloatArray],
) -> SourceModel:
    layer = _named(model, source)
    signed = not _positive(model, source)
    biased = _biased(model, layer)
    rounding: Rounding = "half_up" if biased is None else "floor"
    q = activation_quantiser(
        values[source], bits, signed, options.activation_range, rounding, _unit(model, source)
    )
    if biased is not None:
        half = float(q.step[()]) / 2
        bias = 0.0 if biased.bias is None else biased.bias.values
        shifted = np.broadcast_to(bias + half, biased.kernel.values.shape[1:]).copy()
        moved = replace(biased, bias=Weights(shifted))
        layers = tuple(moved if x.name == biased.name else x for x in model.layers)
        model = replace(model, layers=layers)
    name = _fresh(model, f"{source}_q")
    return _insert(model, source, SourceQuantise(name, (), layer.place, q))


def _biased(model: SourceModel, layer: SourceLayer) -> SourceDense | None:
    """The dense layer whose bias shifts this tensor and no other, if there is one."""
    if layer.name in model.outputs:
        return None
    if isinstance(layer, SourceActivation) and layer.function == "relu":
        layer = _named(model, layer.sources[0])
        if len(readers(model, layer.name)) != 1 or layer.name in model.outputs:
            return None
    if not isinstance(layer, SourceDense) or (layer.bias and layer.bias.step is not None):
        return None
    return layer


def _unit(model: SourceModel, name: str) -> Fraction:
    """A rational of which every value of the tensor is a multiple, up to its offset."""
    layer = _named(model, name)
    match layer:
        case SourceQuantise(quantiser=quantiser):
            return hull_divisor(rational(quantiser.step))
        case SourceDense(kernel=kernel) if kernel.step is not None:
            return _unit(model, layer.sources[0]) * hull_divisor(rational(kernel.step))
        case SourceAffine(multiplier=multiplier):
            return _unit(model, layer.sources[0]) * hull_divisor(rational(multiplier))
        case SourceInput():
            return Fraction(1)
        case _:
            return common_divisor(*(_unit(model, s) for s in layer.sources))


def _narrow(model: SourceModel, name: str) -> bool:
    layer = _named(model, name)
    match layer:
        case SourceQuantise():
            return True
        case SourceReshape() | SourceConcat():
            return all(_narrow(model, s) for s in layer.sources)
        case SourceActivation(function="relu"):
            return _narrow(model, layer.sources[0])
        case _:
            return False


def _positive(model: SourceModel, name: str) -> bool:
    layer = _named(model, name)
    match layer:
        case SourceActivation(function="relu" | "sigmoid" | "hard_sigmoid"):
            return True
        case SourceReshape() | SourceConcat() | SourceAdd():
            return all(_positive(model, s) for s in layer.sources)
        case _:
            return False


# ---------------------------------------------------------------------- weights


def _quantise_weights(layer: SourceLayer, options: QuantiseOptions) -> SourceLayer:
    bits, rule = options.weight_bits, options.weight_step
    if isinstance(layer, SourceAffine):
        _, values = weight_step(np.atleast_1d(layer.multiplier), bits, rule)
        return replace(layer, multiplier=values.reshape(layer.multiplier.shape))
    if not isinstance(layer, SourceDense) or layer.kernel.step is not None:
        return layer
    values = layer.kernel.values
    if not options.per_channel:
        step, rounded = weight_step(values, bits, rule)
        return replace(layer, kernel=Weights(rounded, step_array(step)))
    columns = [weight_step(values[:, j], bits, rule) for j in range(values.shape[1])]
    steps = rational([step for step, _ in columns])
    return replace(layer, kernel=Weights(np.stack([c for _, c in columns], axis=1), steps))


def _on_grid(values: FloatArray, step: Fraction, top: int) -> FloatArray:
    whole = np.clip(np.rint(values / float(step)), -top, top)
    result: FloatArray = whole * float(step)
    return result


def _short(value: float) -> Fraction:
    """The value with 12 significant bits."""
    mantissa, exponent = np.frexp(value)
    return Fraction(round(float(mantissa) * 4096)) * power_of_two(int(exponent) - 12)


# ---------------------------------------------------------------------- the graph


def _named(model: SourceModel, name: str) -> SourceLayer:
    return next(x for x in model.layers if x.name == name)


def _fresh(model: SourceModel, name: str) -> str:
    taken = {x.name for x in model.layers}
    while name in taken:
        name += "_"
    return name


def _insert(model: SourceModel, after: str, layer: SourceLayer) -> SourceModel:
    """The model with `layer` reading `after`, and all readers of `after` reading it."""
    new = replace(layer, sources=(after,))
    layers: list[SourceLayer] = []
    for x in model.layers:
        sources = tuple(layer.name if s == after else s for s in x.sources)
        layers.append(replace(x, sources=sources))
        if x.name == after:
            layers.append(new)
    return replace(model, layers=tuple(layers))


def _between(model: SourceModel, source: str, reader: str, q: Quantiser) -> SourceModel:
    """The model with a quantiser between one tensor and one reader of it."""
    name = _fresh(model, f"{reader}_in")
    layers: list[SourceLayer] = []
    for x in model.layers:
        if x.name == reader:
            layers.append(SourceQuantise(name, (source,), x.place, q))
            layers.append(replace(x, sources=(name,)))
        else:
            layers.append(x)
    return replace(model, layers=tuple(layers))
