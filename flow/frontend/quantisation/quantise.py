"""From a SourceModel to a Network: exactly where the file quantises, else after training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel, UsageError
from flow.frontend.exact.lowering import lower_exactly
from flow.frontend.exact.ports import plan_ports
from flow.frontend.exact.workbench import Value, alive
from flow.frontend.functions import piecewise_linear
from flow.frontend.quantisation.calibrate import INPUT_BITS, TABLE_BITS, calibrate
from flow.frontend.quantisation.hoist import hoist
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    HEADS,
    FloatArray,
    SourceActivation,
    SourceAffine,
    SourceConv,
    SourceDense,
    SourceInput,
    SourceModel,
    SourceMultiply,
    SourceQuantise,
    SourceTableSum,
)
from flow.ir.names import identifier
from flow.ir.network import Network

WIDEST = 62
"""Bits of the widest integer of a float model at full width."""

AUTOMATIC_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """A network, what was decided on the way that the user did not say, and the options so.

    `values` has what each layer of the file has become.
    """

    network: Network
    notes: tuple[str, ...]
    options: QuantiseOptions
    values: Mapping[str, Value]


def to_network(
    model: SourceModel,
    options: QuantiseOptions | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Quantised:
    """The network of a model; `calibration` maps each input's name to (samples, *shape) reals.

    A model whose file quantises every weight is carried over exactly. A float model is quantised
    to the widths of `options`. UnsupportedModel names everything that stands in the way.
    """
    options = options or QuantiseOptions()
    calibration = calibration or {}
    model = replace(model, layers=alive(model))
    _refuse_broken(model)
    decision = _decides(model, options)
    model = hoist(model)
    if model.quantised:
        ports, notes = plan_ports(
            model, options.input_bits, options.exact_input, options.input_signed, calibration
        )
        lowered = lower_exactly(model, ports, decision, False)
        return Quantised(lowered.network, notes, options, lowered.values)
    return to_integers(_calibrated(model, options, calibration, decision))


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A float model with a quantiser wherever integers take over, and what that was made from.

    `model` has steps on its kernels, and float biases: they are rounded to the grid of their sums
    by `to_integers`. Its kernels and biases may change; its steps and quantisers stay.
    """

    model: SourceModel
    options: QuantiseOptions
    data: Mapping[str, FloatArray]
    decision: bool
    notes: tuple[str, ...]


def calibrated(
    model: SourceModel, options: QuantiseOptions, calibration: Mapping[str, Any]
) -> Calibrated:
    """A float model quantised to the widths of the options, before it becomes integers."""
    model = replace(model, layers=alive(model))
    _refuse_broken(model)
    decision = _decides(model, options)
    return _calibrated(hoist(model), options, calibration, decision)


def to_integers(ready: Calibrated) -> Quantised:
    """The network of a calibrated model."""
    bits, signed = ready.options.input_bits, ready.options.input_signed
    ports, _ = plan_ports(ready.model, bits, False, signed, ready.data)
    lowered = lower_exactly(ready.model, ports, ready.decision, True)
    return Quantised(lowered.network, ready.notes, ready.options, lowered.values)


def _calibrated(
    model: SourceModel,
    options: QuantiseOptions,
    calibration: Mapping[str, Any],
    decision: bool,
) -> Calibrated:
    options = _with_layers(model, options)
    data, assumed = _data(model, calibration)
    notes = tuple(assumed)
    width = full_width(model, options)
    if options.activation_bits is None and width >= WIDEST:
        notes += (
            f"full width between layers would need about {width} bits; "
            f"activations have {AUTOMATIC_BITS} bits instead",
        )
        options = replace(options, activation_bits=AUTOMATIC_BITS)
    return Calibrated(calibrate(model, options, data), options, data, decision, notes)


def _with_layers(model: SourceModel, options: QuantiseOptions) -> QuantiseOptions:
    """The options with the file's names of layers, also where the network's are given.

    UsageError where widths are given for a layer that has no weights.
    """
    known = [x.name for x in model.layers if isinstance(x, SourceDense | SourceConv)]
    names = {**{identifier(name): name for name in known}, **{name: name for name in known}}
    for wanted in options.layers:
        if wanted.layer not in names:
            raise UsageError(
                f"there is no layer {wanted.layer!r} with weights",
                hint=f"one of {', '.join(known)}",
            )
    layers = tuple(replace(x, layer=names[x.layer]) for x in options.layers)
    return replace(options, layers=layers)


def full_width(model: SourceModel, options: QuantiseOptions) -> int:
    """About the bits of the widest tensor if nothing is rounded between the layers."""
    widths: dict[str, float] = {}
    for layer in model.layers:
        before = [widths[s] for s in layer.sources] or [options.input_bits or INPUT_BITS]
        width = max(before)
        match layer:
            case SourceDense(kernel=kernel) | SourceConv(kernel=kernel):
                # The magnitudes of normal weights add up to 2/5 of their largest one each.
                terms = kernel.values.size // max(1, kernel.values.shape[-1])
                bits = options.weight_bits_of(layer.name)
                width += bits - 1 + math.log2(max(1.0, 0.4 * terms))
            case SourceActivation(function=function) if not piecewise_linear(function):
                width = TABLE_BITS
            case SourceAffine():
                width += options.weight_bits - 1
            case SourceMultiply():
                width = sum(before)
            case SourceQuantise(quantiser=q):
                width = int(np.max(np.asarray(q.hi) - np.asarray(q.lo))).bit_length()
        widths[layer.name] = width
    return math.ceil(max(widths.values()))


def _data(model: SourceModel, calibration: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    data: dict[str, Any] = {}
    notes = []
    for layer in model.layers:
        if not isinstance(layer, SourceInput):
            continue
        if layer.name in calibration and len(calibration[layer.name]):
            data[layer.name] = np.asarray(calibration[layer.name], dtype=np.float64)
        else:
            rng = np.random.default_rng(0)
            data[layer.name] = rng.standard_normal((256, *layer.shape))
            notes.append(
                f"input {layer.name!r}: no calibration data; standard normal values stand in"
            )
    return data, notes


def _decides(model: SourceModel, options: QuantiseOptions) -> bool:
    if options.head != "auto":
        return options.head == "decision"
    if len(model.outputs) != 1:
        return False
    last = next(x for x in model.layers if x.name == model.outputs[0])
    head = isinstance(last, SourceActivation) and last.function in ("sigmoid", *HEADS)
    return head or model.classes is not None


def _refuse_broken(model: SourceModel) -> None:
    """UnsupportedModel where numbers are not finite or shapes do not meet."""
    obstacles = []
    for layer in model.layers:
        arrays: list[Any] = []
        if isinstance(layer, SourceDense | SourceConv):
            arrays = [layer.kernel.values, *([layer.bias.values] if layer.bias else [])]
        elif isinstance(layer, SourceTableSum):
            arrays = [table for row in layer.tables for table in row if table is not None]
        elif isinstance(layer, SourceAffine):
            arrays = [layer.multiplier, layer.offset]
        if not all(np.isfinite(a).all() for a in arrays):
            obstacles.append(f"{layer.place}: a number of {layer.name!r} is not finite")
    if not obstacles:
        try:
            source_shapes(model)
        except (ValueError, IndexError) as error:
            obstacles.append(f"the shapes of the layers do not meet: {error}")
    if obstacles:
        raise UnsupportedModel(
            f"{model.name} cannot be represented",
            hint="mend the file; these numbers mean nothing in a circuit",
            obstacles=tuple(obstacles),
        )
