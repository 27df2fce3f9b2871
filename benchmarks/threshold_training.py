"""Training of binary networks: three estimators with equal budgets, over several seeds.

All take the same number of steps from starts of the same seeds; the last weights are measured on
the test part, and nothing is chosen by it. MNIST: 784-128-128-10, one bit for a pixel. Tables:
two hidden layers of 64, four bits for an input.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.analysis.binary_layers import binary_inputs, binary_layers, evaluate_binary
from flow.frontend.files.data import encode
from flow.ir.network import evaluate_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.train.binary import BinaryOptions, train_binary
from flow.train.binary_estimators import ESTIMATORS, Estimator
from flow.train.binary_export import qonnx_bytes
from flow.train.dataset import ByteArray, prepare
from flow.train.table import IntArray, read_table

DATASETS = ROOT.parent / "shared" / "datasets"
TABLES = ("pendigits", "cardio", "breast_cancer", "redwine")
SEEDS = (1, 2, 3)
EPOCHS, TABLE_EPOCHS = 5, 60
TRAINED = BinaryOptions((256, 256), 1, "biper", epochs=12, seed=1)
"""The network of the workloads."""

SHARED = (("TFC_1W1A", "1w1a", 93.17), ("TFC_2W2A", "2w2a", 96.60))
"""Models of the QONNX model zoo, and what it says of their accuracy on the test part."""

Parts = tuple[ByteArray, IntArray, ByteArray, IntArray]


def mnist(path: Path) -> Parts:
    """Training and test part, one bit for a pixel."""
    held = np.load(path)

    def bits(name: str) -> ByteArray:
        images = held[name]
        return np.asarray(images.reshape(len(images), -1) >= 128, dtype=np.uint8)

    y, test = (held[name].astype(np.int64) for name in ("y_train", "y_test"))
    return bits("x_train"), y, bits("x_test"), test


def table(path: Path) -> Parts:
    """The parts of a table, four bits for an input."""
    drop = ("sample_code_number",) if path.stem == "breast_cancer" else ()
    data = prepare(read_table(path, drop, missing="drop"))
    return data.x_fit, data.y_fit, data.x_test, data.y_test


def training(options: Options) -> Iterator[list[Row]]:
    """Test accuracy in percent: the mean over the seeds, and in the note the ends."""
    cases = [("mnist", 1, (128, 128), EPOCHS), *((n, 4, (64, 64), TABLE_EPOCHS) for n in TABLES)]
    for name, bits, hidden, epochs in cases:
        if options.only not in name:
            continue
        parts = (
            mnist(DATASETS / "mnist.npz") if name == "mnist" else table(DATASETS / f"{name}.csv")
        )
        if options.quick:
            parts, epochs = (parts[0][:2000], parts[1][:2000], *parts[2:]), 2
        baseline: float | None = None
        for estimator in ESTIMATORS:
            found = [accuracy(parts, bits, hidden, epochs, estimator, seed) for seed in SEEDS]
            mean = statistics.mean(found)
            baseline = mean if baseline is None else baseline
            ends = f"{min(found):.2f} to {max(found):.2f}"
            note = f"{ends}, {len(SEEDS)} seeds, {epochs} epochs"
            yield [Row(f"training: {name}, {estimator}", mean, "%", "ste", baseline, note=note)]


def accuracy(
    parts: Parts, bits: int, hidden: tuple[int, ...], epochs: int, estimator: Estimator, seed: int
) -> float:
    """The test accuracy in percent of one training."""
    x, y, x_test, y_test = parts
    options = BinaryOptions(hidden, bits, estimator, epochs=epochs, seed=seed)
    return 100 * train_binary(x, y, options).accuracy(x_test, y_test)


def workloads(options: Options) -> Iterator[list[Row]]:
    """Accuracy of whole networks on the 10,000 test images, by their binary layers."""
    held = np.load(DATASETS / "mnist.npz")
    images, labels = held["x_test"], held["y_test"].astype(np.int64)
    folder = DATASETS.parent / "models" / "qonnx_tfc"
    for name, what, published in SHARED:
        if options.only in name:
            shaped = (images / np.float32(255)).reshape(-1, 1, 28, 28).astype(np.float64)
            found = by_layers(folder / f"{name}.onnx", shaped, labels)
            note = f"{what}; equal to its Network on every image"
            yield [Row(f"accuracy: {name}", found, "%", "its authors", published, note=note)]
    if options.only in "trained" and not options.quick:
        x, y, x_test, y_test = mnist(DATASETS / "mnist.npz")
        net = train_binary(x, y, TRAINED)
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.onnx"
            path.write_bytes(qonnx_bytes(net))
            found = by_layers(path, x_test.astype(np.float64), y_test)
        sizes = "-".join(str(n) for n in (784, *TRAINED.hidden, 10))
        note = (
            f"{sizes}, trained here with {TRAINED.estimator}; equal to its Network on every image"
        )
        yield [Row("accuracy: trained", found, "%", note=note)]


def by_layers(path: Path, samples: Any, labels: IntArray) -> float:
    """The accuracy in percent; SystemExit where a layer answers otherwise than the Network."""
    config = BuildConfig(model=path, head="decision")
    network = import_model(config, faithful=True).network
    inputs = {network.inputs[0].name: encode(network.inputs[0], samples)}
    answers = evaluate_binary(binary_layers(network), binary_inputs(network, inputs))[-1]
    if (answers != evaluate_network(network, inputs)[network.outputs[0]]).any():
        raise SystemExit(f"{path.name}: the binary layers answer otherwise than the network")
    return 100 * float(np.mean(answers[:, 0] == labels))
