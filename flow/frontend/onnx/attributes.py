"""What ONNX operators say in attributes in one operator set and in operands in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable

Array = NDArray[Any]
Args = tuple[Value | None, ...]

CASTS: Mapping[int, str] = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
"""Types of Cast that a model may use."""

_NAMES: Mapping[str, int] = {
    "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BOOL": 9,
    "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13,
}  # fmt: skip


def variable(value: Value | None) -> Variable:
    """The operand, where it must depend on the inputs."""
    if not isinstance(value, Variable):
        raise Obstacle("an operand that depends on the input is expected")
    return value


def operand(args: Args, place: int, what: str) -> Array | None:
    """A constant operand, None where it is left out; Obstacle where it depends on the inputs."""
    if len(args) <= place or args[place] is None:
        return None
    value = args[place]
    if not isinstance(value, Constant):
        raise Obstacle(f"{what} depends on the input")
    return value.values


def axis_behind_batch(axis: int, rank: int) -> int:
    """An axis of the full tensor (rank axes with the batch) as an axis of one sample."""
    full = axis + rank if axis < 0 else axis
    if not 0 < full < rank:
        raise Obstacle(f"it works along axis {axis} of {rank}; the batch is axis 0")
    return full - 1


def axes_of(node: OnnxNode, given: Array | None) -> list[int] | None:
    """The axes of Squeeze, Unsqueeze or a reduction: an attribute, later an operand."""
    if given is not None:
        return [int(a) for a in given.ravel()]
    axes = node.attributes.get("axes")
    return None if axes is None else [int(a) for a in axes]


def cast_target(node: OnnxNode) -> int:
    """The type to which Cast casts, as a number of ONNX; 0 where it is unknown."""
    to = node.attributes.get("to", 0)
    return _NAMES.get(to.upper(), 0) if isinstance(to, str) else int(to)


def slice_key(
    node: OnnxNode, operands: Sequence[Array | None], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """The slices of Slice, one for each axis of the full tensor."""
    lists: list[list[int] | None] = []
    for i, name in enumerate(("starts", "ends", "axes", "steps")):
        given = operands[i] if i < len(operands) else None
        old = node.attributes.get(name)
        lists.append([int(v) for v in given.ravel()] if given is not None else old)
    starts, ends, axes, steps = lists
    if starts is None or ends is None:
        raise Obstacle("it has no starts or no ends")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    key = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = shape[axis]
        if step == 0:
            raise Obstacle("it slices with a step of 0")
        low, high = (-1, n - 1) if step < 0 else (0, n)
        first, last = (v + n if v < 0 else v for v in (start, end))
        first, last = min(max(first, max(low, 0)), high), min(max(last, low), high)
        key[axis] = slice(first, None if last < 0 else last, step)
    return tuple(key)


def split_sizes(node: OnnxNode, given: Array | None, size: int) -> list[int]:
    """The sizes of the parts of Split; they add up to `size`."""
    sizes = node.attributes.get("split") if given is None else [int(v) for v in given.ravel()]
    if sizes is None:
        count = int(node.attributes.get("num_outputs", len(node.outputs)))
        each = -(-size // count)
        sizes = [each] * (count - 1) + [size - each * (count - 1)]
    if sum(sizes) != size or min(sizes) < 1 or len(sizes) != len(node.outputs):
        raise Obstacle(f"it splits {size} elements into {list(sizes)[:8]}")
    return [int(s) for s in sizes]


def pad_ends(
    node: OnnxNode, operands: Sequence[Array | None], rank: int
) -> tuple[list[tuple[int, int]], float]:
    """What Pad adds before and after each axis of the full tensor, and the value it adds."""
    pads = operands[0] if operands else None
    value = operands[1] if len(operands) > 1 else None
    axes = operands[2] if len(operands) > 2 else None
    attributes = node.attributes
    given = attributes.get("pads", attributes.get("paddings")) if pads is None else pads.ravel()
    if given is None:
        raise Obstacle("it does not say how much it pads")
    numbers = [int(v) for v in given]
    chosen = list(range(rank)) if axes is None else [int(a) % rank for a in axes.ravel()]
    if len(numbers) != 2 * len(chosen):
        raise Obstacle(f"it pads {len(chosen)} axes by {numbers}")
    ends = [(0, 0)] * rank
    for i, axis in enumerate(chosen):
        ends[axis] = (numbers[i], numbers[i + len(chosen)])
    filled = attributes.get("value", 0.0) if value is None else value.reshape(-1)[0]
    return ends, float(filled)


def numbers(values: Sequence[Any], count: int, default: int) -> tuple[int, ...]:
    """A list attribute with one number for each of `count` axes."""
    chosen = tuple(int(v) for v in values) if len(values) else (default,) * count
    if len(chosen) != count:
        raise Obstacle(f"it has {len(chosen)} numbers for {count} axes")
    return chosen


def float_attribute(node: OnnxNode, name: str, default: float) -> float:
    """A float attribute as the float32 number that the framework computes with."""
    return float(np.float32(node.attributes.get(name, default)))
