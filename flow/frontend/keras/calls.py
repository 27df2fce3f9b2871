"""The calls of a layer in a Keras file: which tensors it reads, and its other arguments.

Keras 2 writes `inbound_nodes` as lists, with the arguments behind the first tensor; Keras 3 writes
serialised arguments with `__keras_tensor__` objects in them. Both become one form here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from flow.errors import UsageError

Tensor = tuple[str, int, int]
"""Name of the layer, number of its call, number of its output."""

CONSTANT = "_CONSTANT_VALUE"
"""What Keras 2 writes for the layer where the first argument is a constant."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor among the arguments: its number in the sources of the call."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call: the tensors read, in the order of the arguments, and the arguments themselves.

    In `args` and `kwargs` a tensor is a Ref, an array a numpy array, `a:b` a slice; the rest is
    what JSON holds.
    """

    sources: tuple[Tensor, ...] = ()
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def tensor_arguments(self) -> tuple[str, ...]:
        """The names of the keyword arguments that hold a tensor."""
        return tuple(key for key, value in self.kwargs.items() if _holds(value))


def plain_call(*sources: Tensor) -> Call:
    """A call with nothing but tensors."""
    return Call(sources, tuple(Ref(i) for i in range(len(sources))))


def read_call(node: Any, place: str) -> Call:
    """One entry of `inbound_nodes` in either form; UsageError where it is malformed."""
    found: list[Tensor] = []
    if isinstance(node, dict):
        args = node.get("args", [])
        kwargs = node.get("kwargs", {})
        if not isinstance(kwargs, dict):
            malformed("the arguments of a call are no object", place)
        if not isinstance(args, list):
            malformed("inbound_nodes is no list", place)
        first = tuple(_value(item, found, place) for item in args)
        named = {key: _value(kwargs[key], found, place) for key in sorted(kwargs)}
        return Call(tuple(found), first, named)
    return _keras_2(node, found, place)


def read_tensors(value: Any, place: str, what: str) -> Iterator[Tensor]:
    """`[name, call, output]`, a list of them, or with settings behind them."""
    if not isinstance(value, list):
        malformed(f"{what} is no list", place)
    entries = [value] if value and isinstance(value[0], str) else value
    for entry in entries:
        match entry:
            case [str() as name, int() as call, int() as output, *_] if call >= 0 <= output:
                yield name, call, output
            case _:
                malformed(f"{what} names no tensor", place)


def malformed(message: str, where: str) -> NoReturn:
    """UsageError: the configuration is not as Keras writes it."""
    raise UsageError(
        f"the configuration is malformed: {message}", where=where, hint="save the model again"
    )


def _keras_2(node: Any, found: list[Tensor], place: str) -> Call:
    if not isinstance(node, list):
        malformed("inbound_nodes is no list", place)
    alone = bool(node) and isinstance(node[0], str)
    entries = [node] if alone else node
    items: list[Any] = []
    named: dict[str, Any] = {}
    for entry in entries:
        match entry:
            case [str(name), -1, value, *_] if name == CONSTANT:
                items.append(_value(value, found, place))
            case [str(), int(), int(), *_]:
                items.append(_ref(next(read_tensors(entry, place, "inbound_nodes")), found))
            case _:
                malformed("inbound_nodes names no tensor", place)
        if not named and len(entry) > 3 and isinstance(entry[3], dict):
            named = {key: _keras_2_value(entry[3][key], found, place) for key in sorted(entry[3])}
    return Call(tuple(found), (items[0] if alone else tuple(items),), named)


def _keras_2_value(value: Any, found: list[Tensor], place: str) -> Any:
    match value:
        case [str(), int() as call, int() as output, *_] if call >= 0 <= output:
            return _ref(next(read_tensors(value, place, "inbound_nodes")), found)
        case list() if value and all(_is_tensor(item) for item in value):
            return tuple(_keras_2_value(item, found, place) for item in value)
        case _:
            return _value(value, found, place)


def _is_tensor(value: Any) -> bool:
    match value:
        case [str(), int(), int(), *_]:
            return True
        case _:
            return False


def _value(value: Any, found: list[Tensor], place: str) -> Any:
    if isinstance(value, list):
        return tuple(_value(item, found, place) for item in value)
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config", {})
    match kind:
        case "__keras_tensor__":
            history = config.get("keras_history") if isinstance(config, dict) else None
            return _ref(next(read_tensors([history], place, "keras_history")), found)
        case "__ellipsis__":
            return Ellipsis
        case "__slice__" if isinstance(config, dict):
            return _slice(config, place)
        case "__numpy__" | "__tensor__" if isinstance(config, dict):
            return _array(config.get("value"), place)
        case None if set(value) == {"start", "stop", "step"}:
            return _slice(value, place)
        case _:
            return {key: _value(item, found, place) for key, item in value.items()}


def _ref(tensor: Tensor, found: list[Tensor]) -> Ref:
    found.append(tensor)
    return Ref(len(found) - 1)


def _slice(config: Mapping[str, Any], place: str) -> slice:
    ends = [config.get(key) for key in ("start", "stop", "step")]
    if not all(end is None or type(end) is int for end in ends) or ends[2] == 0:
        malformed("a slice has ends that are no integers", place)
    return slice(*ends)


def _array(value: Any, place: str) -> Any:
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        malformed("an array among the arguments holds no numbers", place)


def _holds(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_holds(item) for item in value)
    return isinstance(value, Ref)
