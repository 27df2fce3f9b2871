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

CACHE = HERE / "cache" / "detector-networks"
ROWS = 3000
"""Most samples of a set."""
TEST = 0.3


@dataclass(frozen=True)
class Task:
    """A float model, and the samples that may be seen and that may not."""

    name: str
    model: Path
    data: Path
    test: Path


def tasks() -> Iterator[Task]:
    """Digits, pen strokes, jets and foetal heart beats; those whose data are here."""
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
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skops.io import dump

    rows = np.random.default_rng(0).permutation(len(x))[:ROWS]
    seen, held, label, held_label = train_test_split(
        x[rows], y[rows], test_size=TEST, random_state=42, stratify=y[rows]
    )
    network = MLPClassifier(hidden, alpha=alpha, random_state=0, max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = make_pipeline(StandardScaler(), network).fit(seen, label)
    dump(model, task.model)
    np.savez(task.data, x=seen, y=label)
    np.savez(task.test, x=held, y=held_label)


def _digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x, y


def _jets() -> tuple[Any, Any]:
    jets = np.load(SHARED.parent / "datasets" / "jets_hlf.npz")
    parts = [(jets["x_train"], jets["y_train"]), (jets["x_test"], jets["y_test"])]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _table(name: str) -> tuple[Any, Any]:
    path = SHARED.parent / "datasets" / f"{name}.csv"
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    return rows[:, :-1], rows[:, -1].astype(int)


_SETS: dict[str, tuple[Any, tuple[int, ...], float]] = {
    "digits 64-32-32-10": (_digits, (32, 32), 1e-2),
    "pendigits 16-64-32-32-10": (lambda: _table("pendigits"), (64, 32, 32), 1e-3),
    "jets 16-64-32-32-5": (_jets, (64, 32, 32), 1.0),
    "cardio 21-32-16-3": (lambda: _table("cardio"), (32, 16), 1e-2),
}
