"""Ranges of HGQ 2 quantisers from samples, where the file was saved before trace_minmax.

A quantiser that wraps has no room for values beyond the integer bits of its file. HGQ 2 finds the
bits that samples need by `trace_minmax` (Sun et al., arXiv 2405.00645): quantisers round and do not
wrap, and each takes the integer bits of the largest magnitude it meets, and a sign if one is below
zero. The same is done here, batch by batch as HGQ 2 does, in float32 where it decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.float_model import evaluate_layer, round_float
from flow.frontend.hgq.quantiser import Grid
from flow.frontend.hgq.tracing import integer_bits, traces
from flow.frontend.source import (
    FloatArray,
    Quantiser,
    SourceInput,
    SourceModel,
    SourceQuantise,
    SourceTableSum,
    Trace,
)
from flow.ir.tensor import IntArray, compact

BATCH = 1024
"""Samples of a batch of trace_minmax."""
WAY_OUT = (
    "run hgq.utils.trace_minmax on representative data before the model is saved, or give such "
    "data with --calibrate or --data"
)


def retrace(
    model: SourceModel, inputs: Mapping[str, Any] | None
) -> tuple[SourceModel, tuple[str, ...]]:
    """The model with the integer bits that the samples need, and a note, where the file holds
    those of training; the model itself everywhere else, and where it cannot be done."""
    known = {trace.key: trace for trace in traces(model)}
    stale = [key for key, trace in known.items() if trace.stale]
    if not stale:
        return model, _wrapping(model, known, inputs)
    said = (
        f"the file was saved before trace_minmax: {len(stale)} of its {len(known)} quantisers "
        "that wrap have the integer bits of training"
    )
    if any(isinstance(layer, SourceTableSum) for layer in model.layers):
        hint = WAY_OUT.split(", or give")[0]
        return model, (f"{said}, and values beyond them wrap; its tables hang on them: {hint}",)
    if inputs is None:
        return model, (f"{said}, and values beyond them wrap; {WAY_OUT}",)
    model = model.retraced or model
    found = _reached(model, known, inputs)
    layers = tuple(
        replace(x, quantiser=_ranged(x.quantiser, found[x.quantiser.trace.key]))
        if isinstance(x, SourceQuantise) and x.quantiser.trace is not None
        else x
        for x in model.layers
    )
    samples = len(next(iter(inputs.values())))
    note = f"{said}; they are traced on the {samples} samples given, as trace_minmax does"
    return replace(model, layers=layers), (note,)


def _wrapping(
    model: SourceModel, known: Mapping[str, Trace], inputs: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """A note where samples of the first batch leave the range of a quantiser that wraps."""
    if inputs is None or not known or any(isinstance(x, SourceTableSum) for x in model.layers):
        return ()
    found = _reached(model, known, {name: x[:BATCH] for name, x in inputs.items()})
    beyond = {
        trace.key
        for x in model.layers
        if isinstance(x, SourceQuantise) and (trace := x.quantiser.trace) is not None
        if _beyond(x.quantiser, _ranged(x.quantiser, found[trace.key]))
    }
    if not beyond:
        return ()
    return (
        f"values of {len(beyond)} of the {len(known)} quantisers that wrap leave their range on "
        "the samples given, and wrap; a range comes from the data that hgq.utils.trace_minmax saw",
    )


def _beyond(q: Quantiser, needed: Quantiser) -> bool:
    """Whether an element that has bits needs values below or above its range."""
    alive = np.asarray(q.lo) < np.asarray(q.hi)
    low, high = np.asarray(q.lo) * q.step, (np.asarray(q.hi) + 1) * q.step
    least, most = np.asarray(needed.lo) * needed.step, (np.asarray(needed.hi) + 1) * needed.step
    return bool((alive & ((least < low) | (most > high))).any())


@dataclass
class _Reached:
    """What a quantiser has met so far: the sign and the integer bits of each element."""

    k: NDArray[np.bool_]
    i: NDArray[np.float32]


def _reached(
    model: SourceModel, known: Mapping[str, Trace], inputs: Mapping[str, Any]
) -> dict[str, Grid]:
    met = {key: _nothing(trace) for key, trace in known.items()}
    readers = {s: i for i, x in enumerate(model.layers) for s in x.sources}
    samples = len(next(iter(inputs.values())))
    for start in range(0, samples, BATCH):
        values: dict[str, FloatArray] = {}
        for at, layer in enumerate(model.layers):
            match layer:
                case SourceInput(name=name):
                    values[name] = np.asarray(inputs[name][start : start + BATCH], dtype=np.float64)
                case SourceQuantise(quantiser=Quantiser(trace=Trace() as trace) as q):
                    values[layer.name] = _meet(trace, q, values[layer.sources[0]], met[trace.key])
                case _:
                    values[layer.name] = evaluate_layer(layer, *(values[s] for s in layer.sources))
            for s in layer.sources:
                if readers[s] == at:
                    values.pop(s, None)
    return {key: _grid(known[key], found) for key, found in met.items()}


def _nothing(trace: Trace) -> _Reached:
    bits = trace.fraction if trace.fraction is not None else trace.width
    assert bits is not None
    return _Reached(np.zeros(bits.shape, dtype=bool), np.full(bits.shape, -np.inf, np.float32))


def _meet(trace: Trace, q: Quantiser, x: FloatArray, met: _Reached) -> FloatArray:
    """The rounded values of a batch, of which the quantiser takes note."""
    if trace.width is not None:
        width = trace.width
        _raise_to(met, integer_bits(_largest(x, width.shape), None, width), trace)
        rounded = _rounded(x, (width - met.i).astype(np.float64), q)
        met.k |= _below(rounded, width.shape) & (width > 0)
        return rounded
    assert trace.fraction is not None
    fraction = trace.fraction
    rounded = _rounded(x, fraction.astype(np.float64), q)
    _raise_to(met, integer_bits(_largest(rounded, fraction.shape), fraction, None), trace)
    met.k |= _below(rounded, fraction.shape)
    return rounded


def _raise_to(met: _Reached, needed: NDArray[np.float32], trace: Trace) -> None:
    met.i = np.maximum(met.i, np.clip(needed, *trace.limits).astype(np.float32))


def _rounded(x: FloatArray, fraction: FloatArray, q: Quantiser) -> FloatArray:
    unit = np.exp2(-fraction)
    rounded: FloatArray = round_float(x / unit, q.rounding) * unit
    return rounded


def _largest(x: FloatArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The largest magnitude of each group of elements that share bits."""
    most: NDArray[np.float32] = np.abs(x.astype(np.float32))
    return np.asarray(most.max(axis=_shared(shape), keepdims=True)[0])


def _below(x: FloatArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    found = np.asarray((x < 0).any(axis=_shared(shape), keepdims=True))
    return np.asarray(found[0], dtype=bool)


def _shared(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *(i + 1 for i, n in enumerate(shape) if n == 1))


def _grid(trace: Trace, met: _Reached) -> Grid:
    i = np.where(np.isfinite(met.i), met.i, 0).astype(np.int64)
    if trace.fraction is not None:
        f: IntArray = trace.fraction
    else:
        assert trace.width is not None
        f = trace.width - i
    return Grid(met.k.astype(np.int64), i, f)


def _ranged(q: Quantiser, grid: Grid) -> Quantiser:
    low, high = grid.ends(False)
    return replace(q, step=compact(grid.step), lo=compact(low), hi=compact(high))
