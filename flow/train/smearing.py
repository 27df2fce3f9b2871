"""Samples that nobody has measured, labelled by a teacher: more to grow and trim a circuit by.

L. Breiman and N. Shang, "Born Again Trees", University of California, Berkeley, 1996: a made
sample is a real one in which some features have the value of another real one, and a large model
that no circuit could hold says what it is. A circuit that agrees with the teacher on many such
samples has not learnt the few real ones by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from flow.train.dataset import ByteArray
from flow.train.table import IntArray

Teacher = Literal["forest", "linear"]
SWAP = 0.3
"""The chance that a feature comes from another sample."""
TREES = 200
"""Trees of a teacher that is a forest."""


@dataclass(frozen=True, slots=True)
class Smearing:
    """How many samples are made, and who labels them: a forest, or logistic regression."""

    count: int
    teacher: Teacher = "forest"


def smeared(x: ByteArray, y: IntArray, how: Smearing, seed: int = 0) -> tuple[ByteArray, IntArray]:
    """Samples x (N, features) of labels y and the made ones behind them; the real ones are there
    so often that they are a third of all. The teacher has seen nothing but x and y."""
    if not how.count:
        return x, y
    random = np.random.default_rng(seed)
    made = x[random.integers(0, len(x), how.count)].copy()
    for feature in range(x.shape[1]):
        swapped = random.random(how.count) < SWAP
        made[swapped, feature] = x[random.integers(0, len(x), int(swapped.sum())), feature]
    labels = _teacher(how.teacher, seed).fit(x, y).predict(made).astype(y.dtype)
    times = max(1, round(how.count / (2 * len(x))))
    return np.concatenate([*[x] * times, made]), np.concatenate([*[y] * times, labels])


def _teacher(kind: Teacher, seed: int) -> Any:
    if kind == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(TREES, max_features=0.5, random_state=seed)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
