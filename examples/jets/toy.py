"""A toy of a jet data set and a tagger of it, for those who have neither at hand.

    python examples/jets/toy.py FOLDER

writes toy.skops, toy_train.npz and toy_test.npz. Five classes of jets are Gaussian clouds in four
hidden numbers (mass, multiplicity, two shapes) that W and Z nearly share; the 16 features are
smooth functions of those with noise. Nothing is physics but the shape of the task: features,
classes and an accuracy of about three quarters.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FEATURES, CLASSES = 16, "gqtwz"
CENTRES = np.array(
    [[0.0, 1.2, 0.0, 0.4], [-0.4, 0.0, -0.6, 0.0], [1.8, 1.4, 1.2, -0.6], [1.0, -0.2, 0.4, 1.0],
     [1.5, -0.2, 0.4, 1.1]]
)  # fmt: skip
"""Of the hidden numbers: gluon, quark, top, W, Z."""


def jets(samples: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features (samples, 16) of about zero mean and unit deviation, and classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(CLASSES), samples)
    hidden = CENTRES[y] + rng.normal(size=(samples, 4)) * [0.5, 0.6, 0.6, 0.5]
    mixing = np.random.default_rng(0)
    first, second = mixing.normal(size=(4, FEATURES)), mixing.normal(size=(4, FEATURES))
    x = hidden @ first + np.tanh(hidden @ second) * 2 + rng.normal(size=(samples, FEATURES))
    return (x / 3).astype(np.float32), y


def make(folder: Path, samples: int = 5_000) -> None:
    """Train a perceptron of 16-16-16-5 and write it with its data."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from skops.io import dump

    x, y = jets(samples, 1)
    model = MLPClassifier((16, 16), solver="lbfgs", max_iter=100, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # A hundred iterations are enough.
        model.fit(x, y)
    dump(model, folder / "toy.skops")
    np.savez(folder / "toy_train.npz", x=x[:2000], y=y[:2000])
    test, labels = jets(1000, 2)
    np.savez(folder / "toy_test.npz", x=test, y=labels)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
