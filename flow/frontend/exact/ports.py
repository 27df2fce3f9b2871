"""The integer type of every input of a network: from the model's quantiser, or from data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from flow.frontend.exact.input_grids import shared_grid
from flow.frontend.exact.rational import full, power_of_two, rational
from flow.frontend.source import (
    FloatArray,
    SourceAffine,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceQuantise,
)
from flow.ir.rounding import Overflow, Rounding
from flow.ir.tensor import FractionArray, TensorType, tensor_type

WIDEST = 32
"""Bits of the widest input port that is made to hold data exactly."""

UNBOUNDED = 1 << 40
"""An end of a quantiser that never overflows; an input takes its range from data instead."""

DEFAULT_BITS = 16
ASSUMED = 8.0
"""Magnitude of inputs where neither a quantiser nor data say it."""


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """The type of an input, how a real value is coded into it, and what it stands for.

    `absorbed` is the quantiser of the model that the coding carries out, if any; `step` its step.
    """

    tensor: TensorType
    offset: FractionArray
    absorbed: str | None = None
    step: FractionArray | None = None
    rounding: Rounding = "half_even"
    overflow: Overflow = "saturate"


def plan_ports(
    model: SourceModel,
    bits: int | None,
    exact_input: bool,
    signed: bool | None,
    calibration: Mapping[str, Any],
) -> tuple[dict[str, Port], tuple[str, ...]]:
    """A port for each input of the model, and notes on what was decided for want of a quantiser.

    A quantiser becomes the coding of the input, also behind an affine map with positive factors.
    Any other input gets a fixed-point type of `bits` bits that covers the data, or, if
    `exact_input`, the narrowest that holds every datum.
    """
    ports: dict[str, Port] = {}
    notes: list[str] = []
    for layer in model.layers:
        if not isinstance(layer, SourceInput):
            continue
        data = calibration.get(layer.name)
        array = None if data is None else np.asarray(data, dtype=np.float64)
        port = _quantiser_port(model, layer)
        if port is None:
            port = _shared_port(model, layer, array, notes)
        if port is not None and port.tensor.hull.hi >= UNBOUNDED:
            port = _bounded(layer, port, array, notes)
        if port is None:
            port = _data_port(layer, array, bits, exact_input, signed, notes)
        ports[layer.name] = port
    return ports, tuple(notes)


def fixed_point(largest: float, bits: int, signed: bool) -> tuple[int, int, Fraction]:
    """(lo, hi, step) of `bits` bits; the step is the power of two that makes 2**bits steps
    (half of that if signed) reach at least `largest`, saturating the last step."""
    exponent = int(np.ceil(np.log2(largest))) if largest > 0 else 0
    if signed:
        half = 1 << (bits - 1)
        return -half, half - 1, power_of_two(exponent - (bits - 1))
    return 0, (1 << bits) - 1, power_of_two(exponent - bits)


def grid(data: FloatArray) -> int | None:
    """The largest e such that every value is a multiple of 2**e; None where all are zero."""
    values = data[data != 0]
    if not values.size:
        return None
    mantissa, exponent = np.frexp(values)
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    low_bit = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int((exponent - 53 + low_bit).min())


def _quantiser_port(model: SourceModel, layer: SourceInput) -> Port | None:
    multiplier, offset = full(1, layer.shape), full(0, layer.shape)
    reader = _only_reader(model, layer)
    if isinstance(reader, SourceAffine) and (reader.multiplier > 0).all():
        multiplier = np.broadcast_to(rational(reader.multiplier), layer.shape)
        offset = np.broadcast_to(rational(reader.offset), layer.shape)
        reader = _only_reader(model, reader)
    if not isinstance(reader, SourceQuantise):
        return None
    q = reader.quantiser
    step = np.broadcast_to(rational(q.step), layer.shape)
    tensor = tensor_type(layer.shape, q.lo, q.hi, step / multiplier)
    return Port(tensor, -offset / multiplier, reader.name, step, q.rounding, q.overflow)


def _shared_port(
    model: SourceModel, layer: SourceInput, data: FloatArray | None, notes: list[str]
) -> Port | None:
    largest = float(np.abs(data).max()) if data is not None and data.size else None
    shared = shared_grid(model, layer, largest)
    if shared is None:
        return None
    if shared.unreached and shared.limit is not None:
        notes.append(
            f"input {layer.name!r}: {shared.unreached} of its quantisers tell apart only inputs "
            f"beyond +-{float(shared.limit / 2):g}, which are not expected"
        )
    return Port(shared.tensor, full(0, layer.shape), rounding="floor", overflow=shared.overflow)


def _bounded(layer: SourceInput, port: Port, data: FloatArray | None, notes: list[str]) -> Port:
    """The port with the range that the data need, as its quantiser has none."""
    largest, lowest = ASSUMED, -ASSUMED
    if data is not None and data.size:
        largest, lowest = float(np.abs(data).max()), float(data.min())
        notes.append(
            f"input {layer.name!r}: its range is that of the data, as no quantiser has one"
        )
    else:
        notes.append(f"input {layer.name!r}: no data; its range is taken as +-{ASSUMED:g}")
    reach = power_of_two(int(np.floor(np.log2(largest))) + 1 if largest > 0 else 0)
    steps: FractionArray = np.vectorize(abs, otypes=[object])(port.tensor.scale)
    high = np.vectorize(lambda s: max(int(reach / s), 1) - 1, otypes=[object])(steps)
    low = -high - 1 if lowest < 0 else high * 0
    tensor = TensorType(layer.shape, low, high, port.tensor.scale)
    return replace(port, tensor=tensor)


def _only_reader(model: SourceModel, layer: SourceLayer) -> SourceLayer | None:
    readers = [x for x in model.layers if layer.name in x.sources]
    return readers[0] if len(readers) == 1 and layer.name not in model.outputs else None


def _data_port(
    layer: SourceInput,
    data: FloatArray | None,
    bits: int | None,
    exact_input: bool,
    signed: bool | None,
    notes: list[str],
) -> Port:
    if data is None or not data.size:
        data = np.array([-ASSUMED, ASSUMED] if signed is not False else [ASSUMED])
        notes.append(f"input {layer.name!r}: no data; its range is taken as +-{ASSUMED:g}")
        exact_input = False
    negative = bool(data.min() < 0) if signed is None else signed
    largest = float(np.abs(data).max())
    if bits is None and exact_input:
        lo, hi, step = _exact_type(layer, data, negative, notes)
    else:
        width = bits or DEFAULT_BITS
        if bits is None:
            notes.append(f"input {layer.name!r}: {width} bits, as the model has no quantiser there")
        lo, hi, step = fixed_point(largest, width, negative)
    return Port(tensor_type(layer.shape, lo, hi, step), full(0, layer.shape))


def _exact_type(
    layer: SourceInput, data: FloatArray, negative: bool, notes: list[str]
) -> tuple[int, int, Fraction]:
    exponent = grid(data)
    if exponent is None:
        return (-1, 0, Fraction(1)) if negative else (0, 1, Fraction(1))
    step = power_of_two(exponent)
    ends = [int(Fraction(float(v)) / step) for v in (data.min(), data.max())]
    width = max(max(ends[1], ~ends[0]).bit_length() + negative, 1)
    if width > WIDEST:
        notes.append(f"input {layer.name!r}: the data need {width} bits; rounded to {WIDEST} bits")
        step *= 1 << (width - WIDEST)
        width = WIDEST
    if negative:
        return -(1 << (width - 1)), (1 << (width - 1)) - 1, step
    return 0, (1 << width) - 1, step
