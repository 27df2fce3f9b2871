"""Integer samples for training and search: split, scaled on the training part, 4 bits by default.

The test part is that of `train_test_split(test_size=0.3, random_state=42, stratify=y)`. The rest
is split again into a part for fitting and one for choosing (validation). A feature x becomes

    level = floor((x - low) * 2**bits / (high - low)), brought into [0, 2**bits - 1],

where low and high are its ends on the training part (fitting and validation together): what an
analog-to-digital converter with a reference from low to high gives. With `clip` they are the
quantiles clip and 1 - clip instead, so that single outliers do not stretch the range. Values
outside the ends saturate. A feature that is constant in training is always 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.train.table import FloatArray, IntArray, Table

ByteArray = NDArray[np.uint8]

TEST, SEED = 0.3, 42
VALIDATION = 0.25
"""Share of the training part that validates."""
ANSWERS, REPEATS = 600, 4
"""Folds are drawn again until so many samples have been held back, but no more often."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """The ends of every feature on the training part, and the bits of its converter."""

    low: FloatArray
    high: FloatArray
    bits: int

    def levels(self, x: FloatArray) -> ByteArray:
        """The levels (samples, features) of real samples; exact, as rationals would give them."""
        found = [
            np.searchsorted(_thresholds(low, high, self.bits), column, side="right")
            for low, high, column in zip(self.low.tolist(), self.high.tolist(), x.T, strict=True)
        ]
        return np.array(found, dtype=np.uint8).reshape(x.shape[1], len(x)).T.copy()


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Levels (samples, features) uint8 and class indices of three parts that share no sample.

    `train` fits, `valid` chooses, `test` is only ever measured on; `rows` are the rows of the
    table that make the three parts.
    """

    table: Table
    scaler: Scaler
    x_train: ByteArray
    y_train: IntArray
    x_valid: ByteArray
    y_valid: IntArray
    x_test: ByteArray
    y_test: IntArray
    rows: tuple[IntArray, IntArray, IntArray]

    @property
    def x_fit(self) -> ByteArray:
        """Training and validation part together: the 70 % that a search may see."""
        return np.concatenate([self.x_train, self.x_valid])

    @property
    def y_fit(self) -> IntArray:
        """The classes of `x_fit`."""
        return np.concatenate([self.y_train, self.y_valid])

    @property
    def features(self) -> int:
        """Number of inputs."""
        return int(self.x_train.shape[1])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.table.classes)


def prepare(
    table: Table,
    bits: int = 4,
    test: float = TEST,
    seed: int = SEED,
    validation: float = VALIDATION,
    validation_seed: int = 0,
    clip: float = 0.0,
) -> Dataset:
    """Split and scale a table; UsageError where a class is too small to be split."""
    if not 0 <= clip < 0.5:
        raise UsageError(f"the share {clip} to clip does not lie in [0, 0.5)")
    if not 1 <= bits <= 8:
        raise UsageError(f"{bits} bits are no width of an input", hint="give 1 to 8")
    fit, held = _split_test(table, test, seed)
    low = np.quantile(table.x[fit], clip, axis=0, method="lower")
    high = np.quantile(table.x[fit], 1 - clip, axis=0, method="higher")
    scaler = Scaler(low, high, bits)
    chosen = _validation(table.y[fit], validation, validation_seed)
    train, valid = fit[~chosen], fit[chosen]
    levels = scaler.levels(table.x)
    parts = [(levels[rows], table.y[rows]) for rows in (train, valid, held)]
    (xa, ya), (xb, yb), (xc, yc) = parts
    return Dataset(table, scaler, xa, ya, xb, yb, xc, yc, (train, valid, held))


def _split_test(table: Table, test: float, seed: int) -> tuple[IntArray, IntArray]:
    from sklearn.model_selection import train_test_split

    if not 0 < test < 1:
        raise UsageError(f"the test share {test} does not lie between 0 and 1")
    counts = np.bincount(table.y, minlength=len(table.classes))
    if counts.min() < 2:
        label = table.classes[int(counts.argmin())]
        raise UsageError(
            f"the class {label!r} has one sample only, and cannot be split", where=table.name
        )
    try:
        fit, held = train_test_split(
            np.arange(len(table.y)), test_size=test, random_state=seed, stratify=table.y
        )
    except ValueError as error:
        raise UsageError(
            f"{len(table.y)} samples of {len(table.classes)} classes are too few to split",
            where=table.name,
        ) from error
    return np.asarray(fit), np.asarray(held)


def _validation(y: IntArray, share: float, seed: int) -> NDArray[np.bool_]:
    """Which samples validate: of every class its share, rounded, drawn by the seed; none of a
    class that has one sample."""
    if not 0 <= share < 1:
        raise UsageError(f"the validation share {share} does not lie in [0, 1)")
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(y), dtype=np.bool_)
    for label in range(int(y.max()) + 1):
        rows = np.flatnonzero(y == label)
        count = min(round(share * len(rows)), max(0, len(rows) - 1))
        chosen[random.permutation(rows)[:count]] = True
    return chosen


def folds_of(y: IntArray, count: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Which samples (N,) each of `count` folds holds back: every sample once, the samples of each
    class as even as can be, drawn by the seed."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(y == label)) for label in range(int(y.max()) + 1)]
    fold = np.empty(len(y), dtype=np.int64)
    fold[np.concatenate(rows)] = np.arange(len(y)) % count
    return [fold == k for k in range(count)]


def repeated_folds(y: IntArray, count: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """`folds_of` with one seed after the other until ANSWERS samples are held back, but at most
    REPEATS times: of few samples one division says little."""
    times = min(REPEATS, math.ceil(ANSWERS / len(y)))
    return [held for k in range(times) for held in folds_of(y, count, seed + k)]


def _thresholds(low: float, high: float, bits: int) -> FloatArray:
    """The least float64 of each level from 1 on; infinite for a constant feature."""
    if not high > low:
        return np.full(2**bits - 1, np.inf)
    step = (Fraction(high) - Fraction(low)) / 2**bits
    found = []
    for level in range(1, 2**bits):
        wanted = Fraction(low) + level * step
        nearest = float(wanted)
        found.append(nearest if Fraction(nearest) >= wanted else math.nextafter(nearest, math.inf))
    return np.array(found)
