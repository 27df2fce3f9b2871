"""ONNX operators on tensors that depend on the inputs: a rule for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend import onnx_arithmetic as arithmetic
from flow.frontend import onnx_shapes as shapes
from flow.frontend.onnx_constants import CASTS, FOLDED, fold
from flow.frontend.onnx_file import OnnxNode, shown
from flow.frontend.onnx_quant import DOMAINS, bipolar_quant, quant
from flow.frontend.onnx_shapes import variable
from flow.frontend.onnx_values import (
    Builder,
    Constant,
    Obstacle,
    Unknown,
    Value,
    Variable,
)
from flow.frontend.source import Function, SourceActivation

Array = NDArray[Any]
Args = tuple[Value | None, ...]
Rule = Callable[[Builder, OnnxNode, Args], Value]


def apply_node(build: Builder, node: OnnxNode, args: Args) -> Value:
    """The first result of a node; Obstacle where it cannot be represented."""
    if node.domain in DOMAINS:
        rule = _QUANTISERS.get(node.op)
        if rule is None:
            raise Obstacle(f"the operator {node.op} of QONNX is not supported")
    elif node.domain == "ai.onnx.ml":
        if node.op not in _ML:
            raise Obstacle(_REFUSED_ML)
        rule = _ML[node.op]
    elif node.op in _REFUSED:
        raise Obstacle(_REFUSED[node.op])
    elif node.domain:
        raise Obstacle(f"the operator set {shown(node.domain)} is unknown")
    elif node.op not in _RULES and node.op not in FOLDED and not node.has_subgraph:
        raise Obstacle("this operator is not supported")
    else:
        rule = _RULES.get(node.op, _refuse)
    if node.has_subgraph:
        raise Obstacle("control flow has no circuit; export the model without it")
    if any(isinstance(a, Unknown) for a in args):
        return Unknown()
    if not node.domain and node.op != "Shape" and all(not isinstance(a, Variable) for a in args):
        return _folded(node, args)
    if any(isinstance(a, Variable) and a.integer for a in args) and node.op not in _ON_INTEGERS:
        raise Obstacle("it computes on integers; cast them to float first")
    try:
        with np.errstate(all="ignore"):  # what is not finite is found where it becomes a weight
            return rule(build, node, args)
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise Obstacle("its operands or attributes do not fit") from error


def _folded(node: OnnxNode, args: Args) -> Constant:
    constants = [a if isinstance(a, Constant) else None for a in args]
    values = fold(node, tuple(None if c is None else c.values for c in constants))
    first = constants[0] if constants else None
    step = first.step if first is not None and node.op in _KEEPS_STEP else None
    if step is not None and step.size > 1:
        # A step for each channel moves with the weights; other shapes lose it.
        full = np.broadcast_to(step, first.values.shape) if first is not None else step
        step = np.transpose(full, node.attributes.get("perm")) if node.op == "Transpose" else None
    return Constant(values, step)


def _batch_normalization(build: Builder, node: OnnxNode, args: Args) -> Value:
    x = variable(args[0])
    if node.attributes.get("training_mode", 0) or any(node.outputs[1:]):
        raise Obstacle("it is in training mode; export the model for inference")
    if not all(isinstance(a, Constant) and a.values.ndim == 1 for a in args[1:5]):
        raise Obstacle("its parameters are not constant vectors")
    scale, bias, mean, variance = (a.values for a in args[1:5] if isinstance(a, Constant))
    if not x.shape or any(p.shape != (x.shape[0],) for p in (scale, bias, mean, variance)):
        raise Obstacle(f"its parameters do not fit the channels of {['batch', *x.shape]}")
    epsilon = np.float32(node.attributes.get("epsilon", 1e-5))
    multiplier = scale / np.sqrt(variance + epsilon)
    offset = bias - mean * multiplier
    channels = (-1, *(1 for _ in x.shape[1:]))
    return build.affine(node, x, multiplier.reshape(channels), offset.reshape(channels))


def _activation(function: Function) -> Rule:
    def rule(build: Builder, node: OnnxNode, args: Args) -> Value:
        return build.activation(node, variable(args[0]), function)

    return rule


def _hard_sigmoid(build: Builder, node: OnnxNode, args: Args) -> Value:
    alpha, beta = (float(node.attributes.get(k, d)) for k, d in (("alpha", 0.2), ("beta", 0.5)))
    x, one = variable(args[0]), np.ones(1, dtype=np.float32)
    if np.float32(alpha) == np.float32(0.2) and beta == 0.5:
        return build.activation(node, x, "hard_sigmoid")
    # clip(a x + b, 0, 1) = (clip(2 a x + 2 b - 1, -1, 1) + 1) / 2
    name = node.outputs[0]
    inner, clipped = (build.fresh(f"{name}_{part}") for part in ("scaled", "clipped"))
    scaled = build.affine(node, x, 2 * alpha * one, (2 * beta - 1) * one, inner)
    build.add(SourceActivation(clipped, (scaled.layer,), node.place, "hard_tanh"))
    return build.affine(node, Variable(clipped, x.built, x.shape), one / 2, one / 2)


def _clip(build: Builder, node: OnnxNode, args: Args) -> Value:
    bounds = [node.attributes.get("min"), node.attributes.get("max")]
    for i, a in enumerate(args[1:3]):
        if isinstance(a, Variable) or (isinstance(a, Constant) and a.values.size != 1):
            raise Obstacle("its bounds are not constants")
        bounds[i] = float(a.values.ravel()[0]) if isinstance(a, Constant) else bounds[i]
    lo = -np.inf if bounds[0] is None or bounds[0] <= -3.4e38 else bounds[0]
    hi = np.inf if bounds[1] is None or bounds[1] >= 3.4e38 else bounds[1]
    if (lo, hi) == (0, np.inf):
        return build.activation(node, variable(args[0]), "relu")
    if (lo, hi) == (-1, 1):
        return build.activation(node, variable(args[0]), "hard_tanh")
    raise Obstacle(f"the bounds {lo:g} and {hi:g} are not supported; use Relu, or -1 and 1")


def _softmax(build: Builder, node: OnnxNode, args: Args) -> Value:
    x = variable(args[0])
    rank = len(x.shape) + 1
    old = build.opset < 13
    axis = shapes.axis_behind_batch(int(node.attributes.get("axis", 1 if old else -1)), rank)
    # Before operator set 13, all axes from this one on are one.
    one_axis = np.prod(x.shape[axis:-1], dtype=np.int64) == 1 if old else axis == rank - 2
    if not one_axis:
        raise Obstacle("it does not work along the last axis")
    source = build.shaped(x, x.shape, node.place)
    return build.activation(node, Variable(source, x.shape, x.shape), "softmax")


def _argmax(build: Builder, node: OnnxNode, args: Args) -> Value:
    x = variable(args[0])
    axis = shapes.axis_behind_batch(int(node.attributes.get("axis", 0)), len(x.shape) + 1)
    if axis != len(x.shape) - 1 or node.attributes.get("select_last_index", 0):
        raise Obstacle("it is not the lowest index along the last axis")
    source = build.shaped(x, x.shape, node.place)
    build.add(SourceActivation(node.outputs[0], (source,), node.place, "argmax"))
    shape = (*x.shape[:-1], 1) if node.attributes.get("keepdims", 1) else x.shape[:-1]
    return Variable(node.outputs[0], x.shape[:-1] or (1,), shape, integer=True)


def _identity(build: Builder, node: OnnxNode, args: Args) -> Value:
    return variable(args[0])


def _dropout(build: Builder, node: OnnxNode, args: Args) -> Value:
    mode = args[2] if len(args) > 2 else None
    if mode is not None and not (isinstance(mode, Constant) and not mode.values.any()):
        raise Obstacle("it is in training mode; export the model for inference")
    return variable(args[0])


def _cast(build: Builder, node: OnnxNode, args: Args) -> Value:
    x, to = variable(args[0]), int(node.attributes.get("to", 0))
    if to not in CASTS or (to not in (1, 11) and not x.integer):
        raise Obstacle("it casts to a type that cuts its values")
    if x.integer and to in (2, 3, 9):
        raise Obstacle("it casts integers to a narrow type")
    return Variable(x.layer, x.built, x.shape, integer=to not in (1, 11))


def _scaler(build: Builder, node: OnnxNode, args: Args) -> Value:
    offset, scale = (
        np.asarray(node.attributes.get(k, [d]), dtype=np.float32)
        for k, d in (("offset", 0.0), ("scale", 1.0))
    )
    return build.affine(node, variable(args[0]), scale, -offset * scale)


def _refuse(build: Builder, node: OnnxNode, args: Args) -> Value:
    raise Obstacle("this operator is supported on constants only")


_ON_INTEGERS = ("Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape",
                "Transpose", "Dropout")  # fmt: skip
_KEEPS_STEP = ("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")

_QUANTISERS: Mapping[str, Rule] = {"Quant": quant, "BipolarQuant": bipolar_quant}
_ML: Mapping[str, Rule] = {"Scaler": _scaler}
_REFUSED_ML = (
    "this operator of ai.onnx.ml is not supported; convert with options={'zipmap': False} and "
    "keep the scores only, or save the estimator with skops"
)

_LATER = "convolution and pooling are not supported yet; only dense networks are"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
         "Pad"), _LATER),
    "LogSoftmax": "a logarithm has no circuit; end the model in its logits or in Softmax",
    "QuantizeLinear": "the quantisers of ONNX are not supported yet; export QONNX or float",
    "DequantizeLinear": "the quantisers of ONNX are not supported yet; export QONNX or float",
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent layers are not supported"),
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Softplus", "Softsign", "Mish",
         "HardSwish", "Swish", "ThresholdedRelu", "Erf"),
        "this activation is not supported; use Relu, Sigmoid, HardSigmoid or Tanh"),
}  # fmt: skip

_RULES: Mapping[str, Rule] = {
    "Gemm": arithmetic.gemm,
    "MatMul": arithmetic.matmul,
    "Add": arithmetic.add,
    "Sub": arithmetic.sub,
    "Mul": arithmetic.mul,
    "Div": arithmetic.div,
    "Neg": arithmetic.neg,
    "BatchNormalization": _batch_normalization,
    "Relu": _activation("relu"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Softmax": _softmax,
    "ArgMax": _argmax,
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
    "Shape": shapes.shape_of,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose,
    "Concat": shapes.concat,
}
