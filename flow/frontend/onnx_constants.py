"""ONNX operators on constants alone, computed in the type of their operands as ONNX does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx_file import OnnxNode
from flow.frontend.onnx_values import Obstacle, checked_size

Array = NDArray[Any]

CASTS: Mapping[int, str] = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 11: "<f8"}
"""Types of Cast that a model may use."""


def fold(node: OnnxNode, arrays: tuple[Array | None, ...]) -> Array:
    """The result of a node whose operands are all constants; Obstacle where it is unknown."""
    operation = _FOLDS.get(node.op)
    if operation is None:
        raise Obstacle("this operator is not computed on constants")
    try:
        with np.errstate(all="ignore"):
            result = operation(node, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError, KeyError) as error:
        raise Obstacle("its constant operands do not fit") from error
    return np.asarray(result)


def axes_of(node: OnnxNode, given: Array | None) -> list[int] | None:
    """The axes of Squeeze or Unsqueeze: an attribute before operator set 13, then an operand."""
    if given is not None:
        return [int(a) for a in given.ravel()]
    axes = node.attributes.get("axes")
    return None if axes is None else [int(a) for a in axes]


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


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind != "f":
        raise Obstacle("integers are divided")
    result: Array = a / b
    return result


def _power(a: Array, b: Array) -> Array:
    return np.power(a, b).astype(a.dtype)


def _matmul(node: OnnxNode, a: Array, b: Array) -> Array:
    if a.ndim != 2 or b.ndim != 2:
        raise Obstacle("only matrices of two axes are multiplied")
    checked_size((a.shape[0], b.shape[1]))
    result: Array = a @ b
    return result


def _transpose(node: OnnxNode, a: Array) -> Array:
    return np.transpose(a, node.attributes.get("perm"))


def _reshape(node: OnnxNode, a: Array, shape: Array) -> Array:
    dims = [int(d) for d in shape.ravel()]
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
    return np.concatenate(arrays, axis=int(node.attributes["axis"]))


def _gather(node: OnnxNode, a: Array, indices: Array) -> Array:
    checked_size((a.size, indices.size))
    return np.take(a, indices, axis=int(node.attributes.get("axis", 0)))


def _cast(node: OnnxNode, a: Array) -> Array:
    return a.astype(CASTS[int(node.attributes["to"])])


def _same(node: OnnxNode, a: Array, *others: Array | None) -> Array:
    return a


_FOLDS: Mapping[str, Callable[..., Array]] = {
    "Constant": _constant,
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divide),
    "Pow": _elementwise(_power),
    "Sqrt": lambda node, a: np.sqrt(a),
    "Neg": lambda node, a: np.negative(a),
    "Reciprocal": lambda node, a: np.reciprocal(a),
    "MatMul": _matmul,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Gather": _gather,
}

FOLDED = tuple(_FOLDS)
"""The operators that are computed on constants."""
