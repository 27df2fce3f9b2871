"""`report.json`: a Record as text and back; the reader trusts nothing."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flow.errors import InternalError, UsageError, printable
from flow.report.record import SCHEMA, Record

SIGNIFICANT = 12
"""Digits of a float in the file: fewer than make two machines differ, more than sums need."""

MAX_BYTES = 32 << 20
_HINT = "only a report.json that `flow build` wrote can be read"


def to_json(record: Record) -> str:
    """The text of `report.json`: keys sorted, floats of 12 significant digits, one line a leaf."""
    data = asdict(record)
    if record.fpga is None:
        del data["fpga"]
    if record.tuning is None:
        del data["tuning"]
    if not record.quantisation:
        del data["quantisation"]
    if record.sensors is None:
        del data["sensors"]
    if not record.supplies:
        del data["supplies"]
    return _dump({"schema": SCHEMA, **data})


def from_json(text: str, source: str = "report.json") -> Record:
    """The Record of a `report.json`, checked anew. Raises UsageError that names the place."""
    if len(text) > MAX_BYTES:
        raise UsageError(f"{source} is larger than {MAX_BYTES >> 20} MiB", hint=_HINT)
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{source} is not JSON: {reason}", where=source, hint=_HINT) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise UsageError(
            f"{source} has the schema {_shown(found)}, not {SCHEMA!r}", where=source, hint=_HINT
        )
    del data["schema"]
    try:
        record: Record = _read(Record, data, "report", source)
    except InternalError as error:
        raise UsageError(
            f"{source} does not add up: {error.message}", where=source, hint=_HINT
        ) from error
    return record


def _dump(data: Any) -> str:
    return json.dumps(_rounded(data), indent=1, sort_keys=True) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}") + 0.0  # No minus zero.
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_rounded(item) for item in value]
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _shown(value: Any) -> str:
    return printable(repr(value), 60)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any, where: str, source: str) -> Any:
    """The value as the declared type, or UsageError."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in get_args(kind):
            return None
        kind = next(k for k in get_args(kind) if k is not NoneType)
        origin = get_origin(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, "a list", value, source)
        item = get_args(kind)[0]
        return tuple(_read(item, v, f"{where}[{i}]", source) for i, v in enumerate(value))
    if origin is Literal:
        if value not in get_args(kind):
            raise _wrong(where, " or ".join(repr(a) for a in get_args(kind)), value, source)
        return value
    if is_dataclass(kind):
        return _read_fields(kind, value, where, source)
    if kind is str and isinstance(value, str):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _float(value, where, source)
    raise _wrong(where, f"of type {kind.__name__}", value, source)


def _float(value: float, where: str, source: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(where, "a finite number", value, source)
    return number


def _read_fields(kind: Any, value: Any, where: str, source: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value, source)
    known = {f.name: f for f in fields(kind)}
    for name in value:
        if name not in known:
            raise UsageError(f"{source} has an unknown key {_shown(name)}", where=where, hint=_HINT)
    found = {}
    for name, declared in known.items():
        if name in value:
            place = f"{where}.{name}"
            found[name] = _read(_hints(kind)[name], value[name], place, source)
        elif declared.default is MISSING:
            raise UsageError(f"{source} lacks the key {name!r}", where=where, hint=_HINT)
    return kind(**found)


def _wrong(where: str, wanted: str, value: Any, source: str) -> UsageError:
    return UsageError(
        f"{source} is malformed: {where} must be {wanted}, not {_shown(value)}",
        where=where,
        hint=_HINT,
    )
