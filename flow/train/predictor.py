"""A learned guess of the accuracy of designs that were not trained, from those that were."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Features = Sequence[float]
TREES = 64


def accuracy_predictor(
    known: Sequence[Features], accuracies: Sequence[float], seed: int
) -> Callable[[Sequence[Features]], list[float]]:
    """A forest fitted to designs and their accuracy; deterministic for a seed."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(TREES, random_state=seed, n_jobs=1)
    forest.fit(np.asarray(known, dtype=float), np.asarray(accuracies, dtype=float))

    def predict(features: Sequence[Features]) -> list[float]:
        found: list[float] = forest.predict(np.asarray(features, dtype=float)).tolist()
        return found

    return predict
