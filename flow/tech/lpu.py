"""Constants of a hardwired language model's plan: value, unit, kind and source of each, as data."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import takewhile
from typing import Any, Literal, cast, get_args

from flow.errors import UsageError

Kind = Literal["stated", "derived", "calibrated"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 1e15
"""The largest constant."""
COUNT = "count"
"""The unit of whole numbers."""
_FIELDS = ("value", "unit", "kind", "source", "zero")


@dataclass(frozen=True, slots=True)
class Span:
    """An optimistic and a pessimistic figure."""

    low: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Span:
        """Both figures, multiplied."""
        return Span(self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Constant:
    """A figure of the plan, where it comes from, and whether it is not the one that ships."""

    name: str
    value: Span
    unit: str
    kind: Kind
    source: str
    zero: bool
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Constants:
    """Every constant by its name, `section.key`."""

    all: Mapping[str, Constant]

    def __getitem__(self, name: str) -> float:
        return self.all[name].value.low

    def span(self, name: str) -> Span:
        """Both ends of a constant that is known to a range only."""
        return self.all[name].value

    def kind(self, *names: str) -> Kind:
        """How sure a figure is that is made of these: that of the weakest; of none, derived."""
        return max((self.all[name].kind for name in names), key=KINDS.index, default="derived")


def shipped_text() -> str:
    """The file that a user may copy and edit."""
    return files("flow.tech").joinpath("data", "lpu.toml").read_text("utf-8")


@cache
def shipped() -> Constants:
    """The constants that ship with flow."""
    found = {
        name: Constant(
            name, _span(entry["value"], name, "lpu.toml"), entry["unit"], entry["kind"],
            entry["source"], entry.get("zero", False),
        )
        for name, entry in _entries(tomllib.loads(shipped_text()), "lpu.toml").items()
    }  # fmt: skip
    return Constants(found)


def edited(text: str, where: str) -> Constants:
    """The constants of a user's file over those that ship; UsageError names the first bad one.

    A bare number stands for a value whose unit, kind and source stay as they ship.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"this is no TOML: {error}", where=where, hint="copy the file that ships, and edit it"
        ) from error
    known = dict(shipped().all)
    for name, entry in _entries(table, where).items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            also = f"did you mean {near[0]}?" if near else "see the file that ships"
            raise UsageError(f"there is no constant {name}", where=where, hint=also)
        known[name] = _edit(known[name], entry, where)
    return _ordered(Constants(known), where)


def _entries(table: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    found = {}
    for section, keys in table.items():
        if not isinstance(keys, dict):
            raise UsageError(
                f"{section} is no section of constants", where=where, hint="write [area], then keys"
            )
        for key, entry in keys.items():
            found[f"{section}.{key}"] = entry if isinstance(entry, dict) else {"value": entry}
    return found


def _edit(old: Constant, entry: Mapping[str, Any], where: str) -> Constant:
    if strange := [field for field in entry if field not in _FIELDS]:
        raise UsageError(
            f"constant {old.name} has no field {strange[0]}", where=where,
            hint=f"it has {', '.join(_FIELDS)}",
        )  # fmt: skip
    if entry.get("unit", old.unit) != old.unit:
        raise UsageError(
            f"constant {old.name} is in {old.unit or 'no unit'}", where=where,
            hint="give its value in this unit",
        )  # fmt: skip
    kind = entry.get("kind", old.kind)
    if kind not in KINDS:
        raise UsageError(
            f"constant {old.name} cannot be of the kind {kind!r}", where=where,
            hint=f"kinds are {', '.join(KINDS)}",
        )  # fmt: skip
    value = _span(entry.get("value", [old.value.low, old.value.high]), old.name, where)
    for number in (value.low, value.high):
        if number == 0 and not old.zero:
            raise UsageError(f"constant {old.name} cannot be 0", where=where)
        if old.unit == COUNT and number != math.floor(number):
            raise UsageError(f"constant {old.name} must be a whole number", where=where)
    if value.low != value.high and old.value.low == old.value.high:
        raise UsageError(f"constant {old.name} is one number, not a range", where=where)
    source = entry.get("source", old.source)
    if not isinstance(source, str):
        raise UsageError(f"the source of constant {old.name} must be a text", where=where)
    return Constant(
        old.name, value, old.unit, cast("Kind", kind), source, old.zero, value != old.value
    )


def _span(value: object, name: str, where: str) -> Span:
    pair = value if isinstance(value, list) else [value, value]
    numbers = [x for x in pair if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(pair) != 2 or len(numbers) != 2 or not all(0 <= x <= MOST for x in numbers):
        raise UsageError(
            f"constant {name} must be a number from 0 to 1e15, or two", where=where,
            hint="two are [optimistic, pessimistic]",
        )  # fmt: skip
    return Span(float(numbers[0]), float(numbers[1]))


def _ordered(found: Constants, where: str) -> Constants:
    """The same, if they make sense together."""
    if found["speed.stall_to"] <= found["speed.stall_from"]:
        raise UsageError("speed.stall_to must be above speed.stall_from", where=where)
    if found["speed.stall"] >= 1:
        raise UsageError("speed.stall is a share below 1", where=where)
    return found


def constants_text(constants: Constants) -> str:
    """The constants as a file that `edited` reads; equal constants give equal bytes."""
    lines = list(_comment(shipped_text()))
    section = ""
    for constant in constants.all.values():
        at, _, key = constant.name.partition(".")
        if at != section:
            lines += ["", f"[{at}]"]
            section = at
        low, high = _number(constant.value.low), _number(constant.value.high)
        value = low if low == high else f"[{low}, {high}]"
        texts = (("unit", constant.unit), ("kind", constant.kind), ("source", constant.source))
        fields = ", ".join(f"{name} = {json.dumps(text)}" for name, text in texts)
        zero = ", zero = true" if constant.zero else ""
        lines.append(f"{key} = {{ value = {value}, {fields}{zero} }}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> Iterator[str]:
    return takewhile(lambda line: line.startswith("#"), text.splitlines())


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and value < 1e9 else repr(value)
