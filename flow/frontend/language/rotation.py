"""Rotations of positions: frequencies of the pairs of a head, plain or scaled to longer texts.

J. Su et al., "RoFormer", 2021; scaled by parts after B. Peng et al., "YaRN", 2023, or as Llama 3.1
does ("The Llama 3 Herd of Models", 2024, and its published code).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel, UsageError, printable

Reals = NDArray[np.float64]
KINDS = ("default", "linear", "llama3", "yarn")
MOST = 1e12


@dataclass(frozen=True, slots=True)
class Scaling:
    """How frequencies become lower; `gain` is what queries and keys are multiplied by as well.

    `positions` are those of the texts before scaling. `slow` and `fast` are turns within them:
    pairs that turn less than `slow` times are divided by the factor, those that turn more than
    `fast` times stay. `whole` rounds to whole pairs between (yarn).
    """

    kind: str
    factor: float
    positions: float = 1.0
    slow: float = 1.0
    fast: float = 32.0
    whole: bool = True
    gain: float = 1.0


def frequencies(base: float, size: int, scaling: Scaling | None) -> Reals:
    """Angle of each pair of a head of `size` values at the position 1 (radians)."""
    plain = base ** (-np.arange(0, size, 2) / size)
    if scaling is None:
        return plain
    if scaling.kind == "linear":
        return plain / scaling.factor
    if scaling.kind == "llama3":
        turns = scaling.positions * plain / (2 * pi)
        kept = np.clip((turns - scaling.slow) / (scaling.fast - scaling.slow), 0, 1)
    else:
        first, last = (
            size * log(scaling.positions / (turns * 2 * pi)) / (2 * log(base))
            for turns in (scaling.fast, scaling.slow)
        )
        if scaling.whole:
            first, last = floor(first), ceil(last)
        first, last = max(first, 0), min(last, size - 1)
        reach = last - first if last != first else 1e-3
        kept = 1 - np.clip((np.arange(size // 2) - first) / reach, 0, 1)
    found: Reals = plain * (kept + (1 - kept) / scaling.factor)
    return found


def read_scaling(config: Mapping[str, Any], where: str) -> Scaling | None:
    """What a configuration says in rope_scaling or rope_parameters; None where nothing is scaled.

    UnsupportedModel for a kind that is not in KINDS, UsageError for impossible numbers.
    """
    table = config.get("rope_scaling") or config.get("rope_parameters")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise UsageError(f"rope_scaling is {printable(repr(table), 60)}", where=where)
    kind = table.get("rope_type", table.get("type")) or "default"
    if kind not in KINDS:
        raise UnsupportedModel(
            f"rotations are scaled by {printable(repr(kind), 40)}", where=where,
            hint=f"those that are read: {', '.join(KINDS)}",
        )  # fmt: skip
    if kind == "default":
        return None

    def number(key: str, default: Any = None, low: float = 0.0) -> float:
        value = table.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{key} of rope_scaling is {printable(repr(value), 60)}", where=where)
        if not low < value < MOST:
            raise UsageError(f"{key} of rope_scaling is {value!r}", where=where)
        return float(value)

    factor = number("factor")
    if factor < 1:
        raise UsageError(f"factor of rope_scaling is {factor!r}", where=where)
    if kind == "linear":
        return Scaling(kind, factor)
    positions = number("original_max_position_embeddings", config.get("max_position_embeddings"))
    if kind == "llama3":
        slow, fast = number("low_freq_factor"), number("high_freq_factor")
        gain, whole = 1.0, False
    else:
        slow, fast = number("beta_slow", 1.0), number("beta_fast", 32.0)
        whole = table.get("truncate", True) is not False
        gain = number("attention_factor", _gain(factor, table, number))
    if slow >= fast:
        raise UsageError(
            f"rope_scaling turns less than {slow:g} and more than {fast:g} times", where=where,
            hint="the first is below the second",
        )  # fmt: skip
    return Scaling(kind, factor, positions, slow, fast, whole, gain)


def _gain(factor: float, table: Mapping[str, Any], number: Any) -> float:
    """What YaRN multiplies queries and keys by, if the configuration does not say it."""
    if table.get("mscale") and table.get("mscale_all_dim"):
        one, other = number("mscale"), number("mscale_all_dim")
        return float((0.1 * one * log(factor) + 1) / (0.1 * other * log(factor) + 1))
    return 0.1 * log(factor) + 1
