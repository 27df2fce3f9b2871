"""Training of binary networks: three estimators with equal budgets, over several seeds.

All take the same number of steps from starts of the same seeds; the last weights are measured on
the test part, and nothing is chosen by it. MNIST: 784-128-128-10, one bit for a pixel. Tables:
two hidden layers of 64, four bits for an input.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.train.binary import BinaryOptions, train_binary
from flow.train.binary_estimators import ESTIMATORS, Estimator
from flow.train.dataset import ByteArray, prepare
from flow.train.table import IntArray, read_table

DATASETS = ROOT.parent / "shared" / "datasets"
TABLES = ("pendigits", "cardio", "breast_cancer", "redwine")
SEEDS = (1, 2, 3)
EPOCHS, TABLE_EPOCHS = 5, 60

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
    data = prepare(read_table(path, missing="drop"))
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
