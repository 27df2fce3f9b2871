"""Labels of data to class indices: numbers, text, or one-hot rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError

Labels = NDArray[np.int64]

MAX_CLASSES = 10_000
_SHOWN = 8


def index_labels(
    given: Sequence[Any], where: str, classes: tuple[Any, ...] | None, outputs: int | None
) -> tuple[Labels, tuple[Any, ...]]:
    """The class index of every label, and the classes in the order of the indices.

    The classes are those of the model if it knows them; else 0 .. outputs - 1 if all labels are
    such numbers; else the sorted labels, of which there must be as many as outputs (two for one
    output). UsageError where a label has no class.
    """
    keys = [_key(label) for label in given]
    missing = [row for row, key in enumerate(keys) if key == "" or key != key]
    if missing:
        raise UsageError(f"the label of row {missing[0] + 1} is missing", where=where)
    wanted = None if outputs is None else max(outputs, 2)
    if classes is None:
        classes = _classes(keys, wanted, where)
    index = {_key(label): i for i, label in enumerate(classes)}
    if len(index) != len(classes):
        raise UsageError("two classes of the model have one label", where=where)
    unknown = [row for row, key in enumerate(keys) if key not in index]
    if unknown:
        raise UsageError(
            f"the label {_told(keys[unknown[0]])} of row {unknown[0] + 1} is none of the model's "
            f"classes {_list(list(index))}",
            where=where,
            hint="give the labels that the model was trained with",
        )
    return np.array([index[key] for key in keys], dtype=np.int64), tuple(classes)


def from_one_hot(rows: NDArray[Any]) -> Labels | None:
    """The index of the one in every row, or None where a row is not one-hot."""
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind not in "biuf":
        return None
    one_hot = ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()
    return np.argmax(rows, axis=1).astype(np.int64) if one_hot else None


def continuous(column: NDArray[Any]) -> bool:
    """Whether the labels are numbers of which some are not whole: what a regression predicts."""
    keys = [_key(label) for label in column.tolist()]
    return all(isinstance(k, float) for k in keys) and any(
        math.isfinite(k) and not k.is_integer() for k in keys if isinstance(k, float)
    )


def _key(label: Any) -> float | str:
    """A label such that 3, 3.0 and '3' are one, and text stays text."""
    if isinstance(label, str):
        text = label.strip()
        try:
            return float(text) if text and "_" not in text else text
        except ValueError:
            return text
    return str(label) if isinstance(label, bool) else float(label)


def _classes(keys: list[float | str], wanted: int | None, where: str) -> tuple[Any, ...]:
    distinct = list(dict.fromkeys(keys))
    numbers = [k for k in distinct if isinstance(k, float)]
    whole = len(numbers) == len(distinct) and all(k.is_integer() for k in numbers)
    if whole and wanted is not None and all(0 <= k < wanted for k in numbers):
        return tuple(range(wanted))
    if wanted is not None and len(distinct) != wanted:
        raise UsageError(
            f"the labels are {len(distinct)} classes, but the model has {wanted}",
            where=where,
            hint=f"the labels are {_list(distinct)}",
        )
    if len(distinct) > MAX_CLASSES:
        raise UsageError(f"the labels are more than {MAX_CLASSES} classes", where=where)
    if len(numbers) == len(distinct):
        ordered = sorted(numbers)
        return tuple(int(k) if k.is_integer() else k for k in ordered)
    return tuple(sorted(_told(k) if isinstance(k, float) else k for k in distinct))


def _told(key: float | str) -> str:
    if isinstance(key, str):
        return key
    return str(int(key)) if math.isfinite(key) and key.is_integer() else repr(key)


def _list(keys: list[float | str]) -> str:
    shown = ", ".join(_told(k) for k in keys[:_SHOWN])
    return shown + (", ..." if len(keys) > _SHOWN else "")
