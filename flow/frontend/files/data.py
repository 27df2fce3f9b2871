"""Samples for a model: data files matched with its inputs, labels as class indices, splits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files.coding import decode, encode
from flow.frontend.files.data_files import read_raw
from flow.frontend.files.labels import Labels, continuous, from_one_hot, index_labels

__all__ = ["Samples", "decode", "encode", "read_data", "split"]

FloatArray = NDArray[np.float64]

_EXACT = 1 << 53
_LARGEST = 1e30
"""Beyond it products of samples and weights leave the range of floats."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Real inputs (samples, *shape) by the name of the input, with their class indices, if known.

    `classes` are the labels of the indices, `columns` the names of a table's columns (the label's
    last), `sha256` that of the file.
    """

    inputs: Mapping[str, FloatArray]
    labels: Labels | None
    classes: tuple[Any, ...] | None
    columns: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows: NDArray[Any]) -> Samples:
        """The samples of the given row numbers, in that order."""
        return replace(
            self,
            inputs={name: values[rows] for name, values in self.inputs.items()},
            labels=None if self.labels is None else self.labels[rows],
        )


def read_data(
    path: Path,
    inputs: Mapping[str, tuple[int, ...]],
    need_labels: bool = False,
    classes: tuple[Any, ...] | None = None,
    outputs: int | None = None,
) -> Samples:
    """The samples of a .npy, .npz or .csv file for a model with inputs of the given shapes.

    `classes` are the model's labels, `outputs` the number of its outputs, where they are known.
    UsageError where the file cannot be read or does not fit the model.
    """
    where = path.name
    sizes = {name: math.prod(shape) for name, shape in inputs.items()}
    raw = read_raw(path, sum(sizes.values()), len(inputs))
    if raw.columns:
        ends = np.cumsum(list(sizes.values()))[:-1]
        arrays: list[NDArray[Any]] = np.split(raw.arrays[0], ends, axis=1)
    else:
        arrays = list(raw.arrays)
    if len(arrays) != len(inputs):
        raise UsageError(
            f"the file has one array, but the model has {len(inputs)} inputs",
            where=where,
            hint="give an .npz file with x0, x1, ... in the order of the inputs",
        )
    matched = {
        name: _match(array, shape, name, where)
        for (name, shape), array in zip(inputs.items(), arrays, strict=True)
    }
    counts = {name: len(values) for name, values in matched.items()}
    if len({*counts.values()}) > 1:
        told = ", ".join(f"{name!r} has {n}" for name, n in counts.items())
        raise UsageError(f"the inputs differ in their number of samples: {told}", where=where)
    labels, known = None, classes
    if raw.labels is not None:
        labels, known = _labels(raw.labels, counts, where, need_labels, classes, outputs)
    if labels is None and need_labels:
        raise UsageError(
            "the data have no labels",
            where=where,
            hint="give a .csv file with the label in its last column, or an .npz file with 'y'",
        )
    return Samples(matched, labels, known, raw.columns, raw.sha256)


def split(
    samples: Samples, test_fraction: float = 0.3, seed: int = 42, stratify: bool = True
) -> tuple[Samples, Samples]:
    """(train, test), by train_test_split of scikit-learn with the seed; stratified by the labels
    where there are any. UsageError where the samples are too few."""
    from sklearn.model_selection import train_test_split

    if not 0 < test_fraction < 1:
        raise UsageError(f"the test fraction {test_fraction} does not lie between 0 and 1")
    labels = samples.labels if stratify else None
    try:
        train, test = train_test_split(
            np.arange(len(samples)), test_size=test_fraction, random_state=seed, stratify=labels
        )
    except ValueError as error:
        counts = [] if labels is None else np.bincount(labels).tolist()
        few = [i for i, n in enumerate(counts) if n == 1]
        name = samples.classes[few[0]] if few and samples.classes else None
        raise UsageError(
            f"the class {name!r} has one sample only, and cannot be split"
            if few
            else f"{len(samples)} samples are too few to split",
            hint="give more samples, or split without stratify",
        ) from error
    return samples.take(train), samples.take(test)


def _match(array: NDArray[Any], shape: tuple[int, ...], name: str, where: str) -> FloatArray:
    """The array as float64 samples of the shape; only flat arrays and axes of one are reshaped."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise UsageError(f"the values for the input {name!r} are {array.dtype}", where=where)
    size = math.prod(shape)
    if array.ndim == 0 or not len(array):
        raise UsageError(f"there are no samples for the input {name!r}", where=where)
    width = math.prod(array.shape[1:])
    if width != size:
        hint = None
        if array.ndim == 1 and len(array) == size:
            hint = "one sample is an array of one row: x.reshape(1, -1)"
        raise UsageError(
            f"a sample has {width} values, but the input {name!r} of the model takes {size}",
            where=where,
            hint=hint,
        )
    given, wanted = ([n for n in s if n != 1] for s in (array.shape[1:], shape))
    if given != wanted and min(len(given), len(wanted)) > 1:
        raise UsageError(
            f"a sample has the shape {list(array.shape[1:])}, but the input {name!r} of the model "
            f"takes {list(shape)}",
            where=where,
            hint="transpose the array: the order of its axes differs",
        )
    values = array.astype(np.float64)
    if array.dtype.kind in "iu" and (np.abs(values) > _EXACT).any():
        raise UsageError(
            f"the values for the input {name!r} have integers above 2**53", where=where
        )
    bad = ~(np.abs(values) <= _LARGEST)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        raise UsageError(
            f"the value for the input {name!r} at row {index[0]}, index {index[1:]} is "
            f"{values[tuple(index)]}",
            where=where,
            hint="remove the row, or fill in a number",
        )
    return values.reshape(len(array), *shape)


def _labels(
    given: NDArray[Any],
    counts: Mapping[str, int],
    where: str,
    needed: bool,
    classes: tuple[Any, ...] | None,
    outputs: int | None,
) -> tuple[Labels | None, tuple[Any, ...] | None]:
    """Class indices; None where nobody needs them and `y` holds no classes (as of a regression)."""
    count = next(iter(counts.values()))
    if given.ndim == 0 or len(given) != count:
        told = 0 if given.ndim == 0 else len(given)
        raise UsageError(f"there are {count} samples and {told} labels", where=where)
    column = given.reshape(count, -1)
    if column.shape[1] == 1:
        if classes is None and not needed and continuous(column[:, 0]):
            return None, None
        return index_labels(column[:, 0].tolist(), where, classes, outputs)
    indices = from_one_hot(column)
    wanted = len(classes) if classes is not None else outputs
    if indices is not None and wanted in (None, column.shape[1]):
        return indices, classes or tuple(range(column.shape[1]))
    if not needed:
        return None, classes
    raise UsageError(
        f"the labels have {column.shape[1]} columns that are not one-hot for "
        f"{wanted if wanted is not None else column.shape[1]} classes",
        where=where,
        hint="give one label for each sample",
    )
