"""Arrays for the user, as .npy or .npz."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from flow.errors import UsageError


def write_arrays(path: Path, arrays: list[Any]) -> None:
    """One array as .npy, any number as .npz (y, or y0, y1, ...); whole or not at all."""
    if path.suffix not in (".npy", ".npz") or (path.suffix == ".npy" and len(arrays) > 1):
        raise UsageError(
            f"{len(arrays)} output{'s' * (len(arrays) > 1)} cannot be written to {path.name}",
            hint="name a .npz file, or a .npy file for one output",
        )
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            if path.suffix == ".npy":
                np.save(file, arrays[0], allow_pickle=False)
            else:
                names = ["y"] if len(arrays) == 1 else [f"y{i}" for i in range(len(arrays))]
                np.savez(file, **dict(zip(names, arrays, strict=True)))
        fresh.replace(path)
    except OSError as error:
        raise UsageError(
            f"the output cannot be written: {error.strerror}", where=str(path)
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
