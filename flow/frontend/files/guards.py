"""Limits and checks for hostile model files: sizes, JSON, archives and numbers, before memory."""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError

MIB = 1 << 20
FILE_BYTES = 256 * MIB
"""The largest model file, and the largest member of an archive."""
JSON_BYTES = 16 * MIB
"""The largest JSON text."""
JSON_DEPTH = 64
"""The deepest nesting of a JSON text."""
ZIP_MEMBERS = 1000
"""The largest number of members of an archive."""
ZIP_DIRECTORY_BYTES = MIB
"""The largest directory of an archive."""
EXPANSION = 1000
"""How many times larger than its stored bytes a member or an array may say that it is."""
LAYERS = 10_000
"""The largest number of layers."""
ELEMENTS = 1 << 24
"""The largest number of elements of one tensor or array."""


def read_bytes(path: Path, limit: int = FILE_BYTES) -> bytes:
    """The whole file; UsageError if it is absent, no file, unreadable, or above the limit."""
    data = read_head(path, limit + 1)
    if len(data) > limit:
        raise UsageError(
            f"the file is larger than {limit // MIB} MiB",
            where=path.name,
            hint="a network of this size cannot become a circuit",
        )
    return data


def read_head(path: Path, size: int) -> bytes:
    """The first bytes of the file; UsageError if it is absent, no file, or unreadable."""
    where = path.name
    try:
        if path.is_dir():
            raise UsageError(
                "a folder is not a model file",
                where=where,
                hint="name a .keras, .h5, .json, .onnx or .skops file",
            )
        if not path.is_file():
            raise UsageError("no such file", where=where, hint="check the path")
        with path.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(
            f"the file cannot be read: {reason}", where=where, hint="check the path and its rights"
        ) from error


def parse_json(data: bytes, where: str, limit: int = JSON_BYTES) -> Any:
    """The JSON value; UsageError for bad text, duplicate keys, NaN, depth or size over limits."""
    if len(data) > limit:
        _refuse_json(f"the JSON text is larger than {limit // MIB} MiB", where)
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_float=_finite,
        )
    except _BadJson as error:
        _refuse_json(str(error), where)
    except RecursionError:
        _refuse_json(f"the JSON text nests deeper than {JSON_DEPTH} levels", where)
    except (ValueError, UnicodeDecodeError) as error:
        at = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"the JSON text is malformed{at}", where=where, hint="save the model again"
        ) from error
    _check_depth(value, where)
    return value


def open_zip(data: bytes, where: str) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by name, each checked; UsageError for anything suspicious."""
    _check_directory(data, where)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
    except ZIP_ERRORS as error:
        raise _damaged(where) from error
    if len(members) > ZIP_MEMBERS:
        _refuse_zip(f"the archive has more than {ZIP_MEMBERS} members", where)
    names: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename
        if name in names:
            _refuse_zip(f"the archive has two members named {name!r}", where)
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
            _refuse_zip(f"the archive has a member outside of it: {name!r}", where)
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            _refuse_zip(f"the archive has a link: {name!r}", where)
        if member.flag_bits & 1:
            _refuse_zip(f"the archive has an encrypted member: {name!r}", where)
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse_zip(f"the archive packs {name!r} in an unknown way", where)
        if member.file_size > FILE_BYTES or member.file_size > EXPANSION * max(
            member.compress_size, 1
        ):
            _refuse_zip(
                f"the archive member {name!r} says that {member.compress_size} bytes "
                f"unpack to {member.file_size}",
                where,
            )
        names[name] = member
    return names


def read_member(data: bytes, member: zipfile.ZipInfo, limit: int, where: str) -> bytes:
    """The bytes of one checked member; UsageError if it is damaged or larger than the limit."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive, archive.open(member) as file:
            content = file.read(limit + 1)
    except ZIP_ERRORS as error:
        raise _damaged(where) from error
    if len(content) > limit:
        _refuse_zip(
            f"the archive member {member.filename!r} is larger than {limit // MIB} MiB", where
        )
    if len(content) != member.file_size:
        raise _damaged(where)
    return content


def check_finite(values: NDArray[Any], where: str) -> None:
    """UsageError that names the index of the first NaN or infinity."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        name = "NaN" if np.isnan(values[index]) else "infinite"
        raise UsageError(
            f"the weight at index {list(index)} is {name}",
            where=where,
            hint="train again, or repair the file",
        )


def check_shape(shape: Iterable[int], where: str) -> tuple[int, ...]:
    """The shape as integers; UsageError if it has too many elements or a negative size."""
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > ELEMENTS or len(sizes) > 8:
        raise UsageError(
            f"a tensor of shape {list(sizes)} is too large",
            where=where,
            hint=f"at most {ELEMENTS} elements in 8 dimensions",
        )
    return sizes


ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, NotImplementedError,
    OSError, RuntimeError, UnicodeError, ValueError, OverflowError,
)  # fmt: skip
"""Everything that zipfile raises on damaged archives."""


class _BadJson(Exception):
    """A JSON text that is well-formed and still refused."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _BadJson(f"the JSON text has the key {key!r} twice in one object")
            seen.add(key)
    return result


def _constant(text: str) -> float:
    """Infinity, which HGQ writes for open limits; NaN is refused."""
    if text == "NaN":
        raise _BadJson("the JSON text has the number NaN")
    return float(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _BadJson(f"the JSON text has a number out of range: {text[:40]}")
    return value


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(JSON_DEPTH + 1):
        level = [
            item
            for parent in level
            if isinstance(parent, dict | list)
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    _refuse_json(f"the JSON text nests deeper than {JSON_DEPTH} levels", where)


def _check_directory(data: bytes, where: str) -> None:
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    if end < 0 or len(data) < end + 22:
        raise _damaged(where)
    members, size = struct.unpack_from("<HI", data, end + 10)
    if members > ZIP_MEMBERS or size > ZIP_DIRECTORY_BYTES:
        _refuse_zip(f"the archive has more than {ZIP_MEMBERS} members", where)


def _refuse_json(message: str, where: str) -> NoReturn:
    raise UsageError(message, where=where, hint="no framework writes this; do not trust the file")


def _refuse_zip(message: str, where: str) -> NoReturn:
    raise UsageError(message, where=where, hint="no framework writes this; do not trust the file")


def _damaged(where: str) -> UsageError:
    return UsageError(
        "the archive is damaged or cut short", where=where, hint="copy or save the file again"
    )
