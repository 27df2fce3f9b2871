"""Pipelines as text: `simplify,balance-adders{max-depth=4},solve-linear` to passes and back."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from flow.errors import UsageError
from flow.passes.base import Pass, option_names, pass_text
from flow.passes.pipelines import PIPELINES
from flow.passes.registry import PASSES

T = TypeVar("T")

_ITEM = re.compile(r"(?P<name>[a-z][a-z0-9-]*)(?:\{(?P<options>[^{}]*)\})?")
_SPLIT = re.compile(r",(?![^{}]*\})")


def print_pipeline(passes: Iterable[Pass]) -> str:
    """The text that parses to these passes."""
    return ",".join(pass_text(item) for item in passes)


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """The passes that a text names; a named pipeline stands for its passes.

    Raises UsageError that names the item, with the known names and the closest of them.
    """
    passes: list[Pass] = []
    for item in _SPLIT.split(text) if text.strip() else ():
        passes += _item(item.strip())
    return tuple(passes)


def _item(text: str) -> tuple[Pass, ...]:
    if text in PIPELINES:
        return PIPELINES[text]
    return (_one(text, {kind.name: kind for kind in PASSES}, [*PIPELINES], "passes"),)


def parse_items(text: str, kinds: Mapping[str, type[T]], what: str) -> list[T]:
    """Dataclasses that a text in the form of a pipeline names, out of some kinds by name.

    Raises UsageError that names the item, with the known names and the closest of them.
    """
    items = _SPLIT.split(text) if text.strip() else ()
    return [_one(item.strip(), kinds, [], what) for item in items]


def _one(text: str, kinds: Mapping[str, type[T]], others: Sequence[str], what: str) -> T:
    match = _ITEM.fullmatch(text)
    if not match:
        raise UsageError(
            f"cannot read {text!r} in the pipeline",
            hint=f"write {what} as name or name{{option=value,option=value}}, with commas between",
        )
    name = match["name"]
    if name not in kinds:
        one = "pass" if what == "passes" else what.removesuffix("s")
        raise UsageError(f"there is no {one} {name!r}", hint=_known(name, [*kinds, *others], what))
    made: T = _made(kinds[name], match["options"] or "")
    return made


def _made(kind: Any, options: str) -> Any:
    names = option_names(kind)
    types_of = get_type_hints(kind)
    given: dict[str, Any] = {}
    for option in filter(None, (part.strip() for part in options.split(","))):
        name, equals, value = option.partition("=")
        field = name.replace("-", "_")
        if name not in names:
            raise UsageError(
                f"{kind.name} has no option {name!r}", hint=_known(name, names, "options")
            )
        if field in given:
            raise UsageError(f"{kind.name} has the option {name!r} twice")
        if not equals:
            raise UsageError(f"{kind.name}: {name} has no value", hint=f"write {name}=value")
        given[field] = _value(f"{kind.name}: {name}", value, types_of[field])
    return kind(**given)


def _value(what: str, text: str, kind: Any) -> Any:
    """The value that a text stands for in a field of a declared type."""
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if types.NoneType in options and text == "none":
        return None
    if bool in options and text in ("true", "false"):
        return text == "true"
    if int in options and re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    if float in options and re.fullmatch(r"\d{1,18}(\.\d{1,18})?(e-?\d{1,2})?", text):
        return float(text)
    if str in options and re.fullmatch(r"[a-z0-9_-]+", text):
        return text
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    wanted = " or ".join(words.get(option, "none") for option in options)
    raise UsageError(f"{what} is {text!r}, not {wanted}")


def _known(name: str, names: Sequence[str], what: str) -> str:
    if not names:
        return "it has no options"
    listed = f"the {what} are {', '.join(names)}"
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}? {listed}" if close else listed


def describe(kind: type[Pass]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The first line of a pass's docstring, and its options with their defaults as text."""
    first = (kind.__doc__ or "").strip().splitlines()[0]
    defaults = tuple(
        (name, str(f.default).lower())
        for name, f in zip(option_names(kind), fields(kind), strict=True)  # type: ignore[arg-type]
    )
    return first, defaults
