"""ONNX operators on constants alone, computed in the type of their operands as ONNX does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import (
    CASTS,
    axes_of,
    cast_target,
    pad_ends,
    slice_key,
    split_sizes,
)
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Obstacle, checked_size
from flow.ir.tensor import FractionArray

Array = NDArray[Any]


_MISFITS = (
    ValueError, IndexError, TypeError, OverflowError, KeyError, MemoryError, AttributeError,
)  # fmt: skip
"""What numpy raises on operands that do not fit, and on those that are left out."""


def folded(node: OnnxNode, constants: tuple[Constant | None, ...]) -> tuple[Constant, ...]:
    """The results of a node whose operands are all constants; Obstacle where they are unknown.

    A step that a quantiser gave an operand follows it through moves, signs and scales.
    """
    operation = _FOLDS.get(node.op)
    if operation is None:
        raise Obstacle("this operator is not computed on constants")
    arrays = [None if c is None else c.values for c in constants]
    results = _run(operation, node, arrays)
    first = next((c for c in constants if c is not None), None)
    if first is None or all(c is None or c.step is None for c in constants):
        return tuple(Constant(r) for r in results)
    if node.op in _MOVES and first.step is not None:
        return _moved(operation, node, first, arrays, results)
    step = _step(node, [c for c in constants if c is not None])
    if step is None:
        return tuple(Constant(r) for r in results)
    return (Constant(np.asarray(results[0], dtype=np.float64), step),)


def _run(
    operation: Callable[..., Any], node: OnnxNode, arrays: Sequence[Array | None]
) -> list[Array]:
    try:
        with np.errstate(all="ignore"):
            result = operation(node, *arrays)
    except _MISFITS as error:
        raise Obstacle("its constant operands do not fit") from error
    return [np.asarray(r) for r in (result if isinstance(result, list) else [result])]


def _moved(
    operation: Callable[..., Any],
    node: OnnxNode,
    first: Constant,
    arrays: Sequence[Array | None],
    results: list[Array],
) -> tuple[Constant, ...]:
    """The results of an operator that moves elements, with each element's own step."""
    step = first.step
    assert step is not None
    if step.size == 1:
        return tuple(Constant(r, step.reshape(())) for r in results)
    full = np.broadcast_to(step, first.values.shape).reshape(-1)
    places = np.arange(first.values.size).reshape(first.values.shape)
    moved = _run(operation, node, [places, *arrays[1:]])
    return tuple(Constant(r, full[p]) for r, p in zip(results, moved, strict=True))


def _step(node: OnnxNode, constants: list[Constant]) -> FractionArray | None:
    """The step of the result of arithmetic, None where it has none."""
    if node.op == "Neg":
        return constants[0].step
    if node.op == "Concat" and all(c.step is not None for c in constants):
        steps = [np.broadcast_to(c.step, c.values.shape) for c in constants if c.step is not None]
        return np.concatenate(steps, axis=int(node.attributes.get("axis", 1)))
    if node.op not in ("Mul", "Div") or len(constants) != 2:
        return None
    a, b = constants if constants[0].step is not None or node.op == "Div" else constants[::-1]
    if a.step is None or not np.isfinite(b.values).all():
        return None
    factors: FractionArray = np.empty(b.values.shape, dtype=object)
    factors.reshape(-1)[:] = [abs(Fraction(float(v))) for v in b.values.reshape(-1)]
    if (factors == 0).any():
        return None
    result: FractionArray = np.asarray(a.step * factors if node.op == "Mul" else a.step / factors)
    return result


def _constant(node: OnnxNode) -> Array:
    for key, kind in (("value_float", "<f4"), ("value_int", "<i8")):
        if key in node.attributes:
            return np.asarray(node.attributes[key], dtype=kind)
    for key, kind in (("value_floats", "<f4"), ("value_ints", "<i8")):
        if key in node.attributes:
            return np.asarray(node.attributes[key], dtype=kind)
    value: Array = node.attributes["value"]
    return value


def _elementwise(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def run(node: OnnxNode, a: Array, b: Array) -> Array:
        checked_size(np.broadcast_shapes(a.shape, b.shape))
        return function(a, b)

    return run


def _variadic(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def run(node: OnnxNode, a: Array, *others: Array) -> Array:
        for b in others:
            checked_size(np.broadcast_shapes(a.shape, b.shape))
            a = function(a, b)
        return a

    return run


def _unary(function: Callable[[Array], Array]) -> Callable[..., Array]:
    return lambda node, a: function(a)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if (b == 0).any():
        raise Obstacle("integers are divided by 0")
    return np.asarray(np.sign(a) * np.sign(b) * (abs(a) // abs(b))).astype(a.dtype)


def _power(a: Array, b: Array) -> Array:
    return np.power(a, b).astype(a.dtype)


def _matmul(node: OnnxNode, a: Array, b: Array) -> Array:
    if a.ndim < 1 or b.ndim < 1 or max(a.ndim, b.ndim) > 2:
        raise Obstacle("only matrices of two axes are multiplied")
    checked_size((*a.shape[:-1], *b.shape[1:]))
    result: Array = a @ b
    return result


def _transpose(node: OnnxNode, a: Array) -> Array:
    return np.transpose(a, node.attributes.get("perm"))


def _reshape(node: OnnxNode, a: Array, shape: Array | None = None) -> Array:
    given = node.attributes["shape"] if shape is None else shape.ravel()
    dims = [int(d) for d in given]
    if node.attributes.get("allowzero", 0):
        return a.reshape(dims)
    return a.reshape([a.shape[i] if d == 0 else d for i, d in enumerate(dims)])


def _flatten(node: OnnxNode, a: Array) -> Array:
    axis = int(node.attributes.get("axis", 1)) % (a.ndim + 1)
    return a.reshape(int(np.prod(a.shape[:axis], dtype=np.int64)), -1)


def _squeeze(node: OnnxNode, a: Array, axes: Array | None = None) -> Array:
    chosen = axes_of(node, axes)
    return np.squeeze(a, None if chosen is None else tuple(chosen))


def _unsqueeze(node: OnnxNode, a: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(a, tuple(axes_of(node, axes) or ()))


def _concat(node: OnnxNode, *arrays: Array) -> Array:
    checked_size((sum(a.size for a in arrays),))
    return np.concatenate(arrays, axis=int(node.attributes.get("axis", 1)))


def _gather(node: OnnxNode, a: Array, indices: Array) -> Array:
    checked_size((a.size, indices.size))
    return np.take(a, indices, axis=int(node.attributes.get("axis", 0)))


def _slice(node: OnnxNode, a: Array, *ends: Array | None) -> Array:
    return np.asarray(a[slice_key(node, ends, a.shape)])


def _split(node: OnnxNode, a: Array, sizes: Array | None = None) -> list[Array]:
    axis = int(node.attributes.get("axis", 0))
    parts = split_sizes(node, sizes, a.shape[axis])
    return list(np.split(a, np.cumsum(parts)[:-1], axis=axis))


def _pad(node: OnnxNode, a: Array, *operands: Array | None) -> Array:
    ends, value = pad_ends(node, operands, a.ndim)
    if node.attributes.get("mode", "constant") != "constant" or min(map(min, ends)) < 0:
        raise Obstacle("only constant padding of constants is computed")
    checked_size(tuple(n + x + y for n, (x, y) in zip(a.shape, ends, strict=True)))
    return np.pad(a, ends, constant_values=value)


def _expand(node: OnnxNode, a: Array, shape: Array) -> Array:
    joint = np.broadcast_shapes(a.shape, tuple(int(d) for d in shape.ravel()))
    return np.broadcast_to(a, checked_size(joint))


def _tile(node: OnnxNode, a: Array, repeats: Array) -> Array:
    times = [int(r) for r in repeats.ravel()]
    checked_size((*a.shape, *times))
    return np.tile(a, times)


def _constant_of_shape(node: OnnxNode, shape: Array) -> Array:
    value = node.attributes.get("value", np.zeros(1, dtype=np.float32))
    dims = checked_size(tuple(int(d) for d in shape.ravel()))
    return np.full(dims, value.reshape(-1)[0], dtype=value.dtype)


def _range(node: OnnxNode, start: Array, limit: Array, delta: Array) -> Array:
    first, last, step = (x.reshape(-1)[0] for x in (start, limit, delta))
    checked_size((max(0, int(np.ceil((last - first) / step))),))
    return np.arange(first, last, step, dtype=start.dtype)


def _reduce(function: Callable[..., Array]) -> Callable[..., Array]:
    def run(node: OnnxNode, a: Array, axes: Array | None = None) -> Array:
        chosen = axes_of(node, axes)
        if not chosen and node.attributes.get("noop_with_empty_axes", 0):
            return a
        keep = bool(node.attributes.get("keepdims", 1))
        return np.asarray(function(a, axis=tuple(chosen) if chosen else None, keepdims=keep))

    return run


def _clip(node: OnnxNode, a: Array, lo: Array | None = None, hi: Array | None = None) -> Array:
    low = node.attributes.get("min") if lo is None else lo
    high = node.attributes.get("max") if hi is None else hi
    return np.asarray(np.clip(a, low, high), dtype=a.dtype)


def _where(node: OnnxNode, condition: Array, a: Array, b: Array) -> Array:
    checked_size(np.broadcast_shapes(condition.shape, a.shape, b.shape))
    return np.where(condition, a, b)


def _cast(node: OnnxNode, a: Array) -> Array:
    return a.astype(CASTS[cast_target(node)])


def _same(node: OnnxNode, a: Array, *others: Array | None) -> Array:
    return a


_MOVES = ("Identity", "Dropout", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze",
          "Gather", "Slice", "Split", "Expand", "Tile")  # fmt: skip
"""Operators after which every element is one of the first operand."""

_FOLDS: Mapping[str, Callable[..., Any]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Size": lambda node, a: np.asarray(a.size, dtype=np.int64),
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "CastLike": lambda node, a, b: a.astype(b.dtype),
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divide),
    "Pow": _elementwise(_power),
    "Mod": _elementwise(np.mod),
    "Max": _variadic(np.maximum),
    "Min": _variadic(np.minimum),
    "Sum": _variadic(np.add),
    "Equal": _elementwise(np.equal),
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "And": _elementwise(np.logical_and),
    "Or": _elementwise(np.logical_or),
    "Not": _unary(np.logical_not),
    "Where": _where,
    "Sqrt": _unary(np.sqrt),
    "Exp": _unary(np.exp),
    "Log": _unary(np.log),
    "Abs": _unary(np.abs),
    "Neg": _unary(np.negative),
    "Sign": _unary(np.sign),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Round": _unary(np.rint),
    "Tanh": _unary(np.tanh),
    "Relu": _unary(lambda a: np.maximum(a, 0).astype(a.dtype)),
    "Sigmoid": _unary(lambda a: (1 / (1 + np.exp(-a))).astype(a.dtype)),
    "Reciprocal": _unary(np.reciprocal),
    "Clip": _clip,
    "MatMul": _matmul,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "Expand": _expand,
    "Tile": _tile,
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMean": _reduce(np.mean),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}

FOLDED = tuple(_FOLDS)
"""The operators that are computed on constants."""
