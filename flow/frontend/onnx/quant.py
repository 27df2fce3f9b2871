"""QONNX quantisers: Quant, BipolarQuant, Trunc and what FINN makes of them.

Meaning after the operator definitions of QONNX (Pappalardo et al., "QONNX: Representing
Arbitrary-Precision Quantized Neural Networks", arXiv:2206.07527):
Quant(x) = scale * (round(clamp(x / scale + zero point)) - zero point); BipolarQuant(x) = scale
where x >= 0, else -scale; Trunc drops low bits. A clamp to integers before a rounding is the same
as one behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.onnx.arithmetic import ONE, summed
from flow.frontend.onnx.attributes import Args, variable
from flow.frontend.onnx.builder import Builder
from flow.frontend.onnx.file import OnnxNode
from flow.frontend.onnx.views import (
    Constant,
    Obstacle,
    Value,
    Variable,
    along,
    without_batch,
)
from flow.frontend.source import Quantiser, SourceQuantise, step_array
from flow.ir.rounding import Rounding
from flow.ir.tensor import FractionArray, IntArray

Array = NDArray[Any]

MAX_BITS = 32


def _half(shift: float) -> Callable[[Array], Array]:
    if shift > 0:
        return lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5)
    return lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5)


_ROUNDINGS: Mapping[str, tuple[Rounding | None, Callable[[Array], Array]]] = {
    "ROUND": ("half_even", np.rint),
    "HALF_EVEN": ("half_even", np.rint),
    "FLOOR": ("floor", np.floor),
    "CEIL": ("ceil", np.ceil),
    "ROUND_TO_ZERO": ("zero", np.trunc),
    "DOWN": ("zero", np.trunc),
    "HALF_UP": ("half_away", _half(0.5)),
    "HALF_DOWN": ("half_zero", _half(-0.5)),
    "UP": (None, lambda x: np.sign(x) * np.ceil(np.abs(x))),
}
"""Each rounding mode as a quantiser has it and as a function; UP, away from 0, is the sum of two
quantisers."""


def quant(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Quant and IntQuant: of a constant, integers with a step; of a variable, a quantiser."""
    x, scale, zero, bits = args[0], *(_number(a) for a in args[1:4])
    mode = _rounding(node, "ROUND")
    signed, narrow = (bool(node.attributes.get(k, d)) for k, d in (("signed", 1), ("narrow", 0)))
    if (bits != np.rint(bits)).any() or bits.min() < 1 or bits.max() > MAX_BITS:
        raise Obstacle(f"its bit width is not a whole number from 1 to {MAX_BITS}")
    if signed and (bits == 1).any():
        if bits.size != 1 or (zero != 0).any():
            raise Obstacle("it has one signed bit; use BipolarQuant")
        return bipolar_quant(build, node, (x, args[1]))
    ends = _ends(bits, signed, narrow)
    if isinstance(x, Constant):
        return _constant(x, scale, zero, mode, ends)
    return quantised(build, node, variable(x), scale, zero, ends, mode, node.outputs[0])


def _ends(bits: Array, signed: bool, narrow: bool) -> tuple[IntArray, IntArray]:
    power = np.asarray(2 ** bits.astype(np.int64))
    lo = -(power // 2) + narrow if signed else 0 * power
    hi = power // 2 - 1 if signed else power - 1 - narrow
    return np.asarray(lo), np.asarray(hi)


def _rounding(node: OnnxNode, default: str) -> str:
    mode = str(node.attributes.get("rounding_mode", default)).upper()
    if mode not in _ROUNDINGS:
        raise Obstacle(f"the rounding mode {mode[:20]!r} is not supported")
    return mode


def _constant(
    x: Constant, scale: Array, zero: Array, mode: str, ends: tuple[IntArray, IntArray]
) -> Constant:
    _check_scale(x.values, scale)
    if (zero != np.rint(zero)).any():
        raise Obstacle("its zero point is no integer")
    shifted = x.values / scale + zero.astype(scale.dtype)
    whole = _ROUNDINGS[mode][1](np.clip(shifted, *ends)) - zero
    return stepped(whole.astype(np.float64), scale)


def quantised(
    build: Builder,
    node: OnnxNode,
    x: Variable,
    scale: Array,
    zero: Array,
    ends: tuple[IntArray, IntArray],
    mode: str,
    name: str,
) -> Variable:
    """scale * (round(clamp(x / scale + zero)) - zero) of a variable."""
    _note_scale(build, node, scale)
    shifted = (zero != 0).any()
    if shifted:
        offset = zero.astype(np.float64) * scale.astype(np.float64)
        inner = build.fresh(f"{name}_shifted")
        x = build.affine(node, x, np.ones_like(offset), offset, inner)
        inner = build.fresh(f"{name}_integer")
        x = _stepped_variable(build, node, x, scale, ends, mode, inner)
        return build.affine(node, x, np.ones_like(offset), -offset, name)
    return _stepped_variable(build, node, x, scale, ends, mode, name)


def _stepped_variable(
    build: Builder,
    node: OnnxNode,
    x: Variable,
    scale: Array,
    ends: tuple[IntArray, IntArray],
    mode: str,
    name: str,
) -> Variable:
    arrays = [without_batch(a, x.shape, build.batch) for a in (fractions(scale), *ends)]
    x = build.settled(build.widened(x, *(a.shape for a in arrays)), node.place)
    step, lo, hi = (along(a, x) for a in arrays)
    rounding = _ROUNDINGS[mode][0]
    if rounding is not None:
        return _emitted(build, node, x, Quantiser(step, _whole(lo), _whole(hi), rounding), name)
    # Away from zero: up what is above, down what is below.
    names = [build.fresh(f"{name}_{part}") for part in ("above", "below")]
    if (lo > 0).any() or (hi < 0).any():
        raise Obstacle("its range does not hold 0")
    upper = Quantiser(step, 0, _whole(hi), "ceil")
    lower = Quantiser(step, _whole(lo), 0, "floor")
    parts = [_emitted(build, node, x, q, n) for q, n in zip((upper, lower), names, strict=True)]
    return summed(build, node, parts, name)


def _emitted(
    build: Builder, node: OnnxNode, x: Variable, quantiser: Quantiser, name: str
) -> Variable:
    build.add(SourceQuantise(name, (x.layer,), node.place, quantiser))
    return Variable(name, x.built, x.shape, view=x.view)


def bipolar_quant(build: Builder, node: OnnxNode, args: Args) -> Value:
    """BipolarQuant: min(max(floor(x), -1), 0) is -1 or 0; twice that, plus one, is the sign."""
    x, scale = args[0], _number(args[1])
    if isinstance(x, Constant):
        _check_scale(x.values, scale)
        return stepped(np.where(x.values >= 0, 1.0, -1.0), scale)
    inner = build.settled(variable(x), node.place)
    sign = build.fresh(f"{node.outputs[0]}_sign")
    below = _emitted(build, node, inner, Quantiser(step_array(1), -1, 0, "floor"), sign)
    return build.affine(node, below, 2 * scale, scale)


def trunc(build: Builder, node: OnnxNode, args: Args) -> Value:
    """Trunc, both versions: integers lose their low bits.

    Version 1 (x, scale, zero, bits in, bits out) keeps the scale, version 2 (a scale out before
    the bits out) names the new one and clamps.
    """
    if len(args) not in (5, 6):
        raise Obstacle("it has neither the operands of version 1 nor those of version 2")
    x, mode = variable(args[0]), _rounding(node, "FLOOR")
    numbers = [_number(a) for a in args[1:]]
    if any(a.size != 1 for a in numbers):
        raise Obstacle("its scale or its bit widths differ between channels")
    scale, zero, bits, *_, out = (float(a.reshape(-1)[0]) for a in numbers)
    wide = np.asarray(-(1 << 52)), np.asarray((1 << 52) - 1)
    if len(args) == 5:
        drop, new, ends = round(bits - out), scale, wide
    else:
        new = float(numbers[3].reshape(-1)[0])
        if scale <= 0 or new <= 0:
            raise Obstacle("its scale is not positive")
        drop = round(np.log2(new / scale))
        signed = bool(node.attributes.get("signed", 1))
        ends = _ends(np.asarray(out), signed, bool(node.attributes.get("narrow", 0)))
    if not -MAX_BITS <= drop <= MAX_BITS or zero != int(zero):
        raise Obstacle(f"it drops {drop} bits, or its zero point is no integer")
    name = node.outputs[0]
    names = [build.fresh(f"{name}_{part}") for part in ("shifted", "whole", "dropped")]
    if zero:
        x = build.affine(node, x, ONE, zero * scale * ONE.astype(np.float64), names[0])
    step, coarse = np.asarray(scale), np.asarray(scale * 2.0**drop)
    _note_scale(build, node, step)
    whole = _stepped_variable(build, node, x, step, wide, "ROUND", names[1])
    back = np.asarray(new / float(coarse)).reshape(1)
    offset = np.asarray([-zero * scale if len(args) == 5 else -zero / 2.0**drop * new])
    last = name if back[0] == 1 and not offset.any() else names[2]
    result = _stepped_variable(build, node, whole, coarse, ends, mode, last)
    return result if last == name else build.affine(node, result, back, offset)


def _whole(value: IntArray) -> int | IntArray:
    return int(value) if value.ndim == 0 else value


def _note_scale(build: Builder, node: OnnxNode, scale: Array) -> None:
    if (np.frexp(scale)[0] != 0.5).any():
        build.note(
            f"{node.place}: its scale is no power of two; the division by it is taken as exact, "
            "where the framework rounds to float32"
        )


def _number(value: Value | None) -> Array:
    if not isinstance(value, Constant):
        raise Obstacle("its scale, zero point or bit width is not a constant")
    if not np.isfinite(value.values).all() or not value.values.size:
        raise Obstacle("its scale, zero point or bit width is not finite")
    return value.values


def _check_scale(values: Array, scale: Array) -> None:
    if np.broadcast_shapes(values.shape, scale.shape) != values.shape:
        raise Obstacle(
            f"its scale has the shape {list(scale.shape)}, its operand {list(values.shape)}"
        )


def stepped(integers: Array, scale: Array) -> Constant:
    """Integers times a scale as a constant with its step."""
    step = fractions(scale)
    # A float32 scale has 24 bits: with integers of up to 29 bits the float64 product is exact.
    if np.abs(integers).max(initial=0) >= 1 << 29 and (np.frexp(scale)[0] != 0.5).any():
        raise Obstacle("its integers have more than 29 bits")
    return Constant(integers * scale.astype(np.float64) + 0.0, step)


def fractions(scale: Array) -> FractionArray:
    """Positive scales as exact rationals."""
    if (scale <= 0).any():
        raise Obstacle("its scale is not positive")
    if scale.size == 1:
        return step_array(Fraction(float(scale.ravel()[0])))
    steps: FractionArray = np.empty(scale.shape, dtype=object)
    steps.reshape(-1)[:] = [Fraction(float(s)) for s in scale.reshape(-1)]
    return steps
