"""The exact bespoke baseline: a perceptron of one hidden ReLU layer, trained and made integer.

The protocol is that of Armeniakos et al., "Cross-Layer Approximation for Printed Machine Learning
Circuits", DATE 2022: one hidden layer of a few ReLU neurons, a random search over the options of
the training, 4-bit inputs, 8-bit weights, and nothing rounded between the layers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.layers import ArgMax, AtLeast, Dense, Input, Layer, Relu
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.train.dataset import ByteArray, Dataset, repeated_folds
from flow.train.table import IntArray

WEIGHT_BITS = 8
MOST_HIDDEN = 5
CLOSE = 0.01
"""Fewer neurons are taken where they lose at most this much accuracy in validation."""
TRIALS, REFITS = 12, 4
MOST_SHIFT = 30
"""Weights that all lie below about 2**-MOST_SHIFT are those of a training that failed: zeros."""
_OPTIONS = {
    "solver": ["lbfgs", "lbfgs", "adam"],
    "alpha": [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
    "learning_rate_init": [1e-3, 3e-3, 1e-2],
    "max_iter": [300, 1000],
}
"""What the random search draws from; the learning rate means nothing to lbfgs."""

Options = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """Integer weights of both layers: sums of levels * w1 + b1, ReLU, then * w2 + b2.

    `w1` is (features, hidden), `w2` (hidden, outputs); one output decides by its sign.
    `unit` is the real value of 1 in the sums at the output.
    """

    w1: IntArray
    b1: IntArray
    w2: IntArray
    b2: IntArray
    unit: Fraction = Fraction(1)

    def classify(self, levels: ByteArray) -> IntArray:
        """The class index of every sample; the lowest of several equal outputs."""
        hidden = np.maximum(levels.astype(np.int64) @ self.w1 + self.b1, 0)
        sums = hidden @ self.w2 + self.b2
        chosen = sums[:, 0] >= 0 if sums.shape[1] == 1 else np.argmax(sums, axis=1)
        return np.asarray(chosen, dtype=np.int64)

    def accuracy(self, levels: ByteArray, y: IntArray) -> float:
        """The share of samples that are classified right."""
        return float(np.mean(self.classify(levels) == y))

    def network(self, name: str, bits: int = 4) -> Network:
        """The same as a Network of inputs `x` with so many bits."""
        features, hidden = self.w1.shape
        top = 2**bits - 1
        none = fractions(0, (features,))
        layers: tuple[Layer, ...] = (
            Input("x", (), "input", tensor_type((features,), 0, top, Fraction(1)), none),
            Dense("hidden", ("x",), "hidden", self.w1, self.b1, fractions(1, (hidden,))),
            Relu("relu", ("hidden",), "hidden"),
            Dense("output", ("relu",), "output", self.w2, self.b2, fractions(1, self.b2.shape)),
        )
        if len(self.b2) == 1:
            end: Layer = AtLeast("y", ("output",), "decision", np.zeros(1, np.int64))
        else:
            end = ArgMax("y", ("output",), "decision")
        return Network(name, (*layers, end), ("y",))


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A chosen perceptron, how it was trained, and its accuracy on each part of the data."""

    perceptron: Perceptron
    hidden: int
    options: Options
    accuracy: dict[str, float]
    candidates: tuple[Perceptron, ...]


def train_baseline(
    data: Dataset, hidden: int | None = None, seed: int = 0, trials: int = TRIALS
) -> Baseline:
    """The best of `trials` seeded trainings by its quantised accuracy in validation.

    The options that win are fitted again to all that is not test data, from a few seeds, and the
    most accurate fit is taken. Without `hidden`, the fewest neurons up to MOST_HIDDEN that come
    within CLOSE of the best in validation.
    """
    if hidden is None:
        hidden = choose_hidden(data, seed, trials)
    _, options = _search(data, hidden, seed, trials)
    fits, best = _refits(data, data.x_fit, data.y_fit, hidden, options, seed)
    parts = {
        "train": (data.x_train, data.y_train),
        "valid": (data.x_valid, data.y_valid),
        "fit": (data.x_fit, data.y_fit),
        "test": (data.x_test, data.y_test),
    }
    accuracy = {name: best.accuracy(x, y) for name, (x, y) in parts.items()}
    return Baseline(best, hidden, options, accuracy, fits)


def cross_validated(data: Dataset, found: Baseline, folds: int = 5, seed: int = 0) -> float:
    """The share of samples that a baseline's options get right where they are held back: each fold
    of what is not test data is answered by the best of as many fits to the other folds.

    That is what to expect on samples of no training; the options were chosen with all of them.
    """
    x, y = data.x_fit, data.y_fit
    parts = repeated_folds(y, folds, seed)
    right = 0
    for held in parts:
        best = _refits(data, x[~held], y[~held], found.hidden, found.options, seed)[1]
        right += int((best.classify(x[held]) == y[held]).sum())
    return right / sum(int(held.sum()) for held in parts)


def _refits(
    data: Dataset, x: ByteArray, y: IntArray, hidden: int, options: Options, seed: int
) -> tuple[tuple[Perceptron, ...], Perceptron]:
    """Fits of the same options to samples x (N, features) of labels y, and the best on them."""
    fits = tuple(_fit(x, y, data, hidden, options, seed + i) for i in range(REFITS))
    return fits, max(fits, key=lambda fit: fit.accuracy(x, y))


def choose_hidden(data: Dataset, seed: int = 0, trials: int = TRIALS) -> int:
    """The fewest hidden neurons that are close to the best of up to MOST_HIDDEN in validation."""
    few = max(1, trials // 3)
    scores = [_search(data, n, seed, few)[0] for n in range(1, MOST_HIDDEN + 1)]
    return 1 + next(i for i, score in enumerate(scores) if score >= max(scores) - CLOSE)


def _search(data: Dataset, hidden: int, seed: int, trials: int) -> tuple[float, Options]:
    """The best accuracy in validation, and the options that gave it."""
    from sklearn.model_selection import ParameterSampler

    drawn: list[Options] = list(ParameterSampler(_OPTIONS, trials, random_state=seed))
    scored = []
    for i, options in enumerate(drawn):
        fit = _fit(data.x_train, data.y_train, data, hidden, options, seed + i)
        valid, train = (
            fit.accuracy(data.x_valid, data.y_valid),
            fit.accuracy(data.x_train, data.y_train),
        )
        scored.append((valid, train, -i))
    valid, _, index = max(scored)
    return valid, drawn[-index]


def fit_perceptron(
    data: Dataset, x: ByteArray, y: IntArray, hidden: int, weight_bits: int, seed: int = 0
) -> Perceptron:
    """A perceptron for samples x (N, features) of labels y, a part of the data, in one training."""
    options = {"solver": "lbfgs", "alpha": 1e-2, "max_iter": 300}
    return _fit(x, y, data, hidden, options, seed, weight_bits)


def _fit(
    x: ByteArray,
    y: IntArray,
    data: Dataset,
    hidden: int,
    options: Options,
    seed: int,
    weight_bits: int = WEIGHT_BITS,
) -> Perceptron:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((hidden,), random_state=seed, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x / 2.0**data.scaler.bits, y)
    first, second = (np.asarray(w, dtype=np.float64) for w in model.coefs_)
    bias, last = (np.asarray(b, dtype=np.float64) for b in model.intercepts_)
    known = np.asarray(model.classes_)
    if second.shape[1] > 1 and len(known) < data.classes:
        second, last = _spread(second, last, known, data.classes)
    return quantise_perceptron(first, bias, second, last, data.scaler.bits, weight_bits)


def _spread(
    w: NDArray[np.float64], b: NDArray[np.float64], known: IntArray, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outputs of all classes, where training saw only some: the others never win."""
    wide, bias = np.zeros((len(w), classes)), np.full(classes, b.min() - 1e3)
    wide[:, known], bias[known] = w, b
    wide[:, [c for c in range(classes) if c not in known]] = w.min(axis=1, keepdims=True)
    return wide, bias


def quantise_perceptron(
    w1: NDArray[np.float64],
    b1: NDArray[np.float64],
    w2: NDArray[np.float64],
    b2: NDArray[np.float64],
    input_bits: int,
    weight_bits: int = WEIGHT_BITS,
) -> Perceptron:
    """Weights rounded to so many bits, sign included, by one power of two a layer; biases at the
    unit of the sums they join. The real weights belong to inputs level / 2**input_bits."""
    q1, s1 = rounded(w1, weight_bits)
    q2, s2 = rounded(w2, weight_bits)
    up1 = Fraction(2) ** (s1 + input_bits)
    up2 = up1 * Fraction(2) ** s2
    return Perceptron(q1, _times(b1, up1), q2, _times(b2, up2), 1 / up2)


def evaluate_levels(network: Network, levels: ByteArray) -> IntArray:
    """The class indices that a Network of one input of levels gives."""
    name = network.inputs[0].name
    found = evaluate_network(network, {name: levels.astype(np.int64)})[network.outputs[0]]
    return np.asarray(found, dtype=np.int64).ravel()


def rounded(w: NDArray[np.float64], bits: int) -> tuple[IntArray, int]:
    """Integers of at most 2**(bits-1) - 1 in magnitude and k, so that w is about integers / 2**k"""
    top = 2 ** (bits - 1) - 1
    peak = float(np.abs(w).max())
    k = 0 if peak == 0 else min(MOST_SHIFT, int(np.floor(np.log2(top / peak))))
    if np.rint(peak * 2.0 ** (k + 1)) <= top:
        k += 1
    return np.rint(w * 2.0**k).astype(np.int64), k


def _times(b: NDArray[np.float64], factor: Fraction) -> IntArray:
    return np.rint(b * float(factor)).astype(np.int64)
