"""A trained perceptron as the files that `flow build` reads: a skops model, levels as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from flow.train.baseline import Perceptron
from flow.train.dataset import ByteArray, Dataset
from flow.train.table import IntArray

MODEL, FIT, TEST, CONFIG = "model.skops", "fit.csv", "test.csv", "flow.toml"
_CONFIG = """\
# The exact bespoke baseline: every input is a level, nothing is rounded between the layers.
model = "{model}"
data = "{test}"          # never seen in training
calibrate = "{fit}"
head = "decision"
input_bits = {bits}
weight_bits = 8
"""


def build_files(perceptron: Perceptron, data: Dataset) -> dict[str, bytes]:
    """The files of a folder, by name, from which `flow build --config flow.toml` starts."""
    config = _CONFIG.format(model=MODEL, test=TEST, fit=FIT, bits=data.scaler.bits)
    return {
        MODEL: skops_bytes(perceptron, data),
        FIT: levels_csv(data, data.x_fit, data.y_fit),
        TEST: levels_csv(data, data.x_test, data.y_test),
        CONFIG: config.encode(),
    }


def skops_bytes(perceptron: Perceptron, data: Dataset) -> bytes:
    """An MLPClassifier whose inputs are levels and whose weights are the perceptron's integers.

    The quantisation of `flow build` keeps them as they are, or doubled until eight bits are full.
    """
    from skops.io import dumps

    names = np.array(data.table.classes)
    model: Any = _shell(perceptron, data, names)
    model.coefs_ = [w.astype(np.float64) for w in (perceptron.w1, perceptron.w2)]
    model.intercepts_ = [b.astype(np.float64) for b in (perceptron.b1, perceptron.b2)]
    found: bytes = dumps(model)
    return found


def levels_csv(data: Dataset, levels: ByteArray, y: IntArray, scale: int = 1) -> bytes:
    """The levels, divided by `scale`, as a table with the label, as in the source, last."""
    file = io.StringIO(newline="")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*data.table.columns, "label"])
    values = levels if scale == 1 else levels / scale
    for sample, label in zip(values.tolist(), y.tolist(), strict=True):
        rows.writerow([*sample, data.table.classes[label]])
    return file.getvalue().encode()


def _shell(perceptron: Perceptron, data: Dataset, names: Any) -> Any:
    """A fitted estimator of the right shape: one step of training, of which nothing stays."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    first = np.unique(data.y_fit, return_index=True)[1]
    options: Mapping[str, Any] = {"solver": "lbfgs", "max_iter": 1, "random_state": 0}
    model = MLPClassifier((perceptron.w1.shape[1],), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(data.x_fit[first].astype(np.float64), names[data.y_fit[first]])
    return model
