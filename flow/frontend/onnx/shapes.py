"""ONNX operators that move elements and compute nothing: each makes a view of the same layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import (
    Args,
    axes_of,
    axis_behind_batch,
    operand,
    pad_ends,
    slice_key,
    split_sizes,
    variable,
)
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    BATCH,
    Constant,
    Obstacle,
    Value,
    Variable,
    checked_size,
    indices,
    seen,
)

Array = NDArray[Any]


def moved(build: Builder, x: Variable, view: Array, fill: float | None = None) -> Variable:
    """The tensor of this view on the layer of x, counted."""
    checked_size(view.shape)
    build.moves(view.size)
    if x.code is not None and x.code.step.size > 1 and view.shape != x.shape:
        raise Obstacle("it moves integers whose scale differs between channels")
    return seen(x, view, fill)


def reshaped(x: Variable, shape: tuple[int, ...]) -> Variable:
    """The same elements in another shape."""
    view = None if x.view is None else x.view.reshape(shape)
    return Variable(x.layer, x.built, shape, x.integer, view, x.fill, x.code)


def shape_of(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Shape: the batch is unknown, all else is known."""
    x = args[0]
    if isinstance(x, Constant):
        full = list(x.values.shape)
    else:
        full = [build.batch or BATCH, *variable(x).shape]
    start, end = node.attributes.get("start", 0), node.attributes.get("end", len(full))
    return Constant(np.asarray(full[start:end], dtype=np.int64))


def reshape(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Reshape that keeps the batch apart."""
    x, target = variable(args[0]), operand(args, 1, "the shape")
    given = node.attributes.get("shape") if target is None else target.ravel()
    if given is None:
        raise Obstacle("it names no shape")
    dims = [int(d) for d in given]
    if node.attributes.get("allowzero", 0) and 0 in dims:
        raise Obstacle("it makes an empty tensor")
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
    return reshaped(x, tuple(rest))


def flatten(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Flatten that keeps the batch apart."""
    x = variable(args[0])
    axis = int(node.attributes.get("axis", 1))
    rank = len(x.shape) + 1
    axis = axis + rank if axis < 0 else axis
    if axis == 0 and build.batch == 1:
        axis = 1
    if not 1 <= axis <= rank or math.prod(x.shape[: axis - 1]) != 1:
        raise Obstacle(f"it flattens {['batch', *x.shape]} at axis {axis}, which mixes the samples")
    return reshaped(x, (x.size,))


def squeeze(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Squeeze of axes behind the batch."""
    x = variable(args[0])
    rank = len(x.shape) + 1
    axes = axes_of(node, operand(args, 1, "the axes"))
    if axes is None:
        if build.batch == 1:
            raise Obstacle("it names no axes, so it takes the batch away too")
        return reshaped(x, tuple(d for d in x.shape if d != 1))
    gone = {axis_behind_batch(a, rank) for a in axes}
    if any(x.shape[a] != 1 for a in gone):
        raise Obstacle(f"it squeezes axes {axes} of {['batch', *x.shape]}")
    return reshaped(x, tuple(d for i, d in enumerate(x.shape) if i not in gone))


def unsqueeze(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Unsqueeze of axes behind the batch."""
    x, axes = variable(args[0]), axes_of(node, operand(args, 1, "the axes")) or []
    if len(axes) > 8:
        raise Obstacle(f"it adds {len(axes)} axes")
    rank = len(x.shape) + 1 + len(axes)
    new = {axis_behind_batch(a, rank) for a in axes}
    old = iter(x.shape)
    if len(new) != len(axes):
        raise Obstacle(f"it adds the axes {axes}")
    return reshaped(x, tuple(1 if i in new else next(old) for i in range(rank - 1)))


def transpose(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Transpose that leaves the batch where it is."""
    x = variable(args[0])
    rank = len(x.shape) + 1
    perm = node.attributes.get("perm", list(range(rank))[::-1])
    if sorted(perm) != list(range(rank)) or perm[0] != 0:
        raise Obstacle(f"it transposes {['batch', *x.shape]} by {perm}, which moves the batch")
    return moved(build, x, indices(x).transpose([a - 1 for a in perm[1:]]))


def slice_of(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Slice of axes behind the batch, in any direction."""
    x = variable(args[0])
    ends = [operand(args, i, "an end") for i in range(1, 5)]
    whole = 1 << 62
    key = slice_key(node, ends, (whole, *x.shape))
    if key[0] != slice(None) and (key[0].start, key[0].step) != (0, 1):
        raise Obstacle("it takes some samples of the batch")
    if key[0].stop is not None and key[0].stop < (build.batch or 1 << 30):
        raise Obstacle("it takes some samples of the batch")
    view = indices(x)[key[1:]]
    if view.size == 0:
        raise Obstacle("nothing is left of it")
    return moved(build, x, view)


def split(build: Builder, node: OnnxNode, args: Args) -> tuple[Value, ...]:
    """Split along an axis behind the batch."""
    x = variable(args[0])
    axis = axis_behind_batch(int(node.attributes.get("axis", 0)), len(x.shape) + 1)
    sizes = split_sizes(node, operand(args, 1, "the sizes"), x.shape[axis])
    parts = np.split(indices(x), np.cumsum(sizes)[:-1], axis=axis)
    return tuple(moved(build, x, part) for part in parts)


def gather(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Gather of constant indices along an axis behind the batch."""
    x, chosen = variable(args[0]), operand(args, 1, "its list of indices")
    if chosen is None:
        raise Obstacle("it has no indices")
    axis = axis_behind_batch(int(node.attributes.get("axis", 0)), len(x.shape) + 1)
    checked_size((x.size // x.shape[axis], chosen.size))
    if chosen.size and not -x.shape[axis] <= chosen.min() <= chosen.max() < x.shape[axis]:
        raise Obstacle(f"its indices leave the axis of {x.shape[axis]} elements")
    return moved(build, x, np.take(indices(x), chosen.astype(np.int64), axis=axis))


def gather_nd(build: Builder, node: OnnxNode, args: Args) -> Value:
    """GatherND with the batch as its only batch axis is refused unless it takes all samples."""
    x, chosen = variable(args[0]), operand(args, 1, "its list of indices")
    if chosen is None or node.attributes.get("batch_dims", 0) != 1 or chosen.shape[0] != 1:
        raise Obstacle("it takes some samples of the batch; use Gather along one axis")
    key = tuple(np.moveaxis(chosen[0].astype(np.int64), -1, 0))
    return moved(build, x, indices(x)[key])


def pad(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Pad: constant, edge, reflect or wrap; negative numbers cut."""
    x = variable(args[0])
    operands = [operand(args, i, "its padding") for i in range(1, 4)]
    ends, value = pad_ends(node, operands, len(x.shape) + 1)
    if ends[0] != (0, 0):
        raise Obstacle("it pads the batch")
    mode = node.attributes.get("mode", "constant")
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise Obstacle(f"the mode {str(mode)[:20]!r} is not supported")
    cut = tuple(
        slice(-min(a, 0), n + min(b, 0)) for n, (a, b) in zip(x.shape, ends[1:], strict=True)
    )
    more = [(max(a, 0), max(b, 0)) for a, b in ends[1:]]
    checked_size(tuple(n + a + b for n, (a, b) in zip(x.shape, more, strict=True)))
    view = indices(x)[cut]
    if view.size == 0:
        raise Obstacle("nothing is left of it")
    if mode != "constant":
        return moved(build, x, np.pad(view, more, mode=mode))
    if (view < 0).any() and value != x.fill:
        x = build.settled(x, node.place)
        view = indices(x)[cut]
    return moved(build, x, np.pad(view, more, constant_values=-1), value)


def expand(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Expand along axes behind the batch."""
    x, shape = variable(args[0]), operand(args, 1, "the shape")
    dims = [int(d) for d in (() if shape is None else shape.ravel())]
    rank = len(x.shape) + 1
    if len(dims) > rank or (len(dims) == rank and dims[0] not in (1, BATCH, build.batch)):
        raise Obstacle(f"it expands {['batch', *x.shape]} to {dims}, which mixes the samples")
    joint = np.broadcast_shapes(x.shape, tuple(dims[1:] if len(dims) == rank else dims))
    return moved(build, x, np.broadcast_to(indices(x), checked_size(joint)))


def tile(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Tile along axes behind the batch."""
    x, repeats = variable(args[0]), operand(args, 1, "its number of repeats")
    times = [int(r) for r in (() if repeats is None else repeats.ravel())]
    if len(times) != len(x.shape) + 1 or times[0] != 1 or min(times) < 1:
        raise Obstacle(f"it repeats {['batch', *x.shape]} {times} times")
    checked_size((x.size, *times))
    return moved(build, x, np.tile(indices(x), times[1:]))


def depth_to_space(build: Builder, node: OnnxNode, args: Args) -> Value:
    """DepthToSpace: blocks of channels become blocks of positions."""
    x, size = variable(args[0]), int(node.attributes.get("blocksize", 0))
    if len(x.shape) != 3 or size < 1 or x.shape[0] % (size * size):
        raise Obstacle(f"blocks of {size} do not fit {['batch', *x.shape]}")
    c, h, w = x.shape
    if node.attributes.get("mode", "DCR") == "CRD":
        view = indices(x).reshape(-1, size, size, h, w).transpose(0, 3, 1, 4, 2)
    else:
        view = indices(x).reshape(size, size, -1, h, w).transpose(2, 3, 0, 4, 1)
    return moved(build, x, view.reshape(c // (size * size), h * size, w * size))


def space_to_depth(build: Builder, node: OnnxNode, args: Args) -> Value:
    """SpaceToDepth: blocks of positions become channels."""
    x, size = variable(args[0]), int(node.attributes.get("blocksize", 0))
    if len(x.shape) != 3 or size < 1 or x.shape[1] % size or x.shape[2] % size:
        raise Obstacle(f"blocks of {size} do not fit {['batch', *x.shape]}")
    c, h, w = x.shape
    view = indices(x).reshape(c, h // size, size, w // size, size).transpose(2, 4, 0, 1, 3)
    return moved(build, x, view.reshape(c * size * size, h // size, w // size))


def identity(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Identity and its like."""
    return variable(args[0])


def dropout(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Dropout of a trained model does nothing."""
    mode = args[2] if len(args) > 2 else None
    if mode is not None and not (isinstance(mode, Constant) and not mode.values.any()):
        raise Obstacle("it is in training mode; export the model for inference")
    return variable(args[0])
