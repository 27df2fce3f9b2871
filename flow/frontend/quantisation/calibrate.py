"""Post-training quantisation: a float SourceModel becomes one whose weights and inputs have steps.

Ranges come from calibration data. The step of an activation is the accumulator's times a power of
two, so that a requantisation is a shift; it rounds down, and half a step in the bias before it
makes that the nearest value at no cost (uniform quantisation as in Jacob et al., CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from flow.frontend.exact.grids import (
    activation_quantiser,
    input_quantiser,
    unit_quantiser,
)
from flow.frontend.exact.tensor_facts import (
    biased,
    narrow,
    quantiser_bits,
    read_quantisers,
    unit,
    unsigned,
)
from flow.frontend.float_model import evaluate_layer, evaluate_source
from flow.frontend.functions import piecewise_linear
from flow.frontend.quantisation.answers import Judge, change_of_answers
from flow.frontend.quantisation.correct_bias import with_corrected_biases
from flow.frontend.quantisation.equalise import equalised
from flow.frontend.quantisation.fold import fold, leading_affines
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.rewire import (
    between,
    fresh,
    inserted,
    named,
    only_reader,
    readers,
    swapped,
)
from flow.frontend.quantisation.weights import quantise_weights
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    HEADS,
    FloatArray,
    Quantiser,
    SourceActivation,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceModel,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    Weights,
    step_array,
)
from flow.ir.rounding import Rounding

INPUT_BITS = 8
TABLE_BITS = 10
"""Bits of the argument of a tabulated function where activations keep their full width."""
WIDEST_TABLE = 14
SAMPLES = 4096
"""Most calibration samples that are looked at: the first ones."""
NUMBERS = 1 << 26
"""Most numbers of all tensors together; of large networks fewer samples are looked at."""

_SPREAD = 8.0
_STEEP = 8.0
"""Beyond this argument sigmoid and tanh are as good as flat."""


def calibrate(
    model: SourceModel, options: QuantiseOptions, calibration: Mapping[str, FloatArray]
) -> SourceModel:
    """The float model with a quantiser at every input, on every weight, and, if activations have
    a width, before every dense layer, convolution and product; biases stay float, for the grid of
    their accumulator, and take the mean error of their layer back. A function that is no line has
    a quantiser on both sides.

    Every input needs calibration data.
    """
    own = {x.name for x in model.layers}
    plain, data = with_coded_inputs(model, options, calibration)
    coding = {x.name for x in leading_affines(plain)}
    seen = evaluate_source(plain, data)
    layers = [x if x.name in coding else quantise_weights(x, options, seen) for x in plain.layers]
    model = replace(plain, layers=tuple(layers))
    judge = None
    if options.activation_range == "cross_entropy":
        judge = change_of_answers(plain, data, options.head != "logits")
    model = _quantise_activations(model, options, evaluate_source(model, data), judge)
    if not options.bias_correction:
        return model
    return with_corrected_biases(model, plain, before_quantisers(plain, data, own))


def before_quantisers(
    model: SourceModel, data: Mapping[str, FloatArray], own: set[str]
) -> dict[str, FloatArray]:
    """The values of the model as if no quantiser were there but those among `own`."""
    values: dict[str, FloatArray] = dict(data)
    for layer in model.layers:
        if isinstance(layer, SourceQuantise) and layer.name not in own:
            values[layer.name] = values[layer.sources[0]]
        elif not isinstance(layer, SourceInput):
            values[layer.name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
    return values


def with_coded_inputs(
    model: SourceModel, options: QuantiseOptions, calibration: Mapping[str, FloatArray]
) -> tuple[SourceModel, dict[str, FloatArray]]:
    """The folded float model with a quantiser at every input, and the data that are looked at."""
    scaled = {x.sources[0] for x in leading_affines(model)}
    model = fold(model)
    size = sum(prod(shape) for shape in source_shapes(model).values())
    count = min(SAMPLES, max(16, NUMBERS // max(size, 1)))
    data = {name: np.asarray(x, dtype=np.float64)[:count] for name, x in calibration.items()}
    for layer in model.layers:
        if isinstance(layer, SourceInput) and not is_quantised(model, layer.name):
            model = _code_input(model, layer, options, data[layer.name], layer.name in scaled)
    model = fold(model, keep=tuple(x.name for x in leading_affines(model)))
    return equalised(model) if options.equalise else model, data


# ---------------------------------------------------------------------- inputs


def is_quantised(model: SourceModel, name: str) -> bool:
    """Whether nothing but quantisers reads the tensor."""
    behind = readers(model, name)
    return bool(behind) and all(isinstance(x, SourceQuantise) for x in behind)


def _code_input(
    model: SourceModel, layer: SourceInput, options: QuantiseOptions, data: FloatArray, scaled: bool
) -> SourceModel:
    bits = options.input_bits or INPUT_BITS
    low, high = data.min(axis=0), data.max(axis=0)
    per_feature = options.per_feature
    if per_feature is None and all(isinstance(x, SourceDense) for x in readers(model, layer.name)):
        spans = (high - low)[high > low]
        uneven = bits < 12 and spans.size > 0 and spans.max() > _SPREAD * spans.min()
        per_feature = scaled or bool(uneven)
    name = fresh(model, f"{layer.name}_code")
    if not per_feature or len(layer.shape) != 1:
        quantiser = input_quantiser(data, bits, options.input_signed)
        return inserted(model, layer.name, SourceQuantise(name, (), layer.place, quantiser))
    # Feature x becomes (x - low) / span in [0, 1]; the dense layers behind take that back.
    span = np.where(high > low, high - low, 1.0)
    quantiser = Quantiser(step_array(Fraction(1, (1 << bits) - 1)), 0, (1 << bits) - 1)
    back = SourceAffine(fresh(model, f"{layer.name}_back"), (), layer.place, span, low)
    model = inserted(model, layer.name, back)
    model = inserted(model, layer.name, SourceQuantise(name, (), layer.place, quantiser))
    first = fresh(model, f"{layer.name}_unit")
    return inserted(
        model, layer.name, SourceAffine(first, (), layer.place, 1.0 / span, -low / span)
    )


# ---------------------------------------------------------------------- activations


def _quantise_activations(
    model: SourceModel,
    options: QuantiseOptions,
    values: Mapping[str, FloatArray],
    judge: Judge | None,
) -> SourceModel:
    for layer in model.layers:
        if isinstance(layer, SourceActivation) and _tabulated(model, layer):
            model = _tabulate(model, layer, options, values)
    for reader in model.layers:
        if not isinstance(reader, SourceDense | SourceConv | SourceMultiply):
            continue
        for k in range(len(reader.sources)):
            source = named(model, reader.name).sources[k]
            bits = _bits_behind(model, source, options)
            if bits is not None and not narrow(model, source):
                model = _requantise(model, _early(model, source), bits, options, values, judge)
    return model


def _tabulated(model: SourceModel, layer: SourceActivation) -> bool:
    """Whether a table must carry the function out: it is no line, and no head on the host."""
    if piecewise_linear(layer.function) or layer.function in ("square", *HEADS):
        return False
    at_end = layer.name in model.outputs and not readers(model, layer.name)
    return not (layer.function == "sigmoid" and at_end)


def _tabulate(
    model: SourceModel,
    layer: SourceActivation,
    options: QuantiseOptions,
    values: Mapping[str, FloatArray],
) -> SourceModel:
    """The model with quantisers before and behind a function."""
    bits = options.activation_bits or TABLE_BITS
    source = named(model, layer.name).sources[0]
    bounded = layer.function in ("sigmoid", "tanh")
    reads = [q for q, _ in read_quantisers(model, source)]
    if any(q is None or quantiser_bits(q) > WIDEST_TABLE for q in reads):
        seen = _seen(model, values, source)
        q = activation_quantiser(
            np.clip(seen, -_STEEP, _STEEP) if bounded else seen,
            min(max(bits, TABLE_BITS) if not bounded else bits, WIDEST_TABLE),
            not unsigned(model, source),
            options.activation_range,
            unit=unit(model, source),
            percentile=options.percentile,
        )
        model = between(model, source, layer.name, q)
    if is_quantised(model, layer.name):
        return model
    if bounded:
        after = unit_quantiser(layer.function == "tanh", bits)
    else:
        seen = values[layer.name]
        signed = bool(seen.min(initial=0.0) < 0)
        rule, share = options.activation_range, options.percentile
        after = activation_quantiser(seen, bits, signed, rule, "half_even", percentile=share)
    name = fresh(model, f"{layer.name}_q")
    model = inserted(model, layer.name, SourceQuantise(name, (), layer.place, after))
    outputs = tuple(name if x == layer.name else x for x in model.outputs)
    return replace(model, outputs=outputs)


def _seen(model: SourceModel, values: Mapping[str, FloatArray], name: str) -> FloatArray:
    """The values of a tensor, those before them for a quantiser that was put in since."""
    while name not in values:
        (name,) = named(model, name).sources
    return values[name]


def _bits_behind(model: SourceModel, source: str, options: QuantiseOptions) -> int | None:
    """The widest that a layer which reads the tensor wants; None where all want full width."""
    wanted = [
        options.activation_bits_of(x.name)
        for x in readers(model, source)
        if isinstance(x, SourceDense | SourceConv | SourceMultiply)
    ]
    return max((b for b in wanted if b is not None), default=None)


def _early(model: SourceModel, source: str) -> str:
    """The tensor above that can be quantised instead, before elements are compared or moved."""
    layer = named(model, source)
    moves = isinstance(layer, SourceReshape) or (
        isinstance(layer, SourcePool) and layer.pool == "max"
    )
    if isinstance(layer, SourceGather):
        moves = bool((layer.indices >= 0).all())
    if not moves or source in model.outputs or only_reader(model, layer.sources[0]) is None:
        return source
    return _early(model, layer.sources[0])


def _requantise(
    model: SourceModel,
    source: str,
    bits: int,
    options: QuantiseOptions,
    values: Mapping[str, FloatArray],
    judge: Judge | None,
) -> SourceModel:
    shifted = biased(model, source)
    rounding: Rounding = "half_up" if shifted is None else "floor"
    q = activation_quantiser(
        _seen(model, values, source), bits, not unsigned(model, source),
        options.activation_range, rounding, unit(model, source), options.percentile,
        None if judge is None else lambda q: judge(_with_quantiser(model, source, q)),
    )  # fmt: skip
    return _with_quantiser(model, source, q)


def _with_quantiser(model: SourceModel, source: str, q: Quantiser) -> SourceModel:
    """The model with a quantiser behind a tensor; one that rounds down has half a step before."""
    layer, shifted = named(model, source), biased(model, source)
    if shifted is not None:
        half = float(q.step[()]) / 2
        bias = 0.0 if shifted.bias is None else shifted.bias.values
        moved = np.broadcast_to(bias + half, shifted.kernel.values.shape[-1:]).copy()
        model = swapped(model, {shifted.name: replace(shifted, bias=Weights(moved))})
    name = fresh(model, f"{source}_q")
    return inserted(model, source, SourceQuantise(name, (), layer.place, q))
