"""What the quantisation of each layer of a model costs: noise, saturation, accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flow.frontend.exact.decisions import decided, share
from flow.frontend.exact.rational import rational
from flow.frontend.exact.tensor_facts import narrow, quantiser_bits, read_quantisers
from flow.frontend.exact.workbench import alive
from flow.frontend.float_model import apply_quantiser, evaluate_layer, evaluate_source
from flow.frontend.quantisation.calibrate import before_quantisers, calibrate, with_coded_inputs
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.rewire import named
from flow.frontend.source import (
    FloatArray,
    Quantiser,
    SourceConv,
    SourceDense,
    SourceLayer,
    SourceModel,
    SourceQuantise,
    SourceTableSum,
)
from flow.frontend.unrolled import unrolled

MOST_SAMPLES = 4096
FEWEST_SAMPLES = 16
WORK = 1 << 32
"""Multiplications that the study of a model may take, about."""


@dataclass(frozen=True, slots=True)
class LayerStudy:
    """One layer with weights, and what it reads.

    `weight_bits` and `read_bits` are of the widest integer, sign included, 0 where the layer
    reads what nothing has narrowed; `low` and `high` are the ends of the real values read;
    `saturated` is the share of them beyond the ends of the quantiser. Where the model was float,
    `sqnr_db` is the ratio of signal to quantisation noise at the layer's output if it alone is
    quantised, None where there is no noise, and `alone` the share of samples decided as
    labelled (without labels: as by the float model) then.
    """

    layer: str
    kind: str
    weight_bits: int
    read_bits: int
    low: float
    high: float
    saturated: float
    sqnr_db: float | None
    alone: float | None


def study(
    model: SourceModel,
    options: QuantiseOptions,
    inputs: Mapping[str, Any],
    labels: Any = None,
    calibration: Mapping[str, Any] | None = None,
) -> tuple[LayerStudy, ...]:
    """A row for each layer with weights, in order, from the first samples of the model's inputs.

    `calibration` are the samples that a float model is quantised from, if they are others.
    """
    model = replace(model, layers=alive(model))
    sizes = unrolled(model)
    each = 1 + sum(size.multiplications for size in sizes) * (1 + len(sizes))
    count = min(MOST_SAMPLES, max(FEWEST_SAMPLES, WORK // each))
    data = {name: np.asarray(x, dtype=np.float64)[:count] for name, x in inputs.items()}
    if model.quantised:
        values = evaluate_source(model, data)
        return tuple(_facts(model, values, x) for x in model.layers if _weighted(x))
    ready = calibrate(model, options, calibration or inputs)
    plain, _ = with_coded_inputs(model, options, calibration or inputs)
    values = before_quantisers(plain, data, {x.name for x in model.layers})
    wanted = decided(plain, values) if labels is None else np.asarray(labels)
    rows = []
    for layer in plain.layers:
        if isinstance(layer, SourceDense | SourceConv):
            alone = _alone(plain, ready, values, layer)
            row = _facts(ready, values, named(ready, layer.name))
            noise = _sqnr(values[layer.name], alone[layer.name])
            right = share(decided(plain, alone), wanted[: len(alone[layer.name])])
            rows.append(replace(row, sqnr_db=noise, alone=right))
    return tuple(rows)


def _weighted(layer: SourceLayer) -> bool:
    return isinstance(layer, SourceDense | SourceConv | SourceTableSum)


def _facts(model: SourceModel, values: Mapping[str, FloatArray], layer: SourceLayer) -> LayerStudy:
    """What is known of a layer from the values before its quantisers."""
    reads = read_quantisers(model, layer.sources[0])
    low, high = np.inf, -np.inf
    beyond = total = 0
    for quantiser, source in reads:
        seen = values[source]
        low, high = min(low, float(seen.min())), max(high, float(seen.max()))
        total += seen.size
        beyond += 0 if quantiser is None else _saturated(quantiser, seen)
    bits = [0 if q is None else quantiser_bits(q) for q, _ in reads]
    return LayerStudy(
        layer.name, type(layer).__name__.removeprefix("Source").lower(), _weight_bits(layer),
        max(bits) if all(bits) else 0, low, high, beyond / max(total, 1), None, None,
    )  # fmt: skip


def _weight_bits(layer: SourceLayer) -> int:
    if isinstance(layer, SourceTableSum):
        widest = 1
        for row, steps in zip(layer.tables, _steps(layer), strict=True):
            for table, step in zip(row, steps, strict=True):
                if table is not None:
                    widest = max(widest, _bits(np.rint(table / float(step))))
        return widest
    assert isinstance(layer, SourceDense | SourceConv)
    if layer.kernel.step is None:
        return 0
    whole = np.rint(layer.kernel.values / layer.kernel.step.astype(np.float64))
    return _bits(whole)


def _steps(layer: SourceTableSum) -> Any:
    return np.broadcast_to(rational(layer.step), (len(layer.tables), len(layer.tables[0])))


def _bits(whole: FloatArray) -> int:
    """Bits of a signed wire that holds every integer."""
    low, high = int(whole.min(initial=0)), int(whole.max(initial=0))
    return max(high, ~low).bit_length() + 1


def _saturated(q: Quantiser, seen: FloatArray) -> int:
    """How many values lie beyond the ends by half a step or more; below a lower end of 0 is what
    a rectifier wants, and no saturation."""
    step = q.step.astype(np.float64)
    lo, hi = (np.asarray(end).astype(np.float64) for end in (q.lo, q.hi))
    below = (seen < (lo - 0.5) * step) & (lo < 0)
    return int((below | (seen > (hi + 0.5) * step)).sum())


def _alone(
    plain: SourceModel,
    ready: SourceModel,
    values: Mapping[str, FloatArray],
    layer: SourceDense | SourceConv,
) -> dict[str, FloatArray]:
    """The values of the float model in which one layer has its quantised weights, and reads what
    its quantisers leave."""
    twin = named(ready, layer.name)
    assert isinstance(twin, SourceDense | SourceConv)
    read = _narrowed(ready, values, twin.sources[0])
    changed = {layer.name: evaluate_layer(replace(layer, kernel=twin.kernel), read)}
    for x in plain.layers:
        if x.name not in changed and any(s in changed for s in x.sources):
            sources = (changed.get(s, values[s]) for s in x.sources)
            changed[x.name] = evaluate_layer(x, *sources)
    return {**values, **changed}


def _narrowed(model: SourceModel, values: Mapping[str, FloatArray], name: str) -> FloatArray:
    """The values of a tensor behind its quantisers, from those of the float model before them."""
    layer = named(model, name)
    if isinstance(layer, SourceQuantise):
        return apply_quantiser(_nearest(layer.quantiser), values[layer.sources[0]])
    if not narrow(model, name):
        return values[name]
    return evaluate_layer(layer, *(_narrowed(model, values, s) for s in layer.sources))


def _nearest(q: Quantiser) -> Quantiser:
    """The quantiser without the half step that the bias before it adds."""
    return replace(q, rounding="half_up") if q.rounding == "floor" else q


def _sqnr(signal: FloatArray, noisy: FloatArray) -> float | None:
    noise = float(np.square(noisy - signal).sum())
    power = float(np.square(signal).sum())
    if noise == 0 or power == 0:
        return None
    return float(10 * np.log10(power / noise))
