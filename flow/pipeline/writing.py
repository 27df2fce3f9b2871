"""Files for the user beside a build: arrays as .npy or .npz, and pages."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from flow.errors import UsageError


def write_arrays(path: Path, arrays: list[Any]) -> None:
    """One array as .npy, any number as .npz (y, or y0, y1, ...); whole or not at all."""
    if path.suffix not in (".npy", ".npz") or (path.suffix == ".npy" and len(arrays) > 1):
        raise UsageError(
            f"{len(arrays)} output{'s' * (len(arrays) > 1)} cannot be written to {path.name}",
            hint="name a .npz file, or a .npy file for one output",
        )

    def write(file: IO[bytes]) -> None:
        if path.suffix == ".npy":
            np.save(file, arrays[0], allow_pickle=False)
        else:
            names = ["y"] if len(arrays) == 1 else [f"y{i}" for i in range(len(arrays))]
            np.savez(file, **dict(zip(names, arrays, strict=True)))

    _write(path, write)


def write_named_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Arrays as an .npz, each by its name, whatever it is; whole or not at all."""
    if path.suffix != ".npz":
        raise UsageError(
            f"arrays with names cannot be written to {path.name}", hint="name a .npz file"
        )

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    _write(path, write)


def write_text(path: Path, text: str) -> None:
    """A text as UTF-8; whole or not at all."""
    _write(path, lambda file: file.write(text.encode()))


def write_bytes(path: Path, content: bytes) -> None:
    """A file; whole or not at all."""
    _write(path, lambda file: file.write(content))


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            write(file)
        fresh.replace(path)
    except OSError as error:
        raise UsageError(
            f"the output cannot be written: {error.strerror}", where=str(path)
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
