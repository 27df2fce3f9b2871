"""ONNX arithmetic on tensors that depend on the inputs: affine maps, sums, products, bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import Args, axis_behind_batch, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Constant,
    Obstacle,
    Value,
    Variable,
    along,
    checked_size,
    indices,
    is_onto,
    is_plain,
    natural_order,
    seen,
    without_batch,
)
from flow.frontend.source import SourceAdd, SourceConcat, SourceLayer, SourceMultiply

Array = NDArray[Any]
ONE = np.ones(1, dtype=np.float32)


def add(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Add: the bias of the layer before it, an affine map, or a sum."""
    x, c = _two(node, args)
    if isinstance(c, Variable):
        return summed(build, node, [x, c])
    bias = _fold_bias(build, node, args, x, c)
    return bias or build.affine(node, x, np.ones_like(c.values), c.values)


def _fold_bias(
    build: Builder, node: OnnxNode, args: Args, x: Variable, c: Constant
) -> Variable | None:
    """The bias of the dense layer or convolution that made x for this node alone."""
    tensor = node.inputs[0] if args[0] is x else node.inputs[1]
    before = build.unbiased(tensor) if x.layer == tensor else None
    if before is None or not is_onto(x) or (before.kernel.step is not None and c.step is None):
        return None
    values = without_batch(c.values, x.shape, build.batch)
    if np.broadcast_shapes(values.shape, x.shape) != x.shape:
        return None
    bias, filters = along(values, x), before.kernel.values.shape[-1]
    if bias.shape != (filters,) and not (filters == 1 and bias.shape == ()):
        return None
    step = (
        c.step
        if c.step is None or c.step.size == 1
        else along(
            without_batch(np.broadcast_to(c.step, c.values.shape), x.shape, build.batch),
            x,
        )
    )
    if step is not None and step.ndim > 1:
        return None
    name, place = node.outputs[0], f"{before.place} with {node.place}"
    weights = build.weights(Constant(bias.reshape(filters), step))
    build.replace(tensor, replace(before, name=name, place=place, bias=weights))
    return Variable(name, x.built, x.shape, view=x.view)


def joined(build: Builder, node: OnnxNode, parts: list[Variable]) -> tuple[list[str], Variable]:
    """Layers of one shape that hold the broadcast tensors, and how the result is seen."""
    if build.batch != 1 and len({len(p.shape) for p in parts}) > 1:
        raise Obstacle(
            f"its operands have the shapes {[['batch', *p.shape] for p in parts]}, which mixes "
            "the samples"
        )
    try:
        shape = np.broadcast_shapes(*(p.shape for p in parts))
    except ValueError as error:
        raise Obstacle(
            f"it joins tensors of the shapes {[list(p.shape) for p in parts]}"
        ) from error
    wide = [build.widened(p, shape) for p in parts]
    like = next((p for p in wide if is_onto(p)), None) or build.settled(wide[0], node.place)
    order = np.empty(like.size, dtype=np.int64)
    order[indices(like).reshape(-1)] = np.arange(like.size)
    sources = [
        p.layer if p.layer == like.layer and p.view is like.view
        else build.laid(p, indices(p).reshape(-1)[order].reshape(like.built), node.place)
        for p in wide
    ]  # fmt: skip
    return sources, Variable(node.outputs[0], like.built, shape, view=like.view)


def together(
    build: Builder,
    node: OnnxNode,
    kind: Callable[[str, tuple[str, ...], str], SourceLayer],
    parts: list[Variable],
    name: str | None = None,
) -> Variable:
    """A sum or a product of tensors, element by element."""
    sources, result = joined(build, node, parts)
    name = name or node.outputs[0]
    build.add(kind(name, tuple(sources), node.place))
    return replace(result, layer=name)


def summed(
    build: Builder, node: OnnxNode, parts: list[Variable], name: str | None = None
) -> Variable:
    """The sum of tensors, element by element."""
    return together(build, node, SourceAdd, parts, name)


def negated(build: Builder, node: OnnxNode, x: Variable, part: str = "minus") -> Variable:
    """-x as an inner layer of the node."""
    return build.affine(node, x, -ONE, 0 * ONE, build.fresh(f"{node.outputs[0]}_{part}"))


def sub(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Sub: an affine map, or a sum with the negative."""
    x, c = _two(node, args)
    if isinstance(c, Variable):
        return summed(build, node, [x, negated(build, node, c)])
    ones = np.ones_like(c.values)
    if args[0] is x:
        return build.affine(node, x, ones, -c.values)
    return build.affine(node, x, -ones, c.values)


def mul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Mul: an affine map, a square, or a product of tensors."""
    x, c = _two(node, args)
    if isinstance(c, Constant):
        return build.affine(node, x, c.values, np.zeros_like(c.values))
    if node.inputs[0] == node.inputs[1]:
        return build.activation(node, x, "square")
    return together(build, node, SourceMultiply, [x, c])


def div(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Div: an affine map, or a product with the reciprocal."""
    x, c = _two(node, args)
    name = build.fresh(f"{node.outputs[0]}_reciprocal")
    if isinstance(c, Variable):
        below = build.activation(node, c, "reciprocal", name=name)
        return together(build, node, SourceMultiply, [x, below])
    if args[0] is x:
        return build.affine(node, x, 1 / c.values, np.zeros_like(c.values))
    if c.values.size == 1 and c.values.reshape(-1)[0] == 1:
        return build.activation(node, x, "reciprocal")
    below = build.activation(node, x, "reciprocal", name=name)
    return build.affine(node, below, c.values, np.zeros_like(c.values))


def neg(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Neg: an affine map."""
    return build.affine(node, variable(args[0]), -ONE, 0 * ONE)


def total(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Sum of any number of tensors and constants."""
    return _folded_sum(build, node, args, 1)


def mean(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Mean of any number of tensors and constants."""
    return _folded_sum(build, node, args, len(args))


def _folded_sum(build: Builder, node: OnnxNode, args: Args, count: int) -> Value:
    parts = [a for a in args if isinstance(a, Variable)]
    constant: Any = np.zeros(1, dtype=np.float32)
    for a in args:
        constant = constant + a.values if isinstance(a, Constant) else constant
    plain = count == 1 and not constant.any()
    if plain and len(parts) == 1:
        return parts[0]
    inner = None if plain else build.fresh(f"{node.outputs[0]}_sum")
    x = summed(build, node, parts, inner) if len(parts) > 1 else parts[0]
    if plain:
        return x
    factor = ONE / np.float32(count)
    return build.affine(node, x, factor, (constant * factor).astype(np.float32))


def _two(node: OnnxNode, args: Args) -> tuple[Variable, Constant | Variable]:
    """The operand that depends on the input, and the other one."""
    a, b = args
    axis = node.attributes.get("axis")
    if axis is not None and isinstance(a, Variable) and isinstance(b, Constant):
        # Before operator set 7, the second operand lies along the axes from this one on.
        missing = len(a.shape) + 1 - int(axis) - b.values.ndim
        if int(axis) < 0 or missing < 0:
            raise Obstacle("it broadcasts along an axis in the manner of operator set 6")
        b = Constant(b.values.reshape(b.values.shape + (1,) * missing))
    elif axis not in (None, -1):
        raise Obstacle("it broadcasts along an axis in the manner of operator set 6")
    if isinstance(a, Variable) and isinstance(b, Constant | Variable):
        return a, b
    if isinstance(b, Variable) and isinstance(a, Constant):
        return b, a
    raise Obstacle("its operands do not fit")


def concat(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Concat along an axis behind the batch; constants are parts like any other."""
    first = next(variable(a) for a in args if isinstance(a, Variable))
    parts = [_part(build, node, a, first, i) for i, a in enumerate(args)]
    rank = len(first.shape) + 1
    axis = axis_behind_batch(int(node.attributes.get("axis", 1)), rank)
    alike = {p.shape[:axis] + p.shape[axis + 1 :] if len(p.shape) == rank - 1 else None
             for p in parts}  # fmt: skip
    if len(alike) != 1 or None in alike or any(p.integer for p in parts):
        raise Obstacle(f"it joins tensors of the shapes {[list(p.shape) for p in parts]}")
    total = sum(p.shape[axis] for p in parts)
    shape = checked_size((*first.shape[:axis], total, *first.shape[axis + 1 :]))
    # The order of axes in which most parts lie as they are.
    orders = list(dict.fromkeys(natural_order(p) for p in parts))
    fits = [sum(is_plain(indices(p).transpose(o), p.built) for p in parts) for o in orders]
    order = orders[fits.index(max(fits))]
    sources = tuple(build.laid(p, indices(p).transpose(order), node.place) for p in parts)
    built = tuple(shape[a] for a in order)
    place = order.index(axis)
    build.add(
        SourceConcat(
            node.outputs[0],
            sources,
            node.place,
            -1 if place == len(order) - 1 else place,
        )
    )
    result = Variable(node.outputs[0], built, built)
    return seen(result, indices(result).transpose(np.argsort(order)))


def _part(build: Builder, node: OnnxNode, value: Value | None, like: Variable, i: int) -> Variable:
    if isinstance(value, Variable):
        return value
    if not isinstance(value, Constant) or value.values.ndim < 1 or value.values.shape[0] != 1:
        raise Obstacle("one of its parts is no tensor of one sample")
    values = value.values[0]
    holes = np.full(values.shape, -1)
    same = values.size > 0 and bool((values == values.reshape(-1)[0]).all())
    fill = float(values.reshape(-1)[0]) if same else 0.0
    part = seen(Variable(like.layer, like.built, like.shape), holes, fill)
    if same:
        return part
    name = build.fresh(f"{node.outputs[0]}_constant_{i}")
    return build.affine(node, part, np.ones_like(values), values, name)
