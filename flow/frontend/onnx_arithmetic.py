"""ONNX arithmetic on tensors that depend on the inputs: dense layers, affine maps, sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx_file import OnnxNode
from flow.frontend.onnx_shapes import variable
from flow.frontend.onnx_values import (
    Builder,
    Constant,
    Obstacle,
    Unknown,
    Value,
    Variable,
    checked_size,
)
from flow.frontend.source import SourceAdd, SourceDense, Weights
from flow.ir.tensor import FractionArray

Array = NDArray[Any]
Args = tuple[Value | None, ...]


def _dense(
    build: Builder, node: OnnxNode, x: Variable, kernel: Weights, bias: Weights | None
) -> Variable:
    inputs, outputs = kernel.values.shape
    if not x.shape or x.shape[-1] != inputs:
        raise Obstacle(
            f"weights of the shape {[inputs, outputs]} meet a tensor of the shape "
            f"{['batch', *x.shape]}"
        )
    source = build.shaped(x, x.shape, node.place)
    shape = checked_size((*x.shape[:-1], outputs))
    build.add(SourceDense(node.outputs[0], (source,), node.place, kernel, bias))
    return Variable(node.outputs[0], shape, shape)


def _weights(build: Builder, constant: Constant, values: Array | None = None) -> Weights:
    array = constant.values if values is None else values
    if array.dtype.kind != "f":
        raise Obstacle("its weights are not floats")
    build.count(array)
    return Weights(array.astype(np.float64), _last_axis(constant.step, array.shape))


def _last_axis(step: FractionArray | None, shape: tuple[int, ...]) -> FractionArray | None:
    """One step, or one for each element of the last axis."""
    if step is None or step.size == 1:
        return None if step is None else step.reshape(())
    rows = np.broadcast_to(step, shape).reshape(-1, shape[-1])
    if (rows != rows[0]).any():
        raise Obstacle("the scale of its weights differs between the inputs of one neuron")
    row: FractionArray = rows[0]
    return row


def matmul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """MatMul: a dense layer without bias."""
    x, w = args
    if not isinstance(x, Variable) or not isinstance(w, Constant):
        raise Obstacle("it multiplies by something that is not a constant matrix on the right")
    if w.values.ndim != 2:
        raise Obstacle(f"its matrix has the shape {list(w.values.shape)}")
    return _dense(build, node, x, _weights(build, w), None)


def gemm(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Gemm: a dense layer, where only its first operand depends on the input."""
    x, w, c = args[0], args[1], args[2] if len(args) > 2 else None
    alpha, beta = (float(node.attributes.get(k, 1.0)) for k in ("alpha", "beta"))
    if not isinstance(x, Variable) or not isinstance(w, Constant) or isinstance(c, Variable):
        raise Obstacle("its weights or its bias are not constants")
    if node.attributes.get("transA", 0) or len(x.shape) != 1 or w.values.ndim != 2:
        raise Obstacle("it transposes the batch, or its operands are not matrices")
    values = w.values.T if node.attributes.get("transB", 0) else w.values
    step = w.step
    if step is not None and node.attributes.get("transB", 0):
        step = np.broadcast_to(step, w.values.shape).T if step.size > 1 else step
    if alpha != 1:
        values, step = values * values.dtype.type(alpha), None
    kernel = _weights(build, Constant(values, step))
    if c is None or isinstance(c, Unknown):
        return _dense(build, node, x, kernel, None)
    outputs = kernel.values.shape[1]
    if c.values.size not in (1, outputs) or c.values.shape[-1:] not in ((), (1,), (outputs,)):
        raise Obstacle(f"its bias has the shape {list(c.values.shape)}")
    bias = np.broadcast_to(c.values.reshape(-1), (outputs,))
    if beta != 1:
        bias = bias * bias.dtype.type(beta)
    step = None if beta != 1 or c.step is None else c.step.reshape(-1)
    return _dense(build, node, x, kernel, _weights(build, Constant(bias, step)))


def add(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Add: the bias of the dense layer before it, an affine map, or a sum."""
    x, c = _one_constant(node, args)
    if isinstance(c, Variable):
        return _sum(build, node, x, c)
    folded = _fold_bias(build, node, args, x, c)
    if folded is not None:
        return folded
    return build.affine(node, x, np.ones_like(c.values), c.values)


def _fold_bias(
    build: Builder, node: OnnxNode, args: Args, x: Variable, c: Constant
) -> Variable | None:
    """The bias of the dense layer that made x for this node alone."""
    tensor = node.inputs[0] if args[0] is x else node.inputs[1]
    dense = build.unbiased(tensor) if x.layer == tensor else None
    outputs = x.shape[-1]
    bias_like = c.values.size == outputs and c.values.shape[-1:] == (outputs,)
    bias_like = bias_like and c.values.ndim <= len(x.shape) + 1
    if dense is None or not bias_like or (dense.kernel.step is not None and c.step is None):
        return None
    step = c.step if c.step is None or c.step.size == 1 else c.step.reshape(-1)
    bias = _weights(build, Constant(c.values.reshape(-1), step))
    name = node.outputs[0]
    new = SourceDense(name, dense.sources, f"{dense.place} with {node.place}", dense.kernel, bias)
    build.replace(tensor, new)
    return Variable(name, x.built, x.shape)


def _sum(build: Builder, node: OnnxNode, x: Variable, y: Variable) -> Variable:
    if x.shape != y.shape:
        raise Obstacle(f"it adds tensors of the shapes {list(x.shape)} and {list(y.shape)}")
    built = x.built if x.built == y.built else x.shape
    sources = tuple(build.shaped(v, built, node.place) for v in (x, y))
    build.add(SourceAdd(node.outputs[0], sources, node.place))
    return Variable(node.outputs[0], built, x.shape)


def sub(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Sub: an affine map, or a sum with the negative."""
    x, c = _one_constant(node, args)
    if isinstance(c, Variable):
        one = np.ones(1, dtype=np.float32)
        minus = build.affine(node, c, -one, 0 * one, build.fresh(f"{node.outputs[0]}_minus"))
        return _sum(build, node, x, minus)
    ones = np.ones_like(c.values)
    if args[0] is x:
        return build.affine(node, x, ones, -c.values)
    return build.affine(node, x, -ones, c.values)


def mul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Mul by a constant: an affine map."""
    x, c = _one_constant(node, args)
    if isinstance(c, Variable):
        raise Obstacle("it multiplies two tensors that depend on the input")
    return build.affine(node, x, c.values, np.zeros_like(c.values))


def div(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Div by a constant: an affine map."""
    x, c = _one_constant(node, args)
    if isinstance(c, Variable) or args[0] is not x:
        raise Obstacle("it divides by a tensor that depends on the input")
    return build.affine(node, x, 1 / c.values, np.zeros_like(c.values))


def neg(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Neg: an affine map."""
    one = np.ones(1, dtype=np.float32)
    return build.affine(node, variable(args[0]), -one, 0 * one)


def _one_constant(node: OnnxNode, args: Args) -> tuple[Variable, Constant | Variable]:
    """The operand that depends on the input, and the other one."""
    if node.attributes.get("axis", -1) not in (-1, 1):
        raise Obstacle("it broadcasts along an axis in the manner of operator set 6")
    a, b = args
    if isinstance(a, Variable) and isinstance(b, Constant | Variable):
        return a, b
    if isinstance(b, Variable) and isinstance(a, Constant):
        return b, a
    raise Obstacle("its operands do not fit")
