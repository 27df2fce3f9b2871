"""QKeras quantisers (Coelho et al., Nature Machine Intelligence 3, 2021), as release 0.9.0 acts.

A quantiser is a dictionary or a text such as `quantized_relu(3,1)`; neither is ever evaluated.
The value of a quantiser is taken as defined; QKeras adds `x + (q(x) - x)` in float32, which may
differ from q(x) by a rounding of that sum where x saturates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend import qkeras_scale
from flow.frontend.keras_steps import (
    Obstacle,
    Step,
    affine,
    function,
    quantise,
    scaled_clip,
    total,
)
from flow.frontend.source import Weights, step_array

Shape = Callable[[NDArray[np.float32]], Weights]
"""Float32 weights -> their quantised values."""

MAX_BITS = 24
"""Above this, float32 itself does not hold the quantised values."""

_BITS = (
    ("bits", 8), ("integer", 0), ("symmetric", 0), ("keep_negative", True), ("alpha", None),
    ("use_stochastic_rounding", False), ("scale_axis", None),
)  # fmt: skip
_QNOISE = (("qnoise_factor", 1.0), ("var_name", None), ("use_ste", True), ("use_variables", False))

SIGNATURES: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "quantized_bits": (*_BITS, *_QNOISE),
    "quantized_relu": (
        ("bits", 8), ("integer", 0), ("use_sigmoid", 0), ("negative_slope", 0.0),
        ("use_stochastic_rounding", False), ("relu_upper_bound", None),
        ("is_quantized_clip", True), *_QNOISE,
    ),
    "quantized_po2": (
        ("bits", 8), ("max_value", None), ("use_stochastic_rounding", False),
        ("quadratic_approximation", False), ("log2_rounding", "rnd"), *_QNOISE,
    ),
    "quantized_relu_po2": (
        ("bits", 8), ("max_value", None), ("negative_slope", 0), ("use_stochastic_rounding", False),
        ("quadratic_approximation", False), ("log2_rounding", "rnd"), *_QNOISE,
    ),
    "binary": (("use_01", False), ("alpha", None), ("use_stochastic_rounding", False)),
    "stochastic_binary": (("alpha", None), ("temperature", 6.0), ("use_real_sigmoid", True)),
    "ternary": (
        ("alpha", None), ("threshold", None), ("use_stochastic_rounding", False),
        ("number_of_unrolls", 5),
    ),
    "stochastic_ternary": (
        ("alpha", None), ("threshold", None), ("temperature", 8.0), ("use_real_sigmoid", True),
        ("number_of_unrolls", 5),
    ),
    "quantized_tanh": (
        ("bits", 8), ("use_stochastic_rounding", False), ("symmetric", False),
        ("use_real_tanh", False),
    ),
    "quantized_sigmoid": (
        ("bits", 8), ("symmetric", False), ("use_real_sigmoid", False),
        ("use_stochastic_rounding", False),
    ),
    "hard_sigmoid": (), "hard_tanh": (), "binary_sigmoid": (), "binary_tanh": (),
}  # fmt: skip
"""Every quantiser that is read, with its arguments in order and their defaults."""

REFUSED = {
    "bernoulli": "draws random numbers also when it answers; use binary",
    "quantized_ulaw": "is logarithmic; use quantized_bits",
    "quantized_hswish": "is not a rounding; use quantized_relu",
    "smooth_sigmoid": "is not built; use hard_sigmoid",
    "smooth_tanh": "is not built; use hard_tanh",
}
"""QKeras quantisers that no circuit here stands for, with what to use."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A quantiser by name, with every argument."""

    name: str
    settings: Mapping[str, Any]

    def number(self, key: str, lo: float, hi: float) -> float:
        """A number setting in [lo, hi]."""
        value = self.settings[key]
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int | float) or not lo <= value <= hi:
            raise Obstacle(f"{self.name} with {key}={value!r}; it must be from {lo} to {hi}")
        return value

    def whole(self, key: str, lo: int, hi: int) -> int:
        """An integer setting in [lo, hi]."""
        value = self.number(key, lo, hi)
        if value != int(value):
            raise Obstacle(f"{self.name} with {key}={value!r}; it must be an integer")
        return int(value)

    def flag(self, key: str) -> bool:
        """A truth value, also written as 0 or 1."""
        return bool(self.whole(key, 0, 1))

    def require(self, key: str, value: Any, advice: str) -> None:
        """Obstacle unless the setting has the value."""
        if self.settings[key] != value:
            raise Obstacle(f"{self.name} with {key}={self.settings[key]!r}; {advice}")


def is_quantiser(value: Any) -> bool:
    """Whether an activation setting names a QKeras quantiser."""
    if isinstance(value, dict):
        name = value.get("class_name")
        return isinstance(name, str) and (_plain(name) in SIGNATURES or _plain(name) in REFUSED)
    return isinstance(value, str) and (
        "(" in value or value in SIGNATURES or value in REFUSED
    )


def read_quantiser(value: Any) -> Spec | None:
    """The quantiser in a setting, None for none; Obstacle where it is unknown."""
    if value is None:
        return None
    if isinstance(value, dict):
        name, given = value.get("class_name"), value.get("config", {})
        if not isinstance(name, str) or not isinstance(given, dict):
            raise Obstacle("a quantiser has no class_name and config; save the model again")
        return _spec(_plain(name), (), given)
    if not isinstance(value, str):
        raise Obstacle(f"{value!r} is no quantiser; write it as quantized_bits(8,0,alpha=1)")
    return _parse(value)


def weight_shaper(spec: Spec, kernel: bool) -> Shape:
    """What the quantiser does to weights; Obstacle where it is not exact.

    As QDense does, a kernel without alpha is scaled by `auto_po2`.
    """
    settings = dict(spec.settings)
    if kernel and "alpha" in settings and settings["alpha"] is None:
        settings["alpha"] = "auto_po2"
    spec = Spec(spec.name, settings)
    _check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            return _shape_bits(spec)
        case "quantized_relu":
            step, lo, hi = _relu_grid(spec)
            return lambda x: _on_grid(x, step, lo, hi)
        case "quantized_po2" | "quantized_relu_po2":
            return _shape_po2(spec)
        case "binary" | "stochastic_binary":
            return _shape_binary(spec)
        case "ternary" | "stochastic_ternary":
            return _shape_ternary(spec)
        case _:
            raise Obstacle(f"{spec.name} as a quantiser of weights; use quantized_bits")


def activation_steps(spec: Spec) -> tuple[Step, ...]:
    """What the quantiser does to activations; Obstacle where it is not exact."""
    _check_qnoise(spec)
    match spec.name:
        case "quantized_bits":
            alpha = _activation_alpha(spec)
            step, lo, hi = _bits_grid(spec)
            if (lo, hi) == (0, 0):
                return _binary_steps(alpha, zero_one=False)
            return (quantise(step, lo, hi), *_times(alpha))
        case "quantized_relu":
            return (quantise(*_relu_grid(spec)),)
        case "binary" | "stochastic_binary":
            zero_one = "use_01" in spec.settings and spec.flag("use_01")
            return _binary_steps(_activation_alpha(spec), zero_one)
        case "ternary" | "stochastic_ternary":
            return _ternary_steps(spec)
        case "quantized_tanh":
            m = 1 << (spec.whole("bits", 2, MAX_BITS) - 1)
            first = (function("tanh"),) if spec.flag("use_real_tanh") else ()
            lo = -m + spec.flag("symmetric")
            return (*first, quantise(Fraction(1, m), lo, m - 1))
        case "quantized_sigmoid":
            m = 1 << spec.whole("bits", 1, MAX_BITS)
            real = spec.flag("use_real_sigmoid")
            first = (function("sigmoid"),) if real else (affine(0.5, 0.5),)
            return (*first, quantise(Fraction(1, m), int(spec.flag("symmetric")), m - 1))
        case "hard_tanh":
            return (function("hard_tanh"),)
        case "hard_sigmoid":
            return scaled_clip(0.5, 0.5)
        case "binary_tanh":
            return quantise(Fraction(1), 0, 1, "ceil"), affine(2, -1)
        case "binary_sigmoid":
            return (quantise(Fraction(1), 0, 1, "ceil"),)
        case _:
            raise Obstacle(
                f"{spec.name} as an activation, whose levels are not evenly spaced; "
                "use quantized_relu or quantized_bits"
            )


_CALL = re.compile(r"\s*(\w{1,40})\s*(?:\(([^()]{0,200})\))?\s*", re.ASCII)
_ARGUMENT = re.compile(r"\s*(?:(\w{1,40})\s*=)?\s*([-+.\w]{1,40}|'\w{0,40}'|\"\w{0,40}\")\s*", re.A)
_WORDS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}


def _parse(text: str) -> Spec:
    call = _CALL.fullmatch(text)
    if call is None:
        raise Obstacle(f"the quantiser {text[:80]!r} cannot be read; write quantized_bits(8,0)")
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for part in (call[2] or "").split(",") if (call[2] or "").strip() else ():
        argument = _ARGUMENT.fullmatch(part)
        if argument is None or (argument[1] is None and named) or argument[1] in named:
            raise Obstacle(f"the quantiser {text[:80]!r} cannot be read; write quantized_bits(8,0)")
        value = _literal(argument[2], text)
        if argument[1] is None:
            positional.append(value)
        else:
            named[argument[1]] = value
    return _spec(call[1], tuple(positional), named)


def _literal(text: str, whole: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise Obstacle(f"the quantiser {whole[:80]!r} has the argument {text!r}, which is no number")


def _spec(name: str, positional: tuple[Any, ...], named: Mapping[str, Any]) -> Spec:
    if name in REFUSED:
        raise Obstacle(f"{name} {REFUSED[name]}")
    if name not in SIGNATURES:
        raise Obstacle(f"the quantiser {name[:80]!r} is not known; use quantized_bits")
    signature = SIGNATURES[name]
    if len(positional) > len(signature):
        raise Obstacle(f"{name} has {len(positional)} arguments; it takes {len(signature)}")
    settings = dict(signature)
    settings.update(zip(settings, positional, strict=False))
    taken = [key for key, _ in signature[: len(positional)]]
    for key, value in named.items():
        if key in taken:
            raise Obstacle(f"{name} has the argument {key!r} twice")
        if key in settings:
            settings[key] = value
        elif value is not None and value is not False:
            raise Obstacle(f"{name} with {key[:80]}={value!r}; this argument is not known")
    return Spec(name, settings)


def _plain(name: str) -> str:
    """The name without a package, which Keras writes as `package>name`."""
    return name.rsplit(">", 1)[-1]


def _check_qnoise(spec: Spec) -> None:
    if "qnoise_factor" in spec.settings:
        spec.require("qnoise_factor", 1.0, "the quantiser must be fully on; set it to 1")


def _bits_grid(spec: Spec) -> tuple[Fraction, int, int]:
    """Step, lowest and highest integer; (1, 0, 0) for the sign, which one bit means."""
    negative = spec.flag("keep_negative")
    bits = spec.whole("bits", 1, MAX_BITS) - negative
    if bits == 0:
        return Fraction(1), 0, 0
    step = Fraction(2) ** (spec.whole("integer", -64, 64) - bits)
    symmetric = spec.flag("symmetric")
    return step, negative * (symmetric - (1 << bits)), (1 << bits) - 1


def _relu_grid(spec: Spec) -> tuple[Fraction, int, int]:
    spec.require("use_sigmoid", 0, "use 0")
    spec.require("negative_slope", 0, "use 0")
    if not spec.flag("is_quantized_clip"):
        spec.require("relu_upper_bound", None, "leave it out")
    bits = spec.whole("bits", 1, MAX_BITS)
    return Fraction(2) ** (spec.whole("integer", -64, 64) - bits), 0, (1 << bits) - 1


def _alpha(spec: Spec) -> Fraction | str:
    """alpha as the float32 that QKeras multiplies by, or `auto`, `auto_po2`."""
    alpha = spec.settings["alpha"]
    if alpha in ("auto", "auto_po2"):
        return str(alpha)
    if alpha is None:
        return Fraction(1)
    value = np.float32(spec.number("alpha", 2.0**-64, 2.0**64))
    return Fraction(float(value))


def _activation_alpha(spec: Spec) -> Fraction:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        raise Obstacle(f"{spec.name} with alpha={alpha!r} as an activation; use alpha=1")
    return alpha


def _times(alpha: Fraction) -> tuple[Step, ...]:
    return () if alpha == 1 else (affine(float(alpha), 0.0),)


def _binary_steps(alpha: Fraction, zero_one: bool) -> tuple[Step, ...]:
    """x >= 0 is floor(x) clipped to [-1, 0], plus one."""
    a = float(alpha)
    return quantise(Fraction(1), -1, 0, "floor"), affine(a, a) if zero_one else affine(2 * a, a)


def _ternary_steps(spec: Spec) -> tuple[Step, ...]:
    """sign(x) where |x| >= t: (x >= t) + (x > -t) - 1, each an exact comparison."""
    alpha = _activation_alpha(spec)
    t = float(_threshold(spec))
    return (
        affine(1.0, -t, inputs=(-1,)),
        quantise(Fraction(1), -1, 0, "floor"),
        affine(1.0, t, inputs=(-1,)),
        quantise(Fraction(1), 0, 1, "ceil"),
        total(1, 3),
        *_times(alpha),
    )


def _threshold(spec: Spec) -> np.float32:
    if spec.settings["threshold"] is None:
        return np.float32(0.33)
    return np.float32(spec.number("threshold", 2.0**-64, 2.0**64))


def _on_grid(x: NDArray[np.float32], step: Fraction, lo: int, hi: int) -> Weights:
    whole = np.clip(np.rint(x.astype(np.float64) * float(1 / step)), lo, hi)
    return Weights(whole * float(step), step_array(step))


def _shape_bits(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        if not spec.flag("keep_negative"):
            raise Obstacle(f"quantized_bits without negative numbers and alpha={alpha!r}")
        spec.require("scale_axis", None, "scale along the last axis")
        bits, integer = spec.whole("bits", 2, MAX_BITS), spec.whole("integer", -64, 64)
        return lambda x: qkeras_scale.scaled_bits(x, bits, integer, alpha)
    step, lo, hi = _bits_grid(spec)
    if (lo, hi) == (0, 0):
        return lambda x: _signs(x, alpha, zero_one=False)
    return lambda x: _multiplied(_on_grid(x, step, lo, hi), alpha)


def _multiplied(weights: Weights, alpha: Fraction) -> Weights:
    if alpha == 1 or weights.step is None:
        return weights
    return Weights(weights.values * float(alpha), weights.step * alpha)


def _signs(x: NDArray[np.float32], alpha: Fraction, zero_one: bool) -> Weights:
    low = 0.0 if zero_one else -1.0
    return Weights(np.where(x >= 0, 1.0, low) * float(alpha), step_array(alpha))


def _shape_binary(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    zero_one = "use_01" in spec.settings and spec.flag("use_01")
    if isinstance(alpha, str):
        if zero_one:
            raise Obstacle(f"{spec.name} with use_01 and alpha={alpha!r}; use alpha=1")
        return lambda x: qkeras_scale.scaled_signs(x, alpha)
    return lambda x: _signs(x, alpha, zero_one)


def _shape_ternary(spec: Spec) -> Shape:
    alpha = _alpha(spec)
    if isinstance(alpha, str):
        spec.require("threshold", None, "leave it out where alpha is automatic")
        unrolls = spec.whole("number_of_unrolls", 1, 100)
        return lambda x: qkeras_scale.scaled_ternary(x, unrolls, alpha)
    t = _threshold(spec)
    return lambda x: Weights(
        np.where(np.abs(x) >= t, np.sign(x), 0.0).astype(np.float64) * float(alpha),
        step_array(alpha),
    )


def _shape_po2(spec: Spec) -> Shape:
    relu = spec.name == "quantized_relu_po2"
    if relu:
        spec.require("negative_slope", 0, "use 0")
    if spec.settings["log2_rounding"] not in ("rnd", "floor"):
        spec.require("log2_rounding", "rnd", "use 'rnd' or 'floor'")
    top = None
    if spec.settings["max_value"] is not None:
        top = float(np.float32(spec.number("max_value", 2.0**-64, 2.0**64)))
    bits = spec.whole("bits", 1 + (not relu), 7) - (not relu) - (top is None or top > 1)
    quadratic = spec.flag("quadratic_approximation")
    floor = spec.settings["log2_rounding"] == "floor"
    return lambda x: qkeras_scale.powers_of_two(x, bits, top, quadratic, floor, relu)
