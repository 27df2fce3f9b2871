"""Layers between codes, as onnxruntime's operator format has them: QLinearConv and its like.

Each is the layer of the reals that its operands stand for, and a quantiser behind it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import summed, together
from flow.frontend.onnx.attributes import Args, float_attribute
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.dense import dense, scaled
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.pools import global_pool
from flow.frontend.onnx.qdq import array_of, coded, constants, same_numbers
from flow.frontend.onnx.quant import stepped
from flow.frontend.onnx.views import Constant, Obstacle, Value, Variable
from flow.frontend.onnx.windows import convolved
from flow.frontend.source import SourceMultiply

Array = NDArray[Any]
_BYTE = np.dtype("u1")


def qlinear_conv(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QLinearConv: a convolution between the codes of its operands and of its result."""
    x, w = _real(args[0], args[1], args[2]), _weights(args[3], args[4], args[5], 0)
    scale, zero = constants(args[6], args[7], _BYTE)
    bias = _bias(args, 8)
    inner = build.fresh(f"{node.outputs[0]}_real")
    result = convolved(build, _renamed(node, inner), (x, w, bias), last=False)
    return coded(build, node, result, scale, zero, node.outputs[0])


def qlinear_matmul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QLinearMatMul: a dense layer between the codes of its operands and of its result."""
    x, w = _real(args[0], args[1], args[2]), _weights(args[3], args[4], args[5], -1)
    scale, zero = constants(args[6], args[7], _BYTE)
    if w.values.ndim != 2:
        raise Obstacle(f"its matrix has the shape {list(w.values.shape)}")
    inner = build.fresh(f"{node.outputs[0]}_real")
    result = dense(build, _renamed(node, inner), x, w, None)
    return coded(build, node, result, scale, zero, node.outputs[0])


def _renamed(node: OnnxNode, output: str) -> OnnxNode:
    return replace(node, outputs=(output,), name=node.name or node.outputs[0])


def qlinear_gemm(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QGemm: Gemm between the codes of its operands and of its result, or to reals."""
    x, w = (
        _real(args[0], args[1], args[2]),
        _weights(args[3], args[4], args[5], 0 if node.attributes.get("transB", 0) else -1),
    )
    if node.attributes.get("transA", 0) or len(x.shape) != 1 or w.values.ndim != 2:
        raise Obstacle("it transposes the batch, or its operands are not matrices")
    if node.attributes.get("transB", 0):
        step = w.step
        if step is not None and step.size > 1:
            step = np.broadcast_to(step, w.values.shape).T
        w = Constant(w.values.T, step)
    bias = _bias(args, 6)
    out = len(args) > 7 and args[7] is not None
    name = node.outputs[0]
    inner = build.fresh(f"{name}_real") if out else name
    kernel = scaled(w, float_attribute(node, "alpha", 1.0))
    result = dense(build, _renamed(node, inner), x, kernel, bias)
    if not out:
        return result
    scale, zero = constants(args[7], args[8] if len(args) > 8 else None, _BYTE)
    return coded(build, node, result, scale, zero, name)


def qlinear_add(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QLinearAdd: the sum of the reals of two tensors."""
    return _pair(build, node, args, product=False)


def qlinear_mul(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QLinearMul: the product of the reals of two tensors."""
    return _pair(build, node, args, product=True)


def _pair(build: Builder, node: OnnxNode, args: Args, product: bool) -> Value:
    parts = [_real(args[0], args[1], args[2]), _real(args[3], args[4], args[5])]
    scale, zero = constants(args[6], args[7] if len(args) > 7 else None, _BYTE)
    inner = build.fresh(f"{node.outputs[0]}_real")
    if product:
        result = together(build, node, SourceMultiply, parts, inner)
    else:
        result = summed(build, node, parts, inner)
    return coded(build, node, result, scale, zero, node.outputs[0])


def qlinear_average(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QLinearGlobalAveragePool of channels first."""
    if node.attributes.get("channels_last", 0):
        raise Obstacle("its channels stand last; export in the QDQ format")
    scale, zero = constants(args[3], args[4], _BYTE)
    inner = build.fresh(f"{node.outputs[0]}_real")
    result = global_pool(build, _renamed(node, inner), _real(args[0], args[1], args[2]), "average")
    return coded(build, node, result, scale, zero, node.outputs[0])


def _bias(args: Args, place: int) -> Constant | None:
    """A bias of int32, whose step is that of the operand times that of the weights."""
    if len(args) <= place or args[place] is None:
        return None
    given = args[place]
    if not isinstance(given, Constant):
        raise Obstacle("its bias is not constant")
    steps = array_of(args[1]).astype(np.float64) * array_of(args[4]).astype(np.float64)
    whole = given.values.astype(np.float64).reshape(-1)
    return stepped(whole, steps.reshape(-1) if steps.size > 1 else steps.reshape(()))


def _real(x: Value | None, scale: Value | None, zero: Value | None) -> Variable:
    """The reals of an operand that carries codes of just this scale and zero point."""
    s, z = constants(scale, zero, _BYTE)
    if not isinstance(x, Variable) or x.code is None:
        raise Obstacle("its operand carries no codes of QuantizeLinear")
    if not same_numbers(s, x.code.step) or not same_numbers(z, x.code.zero):
        raise Obstacle("its scale differs from that of the node before it")
    return Variable(x.layer, x.built, x.shape, view=x.view, fill=x.fill)


def _weights(w: Value | None, scale: Value | None, zero: Value | None, axis: int) -> Constant:
    """The reals of constant codes; several scales lie along `axis`."""
    s, z = constants(scale, zero, _BYTE)
    values = array_of(w)
    shape = [1] * values.ndim
    shape[axis] = -1
    whole = values.astype(np.int64) - (z.reshape(shape) if z.size > 1 else z.reshape(()))
    return stepped(whole.astype(np.float64), s.reshape(shape) if s.size > 1 else s.reshape(()))
