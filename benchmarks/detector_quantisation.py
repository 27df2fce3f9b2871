"""What each option of the quantisation after training gains, on float models of several kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import Row
from designs import SHARED
from detector_networks import tasks

from flow.errors import FlowError
from flow.frontend.exact.decisions import decided
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput, SourceModel
from flow.ir.network import evaluate_network

GIVEN = (
    ("keras_dense_3layer", "KERAS_3layer.json", "KERAS_3layer_weights.h5",
     "golden_KERAS_3layer_weights.npz"),
    ("keras_dense_bn_3layer", "KERAS_3layer_batch_norm.json", "", "golden.npz"),
    ("keras_conv1d_small", "KERAS_conv1d_small.json", "", "golden.npz"),
    ("keras_conv2d_8x8", "KERAS_conv2d_model.json", "", "golden.npz"),
    ("keras_jet_conv2d_bn", "jetTagger_Conv2D_Small.json", "", "golden.npz"),
    ("onnx_float_small", "three_layer_bn_pytorch.onnx", "", "golden_three_layer_keras.npz"),
)  # fmt: skip
"""Folder, model, weights and samples below the shared models: 64 samples without labels."""
WIDTHS = QuantiseOptions(
    8, 4, 5, activation_range="max", bias_correction=False, per_input=False, head="decision"
)
"""The plain way, which every option changes in one thing: 4-bit weights, 5-bit activations."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "min-max": {},
    "percentile": {"activation_range": "percentile"},
    "squared error": {"activation_range": "mse"},
    "cross entropy": {"activation_range": "cross_entropy"},
    "best steps": {"weight_step": "best"},
    "per channel": {"per_channel": True},
    "equalised": {"equalise": True},
    "bias correction": {"bias_correction": True},
    "adaptive rounding": {"weight_rounding": "adaptive"},
    "all": {
        "activation_range": "cross_entropy", "per_channel": True, "equalise": True,
        "bias_correction": True, "weight_rounding": "adaptive",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A float model, samples to calibrate on, others to decide, and the decisions wanted."""

    name: str
    model: SourceModel
    seen: Any
    held: Any
    wanted: Any


def quantisation(options: Options) -> Iterator[list[Row]]:
    """Samples decided as wanted, in percent, by every way of every model: by their labels for the
    networks of known data, else as by the float model."""
    if options.report:
        return
    for case in _cases():
        if options.only in case.name:
            yield _ways(case)


def _ways(case: Case) -> list[Row]:
    rows: list[Row] = []
    for name, changed in WAYS.items():
        try:
            value: float | None = 100 * _share(case, replace(WIDTHS, **changed))
            note = ""
        except FlowError as error:
            value, note = None, error.message
        rows.append(
            Row(f"quantisation: {case.name}, {name}", value, "%", "min-max, nearest",
                rows[0].value if rows else value, note=note)
        )  # fmt: skip
    floats = _decided(case.model, case.held)
    share = 100 * float((floats == case.wanted).mean())
    return [*rows, Row(f"quantisation: {case.name}, float", share, "%")]


def _share(case: Case, options: QuantiseOptions) -> float:
    (entry,) = (x for x in case.model.layers if isinstance(x, SourceInput))
    network = to_network(case.model, options, {entry.name: case.seen}).network
    (port,) = network.inputs
    answers = evaluate_network(network, {port.name: encode(port, case.held)})
    found = answers[network.outputs[0]].reshape(len(case.held), -1)
    return float((found[:, 0] == case.wanted).mean())


def _decided(model: SourceModel, x: Any) -> Any:
    (entry,) = (x for x in model.layers if isinstance(x, SourceInput))
    return decided(model, evaluate_source(model, {entry.name: x}))[:, 0]


def _cases() -> Iterator[Case]:
    for task in tasks():
        seen, held = np.load(task.data), np.load(task.test)
        yield Case(task.name, read_model(task.model), seen["x"].astype(float),
                   held["x"].astype(float), held["y"].ravel())  # fmt: skip
    for folder, file, weights, samples in GIVEN:
        place = SHARED / folder
        if not (place / file).is_file():
            continue
        model = read_model(place / file, Path(place / weights) if weights else None)
        x = np.load(place / samples)["x"].astype(float)
        x = x.reshape(len(x), *next(y for y in model.layers if isinstance(y, SourceInput)).shape)
        yield Case(folder, model, x[::2], x[1::2], _decided(model, x[1::2]))
