"""ONNX matrix products: dense layers, and products of two tensors that depend on the inputs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import joined
from flow.frontend.onnx.attributes import Args, float_attribute
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Constant,
    Obstacle,
    Unknown,
    Value,
    Variable,
    checked_size,
    indices,
    is_onto,
    seen,
)
from flow.frontend.source import SourceDense, SourceMultiply, SourcePool

Array = NDArray[Any]


def matmul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """MatMul: a dense layer without bias, its matrix on either side; or a sum of products."""
    a, b = args
    if isinstance(a, Variable) and isinstance(b, Variable):
        return product(build, node, a, b)
    if isinstance(a, Variable) and isinstance(b, Constant):
        w = _matrix(b)
        if w.values.ndim == 1:
            result = dense(build, node, a, Constant(w.values[:, None], w.step), None)
            return seen(result, indices(result).reshape(a.shape[:-1]))
        return dense(build, node, a, w, None)
    if isinstance(a, Constant) and isinstance(b, Variable) and len(b.shape) > 1:
        w = _turned(_matrix(a))
        if w.values.ndim == 2:
            x = seen(b, np.swapaxes(indices(b), -1, -2))
            result = dense(build, node, x, w, None)
            return seen(result, np.swapaxes(indices(result), -1, -2))
    raise Obstacle("its operands do not fit; the weights of a dense layer stand on the right")


def gemm(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Gemm: a dense layer, where only its first operand depends on the input."""
    x, w, c = args[0], args[1], args[2] if len(args) > 2 else None
    alpha, beta = (float_attribute(node, k, 1.0) for k in ("alpha", "beta"))
    if not isinstance(x, Variable) or not isinstance(w, Constant) or isinstance(c, Variable):
        raise Obstacle("its weights or its bias are not constants")
    if node.attributes.get("transA", 0) or len(x.shape) != 1 or w.values.ndim != 2:
        raise Obstacle("it transposes the batch, or its operands are not matrices")
    kernel = scaled(_turned(w) if node.attributes.get("transB", 0) else w, alpha)
    if c is None or isinstance(c, Unknown):
        return dense(build, node, x, kernel, None)
    outputs = kernel.values.shape[1]
    if c.values.size not in (1, outputs) or c.values.shape[-1:] not in (
        (),
        (1,),
        (outputs,),
    ):
        raise Obstacle(f"its bias has the shape {list(c.values.shape)}")
    step = c.step if c.step is None or c.step.size == 1 else c.step.reshape(-1)
    bias = scaled(Constant(np.broadcast_to(c.values.reshape(-1), (outputs,)), step), beta)
    return dense(build, node, x, kernel, bias)


def scaled(constant: Constant, factor: float) -> Constant:
    """The constant times a number; its step goes with it."""
    if factor == 1:
        return constant
    values = constant.values * constant.values.dtype.type(factor)
    if constant.step is None or factor == 0:
        return Constant(values)
    return Constant(values, np.asarray(constant.step * abs(Fraction(factor))))


def dense(
    build: Builder, node: OnnxNode, x: Variable, w: Constant, bias: Constant | None
) -> Variable:
    """A dense layer along the last axis; a permuted vector permutes the rows instead."""
    count, outputs = w.values.shape
    if not x.shape or x.shape[-1] != count:
        raise Obstacle(
            f"weights of the shape {[count, outputs]} meet a tensor of the shape "
            f"{['batch', *x.shape]}"
        )
    shape = checked_size((*x.shape[:-1], outputs))
    arrangement = indices(x)
    if x.view is not None and len(x.shape) == 1 and is_onto(x):
        rows, arrangement = np.argsort(x.view), np.arange(x.size)
        step = w.step
        if step is not None and step.ndim == 2 and step.shape[0] > 1:
            step = step[rows]
        w = Constant(w.values[rows], step)
    source = build.laid(x, arrangement, node.place)
    kernel = build.weights(w)
    offset = None if bias is None else build.weights(bias)
    build.add(SourceDense(node.outputs[0], (source,), node.place, kernel, offset))
    return Variable(node.outputs[0], shape, shape)


def _matrix(w: Constant) -> Constant:
    """The matrix without leading axes of one element."""
    values, step = w.values, w.step
    if step is not None and step.size > 1:
        step = np.broadcast_to(step, values.shape)
    while values.ndim > 2 and values.shape[0] == 1:
        values = values[0]
        step = step if step is None or step.size == 1 else step[0]
    if values.ndim not in (1, 2):
        raise Obstacle(f"its matrix has the shape {list(w.values.shape)}")
    return Constant(values, step)


def _turned(w: Constant) -> Constant:
    step = w.step
    if step is not None and step.size > 1:
        step = np.broadcast_to(step, w.values.shape).T
    return Constant(w.values.T, step)


def product(build: Builder, node: OnnxNode, a: Variable, b: Variable) -> Variable:
    """a @ b of two tensors: all products, and the sums of those along the shared axis."""
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise Obstacle(
            f"it multiplies tensors of the shapes {['batch', *a.shape]} and {['batch', *b.shape]}"
        )
    left = indices(a)[..., :, None, :]
    right = np.swapaxes(indices(b), -1, -2)[..., None, :, :]
    full = checked_size(np.broadcast_shapes(left.shape, right.shape))
    # The summed axis goes first, so that a pool along it makes the sums.
    parts = [
        seen(v, np.moveaxis(np.broadcast_to(i, full), -1, 0).reshape(full[-1], -1))
        for v, i in ((a, left), (b, right))
    ]
    name = node.outputs[0]
    inner = build.fresh(f"{name}_products")
    sources, product = joined(build, node, parts)
    build.add(SourceMultiply(inner, tuple(sources), node.place))
    product = Variable(inner, product.built, product.shape, view=product.view)
    source = build.laid(product, indices(product), node.place)
    count, rest = product.shape
    build.add(SourcePool(name, (source,), node.place, "sum", (count,), (1,), ((0, 0),)))
    return Variable(name, (1, rest), full[:-1])
