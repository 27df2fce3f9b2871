"""The text form of a Network: JSON, one layer a line; what build folders and bug reports carry.

    {"form": "flow-network 1", "name": "net", "head": "none", "outputs": ["y"], "layers": [
    {"kind": "input", "name": "x", "sources": [], "place": "x", "tensor": ..., "offset": ...},
    {"kind": "relu", "name": "y", "sources": ["x"], "place": "y"}
    ]}

The keys of a layer are the fields of its class. An array is `[shape, values]`, flat in row-major
order: integers as JSON integers, rationals as "n" or "n/d". A tensor is `[shape, lo, hi, scale]`
with arrays that are broadcast to its shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from fractions import Fraction
from math import prod
from typing import Any, get_args

import numpy as np

from flow.errors import IRError, UsageError
from flow.ir.layers import (
    LAYER_TYPES,
    Concat,
    Conv,
    Dense,
    Gates,
    Gather,
    Input,
    Layer,
    MaskedDense,
    Pool,
    Reshape,
    TableSum,
)  # fmt: skip
from flow.ir.network import Head, Network
from flow.ir.rounding import ROUNDINGS, Overflow
from flow.ir.spatial import PoolKind
from flow.ir.tensor import TensorType, compact, narrow, tensor_type
from flow.ir.windows import window_shape

FORM = "flow-network 1"
MAX_DIGITS = 400
MAX_LAYERS = 10_000
MAX_ELEMENTS = 1 << 22
"""Of one array, and of all tensors of a network together."""

MAX_AXES = 8
MAX_PADDING = 1 << 12
_TOO_LARGE = f"the tensors have more than {MAX_ELEMENTS} elements"
_KEYS = ("form", "name", "head", "outputs", "layers")
_KINDS: dict[str, type[Layer]] = {cls.kind: cls for cls in LAYER_TYPES}
_SOURCES: dict[str, tuple[int, int]] = {
    "input": (0, 0), "add": (1, MAX_ELEMENTS), "multiply": (1, MAX_ELEMENTS),
    "concat": (1, MAX_ELEMENTS),
}  # fmt: skip
_RATIO = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(?:/[1-9][0-9]{{0,{MAX_DIGITS - 1}}})?")


def print_network(network: Network) -> str:
    """The text form; equal networks give equal text."""
    head = {
        "form": FORM,
        "name": network.name,
        "head": network.head if isinstance(network.head, str) else list(network.head),
        "outputs": list(network.outputs),
    }
    lines = ",\n".join(_dump(_layer_json(layer)) for layer in network.layers)
    return f'{_dump(head)[:-1]},"layers":[\n{lines}\n]}}\n'


def parse_network(text: str, source: str = "the text") -> Network:
    """The network that a text form describes. Raises UsageError that names the layer."""
    data = _load(text, source)
    if not isinstance(data, dict) or data.get("form") != FORM:
        raise UsageError(
            f"{source} is not the text form of a network",
            where=source,
            hint=f'the key "form" must be {FORM!r}',
        )
    if tuple(sorted(data)) != tuple(sorted(_KEYS)):
        raise UsageError(
            f"{source} has other keys than a network",
            where=source,
            hint=f"the keys are {', '.join(_KEYS)}",
        )
    layers = _list(data["layers"], "layers", source)
    if len(layers) > MAX_LAYERS:
        raise UsageError(f"the network has more than {MAX_LAYERS} layers", where=source)
    outputs = _list(data["outputs"], "outputs", source)
    head = tuple(data["head"]) if isinstance(data["head"], list) else data["head"]
    named = [*head] if isinstance(head, tuple) else [head]
    if any(x not in get_args(Head) for x in named) or not isinstance(data["name"], str):
        raise UsageError("the head or the name of the network is unknown", where=source)
    if not all(isinstance(x, str) for x in outputs):
        raise UsageError("an output is no name", where=source)
    _check_inputs(layers, source)
    read = [_read_layer(entry, i, source) for i, entry in enumerate(layers)]
    _check_sizes(read, source)
    try:
        return Network(data["name"], tuple(read), tuple(outputs), head)
    except IRError as error:
        raise UsageError(error.message, where=source) from error
    except (ValueError, IndexError, TypeError) as error:
        raise UsageError(f"the layers do not fit together: {error}", where=source) from error


# ---------------------------------------------------------------------- values, by annotation


def _write_integers(array: Any) -> Any:
    return [list(array.shape), [int(v) for v in array.ravel().tolist()]]


def _read_integers(data: Any) -> Any:
    shape, values = _array(data)
    if not all(type(v) is int for v in values):
        raise ValueError("an array of integers is expected")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return narrow(array.reshape(shape))


def _write_fractions(array: Any) -> Any:
    return [list(array.shape), [str(Fraction(v)) for v in array.ravel().tolist()]]


def _read_fractions(data: Any) -> Any:
    shape, values = _array(data)
    array = np.empty(len(values), dtype=object)
    array[:] = [_fraction(v) for v in values]
    return array.reshape(shape)


def _fraction(value: Any) -> Fraction:
    if not isinstance(value, str) or not _RATIO.fullmatch(value):
        raise ValueError('a rational is written "n" or "n/d"')
    return Fraction(value)


def _write_tensor(tensor: TensorType) -> Any:
    ends = [_write_integers(compact(a)) for a in (tensor.lo, tensor.hi)]
    return [list(tensor.shape), *ends, _write_fractions(compact(tensor.scale))]


def _read_tensor(data: Any) -> TensorType:
    if not isinstance(data, list) or len(data) != 4:
        raise ValueError("a tensor is [shape, lo, hi, scale]")
    shape = _shape(data[0])
    lo, hi, scale = _read_integers(data[1]), _read_integers(data[2]), _read_fractions(data[3])
    return tensor_type(shape, lo, hi, scale)


def _read_integer(data: Any) -> int:
    if type(data) is not int:
        raise ValueError("an integer is expected")
    return data


def _read_table(data: Any) -> tuple[int, ...]:
    if not isinstance(data, list) or not all(type(v) is int for v in data):
        raise ValueError("a list of integers is expected")
    return tuple(data)


def _read_tables(data: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(data, list):
        raise ValueError("a list of tables is expected")
    return tuple(_read_table(table) for table in data)


def _read_grid(data: Any) -> tuple[tuple[tuple[int, ...] | None, ...], ...]:
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise ValueError("a list of lists of tables is expected")
    return tuple(tuple(None if t is None else _read_table(t) for t in row) for row in data)


def _read_padding(data: Any) -> tuple[tuple[int, int], ...]:
    pairs = _read_tables(data)
    if not all(len(pair) == 2 and 0 <= min(pair) <= max(pair) <= MAX_PADDING for pair in pairs):
        raise ValueError("a list of pairs of small numbers is expected")
    return tuple((before, after) for before, after in pairs)


def _read_rounds(data: Any) -> tuple[tuple[int, int, int], ...]:
    triples = _read_tables(data)
    if not all(len(triple) == 3 for triple in triples):
        raise ValueError("a list of triples of integers is expected")
    return tuple((left, right, mask) for left, right, mask in triples)


def _read_text(data: Any) -> str:
    if not isinstance(data, str):
        raise ValueError("a text is expected")
    return data


def _read_texts(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(v, str) for v in data):
        raise ValueError("a list of names is expected")
    return tuple(data)


def _one_of(words: tuple[str, ...]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        if data not in words:
            raise ValueError(f"one of {', '.join(words)} is expected")
        return data

    return read


def _same(value: Any) -> Any:
    return value


CODECS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "str": (_same, _read_text),
    "int": (_same, _read_integer),
    "tuple[str, ...]": (list, _read_texts),
    "tuple[int, ...]": (list, _read_table),
    "tuple[Table, ...]": (list, _read_tables),
    "tuple[tuple[Table | None, ...], ...]": (list, _read_grid),
    "Table": (list, _read_table),
    "Padding": (list, _read_padding),
    "Rounds": (list, _read_rounds),
    "PoolKind": (_same, _one_of(get_args(PoolKind))),
    "IntArray": (_write_integers, _read_integers),
    "FractionArray": (_write_fractions, _read_fractions),
    "TensorType": (_write_tensor, _read_tensor),
    "Rounding": (_same, _one_of(tuple(ROUNDINGS))),
    "Overflow": (_same, _one_of(get_args(Overflow))),
}
"""How a field is written and read, by the annotation of the field."""


# ---------------------------------------------------------------------- layers


def _layer_json(layer: Layer) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": layer.kind}
    for field in fields(layer):
        write, _ = CODECS[str(field.type)]
        entry[field.name] = write(getattr(layer, field.name))
    return entry


def _read_layer(entry: Any, index: int, source: str) -> Layer:
    where = f"{source}, layer {index}"
    if not isinstance(entry, dict):
        raise UsageError("a layer is no object", where=where)
    kind = entry.get("kind")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise UsageError(
            f"there is no layer {kind!r}", where=where, hint=f"the kinds are {', '.join(_KINDS)}"
        )
    declared = {field.name: str(field.type) for field in fields(cls)}
    if sorted(entry) != sorted(("kind", *declared)):
        raise UsageError(
            f"{cls.kind} has other fields than {', '.join(sorted(set(entry) - {'kind'}))}",
            where=where,
            hint=f"the fields are {', '.join(declared)}",
        )
    values: dict[str, Any] = {}
    for name, annotation in declared.items():
        try:
            values[name] = CODECS[annotation][1](entry[name])
        except (ValueError, IRError) as error:
            raise UsageError(f"{cls.kind} has a bad {name}: {error}", where=where) from error
    least, most = _SOURCES.get(cls.kind, (1, 1))
    if not least <= len(values["sources"]) <= most:
        raise UsageError(f"{cls.kind} has {len(values['sources'])} sources", where=where)
    try:
        return cls(**values)
    except IRError as error:
        raise UsageError(error.message, where=where) from error


def _check_inputs(layers: list[Any], source: str) -> None:
    """Refuse inputs too large before they are read."""
    total = 0
    for entry in layers:
        tensor = entry.get("tensor") if isinstance(entry, dict) else None
        if isinstance(tensor, list) and tensor:
            with suppress(ValueError):
                total += prod(_shape(tensor[0]))
    if total > MAX_ELEMENTS:
        raise UsageError(_TOO_LARGE, where=source)


def _check_sizes(layers: list[Layer], source: str) -> None:
    """Refuse tensors too large before any memory is taken for them."""
    shapes: dict[str, tuple[int, ...]] = {}
    total = 0
    for i, layer in enumerate(layers):
        shape, size = _result(layer, [shapes.get(s, ()) for s in layer.sources])
        total += size
        if total > MAX_ELEMENTS:
            raise UsageError(_TOO_LARGE, where=f"{source}, layer {i}")
        shapes[layer.name] = shape


def _result(layer: Layer, sources: list[tuple[int, ...]]) -> tuple[tuple[int, ...], int]:
    """The shape of the result as far as it can be told, and the elements it takes to make it."""
    x = sources[0] if sources else ()
    match layer:
        case Input(tensor=tensor):
            x = tensor.shape
        case Dense(weights=weights) | MaskedDense(weights=weights) if weights.ndim == 2:
            x = (*x[:-1], weights.shape[1])
        case TableSum(bias=bias):
            x = (*x[:-1], bias.size)
        case Gates(words=words):
            x = (len(words),)
        case Reshape(shape=shape):
            if not _fits(shape):
                return (), MAX_ELEMENTS + 1
            x = shape
        case Gather(indices=indices):
            x = indices.shape
        case Concat(axis=axis) if len({len(s) for s in sources}) == 1 and -len(x) <= axis < len(x):
            sizes = list(x)
            sizes[axis] = sum(s[axis] for s in sources)
            x = tuple(sizes)
        case Conv() | Pool() if len(x) == len(layer.padding) + 1:
            padded = prod([n + sum(p) for n, p in zip(x, layer.padding, strict=False)])
            channels = layer.weights.shape[-1] if isinstance(layer, Conv) else x[-1]
            window = layer.weights.shape[:-2] if isinstance(layer, Conv) else layer.window
            dilation = layer.dilation if isinstance(layer, Conv) else (1,) * len(window)
            try:
                counts = window_shape(x, window, layer.strides, layer.padding, dilation)
            except IRError:
                return x, padded
            x = (*counts, channels)
            return x, prod(x) + padded
        case _:
            pass
    return x, prod(x)


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) <= MAX_AXES and all(n > 0 for n in shape) and prod(shape) <= MAX_ELEMENTS


# ---------------------------------------------------------------------- JSON


def _dump(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _load(text: str, source: str) -> Any:
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise UsageError(f"{source} is nested too deeply", where=source) from error
    except json.JSONDecodeError as error:
        where = f"{source}, line {error.lineno}"
        raise UsageError(f"{source} is not JSON: {error.msg}", where=where) from error
    except ValueError as error:
        raise UsageError(f"{source} is not a network: {error}", where=source) from error


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _no_number(word: str) -> Any:
    raise ValueError(f"the number {word[:20]} is no integer")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _list(data: Any, what: str, source: str) -> list[Any]:
    if not isinstance(data, list) or not data:
        raise UsageError(f'"{what}" is no list', where=source)
    return data


def _array(data: Any) -> tuple[tuple[int, ...], list[Any]]:
    if not isinstance(data, list) or len(data) != 2 or not isinstance(data[1], list):
        raise ValueError("an array is [shape, values]")
    shape, values = _shape(data[0]), data[1]
    if prod(shape) != len(values):
        raise ValueError(f"the shape {shape} does not have {len(values)} values")
    return shape, values


def _shape(data: Any) -> tuple[int, ...]:
    good = isinstance(data, list) and all(type(n) is int for n in data) and _fits(tuple(data))
    if not good:
        raise ValueError("a shape is a list of a few positive integers")
    return tuple(data)
