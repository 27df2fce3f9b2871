"""One safetensors file: its header checked before use, its tensors read in blocks of rows.

The format: eight bytes of length, a JSON header with type, shape and place of each tensor, then the
bytes of all tensors without holes. Nothing is allocated by a size that the header only claims.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel, UsageError, printable
from flow.frontend.files import guards

DTYPES: Mapping[str, str] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1", "BOOL": "<u1",
}  # fmt: skip
"""Types of tensors that are read, as numpy reads their bytes."""
MOST_TENSORS = 100_000
MOST_NAME = 500
BLOCK = 16 * guards.MIB
"""Bytes that are read at once, and so the memory of a tensor of any size."""
_HINT = "no framework writes this; do not trust the file"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file: `size` bytes from `begin` of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    begin: int
    size: int

    def blocks(self, most: int = BLOCK) -> Iterator[NDArray[Any]]:
        """Its rows (along the first axis) in blocks of at most `most` bytes, at least one row.

        BF16 becomes float32, any other type stays. UsageError where the file has become shorter,
        or where a row alone is larger than 1 GiB.
        """
        shape = self.shape or (1,)
        row = self.size // shape[0] if shape[0] else 0
        if row > 1 << 30:
            raise UsageError(f"a row of tensor {printable(self.name)} is larger than 1 GiB")
        if not self.size:
            return
        step = max(1, most // row)
        for first in range(0, shape[0], step):
            count = min(step, shape[0] - first)
            yield self._rows(first * row, count * row).reshape(count, *shape[1:])

    def read(self) -> NDArray[Any]:
        """The whole tensor; UsageError where it is above the limits of a model file."""
        if self.size > guards.FILE_BYTES:
            raise UsageError(
                f"tensor {printable(self.name)} is larger than {guards.FILE_BYTES // guards.MIB} "
                "MiB", where=self.path.name, hint="read it in blocks",
            )  # fmt: skip
        parts = list(self.blocks(guards.FILE_BYTES))
        if not parts:
            return np.zeros(self.shape, DTYPES[self.dtype] if self.dtype != "BF16" else "<f4")
        return np.concatenate(parts).reshape(self.shape)

    def _rows(self, offset: int, size: int) -> NDArray[Any]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.begin + offset)
                data = file.read(size)
        except OSError as error:
            raise UsageError(
                f"the file cannot be read: {error.strerror}", where=self.path.name
            ) from error
        if len(data) != size:
            raise UsageError(
                "the file has become shorter", where=self.path.name, hint="do not write it now"
            )
        values: NDArray[Any] = np.frombuffer(data, DTYPES[self.dtype])
        if self.dtype == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values


def read_shard(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, in the order of their bytes.

    UsageError for a header that is damaged, claims what is not there, overlaps or leaves holes;
    UnsupportedModel for a type of tensor that is not read.
    """
    where = path.name
    head = guards.read_head(path, 8)
    size = path.stat().st_size
    length = int.from_bytes(head, "little")
    if len(head) < 8 or not 2 <= length <= size - 8:
        raise UsageError(
            "this is no safetensors file", where=where, hint="it is cut short, or of another kind"
        )
    if length > guards.JSON_BYTES:
        _refuse(f"the header is larger than {guards.JSON_BYTES // guards.MIB} MiB", where)
    data = guards.read_head(path, 8 + length)[8:]
    table = guards.parse_json(data, where)
    if not isinstance(table, dict):
        _refuse("the header is no JSON object", where)
    table.pop("__metadata__", None)
    if len(table) > MOST_TENSORS:
        _refuse(f"the header has more than {MOST_TENSORS} tensors", where)
    found = [_tensor(name, entry, path, 8 + length) for name, entry in table.items()]
    found.sort(key=lambda tensor: (tensor.begin, tensor.size))
    at = 8 + length
    for tensor in found:
        if tensor.begin != at:
            _refuse(f"tensor {printable(tensor.name)} overlaps another or leaves a hole", where)
        at += tensor.size
    if at != size:
        raise UsageError(
            f"the header declares {at} bytes, but the file has {size}", where=where,
            hint="the file is damaged or cut short; copy it again",
        )  # fmt: skip
    return {tensor.name: tensor for tensor in found}


def _tensor(name: str, entry: Any, path: Path, base: int) -> Tensor:
    where = path.name
    said = printable(name, 100)
    if not name or len(name) > MOST_NAME:
        _refuse(f"a tensor has the name {said!r}", where)
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        _refuse(f"tensor {said} has no dtype, shape and data_offsets", where)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise UnsupportedModel(
            f"tensor {said} has the type {printable(repr(dtype), 60)}", where=where,
            hint=f"types that are read: {', '.join(DTYPES)}",
        )  # fmt: skip
    if not _counts(shape) or len(shape) > 8 or not _counts(offsets) or len(offsets) != 2:
        _refuse(f"tensor {said} has an impossible shape or place", where)
    begin, end = offsets
    if end - begin != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        _refuse(f"the place of tensor {said} does not have the size of its shape", where)
    return Tensor(name, dtype, tuple(shape), path, base + begin, end - begin)


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 48 for n in values
    )


def _refuse(message: str, where: str) -> NoReturn:
    raise UsageError(message, where=where, hint=_HINT)
