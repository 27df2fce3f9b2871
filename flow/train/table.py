"""Labelled tables: a CSV file with the label last, or one of the sets that scikit-learn ships."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Missing = Literal["refuse", "drop"]

BUNDLED = ("breast_cancer", "digits", "iris", "wine")
"""The sets of scikit-learn, named `sklearn:NAME`."""
_PREFIX = "sklearn:"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Samples x (samples, features) with class indices y (samples,), and what they are called.

    `classes` are the label texts in the order of the indices (numbers sorted as numbers),
    `dropped` the number of rows left out for missing cells, `sha256` that of the file.
    """

    name: str
    columns: tuple[str, ...]
    x: FloatArray
    y: IntArray
    classes: tuple[str, ...]
    sha256: str
    dropped: int = 0

    def without(self, columns: Sequence[str]) -> Table:
        """The table without the named columns; UsageError where one is not there."""
        unknown = [name for name in columns if name not in self.columns]
        if unknown:
            raise UsageError(
                f"there is no column {unknown[0]!r} to drop",
                where=self.name,
                hint=f"the columns are {_list(self.columns)}",
            )
        kept = [i for i, name in enumerate(self.columns) if name not in columns]
        if not kept:
            raise UsageError("every column is dropped", where=self.name)
        return replace(self, columns=tuple(self.columns[i] for i in kept), x=self.x[:, kept])


def read_table(path: Path, drop: Sequence[str] = (), missing: Missing = "refuse") -> Table:
    """The table of a CSV file with a header and the label last, without the columns of `drop`.

    Cells that stay must be finite numbers; an empty one is refused with its row and column, or
    with `missing="drop"` its row is left out. UsageError for what cannot be read.
    """
    where = path.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the data cannot be read: {error.strerror}", where=str(path), hint="check the path"
        ) from error
    header, rows = _rows(data, where)
    features = header[:-1]
    table = Table(path.stem, tuple(features), np.empty((0, len(features))), np.empty(0, np.int64),
                  (), hashlib.sha256(data).hexdigest()).without(drop)  # fmt: skip
    places = [features.index(name) for name in table.columns]
    values, labels, dropped = [], [], 0
    for line, row in rows:
        if missing == "drop" and any(not row[i].strip() for i in (*places, -1)):
            dropped += 1
            continue
        values.append([_number(row[i], line, header[i], where) for i in places])
        if not (label := row[-1].strip()):
            raise _empty(line, header[-1], where)
        labels.append(label)
    if not labels:
        raise UsageError("the table has no complete rows", where=where)
    y, classes = index_classes(labels, where)
    return replace(table, x=np.array(values), y=y, classes=classes, dropped=dropped)


def bundled(name: str) -> Table:
    """One of the sets BUNDLED that scikit-learn holds itself."""
    import sklearn.datasets

    if name not in BUNDLED:
        raise UsageError(
            f"scikit-learn ships no data set {name!r}", hint=f"choose one of {', '.join(BUNDLED)}"
        )
    held: Any = getattr(sklearn.datasets, f"load_{name}")()
    x = np.ascontiguousarray(held.data, dtype=np.float64)
    y = np.ascontiguousarray(held.target, dtype=np.int64)
    digest = hashlib.sha256(x.astype("<f8").tobytes() + y.astype("<i8").tobytes()).hexdigest()
    columns = tuple(str(column).replace(" ", "_") for column in held.feature_names)
    return Table(name, columns, x, y, tuple(map(str, held.target_names)), digest)


def load_table(
    data: str, folder: Path, drop: Sequence[str] = (), missing: Missing = "refuse"
) -> Table:
    """The table that a specification names: `sklearn:NAME`, or a CSV file relative to `folder`."""
    if data.startswith(_PREFIX):
        return bundled(data.removeprefix(_PREFIX)).without(drop)
    return read_table(folder / data, drop, missing)


def index_classes(labels: Sequence[str], where: str) -> tuple[IntArray, tuple[str, ...]]:
    """The index of every label among the sorted labels, and these; at least two classes."""
    distinct = sorted(dict.fromkeys(labels), key=_order)
    if len(distinct) < 2:
        raise UsageError(f"all rows have the label {distinct[0]!r}", where=where)
    index = {label: i for i, label in enumerate(distinct)}
    return np.array([index[label] for label in labels], dtype=np.int64), tuple(distinct)


def _rows(data: bytes, where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the rows with their line numbers, all of one length."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("the table is not UTF-8 text", where=where) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UsageError(f"the table is malformed: {error}", where=where) from error
    if len(found) < 2 or len(found[0][1]) < 2:
        raise UsageError(
            "the table needs a header, rows, and at least one column before the label",
            where=where,
            hint="separate the columns by commas, the label last",
        )
    header = [name.strip() for name in found[0][1]]
    for line, row in found[1:]:
        if len(row) != len(header):
            raise UsageError(
                f"line {line} has {len(row)} cells, but the header has {len(header)}", where=where
            )
    return header, found[1:]


def _number(cell: str, line: int, column: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and "_" not in cell:
        return value
    if not cell.strip():
        raise _empty(line, column, where)
    raise UsageError(
        f"the cell in line {line}, column {column!r} holds {cell.strip()[:40]!r}, "
        "which is not a finite number",
        where=where,
        hint=f"remove the row, or drop the column: drop = [{column!r}]",
    )


def _empty(line: int, column: str, where: str) -> UsageError:
    return UsageError(
        f"the cell in line {line}, column {column!r} is empty",
        where=where,
        hint=f"leave the column out with drop = [{column!r}], or such rows with missing = 'drop'",
    )


def _order(label: str) -> tuple[int, float, str]:
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
