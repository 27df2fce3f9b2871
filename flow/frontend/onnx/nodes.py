"""ONNX operators on tensors that depend on the inputs: the rule of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from flow.frontend.onnx import (
    arithmetic,
    choices,
    finn,
    functions,
    heads,
    ml,
    pools,
    qdq,
    qlinear,
    shapes,
    steps,
    windows,
)
from flow.frontend.onnx.attributes import Args, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.constants import FOLDED, folded
from flow.frontend.onnx.dense import gemm, matmul
from flow.frontend.onnx.einsum import einsum
from flow.frontend.onnx.file import OnnxNode, shown
from flow.frontend.onnx.quant import bipolar_quant, quant, trunc
from flow.frontend.onnx.refusals import REFUSED, REFUSED_QONNX
from flow.frontend.onnx.resize import resize, upsample
from flow.frontend.onnx.views import Constant, Obstacle, Unknown, Value, Variable
from flow.frontend.source import Function

Rule = Callable[[Builder, OnnxNode, Args], Value | tuple[Value, ...]]

DOMAINS = (
    "qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas", "finn", "qonnx",
    "qonnx.custom_op.channels_last",
)  # fmt: skip
"""The names that QONNX, Brevitas and FINN have given to one set of operators."""


def apply_node(build: Builder, node: OnnxNode, args: Args) -> tuple[Value, ...]:
    """The results of a node; Obstacle where it cannot be represented."""
    build.moves(0)
    constant = not node.domain and not any(isinstance(a, Variable | Unknown) for a in args)
    constant = constant and node.op in FOLDED and not node.has_subgraph
    if constant:
        results = folded(node, tuple(a if isinstance(a, Constant) else None for a in args))
        build.moves(sum(r.values.size for r in results))
        return results
    rule = _rule(node)
    if node.has_subgraph:
        raise Obstacle("control flow has no circuit; export the model without it")
    if any(isinstance(a, Unknown) for a in args):
        return (Unknown(),) * len(node.outputs)
    if any(isinstance(a, Variable) and a.code for a in args) and node.op not in _ON_CODES:
        raise Obstacle("it computes on the integers of QuantizeLinear; export in the QDQ format")
    if any(isinstance(a, Variable) and a.integer for a in args) and node.op not in _ON_INTEGERS:
        raise Obstacle("it computes on integers; cast them to float first")
    try:
        with np.errstate(all="ignore"):  # what is not finite is found where it becomes a weight
            result = rule(build, node, args)
    except (
        IndexError,
        ValueError,
        TypeError,
        OverflowError,
        ZeroDivisionError,
        MemoryError,
    ) as error:
        raise Obstacle("its operands or attributes do not fit") from error
    return result if isinstance(result, tuple) else (result,)


def _rule(node: OnnxNode) -> Rule:
    if node.domain in DOMAINS:
        last = node.domain.endswith("channels_last")
        rule = (_CHANNELS_LAST if last else _QONNX).get(node.op)
        if rule is None:
            told = f"the operator {shown(node.op)[1:-1]} of QONNX is not supported"
            raise Obstacle(REFUSED_QONNX.get(node.op, told))
        return rule
    if node.domain == "ai.onnx.ml":
        if node.op not in _ML:
            raise Obstacle(REFUSED.get(node.op, ml.REFUSED))
        return _ML[node.op]
    if node.domain == "com.microsoft" and node.op in _MICROSOFT:
        return _MICROSOFT[node.op]
    if node.domain:
        raise Obstacle(REFUSED.get(node.op) or f"the operator set {shown(node.domain)} is unknown")
    if node.op in REFUSED:
        raise Obstacle(REFUSED[node.op])
    if node.op not in _RULES and node.op not in FOLDED and not node.has_subgraph:
        raise Obstacle("this operator is not supported")
    return _RULES.get(node.op, _refuse)


def _batch_normalization(build: Builder, node: OnnxNode, args: Args) -> Value:
    return _normalised(build, node, args, last=False)


def _batch_normalization_last(build: Builder, node: OnnxNode, args: Args) -> Value:
    return _normalised(build, node, args, last=True)


def _normalised(build: Builder, node: OnnxNode, args: Args, last: bool) -> Value:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias for each channel, in float32."""
    x = variable(args[0])
    if node.attributes.get("training_mode", 0) or any(build.uses[n] for n in node.outputs[1:]):
        raise Obstacle("it is in training mode; export the model for inference")
    if not all(isinstance(a, Constant) and a.values.ndim == 1 for a in args[1:5]):
        raise Obstacle("its parameters are not constant vectors")
    scale, bias, mean, variance = (a.values for a in args[1:5] if isinstance(a, Constant))
    axis = len(x.shape) - 1 if last else 0
    if not x.shape or any(p.shape != (x.shape[axis],) for p in (scale, bias, mean, variance)):
        raise Obstacle(f"its parameters do not fit the channels of {['batch', *x.shape]}")
    epsilon = np.float32(node.attributes.get("epsilon", 1e-5))
    multiplier = scale / np.sqrt(variance + epsilon)
    offset = bias - mean * multiplier
    channels = tuple(-1 if a == axis else 1 for a in range(len(x.shape)))
    return build.affine(node, x, multiplier.reshape(channels), offset.reshape(channels))


def _reduction(pool: pools.PoolKind) -> Rule:
    return lambda build, node, args: pools.reduction(build, node, args, pool)


def _global(pool: pools.PoolKind) -> Rule:
    return lambda build, node, args: pools.global_pool(build, node, variable(args[0]), pool)


def _refuse(build: Builder, node: OnnxNode, args: Args) -> Value:
    raise Obstacle("this operator is supported on constants only")


_SHAPES: Mapping[str, Rule] = {
    "Shape": shapes.shape_of,
    "Identity": shapes.identity,
    "Dropout": shapes.dropout,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose,
    "Slice": shapes.slice_of,
    "Split": shapes.split,
    "Gather": shapes.gather,
    "GatherND": shapes.gather_nd,
    "Expand": shapes.expand,
    "Tile": shapes.tile,
    "DepthToSpace": shapes.depth_to_space,
    "SpaceToDepth": shapes.space_to_depth,
    "Resize": resize,
    "Upsample": upsample,
}
"""Operators that move elements."""

_ON_CODES = (
    *_SHAPES, "Cast", "MaxPool", "Clip", "DequantizeLinear", "QLinearConv", "QLinearMatMul",
    "QGemm", "QLinearAdd", "QLinearMul", "QLinearGlobalAveragePool",
)  # fmt: skip
"""Operators that take the integers of QuantizeLinear."""

_ON_INTEGERS = (*_ON_CODES, "Not", "Where", "ArrayFeatureExtractor", "ZipMap")
"""Operators that take integers of any kind."""

_QONNX: Mapping[str, Rule] = {
    "Quant": quant,
    "IntQuant": quant,
    "BipolarQuant": bipolar_quant,
    "Trunc": trunc,
    "MultiThreshold": finn.multi_threshold,
    "Im2Col": finn.im2col,
    "MaxPoolNHWC": finn.max_pool_last,
    "QuantAvgPool2d": finn.quant_average_pool,
}
_CHANNELS_LAST: Mapping[str, Rule] = {
    "Conv": finn.conv_last,
    "MaxPool": finn.max_pool_last,
    "BatchNormalization": _batch_normalization_last,
}
_ML: Mapping[str, Rule] = {
    "Scaler": ml.scaler,
    "LinearRegressor": ml.linear_regressor,
    "LinearClassifier": ml.linear_classifier,
    "Normalizer": ml.normalizer,
    "ArrayFeatureExtractor": ml.labels,
    "ZipMap": ml.zip_map,
}
_MICROSOFT: Mapping[str, Rule] = {
    "QuantizeLinear": qdq.quantize,
    "DequantizeLinear": qdq.dequantize,
    "Gelu": functions.gelu,
    "QGemm": qlinear.qlinear_gemm,
    "QLinearAdd": qlinear.qlinear_add,
    "QLinearMul": qlinear.qlinear_mul,
    "QLinearGlobalAveragePool": qlinear.qlinear_average,
}

_UNARY: Mapping[str, Function] = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard_swish",
    "Softplus": "softplus", "Softsign": "softsign", "Mish": "mish", "Erf": "erf",
    "Exp": "exponential", "Log": "log", "Sqrt": "sqrt", "Abs": "abs", "Reciprocal": "reciprocal",
    "Sin": "sin", "Cos": "cos", "Atan": "arctan",
}  # fmt: skip

_RULES: Mapping[str, Rule] = {
    **_SHAPES,
    **{op: functions.elementwise(function) for op, function in _UNARY.items()},
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": einsum,
    "Shrink": functions.shrink,
    "Add": arithmetic.add,
    "Sub": arithmetic.sub,
    "Mul": arithmetic.mul,
    "Div": arithmetic.div,
    "Neg": arithmetic.neg,
    "Sum": arithmetic.total,
    "Mean": arithmetic.mean,
    "Max": choices.maximum,
    "Min": choices.minimum,
    "Where": choices.where,
    "BatchNormalization": _batch_normalization,
    "LeakyRelu": functions.with_alpha("leaky_relu", 0.01),
    "Elu": functions.with_alpha("elu", 1.0),
    "Celu": functions.with_alpha("celu", 1.0),
    "PRelu": functions.prelu,
    "Selu": functions.selu,
    "HardSigmoid": functions.hard_sigmoid,
    "Gelu": functions.gelu,
    "Swish": functions.swish,
    "Clip": functions.clip,
    "Floor": steps.rounded("floor"),
    "Ceil": steps.rounded("ceil"),
    "Round": steps.rounded("half_even"),
    "Sign": steps.sign,
    "Pow": functions.power,
    "Greater": steps.compared(at_least=False, turned=False),
    "GreaterOrEqual": steps.compared(at_least=True, turned=False),
    "Less": steps.compared(at_least=False, turned=True),
    "LessOrEqual": steps.compared(at_least=True, turned=True),
    "Not": steps.negation,
    "Softmax": heads.softmax,
    "LogSoftmax": heads.log_softmax,
    "ArgMax": heads.argmax,
    "TopK": heads.top_k,
    "Cast": functions.cast,
    "Concat": arithmetic.concat,
    "Pad": shapes.pad,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "MaxPool": pools.max_pool,
    "AveragePool": pools.average_pool,
    "GlobalAveragePool": _global("average"),
    "GlobalMaxPool": _global("max"),
    "ReduceMax": _reduction("max"),
    "ReduceMean": _reduction("average"),
    "ReduceSum": _reduction("sum"),
    "ReduceMin": pools.reduce_min,
    "QuantizeLinear": qdq.quantize,
    "DequantizeLinear": qdq.dequantize,
    "QLinearConv": qlinear.qlinear_conv,
    "QLinearMatMul": qlinear.qlinear_matmul,
}
