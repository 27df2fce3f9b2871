"""The quantisers of ONNX itself: QuantizeLinear, DequantizeLinear and the layers between codes.

QuantizeLinear(x) = saturate(round_half_even(x / scale) + zero) is a quantiser of the reals that
the integers stand for; DequantizeLinear takes them as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.attributes import Args
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.quant import quantised, stepped
from flow.frontend.onnx.views import Code, Constant, Obstacle, Value, Variable

Array = NDArray[Any]

_TYPES = {2: "u1", 3: "i1", 4: "<u2", 5: "<i2"}


def quantize(build: Builder, node: OnnxNode, args: Args) -> Value:
    """QuantizeLinear of a variable or of a constant."""
    x, scale, zero = _operands(build, node, args, _output_type(node))
    if isinstance(x, Constant):
        info = np.iinfo(zero.dtype)
        whole = np.rint(x.values / scale) + zero
        return Constant(np.clip(whole, info.min, info.max).astype(zero.dtype))
    if not isinstance(x, Variable):
        raise Obstacle("its operand is unknown")
    return coded(build, node, x, scale, zero, node.outputs[0])


def coded(
    build: Builder, node: OnnxNode, x: Variable, scale: Array, zero: Array, name: str
) -> Variable:
    """The integers round(x / scale) + zero of the type of `zero`."""
    info = np.iinfo(zero.dtype)
    whole = zero.astype(np.int64)
    ends = (np.asarray(info.min - whole), np.asarray(info.max - whole))
    none = np.zeros((), dtype=np.float32)
    result = quantised(build, node, x, scale, none, ends, "ROUND", name)
    code = Code(scale, whole, int(info.min), int(info.max))
    return Variable(name, result.built, result.shape, True, result.view, code=code)


def dequantize(build: Builder, node: OnnxNode, args: Args) -> Value:
    """DequantizeLinear: the reals behind the codes; of constants, weights with their step."""
    x, scale, zero = _operands(build, node, args, None)
    if isinstance(x, Constant):
        if x.values.dtype.kind not in "iu":
            raise Obstacle("its operand holds no integers")
        whole = x.values.astype(np.int64) - zero.astype(np.int64)
        return stepped(whole.astype(np.float64), scale)
    if not isinstance(x, Variable):
        raise Obstacle("its operand is unknown")
    code = x.code
    if code is None:
        if not x.integer:
            raise Obstacle("its operand holds no integers")
        factor = scale.astype(np.float64)
        plain = Variable(x.layer, x.built, x.shape, view=x.view, fill=x.fill)
        return build.affine(node, plain, factor, -factor * zero)
    real = Variable(x.layer, x.built, x.shape, view=x.view, fill=x.fill)
    if same_numbers(scale, code.step) and same_numbers(zero, code.zero):
        return real
    ratio = scale.astype(np.float64) / code.step
    shift = scale.astype(np.float64) * (code.zero - zero.astype(np.int64))
    return build.affine(node, real, ratio, shift)


def _output_type(node: OnnxNode) -> np.dtype[Any]:
    return np.dtype(_TYPES.get(int(node.attributes.get("output_dtype", 0)), "u1"))


def _operands(
    build: Builder, node: OnnxNode, args: Args, default: np.dtype[Any] | None
) -> tuple[Value | None, Array, Array]:
    """The operand, and its scale and zero point with the axes of the full tensor."""
    x = args[0]
    if int(node.attributes.get("block_size", 0)):
        raise Obstacle("its scale changes in blocks; use one for each tensor or channel")
    kind = default or (x.values.dtype if isinstance(x, Constant) else np.dtype("i8"))
    scale, zero = constants(args[1], args[2] if len(args) > 2 else None, kind)
    if scale.size > 1:
        rank = x.values.ndim if isinstance(x, Constant) else _rank(x)
        axis = int(node.attributes.get("axis", 1))
        axis = axis + rank if axis < 0 else axis
        shape = [1] * rank
        shape[axis] = scale.size
        scale = scale.reshape(shape)
        zero = zero.reshape(shape) if zero.size > 1 else zero.reshape(())
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    return x, scale, zero


def _rank(x: Value | None) -> int:
    if not isinstance(x, Variable):
        raise Obstacle("its operand is unknown")
    return len(x.shape) + 1


def constants(scale: Value | None, zero: Value | None, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Positive scales, and integer zero points: 0 of the type `kind` where there are none."""
    s = array_of(scale)
    if not np.isfinite(s).all() or (s <= 0).any():
        raise Obstacle("its scale is not positive and finite")
    if zero is None:
        return s, np.zeros(s.shape, dtype=kind)
    z = array_of(zero)
    if z.dtype.kind not in "iu" or z.size not in (1, s.size):
        raise Obstacle("its zero point is no integer for each scale")
    return s, z


def array_of(value: Value | None) -> Array:
    """The numbers of a scale or a zero point; Obstacle where they are not constant."""
    if not isinstance(value, Constant) or not value.values.size:
        raise Obstacle("its scale or zero point is not a constant")
    return value.values


def same_numbers(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same numbers in the same order, in any shape."""
    return a.size == b.size and bool((a.reshape(-1) == b.reshape(-1)).all())
