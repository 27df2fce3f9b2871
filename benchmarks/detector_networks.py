"""Small float networks with data of their own, trained here, for codesign and quantisation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE
from designs import SHARED

from flow.frontend.exact.decisions import decided
from flow.frontend.float_model import evaluate_source
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput

CACHE = HERE / "cache" / "detector-networks"
SEEN, HELD = 2400, 6000
"""Most samples to see, and most to measure on: many, so that half a point of accuracy counts."""


@dataclass(frozen=True)
class Task:
    """A float model, and the samples that may be seen and that may not."""

    name: str
    model: Path
    data: Path
    test: Path


def tasks() -> Iterator[Task]:
    """Pen strokes, jets, digits and foetal heart beats; those whose data are here."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, (load, hidden, alpha) in _SETS.items():
        task = Task(name, *(CACHE / f"{name}{end}" for end in (".skops", ".npz", "_test.npz")))
        if not task.test.is_file():
            try:
                x, y = load()
            except OSError:
                continue
            _train(task, x, y, hidden, alpha)
        yield task


def _train(task: Task, x: Any, y: Any, hidden: tuple[int, ...], alpha: float) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skops.io import dump

    rows = np.random.default_rng(0).permutation(len(x))
    seen = min(SEEN, round(0.7 * len(x)))
    first, last = rows[:seen], rows[seen : seen + HELD]
    network = MLPClassifier(hidden, alpha=alpha, random_state=0, max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = make_pipeline(StandardScaler(), network).fit(x[first], y[first])
    dump(model, task.model)
    np.savez(task.data, x=x[first], y=y[first])
    np.savez(task.test, x=x[last], y=y[last])


def _mnist() -> tuple[Any, Any]:
    """Digits of 7 x 7, the means of squares of 4 x 4."""
    digits = np.load(SHARED.parent / "datasets" / "mnist.npz")
    rows = SEEN + HELD
    x = digits["x_train"][:rows].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(rows, 49)
    return x / 255, digits["y_train"][:rows].astype(int)


def _jets() -> tuple[Any, Any]:
    """The given jets, each eight times, moved a little; their classes are the given tagger's."""
    jets = np.load(SHARED.parent / "datasets" / "jets_hlf.npz")
    x = np.concatenate([jets["x_train"], jets["x_test"]] * 8).astype(float)
    x += 0.5 * x.std(axis=0) * np.random.default_rng(0).normal(size=x.shape)
    tagger = read_model(SHARED / "qkeras_jet_3layer" / "qkeras_3layer.json")
    entry = next(layer for layer in tagger.layers if isinstance(layer, SourceInput))
    return x, decided(tagger, evaluate_source(tagger, {entry.name: x}))[:, 0]


def _table(name: str) -> tuple[Any, Any]:
    path = SHARED.parent / "datasets" / f"{name}.csv"
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return rows[:, :-1], np.unique(rows[:, -1], return_inverse=True)[1]


_SETS: dict[str, tuple[Any, tuple[int, ...], float]] = {
    "pendigits 16-64-32-32-10": (lambda: _table("pendigits"), (64, 32, 32), 1e-3),
    "jets 16-64-32-32-5": (_jets, (64, 32, 32), 1e-2),
    "mnist 49-32-32-10": (_mnist, (32, 32), 1e-2),
    "cardio 21-32-16-3": (lambda: _table("cardio"), (32, 16), 1e-2),
}
