"""How well a network decides, at each level: the float model, the integers, the circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flow.frontend.files.data import Samples, decode
from flow.frontend.float_model import evaluate_source
from flow.frontend.source import SourceModel
from flow.ir.network import Network
from flow.pipeline.self_test import answering
from flow.report.record import Accuracy


def accuracy(
    source: SourceModel, network: Network, samples: Samples, expected: Mapping[str, Any]
) -> Accuracy | None:
    """The share of samples decided as labelled; None without labels or with several outputs.

    `expected` holds the integer outputs by port; the circuit's answers are those, or the build
    has ended before.
    """
    if samples.labels is None or len(answering(network)) != 1:
        return None
    labels = np.asarray(samples.labels)
    circuit = integer_decisions(network, next(iter(expected.values())))
    framework = circuit
    if source.layers:  # Else the network has been integer from the start.
        float_answers = evaluate_source(source, samples.inputs)[source.outputs[0]]
        framework = decisions(float_answers, _float_threshold(source))
    classes = _classes(samples, labels, circuit)
    right = int((circuit == labels).sum())
    share = right / len(labels)
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, (labels, circuit), 1)
    return Accuracy(
        metric="accuracy",
        samples=len(labels),
        framework=float((framework == labels).mean()),
        network=share,
        circuit=share,
        classes=classes,
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
    )


def decisions(values: Any, threshold: float) -> Any:
    """The class of every sample: the largest of several outputs, or one output's side."""
    flat = np.asarray(values).reshape(len(values), -1)
    if flat.shape[1] == 1:
        return (flat[:, 0] >= threshold).astype(np.int64)
    return np.argmax(flat, axis=1)


def integer_decisions(network: Network, values: Any) -> Any:
    """The class of every sample, from the integers (samples, lanes) of a network's one output."""
    name = network.outputs[0]
    if network.layer(name).decides:
        return np.asarray(values).reshape(len(values), -1)[:, 0].astype(np.int64)
    tensor = network.types[name]
    return decisions(decode(tensor, np.asarray(values).reshape(-1, *tensor.shape)), 0.0)


def _float_threshold(source: SourceModel) -> float:
    last = next(layer for layer in source.layers if layer.name == source.outputs[0])
    return 0.5 if getattr(last, "function", "") == "sigmoid" else 0.0


def _classes(samples: Samples, labels: Any, circuit: Any) -> tuple[str, ...]:
    known = [str(label) for label in samples.classes or ()]
    count = int(max(len(known), labels.max(initial=0) + 1, circuit.max(initial=0) + 1))
    return tuple(known + [str(i) for i in range(len(known), count)])
