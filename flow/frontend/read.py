"""Any model file to a SourceModel: the kind of file is decided by its content, never its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.files.trial import survive
from flow.frontend.source import SourceModel

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
ONNX = b"\x08"
"""A protocol buffer that begins with its field 1, the version of the ONNX format."""

_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_PICKLE = re.compile(rb"\x80[\x02-\x08]")


def read_model(path: Path, weights: Path | None = None) -> SourceModel:
    """The model in a file; `weights` belong to a Keras `.json` only.

    UsageError where the file cannot be read; UnsupportedModel, with every obstacle, where it
    cannot become a circuit. No code of the file is run and no framework is loaded.
    """
    head = guards.read_head(path, 4096)
    if weights is not None and not _JSON.match(head):
        raise UsageError(
            "--weights is for a Keras .json only",
            where=path.name,
            hint="leave it out: this file holds its own weights",
        )
    if head.startswith(HDF5):
        from flow.frontend.keras.reader import read_keras_h5

        return _tried(lambda: read_keras_h5(path), path)
    if _JSON.match(head):
        from flow.frontend.keras.reader import read_keras_json

        return _tried(lambda: read_keras_json(path, weights), path)
    if head.startswith(ZIP):
        return _read_zip(path)
    if _PICKLE.match(head):
        raise UsageError(
            "the file is a pickle, which can run any program when it is opened",
            where=path.name,
            hint="save a scikit-learn model by skops, any other as ONNX",
        )
    if head.startswith(ONNX):
        from flow.frontend.onnx.reader import read_onnx

        return read_onnx(path)
    raise UsageError(
        "the file is empty" if not head else "the file is of no kind that is read",
        where=path.name,
        hint="give a Keras .keras, .h5 or .json, an .onnx, or a .skops file",
    )


def _tried(read: Callable[[], SourceModel], path: Path) -> SourceModel:
    """What is read, after a fork has survived it: weights are HDF5."""
    survive(read, path.stat().st_size, path.name)
    return read()


def _read_zip(path: Path) -> SourceModel:
    members = guards.open_zip(guards.read_bytes(path), path.name)
    if "config.json" in members:
        from flow.frontend.keras.reader import read_keras_zip

        return _tried(lambda: read_keras_zip(path), path)
    if "schema.json" in members:
        from flow.frontend.sklearn.reader import read_skops

        return read_skops(path)
    raise UsageError(
        "the archive holds no model",
        where=path.name,
        hint="give a .keras or a .skops file",
    )
