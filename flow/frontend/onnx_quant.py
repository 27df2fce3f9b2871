"""QONNX quantisers: Quant and BipolarQuant with a constant scale.

Meaning after the operator definitions of QONNX (Pappalardo et al., "QONNX: Representing
Arbitrary-Precision Quantized Neural Networks", arXiv:2206.07527):
Quant(x) = scale * round(clamp(x / scale + zero point)); BipolarQuant(x) = scale where x >= 0,
else -scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx_file import OnnxNode
from flow.frontend.onnx_shapes import variable
from flow.frontend.onnx_values import Builder, Constant, Obstacle, Value, Variable
from flow.frontend.source import Quantiser, SourceQuantise, step_array
from flow.ir.rounding import Rounding
from flow.ir.tensor import FractionArray

Array = NDArray[Any]

DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
MAX_BITS = 32

_ROUNDINGS: Mapping[str, tuple[Rounding, Callable[[Array], Array]]] = {
    "ROUND": ("half_even", np.rint),
    "HALF_EVEN": ("half_even", np.rint),
    "FLOOR": ("floor", np.floor),
    "CEIL": ("ceil", np.ceil),
    "ROUND_TO_ZERO": ("zero", np.trunc),
    "DOWN": ("zero", np.trunc),
}


def quant(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """Quant: of a constant, integers with a step; of a variable, a quantiser layer."""
    x, scale, zero, bits = args[0], *(_number(a) for a in args[1:4])
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in _ROUNDINGS:
        raise Obstacle(f"the rounding mode {mode[:20]!r} is not supported")
    if (zero != 0).any():
        raise Obstacle("its zero point is not 0")
    width = int(bits.ravel()[0])
    if bits.size != 1 or float(bits.ravel()[0]) != width or not 1 <= width <= MAX_BITS:
        raise Obstacle(f"its bit width is not one whole number from 1 to {MAX_BITS}")
    signed, narrow = (bool(node.attributes.get(k, d)) for k, d in (("signed", 1), ("narrow", 0)))
    if signed and width == 1:
        raise Obstacle("it has one signed bit; use BipolarQuant")
    lo = -(1 << (width - 1)) + narrow if signed else 0
    hi = (1 << (width - 1)) - 1 if signed else (1 << width) - 1 - narrow
    rounding, function = _ROUNDINGS[mode]
    if isinstance(x, Constant):
        _check_scale(x.values, scale)
        integers = function(np.clip(x.values / scale, lo, hi)).astype(np.float64)
        return _stepped(integers, scale)
    x = variable(x)
    step = _along_last(_fractions(scale), x)
    if (np.frexp(scale)[0] != 0.5).any():
        build.notes.append(
            f"{node.place}: its scale is no power of two; the division by it is taken as exact, "
            "where the framework rounds to float32"
        )
    quantiser = Quantiser(step, lo, hi, rounding)
    name = node.outputs[0]
    build.add(SourceQuantise(name, (x.layer,), node.place, quantiser))
    return Variable(name, x.built, x.shape)


def bipolar_quant(build: Builder, node: OnnxNode, args: tuple[Value | None, ...]) -> Value:
    """BipolarQuant: min(max(floor(x), -1), 0) is -1 or 0; twice that, plus one, is the sign."""
    x, scale = args[0], _number(args[1])
    if isinstance(x, Constant):
        _check_scale(x.values, scale)
        return _stepped(np.where(x.values >= 0, 1.0, -1.0), scale)
    x = variable(x)
    if scale.size != 1:
        raise Obstacle("its scale differs between elements")
    sign = build.fresh(f"{node.outputs[0]}_sign")
    quantiser = Quantiser(step_array(1), -1, 0, "floor")
    build.add(SourceQuantise(sign, (x.layer,), node.place, quantiser))
    s = scale.reshape(1)
    return build.affine(node, Variable(sign, x.built, x.shape), 2 * s, s)


def _number(value: Value | None) -> Array:
    if not isinstance(value, Constant):
        raise Obstacle("its scale, zero point or bit width is not a constant")
    if not np.isfinite(value.values).all():
        raise Obstacle("its scale, zero point or bit width is not finite")
    return value.values


def _check_scale(values: Array, scale: Array) -> None:
    if np.broadcast_shapes(values.shape, scale.shape) != values.shape:
        raise Obstacle(
            f"its scale has the shape {list(scale.shape)}, its operand {list(values.shape)}"
        )


def _stepped(integers: Array, scale: Array) -> Constant:
    step = _fractions(scale)
    # A float32 scale has 24 bits: with integers of up to 29 bits the float64 product is exact.
    values = integers * scale.astype(np.float64) + 0.0
    if np.abs(integers).max(initial=0) >= 1 << 29:
        raise Obstacle("its integers have more than 29 bits")
    return Constant(values, step)


def _fractions(scale: Array) -> FractionArray:
    if (scale <= 0).any():
        raise Obstacle("its scale is not positive")
    if scale.size == 1:
        return step_array(Fraction(float(scale.ravel()[0])))
    steps: FractionArray = np.empty(scale.shape, dtype=object)
    steps.ravel()[:] = [Fraction(float(s)) for s in scale.ravel()]
    return steps


def _along_last(step: FractionArray, x: Variable) -> FractionArray:
    if step.size == 1:
        return step
    last = step.shape[-1]
    if step.size != last or x.built[-1] != last or x.shape[-1:] != (last,):
        raise Obstacle("its scale does not lie along the last axis")
    return step.reshape(last)
