"""ONNX operators that move no element: they change the shape of a tensor, or join tensors."""

from __future__ import annotations

import math

import numpy as np

from flow.frontend.onnx_constants import axes_of
from flow.frontend.onnx_file import OnnxNode
from flow.frontend.onnx_values import (
    BATCH,
    Builder,
    Constant,
    Obstacle,
    Value,
    Variable,
    checked_size,
)
from flow.frontend.source import SourceConcat


def viewed(x: Variable, shape: tuple[int, ...]) -> Variable:
    """The same elements in another shape."""
    return Variable(x.layer, x.built, shape, x.integer)


def variable(value: Value | None) -> Variable:
    """The operand, where it must depend on the inputs."""
    if not isinstance(value, Variable):
        raise Obstacle("an operand that depends on the input is expected")
    return value


def axis_behind_batch(axis: int, rank: int) -> int:
    """An axis of the full tensor (rank axes with the batch) as an axis of one sample."""
    full = axis + rank if axis < 0 else axis
    if not 0 < full < rank:
        raise Obstacle(f"it works along axis {axis} of {rank}; the batch is axis 0")
    return full - 1


def shape_of(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Shape: the batch is unknown, all else is known."""
    x = args[0]
    if node.attributes.keys() & {"start", "end"}:
        raise Obstacle("a part of a shape is taken; take all of it")
    if isinstance(x, Constant):
        return Constant(np.asarray(x.values.shape, dtype=np.int64))
    return Constant(np.asarray([build.batch or BATCH, *variable(x).shape], dtype=np.int64))


def reshape(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Reshape that keeps the batch apart."""
    x, target = variable(args[0]), args[1]
    if not isinstance(target, Constant):
        raise Obstacle("the shape depends on the input")
    if node.attributes.get("allowzero", 0):
        raise Obstacle("allowzero is not supported")
    dims = [int(d) for d in target.values.ravel()]
    full = [BATCH, *x.shape]
    dims = [full[i] if d == 0 and i < len(full) else d for i, d in enumerate(dims)]
    first, rest = (dims[0], dims[1:]) if dims else (0, [])
    known = math.prod(d for d in rest if d != -1)
    if rest.count(-1) == 1 and known > 0 and (first == BATCH or first == build.batch):
        rest = [x.size // known if d == -1 else d for d in rest]
        known = math.prod(rest)
    keeps = first in (BATCH, -1) or first == build.batch
    if not keeps or any(d < 1 for d in rest) or known != x.size:
        told = ["batch" if d == BATCH else d for d in dims]
        raise Obstacle(f"it reshapes {['batch', *x.shape]} to {told}, which mixes the samples")
    return viewed(x, tuple(rest))


def flatten(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Flatten that keeps the batch apart."""
    x = variable(args[0])
    axis = int(node.attributes.get("axis", 1))
    rank = len(x.shape) + 1
    axis = axis + rank if axis < 0 else axis
    if axis == 0 and build.batch == 1:
        axis = 1
    if not 1 <= axis <= rank or math.prod(x.shape[: axis - 1]) != 1:
        raise Obstacle(f"it flattens {['batch', *x.shape]} at axis {axis}, which mixes the samples")
    return viewed(x, (x.size,))


def squeeze(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Squeeze of axes behind the batch."""
    x, rank = variable(args[0]), len(variable(args[0]).shape) + 1
    axes = axes_of(node, _operand(args))
    if axes is None:
        if build.batch == 1:
            raise Obstacle("it names no axes, so it takes the batch away too")
        return viewed(x, tuple(d for d in x.shape if d != 1))
    gone = {axis_behind_batch(a, rank) for a in axes}
    if any(x.shape[a] != 1 for a in gone):
        raise Obstacle(f"it squeezes axes {axes} of {['batch', *x.shape]}")
    return viewed(x, tuple(d for i, d in enumerate(x.shape) if i not in gone))


def unsqueeze(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Unsqueeze of axes behind the batch."""
    x, axes = variable(args[0]), axes_of(node, _operand(args)) or []
    if len(axes) > 8:
        raise Obstacle(f"it adds {len(axes)} axes")
    rank = len(x.shape) + 1 + len(axes)
    new = {axis_behind_batch(a, rank) for a in axes}
    old = iter(x.shape)
    if len(new) != len(axes):
        raise Obstacle(f"it adds the axes {axes}")
    return viewed(x, tuple(1 if i in new else next(old) for i in range(rank - 1)))


def transpose(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Transpose that moves only axes of one element."""
    x = variable(args[0])
    rank = len(x.shape) + 1
    perm = node.attributes.get("perm", list(range(rank))[::-1])
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        raise Obstacle(f"it transposes {['batch', *x.shape]} by {perm}, which moves the batch")
    moved = [a for a in perm[1:] if x.shape[a - 1] != 1]
    if moved != sorted(moved):
        raise Obstacle(
            f"it transposes {['batch', *x.shape]} by {perm}; moving elements is not supported yet"
        )
    return viewed(x, tuple(x.shape[a - 1] for a in perm[1:]))


def concat(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Concat side by side."""
    parts = [variable(a) for a in args]
    rank = len(parts[0].shape) + 1
    axis = axis_behind_batch(int(node.attributes.get("axis", 1)), rank)
    first = parts[0].shape
    alike = {p.shape[:axis] + p.shape[axis + 1 :] if len(p.shape) == rank - 1 else None
             for p in parts}  # fmt: skip
    if len(alike) != 1 or None in alike or any(p.integer for p in parts):
        raise Obstacle(f"it joins tensors of the shapes {[list(p.shape) for p in parts]}")
    total = sum(p.shape[axis] for p in parts)
    shape = checked_size((*first[:axis], total, *first[axis + 1 :]))
    if axis == rank - 2:
        sources = tuple(build.shaped(p, p.shape, node.place) for p in parts)
        built = shape
    elif math.prod(first[:axis]) == 1:
        sources = tuple(build.shaped(p, (p.size,), node.place) for p in parts)
        built = (math.prod(shape),)
    else:
        raise Obstacle(f"it joins along axis {axis + 1}; only the last axis is supported")
    build.add(SourceConcat(node.outputs[0], sources, node.place))
    return Variable(node.outputs[0], built, shape)


def _operand(args: tuple[Value | None, ...]) -> np.ndarray | None:
    if len(args) < 2 or args[1] is None:
        return None
    if not isinstance(args[1], Constant):
        raise Obstacle("the axes depend on the input")
    return args[1].values
