"""The columns and arrays of a data file: .npy, .npz or .csv, checked before memory is taken."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files.guards import MIB, open_zip, read_bytes, read_member
from flow.frontend.files.npy import parse_npy

MAX_BYTES = 1024 * MIB
_NPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, eq=False)
class RawData:
    """Arrays of a file before they meet a model.

    `arrays` are the inputs in order; a table has one array, and its label as text in `labels`.
    """

    arrays: tuple[NDArray[Any], ...]
    labels: NDArray[Any] | None
    columns: tuple[str, ...]
    sha256: str


def read_raw(path: Path, features: int, inputs: int) -> RawData:
    """The arrays of a data file for a model of so many features and inputs; the kind is told by
    the content. UsageError where it cannot be read."""
    where = path.name
    if path.is_dir():
        raise UsageError(
            "a folder is no data file", where=where, hint="name a .npy, .npz or .csv file"
        )
    data = read_bytes(path, MAX_BYTES)
    if not data.strip():
        raise UsageError("the data file is empty", where=where)
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(_NPY):
        return RawData((parse_npy(data, where),), None, (), digest)
    if data.startswith(_ZIP):
        arrays, labels = _archive(data, where, inputs)
        return RawData(arrays, labels, (), digest)
    array, labels, columns = _table(data, where, features)
    return RawData((array,), labels, columns, digest)


def _archive(
    data: bytes, where: str, inputs: int
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any] | None]:
    members = open_zip(data, where)
    names = ["x"] if inputs == 1 and "x.npy" in members else [f"x{i}" for i in range(inputs)]
    missing = [name for name in names if f"{name}.npy" not in members]
    if missing:
        held = ", ".join(sorted(name.removesuffix(".npy") for name in members)[:20])
        wanted = "'x'" if inputs == 1 else " and ".join(f"'{name}'" for name in names)
        raise UsageError(
            f"the archive needs {wanted} for the model's inputs, and holds {held or 'nothing'}",
            where=where,
            hint="save it with numpy.savez(path, x=..., y=...), or x0=..., x1=... for two inputs",
        )
    total = sum(members[f"{name}.npy"].file_size for name in names)
    if total > MAX_BYTES:
        raise UsageError(f"the arrays are larger than {MAX_BYTES // MIB} MiB", where=where)

    def member(name: str) -> NDArray[Any]:
        content = read_member(data, members[f"{name}.npy"], MAX_BYTES, where)
        return parse_npy(content, f"{where}, array {name!r}")

    return tuple(member(name) for name in names), member("y") if "y.npy" in members else None


def _table(
    data: bytes, where: str, features: int
) -> tuple[NDArray[np.float64], NDArray[Any] | None, tuple[str, ...]]:
    text = _text(data, where)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    cells, labels, lines = array("d"), list[str](), list[int]()
    try:
        header = [name.strip() for name in next(rows)]
        _check_header(header, where, features)
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise UsageError(
                    f"line {rows.line_num} has {len(row)} cells, but the header has {len(header)}",
                    where=where,
                )
            try:
                numbers = [float(cell) for cell in row[:features]]
            except ValueError:
                numbers = [math.nan]
            # float() takes 1_000 and infinity; a table does not.
            if not all(map(math.isfinite, numbers)) or ("_" in text and not _plain(row[:features])):
                raise _bad_cell(header, rows.line_num, row[:features], where)
            cells.extend(numbers)
            labels += row[features:]
            lines.append(rows.line_num)
    except csv.Error as error:
        raise UsageError(
            f"the table is malformed at line {rows.line_num}: {error}", where=where
        ) from error
    if not lines:
        raise UsageError("the table has a header and no rows", where=where)
    numbers_array = np.frombuffer(cells, dtype=np.float64).reshape(len(lines), features)
    labelled = len(header) == features + 1
    return numbers_array, np.array(labels) if labelled else None, tuple(header)


def _check_header(header: list[str], where: str, features: int) -> None:
    if features <= len(header) <= features + 1:
        counted = header == [str(i) for i in range(len(header))]
        if all(_is_number(name) for name in header) and not counted:
            raise UsageError(
                "the first line of the table is no header: it holds numbers only",
                where=where,
                hint="give every column a name in the first line",
            )
        return
    separators = [s for s in (";", "\t") if len(header) == 1 and s in header[0]]
    hint = (
        f"separate the columns by commas, not by {separators[0]!r}"
        if separators
        else "give a column for each input of the model, and the label last"
    )
    raise UsageError(
        f"the table has {len(header)} columns, but the model takes {features} features "
        f"({features + 1} columns with a label)",
        where=where,
        hint=hint,
    )


def _bad_cell(header: list[str], line: int, row: list[str], where: str) -> UsageError:
    name, cell = next((n, c) for n, c in zip(header, row, strict=False) if not _is_number(c))
    told = f"holds {cell.strip()[:40]!r}, which is not a finite number"
    return UsageError(
        f"the cell in line {line}, column {name!r} {told if cell.strip() else 'is empty'}",
        where=where,
        hint="remove the row, or fill in a number",
    )


def _plain(row: list[str]) -> bool:
    return not any("_" in cell for cell in row)


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def _text(data: bytes, where: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the table is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}",
            where=where,
            hint="save it as CSV in UTF-8",
        ) from error
    if "\0" in text:
        raise UsageError(
            "the file is neither a table of text, nor .npy or .npz",
            where=where,
            hint="give a .npy, .npz or .csv file",
        )
    return text
