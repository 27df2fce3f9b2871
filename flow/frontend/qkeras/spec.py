"""The settings of a QKeras quantiser, read from a dictionary or a text and never evaluated.

Names, arguments, their order and their defaults are those of QKeras 0.9.0; `quantized_linear`
came after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flow.frontend.keras.steps import Obstacle

_BITS = (
    ("bits", 8), ("integer", 0), ("symmetric", 0), ("keep_negative", True), ("alpha", None),
    ("use_stochastic_rounding", False), ("scale_axis", None),
)  # fmt: skip
_QNOISE = (("qnoise_factor", 1.0), ("var_name", None), ("use_ste", True), ("use_variables", False))

SIGNATURES: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "quantized_bits": (*_BITS, *_QNOISE),
    "quantized_linear": (
        ("bits", 8), ("integer", 0), ("symmetric", 1), *_BITS[3:], ("qnoise_factor", 1.0),
        ("var_name", None), ("use_variables", False),
    ),
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
    "quantized_ulaw": (("bits", 8), ("integer", 0), ("symmetric", 0), ("u", 255.0)),
    "quantized_hswish": (
        ("bits", 8), ("integer", 0), ("symmetric", 0), ("alpha", None),
        ("use_stochastic_rounding", False), ("scale_axis", None), *_QNOISE, ("relu_shift", 3),
        ("relu_upper_bound", 6), ("keep_negative", True),
    ),
    "hard_sigmoid": (), "hard_tanh": (), "binary_sigmoid": (), "binary_tanh": (),
    "smooth_sigmoid": (), "smooth_tanh": (),
}  # fmt: skip
"""Every quantiser that is read, with its arguments in order and their defaults."""

REFUSED = {"bernoulli": "draws random numbers also when it answers; use binary"}
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


def is_quantiser(value: Any, names: bool) -> bool:
    """Whether an activation setting is a QKeras quantiser; with `names`, also a bare name.

    A bare name such as `binary_tanh` outside of QKeras is somebody's own function.
    """
    if isinstance(value, dict):
        name = value.get("class_name")
        return isinstance(name, str) and (_plain(name) in SIGNATURES or _plain(name) in REFUSED)
    if not isinstance(value, str):
        return False
    return "(" in value or (names and (value in SIGNATURES or value in REFUSED))


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
