"""ONNX operators that choose between values: Max, Min and Where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import ONE, summed, together
from flow.frontend.onnx.attributes import Args, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable
from flow.frontend.source import SourceAffine, SourceMultiply, SourceQuantise

Array = NDArray[Any]


def maximum(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Max: y + relu(x - y) for each operand after the first."""
    return _bounds(build, node, args, 1)


def minimum(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Min: y - relu(y - x) for each operand after the first."""
    return _bounds(build, node, args, -1)


def _bounds(build: Builder, node: OnnxNode, args: Args, sign: int) -> Value:
    parts = sorted(args, key=lambda a: not isinstance(a, Variable))
    x = variable(parts[0])
    for i, y in enumerate(parts[1:]):
        name = node.outputs[0] if i == len(parts) - 2 else build.fresh(f"{node.outputs[0]}_{i}")
        if isinstance(y, Constant):
            x = _bound(build, node, x, y.values, sign, name)
        else:
            x = _larger(build, node, x, variable(y), sign, name)
    return x


def _bound(
    build: Builder, node: OnnxNode, x: Variable, bound: Array, sign: int, name: str
) -> Variable:
    if not np.isfinite(bound).all():
        raise Obstacle("its bound is not finite")
    one = np.ones_like(bound)
    if bound.size == 1 and sign == 1 and not bound.any():
        return build.activation(node, x, "relu", name=name)
    inner = [build.fresh(f"{name}_{part}") for part in ("over", "clipped")]
    over = build.affine(node, x, sign * one, -sign * bound, inner[0])
    clipped = build.activation(node, over, "relu", name=inner[1])
    return build.affine(node, clipped, sign * one, bound, name)


def _larger(
    build: Builder, node: OnnxNode, x: Variable, y: Variable, sign: int, name: str
) -> Variable:
    minus, over, clipped, turned = (
        build.fresh(f"{name}_{part}") for part in ("minus", "difference", "clipped", "turned")
    )
    a, b = (x, y) if sign == 1 else (y, x)
    difference = summed(build, node, [a, build.affine(node, b, -ONE, 0 * ONE, minus)], over)
    part = build.activation(node, difference, "relu", name=clipped)
    if sign == -1:
        part = build.affine(node, part, -ONE, 0 * ONE, turned)
    return summed(build, node, [y, part], name)


def where(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Where: of a constant or a 0-or-1 condition, b + condition * (a - b)."""
    condition, a, b = args
    name = node.outputs[0]
    if isinstance(condition, Variable):
        if isinstance(a, Constant) and isinstance(b, Constant):
            return build.affine(node, condition, a.values - b.values, b.values)
        return _chosen(build, node, condition, a, b)
    if not isinstance(condition, Constant):
        raise Obstacle("its condition is unknown")
    mask = condition.values.astype(np.float32)
    if isinstance(a, Constant):
        return build.affine(node, variable(b), 1 - mask, np.where(mask, a.values, 0))
    if isinstance(b, Constant):
        return build.affine(node, variable(a), mask, np.where(mask, 0, b.values))
    names = [build.fresh(f"{name}_{part}") for part in ("if", "else")]
    first = build.affine(node, variable(a), mask, 0 * mask, names[0])
    second = build.affine(node, variable(b), 1 - mask, 0 * mask, names[1])
    return summed(build, node, [first, second])


def _chosen(
    build: Builder, node: OnnxNode, condition: Variable, a: Value | None, b: Value | None
) -> Variable:
    """b + condition * (a - b); where x > 0 chooses x, else slope * x, a rectifier."""
    name = node.outputs[0]
    names = [build.fresh(f"{name}_{part}") for part in ("minus", "difference", "product")]
    if isinstance(a, Variable) and isinstance(b, Variable):
        slope = _slope(build, condition, a, b)
        if slope is not None:
            above = build.activation(node, a, "relu", name=names[0])
            turned = Variable(above.layer, above.built, above.built)
            above = replace(build.affine(node, turned, 1 - slope, 0 * slope, names[1]),
                            shape=above.shape, view=above.view)  # fmt: skip
            return summed(build, node, [b, above])
        difference = summed(
            build, node, [a, build.affine(node, b, -ONE, 0 * ONE, names[0])], names[1]
        )
    elif isinstance(a, Variable) and isinstance(b, Constant):
        difference = build.affine(node, a, np.ones_like(b.values), -b.values, names[1])
    elif isinstance(b, Variable) and isinstance(a, Constant):
        difference = build.affine(node, b, -np.ones_like(a.values), a.values, names[1])
    else:
        raise Obstacle("its operands are unknown")
    product = together(build, node, SourceMultiply, [condition, difference], names[2])
    if isinstance(b, Constant):
        return build.affine(node, product, np.ones_like(b.values), b.values)
    return summed(build, node, [variable(b), product])


def _slope(build: Builder, condition: Variable, a: Variable, b: Variable) -> Array | None:
    """The slope of b = slope * a where the condition is a > 0 or a >= 0, else None."""
    step, through = build.layers[condition.layer], build.layers[b.layer]
    ends = (0, 1, "ceil")
    if isinstance(step, SourceAffine) and (step.multiplier == 1).all():
        step, ends = build.layers[step.sources[0]], (-1, 0, "floor")
    same = condition.shape == a.shape == b.shape and a.built == b.built == condition.built
    if not same or not isinstance(step, SourceQuantise) or not isinstance(through, SourceAffine):
        return None
    q = step.quantiser
    if (q.lo, q.hi, q.rounding) != ends or q.step.ndim or q.step.item() != 1:
        return None
    if step.sources != (a.layer,) or through.sources != (a.layer,) or through.offset.any():
        return None
    return through.multiplier
