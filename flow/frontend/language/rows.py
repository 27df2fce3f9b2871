"""One matrix of weights in a file, read in blocks of rows: a row is what one neuron reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError, printable
from flow.frontend.files import guards
from flow.frontend.files.npy import MAX_HEADER, parse_header
from flow.frontend.language.safetensors import Tensor
from flow.frontend.language.shards import BLOCK_WEIGHTS, find_shards, open_shards

Kind = Literal["float", "integer", "mxfp4"]
Block = tuple[NDArray[Any], ...]
MOST_INPUTS = 1 << 20
MOST_NEURONS = 1 << 24
_TYPES: Mapping[str, str] = {
    "<f8": "F64", "<f4": "F32", "<f2": "F16",
    "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8", "|u1": "U8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """A matrix `[neurons, inputs]`. MXFP4 has two tensors: codes, two in a byte, and scales."""

    name: str
    neurons: int
    inputs: int
    kind: Kind
    tensors: tuple[Tensor, ...]

    def blocks(self, count: int) -> Iterator[Block]:
        """So many rows at once: numbers `[rows, inputs]`; of MXFP4, codes and scales as stored.

        UsageError that names the first row with a number that is not finite.
        """
        parts = [
            tensor.blocks(max(1, count * (tensor.size // self.neurons))) for tensor in self.tensors
        ]
        first = 0
        for block in zip(*parts, strict=True):
            if self.kind == "float" and not np.isfinite(block[0]).all():
                row = int(np.argmin(np.isfinite(block[0]).all(axis=1)))
                raise UsageError(
                    f"row {first + row} of {printable(self.name, 100)} has a number that is not "
                    "finite",
                    where=self.tensors[0].path.name,
                )
            yield block
            first += len(block[0])


def open_rows(path: Path, name: str | None = None, expert: int | None = None) -> Rows:
    """The matrix of a .npy file, or a tensor of a safetensors file, an index or a model's folder.

    `name` may be left out where there is one matrix; `expert` chooses one of three axes. MXFP4 as
    gpt-oss stores it is named without `_blocks`. UsageError for what is no matrix.
    """
    if path.suffix == ".npy":
        if name is not None or expert is not None:
            raise UsageError("a .npy file holds one matrix without a name", where=path.name)
        return _matrix(path.name, (_npy(path),), path)
    found = find_shards(path)
    if found is None:
        raise UsageError(
            "there are no weights here", where=path.name,
            hint="name a .npy file, a .safetensors file, an index, or a folder with one",
        )  # fmt: skip
    tensors = open_shards(found).tensors
    if name is None:
        name = _only(tensors, path)
    pair = (f"{name}_blocks", f"{name}_scales")
    if name not in tensors and all(part in tensors for part in pair):
        parts = tuple(_expert(tensors[part], expert) for part in pair)
        return _mxfp4(name, parts, path)
    if name not in tensors:
        raise UsageError(
            f"there is no tensor {printable(name, 100)}", where=path.name,
            hint="some are: " + ", ".join(printable(n, 80) for n in sorted(tensors)[:3]),
        )  # fmt: skip
    return _matrix(name, (_expert(tensors[name], expert),), path)


def _npy(path: Path) -> Tensor:
    head = guards.read_head(path, MAX_HEADER + 16)
    size = path.stat().st_size
    shape, column_major, dtype, begin = parse_header(head, size, path.name)
    if dtype.str not in _TYPES or (column_major and len(shape) > 1):
        kind = "columns first" if dtype.str in _TYPES else f"the type {dtype}"
        raise UsageError(
            f"a matrix with {kind} is not read in rows", where=path.name,
            hint="save numpy.ascontiguousarray(w, 'float32'), or integers",
        )  # fmt: skip
    return Tensor(path.name, _TYPES[dtype.str], shape, path, begin, size - begin)


def _only(tensors: Mapping[str, Tensor], path: Path) -> str:
    found = sorted(name for name, tensor in tensors.items() if len(tensor.shape) == 2)
    if len(found) != 1:
        some = ", ".join(printable(name, 80) for name in found[:3])
        raise UsageError(
            f"the file has {len(found)} matrices, and none is named", where=path.name,
            hint=f"name one with --tensor: {some}" if found else "",
        )  # fmt: skip
    return found[0]


def _expert(tensor: Tensor, expert: int | None) -> Tensor:
    """The tensor, or its part of one expert."""
    if expert is None:
        return tensor
    if len(tensor.shape) < 3 or not 0 <= expert < tensor.shape[0]:
        raise UsageError(
            f"tensor {printable(tensor.name, 100)} has no expert {expert}",
            where=tensor.path.name, hint=f"its shape is {list(tensor.shape)}",
        )  # fmt: skip
    size = tensor.size // tensor.shape[0]
    begin = tensor.begin + expert * size
    return replace(tensor, shape=tensor.shape[1:], begin=begin, size=size)


def _matrix(name: str, tensors: tuple[Tensor], path: Path) -> Rows:
    shape = tensors[0].shape
    if len(shape) != 2 or not (1 <= shape[0] <= MOST_NEURONS and 1 <= shape[1] <= MOST_INPUTS):
        hint = "choose one of its experts with --expert" if len(shape) == 3 else ""
        raise UsageError(
            f"{printable(name, 100)} is no matrix of neurons and inputs: its shape is "
            f"{list(shape)}",
            where=path.name, hint=hint,
        )  # fmt: skip
    kind: Kind = "float" if tensors[0].dtype in ("F64", "F32", "F16", "BF16") else "integer"
    return Rows(name, *shape, kind, tensors)


def _mxfp4(name: str, tensors: tuple[Tensor, ...], path: Path) -> Rows:
    codes, scales = tensors
    if len(codes.shape) == 4:
        raise UsageError(
            f"{printable(name, 100)} has {codes.shape[0]} experts, and none is chosen",
            where=path.name, hint="choose one with --expert",
        )  # fmt: skip
    good = (
        codes.dtype == scales.dtype == "U8"
        and len(codes.shape) == 3
        and codes.shape[2] == BLOCK_WEIGHTS // 2
        and scales.shape == codes.shape[:2]
        and codes.size > 0
    )
    if not good:
        raise UsageError(
            f"{printable(name, 100)} is not stored as MXFP4: its shapes are "
            f"{list(codes.shape)} and {list(scales.shape)}",
            where=path.name,
        )
    return Rows(name, codes.shape[0], BLOCK_WEIGHTS * codes.shape[1], "mxfp4", tensors)
