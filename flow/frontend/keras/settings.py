"""The settings of one Keras layer, looked at against a list of those that are understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flow.frontend.keras.steps import Obstacle

COMMON = frozenset({
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "rate", "stddev", "seed",
    "noise_shape", "l1", "l2", "sparse", "ragged",
})  # fmt: skip
"""Settings of many classes that do not change what a layer answers, or are checked for all."""

TRAINING = ("_initializer", "_regularizer", "_constraint")
"""Ends of the names of settings that act in training only."""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """The configuration of a layer of class `kind`; `keras` is the version 2, 3 or None."""

    kind: str
    config: Mapping[str, Any]
    keras: int | None

    def allow(self, *known: str) -> None:
        """Obstacle for a setting outside of these that is on: it may change the meaning."""
        for key, value in self.config.items():
            if key in known or key in COMMON or key.endswith(TRAINING):
                continue
            if value is not None and value is not False:
                raise Obstacle(f"the setting {key[:80]}={_short(value)} is not known; leave it out")
        if self.config.get("sparse") or self.config.get("ragged"):
            raise Obstacle("a sparse or ragged tensor; use a dense one")
        dtype = self.config.get("dtype")
        if isinstance(dtype, dict):
            policy = dtype.get("config")
            dtype = policy.get("name") if isinstance(policy, dict) else dtype
        if dtype not in (None, "float32"):
            raise Obstacle(f"the type {_short(dtype)}; save the model as float32")

    def get(self, key: str, default: Any = None) -> Any:
        """The setting as it stands."""
        return self.config.get(key, default)

    def number(self, key: str, default: float, lo: float, hi: float) -> float:
        """A finite number in [lo, hi]."""
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not lo <= value <= hi:
            raise Obstacle(f"{key}={_short(value)}; give a number from {lo:g} to {hi:g}")
        return float(value)

    def whole(self, key: str, lo: int, hi: int) -> int:
        """An integer in [lo, hi]."""
        value = self.config.get(key)
        if type(value) is not int or not lo <= value <= hi:
            raise Obstacle(f"{key}={_short(value)}; give an integer from {lo} to {hi}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self.config.get(key, default)
        if not isinstance(value, bool):
            raise Obstacle(f"{key}={_short(value)}; give true or false")
        return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."
