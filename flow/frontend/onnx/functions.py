"""ONNX functions of one element, comparisons, rounding, and the heads of classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import ONE, summed, together
from flow.frontend.onnx.attributes import (
    Args,
    cast_target,
    float_attribute,
    operand,
    variable,
)
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Constant,
    Obstacle,
    Value,
    Variable,
)
from flow.frontend.source import (
    Function,
    Quantiser,
    SourceMultiply,
    SourceQuantise,
)

Array = NDArray[Any]
Rule = Callable[[Builder, OnnxNode, Args], Value]


def elementwise(function: Function) -> Rule:
    """The rule of an operator without parameters."""

    def rule(build: Builder, node: OnnxNode, args: Args) -> Value:
        return build.activation(node, variable(args[0]), function)

    return rule


def with_alpha(function: Function, default: float) -> Rule:
    """The rule of an operator with the one parameter alpha."""

    def rule(build: Builder, node: OnnxNode, args: Args) -> Value:
        alpha = float_attribute(node, "alpha", default)
        return build.activation(node, variable(args[0]), function, alpha)

    return rule


def selu(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Selu: gamma * elu(x, alpha), by its own name where both are as published."""
    x = variable(args[0])
    alpha, gamma = (
        float_attribute(node, k, d) for k, d in (("alpha", 1.6732632), ("gamma", 1.050701))
    )
    if abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.050701) < 1e-6:
        return build.activation(node, x, "selu")
    inner = build.activation(node, x, "elu", alpha, name=build.fresh(f"{node.outputs[0]}_elu"))
    return build.affine(node, inner, gamma * ONE, 0 * ONE)


def shrink(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Shrink, where it is the soft or the hard one."""
    x = variable(args[0])
    bias, end = (float_attribute(node, k, d) for k, d in (("bias", 0.0), ("lambd", 0.5)))
    if end < 0 or bias not in (0.0, end):
        raise Obstacle(f"bias={bias:g} with lambd={end:g}; use 0 or lambd")
    return build.activation(node, x, "soft_shrink" if bias else "hard_shrink", end)


def prelu(build: Builder, node: OnnxNode, args: Args) -> Value:
    """PRelu: slope * x + (1 - slope) * relu(x), with one slope a leaky relu."""
    x, slope = variable(args[0]), operand(args, 1, "its slope")
    if slope is None:
        raise Obstacle("it has no slope")
    if slope.size == 1 or (slope == slope.reshape(-1)[0]).all():
        return build.activation(node, x, "leaky_relu", float(slope.reshape(-1)[0]))
    if build.opset < 7 and slope.shape == x.shape[:1]:
        slope = slope.reshape(-1, *(1 for _ in x.shape[1:]))  # one for each channel
    name = node.outputs[0]
    names = [build.fresh(f"{name}_{part}") for part in ("relu", "above", "through")]
    above = build.activation(node, x, "relu", name=names[0])
    rest = slope.astype(np.float64)
    above = build.affine(node, above, 1 - rest, 0 * rest, names[1])
    through = build.affine(node, x, rest, 0 * rest, names[2])
    return summed(build, node, [through, above])


def hard_sigmoid(build: Builder, node: OnnxNode, args: Args) -> Value:
    """HardSigmoid: alpha * x + beta clipped to [0, 1]; 1/5 and 1/2 are exact."""
    x = variable(args[0])
    alpha, beta = (
        float_attribute(node, "alpha", 0.2),
        float_attribute(node, "beta", 0.5),
    )
    if alpha == float(np.float32(0.2)) and beta == 0.5:
        return build.activation(node, x, "hard_sigmoid")
    return build.activation(node, x, "hard_sigmoid", alpha, beta)


def gelu(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Gelu by the error function, or its approximation by tanh."""
    tanh = node.attributes.get("approximate", "none") == "tanh"
    return build.activation(node, variable(args[0]), "gelu_tanh" if tanh else "gelu")


def swish(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Swish with the slope 1."""
    if float_attribute(node, "alpha", 1.0) != 1:
        raise Obstacle("its slope is not 1")
    return build.activation(node, variable(args[0]), "silu")


def clip(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Clip between two constants, or at one of them."""
    x = variable(args[0])
    low, high = clip_bounds(node, args)
    if x.code is not None:
        return coded_clip(build, node, x, low, high)
    if (low, high) == (-np.inf, np.inf):
        return x
    if low > high:
        raise Obstacle(f"its bounds {low:g} and {high:g} are the wrong way round")
    if low == 0:
        return build.activation(node, x, "relu", *([] if high == np.inf else [high]))
    if np.isfinite([low, high]).all():
        return build.activation(node, x, "hard_tanh", *([] if (low, high) == (-1, 1) else
                                                        [low, high]))  # fmt: skip
    # max(x, low) = low + relu(x - low); min(x, high) = high - relu(high - x)
    sign, end = (ONE, low) if high == np.inf else (-ONE, high)
    names = [build.fresh(f"{node.outputs[0]}_{part}") for part in ("over", "clipped")]
    over = build.affine(node, x, sign, -sign * np.float64(end), names[0])
    above = build.activation(node, over, "relu", name=names[1])
    return build.affine(node, above, sign, np.float64(end) * ONE)


def clip_bounds(node: OnnxNode, args: Args) -> tuple[float, float]:
    """The ends of Clip; the largest float32 and beyond are none."""
    bounds = [node.attributes.get("min"), node.attributes.get("max")]
    for i, a in enumerate(args[1:3]):
        if isinstance(a, Variable) or (isinstance(a, Constant) and a.values.size != 1):
            raise Obstacle("its bounds are not constants")
        bounds[i] = float(a.values.ravel()[0]) if isinstance(a, Constant) else bounds[i]
    low = -np.inf if bounds[0] is None or bounds[0] <= -3.4e38 else float(bounds[0])
    high = np.inf if bounds[1] is None or bounds[1] >= 3.4e38 else float(bounds[1])
    return low, high


def coded_clip(build: Builder, node: OnnxNode, x: Variable, low: float, high: float) -> Variable:
    """Clip of the integers of QuantizeLinear: a narrower quantiser."""
    code = x.code
    assert code is not None
    lo, hi = (int(max(low, code.lo)), int(min(high, code.hi)))
    before = build.layers[x.layer]
    if lo > hi or code.zero.size != 1:
        raise Obstacle("its bounds leave no integer")
    zero = int(code.zero.reshape(-1)[0])
    if not isinstance(before, SourceQuantise) or (lo, hi) == (code.lo, code.hi):
        if (lo, hi) == (code.lo, code.hi):
            return x
        raise Obstacle("it clips integers that no QuantizeLinear made")
    q = before.quantiser
    if build.uses[node.inputs[0]] == 1 and x.layer == node.inputs[0]:
        narrow = Quantiser(q.step, lo - zero, hi - zero, q.rounding, q.overflow)
        name, place = node.outputs[0], f"{before.place} with {node.place}"
        build.replace(x.layer, SourceQuantise(name, before.sources, place, narrow))
    else:
        x = build.settled(x, node.place)
        name = node.outputs[0]
        narrow = Quantiser(q.step, lo - zero, hi - zero)
        build.add(SourceQuantise(name, (x.layer,), node.place, narrow))
    code = type(code)(code.step, code.zero, lo, hi)
    return Variable(name, x.built, x.shape, True, x.view, code=code)


def power(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Pow with a constant exponent that has a function of its own."""
    x, exponent = variable(args[0]), operand(args, 1, "its exponent")
    if exponent is None or exponent.size != 1:
        raise Obstacle("its exponent is not one constant")
    match float(exponent.reshape(-1)[0]):
        case 1.0:
            return x
        case 2.0:
            return build.activation(node, x, "square")
        case 0.5:
            return build.activation(node, x, "sqrt")
        case -1.0:
            return build.activation(node, x, "reciprocal")
        case 3.0 | 4.0 as whole:
            return together(build, node, SourceMultiply, [x] * int(whole))
        case other:
            raise Obstacle(f"the exponent {other:g} is not supported; use 2, 3, 4, 1/2 or -1")


def cast(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Cast that changes no value."""
    x, to = variable(args[0]), cast_target(node)
    if to not in (1, 6, 7, 10, 11, 12, 13) and not (to == 9 and x.integer):
        raise Obstacle("it casts to a type that cuts its values")
    floating = to in (1, 10, 11)
    if not floating and not x.integer:
        raise Obstacle("it casts to a type that cuts its values")
    if x.code is not None:
        if not floating:
            return x
        step, zero = (np.asarray(v, dtype=np.float64) for v in (x.code.step, x.code.zero))
        real = Variable(x.layer, x.built, x.shape, view=x.view, fill=x.fill)
        return build.affine(node, real, 1 / step, zero)
    return Variable(x.layer, x.built, x.shape, not floating, x.view, x.fill)
