"""From a SourceModel to a Network: exactly where the file quantises, else after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.calibrate import calibrate
from flow.frontend.exact import lower_exactly
from flow.frontend.float_model import source_shapes
from flow.frontend.options import QuantiseOptions
from flow.frontend.ports import plan_ports
from flow.frontend.source import (
    SourceActivation,
    SourceAffine,
    SourceDense,
    SourceInput,
    SourceModel,
)
from flow.frontend.workbench import alive
from flow.ir.network import Network

WIDEST = 62
"""Bits of the widest integer of a float model at full width."""

AUTOMATIC_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """A network, and what was decided on the way that the user did not say."""

    network: Network
    notes: tuple[str, ...]


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
    _refuse_broken(model)
    decision = _decides(model, options)
    if model.quantised:
        ports, notes = plan_ports(
            model, options.input_bits, options.exact_input, options.input_signed, calibration
        )
        return Quantised(lower_exactly(model, ports, decision, False), notes)
    return _after_training(model, options, calibration, decision)


def _after_training(
    model: SourceModel,
    options: QuantiseOptions,
    calibration: Mapping[str, Any],
    decision: bool,
) -> Quantised:
    data, assumed = _data(model, calibration)
    notes = tuple(assumed)
    network = _network(model, options, data, decision)
    width = max(max(abs(t.hull.lo), abs(t.hull.hi)).bit_length() for t in network.types.values())
    if width >= WIDEST and options.activation_bits is None:
        notes += (
            f"full width between layers would need {width + 1} bits; "
            f"activations have {AUTOMATIC_BITS} bits instead",
        )
        options = replace(options, activation_bits=AUTOMATIC_BITS)
        network = _network(model, options, data, decision)
    return Quantised(network, notes)


def _network(
    model: SourceModel, options: QuantiseOptions, data: Mapping[str, Any], decision: bool
) -> Network:
    ready = calibrate(model, options, data)
    ports, _ = plan_ports(ready, options.input_bits, False, options.input_signed, data)
    return lower_exactly(ready, ports, decision, True)


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
    head = isinstance(last, SourceActivation) and last.function in ("softmax", "sigmoid", "argmax")
    return head or model.classes is not None


def _refuse_broken(model: SourceModel) -> None:
    """UnsupportedModel where numbers are not finite or shapes do not meet."""
    obstacles = []
    for layer in alive(model):
        arrays: list[Any] = []
        if isinstance(layer, SourceDense):
            arrays = [layer.kernel.values, *([layer.bias.values] if layer.bias else [])]
        elif isinstance(layer, SourceAffine):
            arrays = [layer.multiplier, layer.offset]
        if not all(np.isfinite(a).all() for a in arrays):
            obstacles.append(f"{layer.place}: a number of {layer.name!r} is not finite")
    if not obstacles:
        try:
            source_shapes(model)
        except (ValueError, IndexError) as error:
            obstacles.append(f"{model.name}: the shapes of the layers do not meet: {error}")
    if obstacles:
        raise UnsupportedModel(
            f"{model.name} cannot be represented",
            hint="mend the file; these numbers mean nothing in a circuit",
            obstacles=tuple(obstacles),
        )
