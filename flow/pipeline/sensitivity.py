"""What each width of each layer of a float network loses, by its curvature, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np

from flow.analysis.bops import bit_operations
from flow.frontend.exact.tensor_facts import narrow, quantiser_bits
from flow.frontend.float_model import apply_quantiser
from flow.frontend.network_cost import signed_digits
from flow.frontend.quantisation.calibrate import calibrate, with_coded_inputs
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.rewire import named
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    FloatArray,
    Quantiser,
    SourceConv,
    SourceDense,
    SourceModel,
    SourceQuantise,
)
from flow.pipeline.differentiable import differentiable
from flow.progress import Progress, counted, silent
from flow.search.allocation import Choice
from flow.train.hessian import MOST, Curvature, Trace

SAMPLES = 256
"""Samples on which the curvature is measured."""
RESOURCES = ("bops", "model_bits", "area")
Measure = Literal["trace", "exact"]


@dataclass(frozen=True, slots=True, eq=False)
class LayerFacts:
    """A layer with weights: its shape, and the curvature of the loss by its weights and reads.

    `weights` counts those that are not 0; `fixed` is the width of an input that it reads, else
    None. Traces are the average of one weight, or one value that is read.
    """

    name: str
    outputs: int
    fan_in: int
    products: int
    size: int
    pruned: float
    reads: int
    fixed: int | None
    weight_trace: Trace
    read_trace: Trace | None
    choices: tuple[Choice, ...]


def bops_of(layer: LayerFacts, weight_bits: int, read_bits: int) -> float:
    """Bit operations of the layer at these widths."""
    return bit_operations(layer.fan_in, layer.products, weight_bits, read_bits, layer.pruned)


def sensitivities(
    model: SourceModel,
    options: QuantiseOptions,
    inputs: Mapping[str, Any],
    labels: Any,
    widths: Sequence[int],
    measure: Measure = "trace",
    seed: int = 0,
    progress: Progress = silent,
    vectors: int = MOST,
) -> tuple[LayerFacts, ...]:
    """Facts and choices of every layer with weights, in order; a trace takes at most `vectors`.

    The loss of a choice is the average trace times the squared perturbation, of the weights and
    of what the layer reads (Dong et al., HAWQ-V2, NeurIPS 2020); with `exact` it is d'Hd of the
    perturbation d itself.
    """
    plain, data = with_coded_inputs(model, options, inputs)
    data = {name: x[:SAMPLES] for name, x in data.items()}
    found = differentiable(plain, labels is not None)
    wanted = found.wanted(data, None if labels is None else np.asarray(labels)[:SAMPLES])
    bend = Curvature(found.graph, found.weights, data, found.kind, wanted)
    values = found.graph.values(data, found.weights)
    ready = {
        bits: calibrate(
            model, replace(options, weight_bits=bits, activation_bits=bits, layers=()), inputs
        )
        for bits in widths
    }
    random = np.random.default_rng(seed)
    names = [x.name for x in plain.layers if isinstance(x, SourceDense | SourceConv)]
    rows = []
    for name in counted(names, "curvature of layers", progress):
        layer = named(plain, name)
        assert isinstance(layer, SourceDense | SourceConv)
        rows.append(_facts(plain, layer, options, ready, bend, values, measure, random, vectors))
    return tuple(rows)


def _facts(
    plain: SourceModel,
    layer: SourceDense | SourceConv,
    options: QuantiseOptions,
    ready: Mapping[int, SourceModel],
    bend: Curvature,
    values: Mapping[str, FloatArray],
    measure: Measure,
    random: np.random.Generator,
    vectors: int,
) -> LayerFacts:
    kernel, source = layer.kernel.values, layer.sources[0]
    shapes = source_shapes(plain)
    positions = prod(shapes[layer.name][:-1])
    free = not narrow(plain, source)
    size, seen = kernel.size, values[source]
    whole = bend.trace_by_kernel(layer.name, random, vectors)
    weight_trace = replace(whole, value=whole.value / size)
    read_trace = None
    if free:
        whole = bend.trace_by_result(source, random, vectors)
        # The mean loss has 1 / samples of each sample's own.
        read_trace = replace(whole, value=whole.value / prod(shapes[source]))
    facts = LayerFacts(
        layer.name, kernel.shape[-1], size // kernel.shape[-1], size * positions, size,
        float(1 - np.count_nonzero(kernel) / size), prod(shapes[source]),
        None if free else quantiser_bits(_quantiser(plain, source)), weight_trace, read_trace, (),
    )  # fmt: skip

    def curved(v: FloatArray, hv: FloatArray, trace: Trace) -> float:
        if measure == "exact":
            return float((v * hv).sum())
        return trace.value * float(np.square(v).sum())

    weight_loss, digits = {}, {}
    for bits, model in ready.items():
        rounded = named(model, layer.name)
        assert isinstance(rounded, SourceDense | SourceConv)
        assert rounded.kernel.step is not None
        v = rounded.kernel.values - kernel
        hv = bend.by_kernel(layer.name, v) if measure == "exact" else v
        weight_loss[bits] = curved(v, hv, weight_trace)
        step = np.asarray(rounded.kernel.step).astype(np.float64)
        whole_weights = np.rint(rounded.kernel.values / step).astype(np.int64)
        digits[bits] = int(signed_digits(whole_weights).sum()) * positions
    read_loss = {facts.fixed: 0.0} if facts.fixed is not None else {}
    if read_trace is not None:
        for bits, model in ready.items():
            q = _quantiser(model, named(model, layer.name).sources[0])
            v = apply_quantiser(replace(q, rounding="half_even"), seen) - seen
            if measure == "exact":
                read_loss[bits] = curved(v, bend.by_result(source, v), read_trace)
            else:
                read_loss[bits] = curved(v / np.sqrt(len(v)), v, read_trace)
    choices = tuple(
        Choice(
            w, a, weight_loss[w] + read_loss[a],
            {
                "bops": bops_of(facts, w, a),
                "model_bits": float(w * size),
                "area": float(digits[w] * a + (a * facts.reads if free else 0)),
            },
            read_loss[a],
        )
        for w in ready
        for a in read_loss
    )  # fmt: skip
    return replace(facts, choices=choices)


def _quantiser(model: SourceModel, name: str) -> Quantiser:
    """The quantiser that narrows a tensor: its own, or that above what moves elements."""
    layer = named(model, name)
    while not isinstance(layer, SourceQuantise):
        layer = named(model, layer.sources[0])
    return layer.quantiser
