"""The quantisers of HGQ 2 (Sun et al., arXiv 2405.00645): from their variables to exact grids.

A quantiser has a sign k, integer bits i and fraction bits f for each element, or the bits b = i + f
in place of f. The variables are floats of which the nearest integers count, ties to even. A value
x becomes 2**-f * overflow(round(x * 2**f)) in the k + i + f bits; without any bit it is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.exact.rational import common_divisor, power_of_two, rational
from flow.frontend.hgq.tracing import integer_bits
from flow.frontend.hgq.weights import Branch, FloatArray32
from flow.frontend.keras.steps import Obstacle
from flow.frontend.source import FloatArray, Quantiser, Trace, Weights, step_array
from flow.ir.rounding import Overflow, Rounding
from flow.ir.tensor import FractionArray, IntArray, compact

ROUNDINGS: Mapping[str, Rounding] = {
    "TRN": "floor", "RND": "half_up", "RND_CONV": "half_even", "TRN_ZERO": "zero",
    "RND_ZERO": "half_zero", "RND_MIN_INF": "half_down", "RND_INF": "half_away",
}  # fmt: skip
OVERFLOWS: Mapping[str, Overflow] = {"WRAP": "wrap", "SAT": "saturate", "SAT_SYM": "saturate"}
ORDERS: Mapping[tuple[str, bool], tuple[str, ...]] = {
    ("kif", True): ("f", "k", "i", "i_decay_speed"),
    ("kif", False): ("i", "f", "k"),
    ("kbi", True): ("b", "k", "i", "i_decay_speed"),
    ("kbi", False): ("b", "i", "k"),
}
"""The order of the variables by the kind and whether it wraps: the trained ones come first."""
MOST = 64
"""Integer or fraction bits that no trained quantiser has."""
WIDEST = 50
"""Bits of the widest number."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Sign, integer bits and fraction bits of each element, as integers of one shape."""

    k: IntArray
    i: IntArray
    f: IntArray

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Where there is a bit at all."""
        return self.k + self.i + self.f > 0

    @property
    def step(self) -> FractionArray:
        """2**-f, and 1 where there is no bit."""
        exponents = np.where(self.alive, self.f, 0)
        flat: FractionArray = np.empty(exponents.size, dtype=object)
        flat[:] = [power_of_two(-f) for f in exponents.ravel().tolist()]
        return flat.reshape(exponents.shape)

    def ends(self, symmetric: bool) -> tuple[IntArray, IntArray]:
        """The lowest and the highest integer, both 0 where there is no bit."""
        alive, k = self.alive, self.k
        high = np.where(alive, (1 << np.where(alive, np.maximum(self.i + self.f, 0), 0)) - 1, 0)
        low = np.where(alive, -k * (high if symmetric else high + 1), 0)
        return low, high


@dataclass(frozen=True, slots=True, eq=False)
class Config:
    """The settings of a quantiser that change what it answers after training."""

    kind: str
    rounding: str
    overflow: str
    weight: bool
    trainable: bool
    scaler: float | None
    affine: tuple[float, float] | None
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def wraps(self) -> bool:
        """Whether it wraps; a trained quantiser of weights does not, as HGQ 2 leaves that out."""
        free = self.weight and self.trainable and (self.kind == "kif" or self.rounding == "RND")
        return self.overflow == "WRAP" and not free

    @property
    def traced(self) -> bool:
        """Whether trace_minmax sets its integer bits."""
        return self.overflow == "WRAP" and self.trainable


def read_config(value: Any, what: str) -> Config:
    """The settings in a serialised QuantizerConfig; Obstacle for those that cannot be built."""
    config = value.get("config") if isinstance(value, dict) else None
    if not isinstance(config, dict):
        raise Obstacle(f"{what} has no settings; save the model again by HGQ 2")
    kind = str(config.get("q_type", "")).lower()
    if kind not in ("kif", "kbi", "dummy", "float"):
        raise Obstacle(f"{what} of the type {kind[:40]!r}; use 'kif' or 'kbi'")
    rounding = str(config.get("round_mode", "RND")).upper().removeprefix("S_")
    overflow = str(config.get("overflow_mode", "WRAP")).upper()
    if rounding not in ROUNDINGS:
        raise Obstacle(f"{what} with round_mode={rounding[:40]!r}; use RND or RND_CONV")
    if overflow == "WRAP_SM":
        raise Obstacle(f"{what} with overflow_mode='WRAP_SM', a mirror; use WRAP, SAT or SAT_SYM")
    if overflow not in OVERFLOWS:
        raise Obstacle(f"{what} with overflow_mode={overflow[:40]!r}; use WRAP, SAT or SAT_SYM")
    mapper = config.get("bw_mapper")
    if mapper is not None and _class(mapper) != "DefaultBitwidthMapper":
        raise Obstacle(f"{what} with its own bw_mapper; use homogeneous_axis")
    scaler, affine = config.get("scaler"), config.get("affine")
    return Config(
        kind, rounding, overflow, config.get("is_weight") is True,
        config.get("trainable", True) is True,
        None if scaler is None else _number(scaler, what), _pair(affine, what),
        _limits(config.get("ic")),
    )  # fmt: skip


def read_activation_config(value: Any, what: str) -> Config:
    """As `read_config`, for values that are not constant."""
    config = read_config(value, what)
    if config.kind == "float":
        raise Obstacle(f"{what} makes floating-point numbers; use the type 'kif'")
    return config


def read_grid(config: Config, branch: Branch) -> Grid:
    """The grid that the variables of the quantiser give; UsageError where they are no such."""
    order = ORDERS[config.kind, config.overflow == "WRAP"]
    names = ("k", "b", "i") if config.kind == "kbi" else ("k", "i", "f")
    arrays = {n: np.rint(v) for n, v in branch.arrays(order, names).items()}
    shape = arrays["k"].shape
    if any(a.shape != shape for a in arrays.values()) or not np.isin(arrays["k"], (0, 1)).all():
        raise _strange(branch)
    if any((np.abs(a) > MOST).any() for a in arrays.values()):
        raise _strange(branch)
    whole = {n: a.astype(np.int64) for n, a in arrays.items()}
    f = whole["f"] if "f" in whole else whole["b"] - whole["i"]
    if (whole["i"] + f > WIDEST).any():
        raise _strange(branch)
    return Grid(whole["k"], whole["i"], f)


def quantise_weights(config: Config, branch: Branch, values: FloatArray32) -> Weights:
    """What the quantiser makes of constants, computed in float32 as HGQ 2 does."""
    if config.kind == "dummy":
        return Weights(values.astype(np.float64))
    scaler = np.float32(1 if config.scaler is None else config.scaler)
    scaled = (values / scaler).astype(np.float32)
    if config.kind == "float":
        exact, step = _minifloat(branch, scaled)
    else:
        grid = read_grid(config, branch)
        if branch.retraced and config.traced and config.kind == "kbi":
            grid = _retraced(config, grid, scaled)
        exact, step = fixed_point(config, grid, scaled)
    factor, offset = Fraction(float(scaler)), Fraction(0)
    if config.affine is not None:
        slope, shift = (Fraction(float(np.float32(a))) for a in config.affine)
        factor, offset = factor * slope, shift
    real = exact * float(factor) + float(offset)
    if abs(factor) != 1:  # Products of fractions take their time.
        step = step * abs(factor)
    return Weights(real, channel_step(real, step, offset))


def quantiser(config: Config, grid: Grid, trace: Trace | None = None) -> Quantiser:
    """The quantiser of a tensor whose batch axis the grid has in front."""
    if grid.k.ndim and grid.k.shape[0] != 1:
        raise Obstacle("a quantiser that differs from sample to sample; use homogeneous_axis=(0,)")
    grid = Grid(*(a.reshape(a.shape[1:]) for a in (grid.k, grid.i, grid.f)))
    step, (low, high) = grid.step, grid.ends(config.overflow == "SAT_SYM")
    if config.scaler is not None:
        step = step * Fraction(float(np.float32(config.scaler)))
    return Quantiser(
        compact(step), compact(low), compact(high), ROUNDINGS[config.rounding],
        OVERFLOWS[config.overflow], trace,
    )  # fmt: skip


def fixed_point(
    config: Config, grid: Grid, values: FloatArray32
) -> tuple[FloatArray, FractionArray]:
    """Constants on the grid, which broadcasts, and the step of each, in the grid's shape."""
    f = grid.f
    with np.errstate(over="ignore", invalid="ignore"):
        whole = round_float32(values * np.exp2(f.astype(np.float32)), config.rounding)
    whole = whole.astype(np.float64)
    if config.overflow == "WRAP" and not config.wraps:
        step: FractionArray = np.empty(f.size, dtype=object)
        step[:] = [power_of_two(-e) for e in f.ravel().tolist()]
        return np.ldexp(whole, -f), step.reshape(f.shape)
    low, high = grid.ends(config.overflow == "SAT_SYM")
    if config.wraps:
        whole = (whole - low) % (high - low + 1) + low
    whole = np.where(grid.alive, np.clip(whole, low, high), 0.0)
    return np.ldexp(whole, -f), grid.step


def round_float32(x: FloatArray32, rounding: str) -> FloatArray32:
    """x as integral float32, with the float32 sums that HGQ computes."""
    half, sign = np.float32(0.5), np.sign(x)
    match rounding:
        case "TRN":
            return np.asarray(np.floor(x))
        case "RND":
            return np.asarray(np.floor(x + half))
        case "RND_CONV":
            return np.asarray(np.rint(x))
        case "TRN_ZERO":
            return np.asarray(np.trunc(x))
        case "RND_ZERO":
            return np.asarray(-np.floor(-np.abs(x) + half) * sign)
        case "RND_MIN_INF":
            return np.asarray(-np.floor(-x + half))
        case _:
            return np.asarray(np.floor(np.abs(x) + half) * sign)


def _minifloat(branch: Branch, values: FloatArray32) -> tuple[FloatArray, FractionArray]:
    """Constants with m bits of mantissa, e of exponent and the exponent's offset e0."""
    stored = branch.arrays(("m", "e", "e0"), ("m", "e", "e0"))
    m, e, e0 = (np.broadcast_to(np.rint(stored[n]), values.shape) for n in ("m", "e", "e0"))
    if max(float(np.abs(a).max(initial=0)) for a in (m, e, e0)) > MOST or e.max(initial=0) > 8:
        raise _strange(branch)
    digits = m + 1
    reach = np.maximum(np.exp2(e - 1), 1)
    needed = np.floor(np.log2(np.abs(values) + np.float32(1e-7)))
    exponent = np.clip(needed, -reach + e0 + 1, reach + e0 - 1)
    scale = np.exp2(exponent - digits + 1).astype(np.float64)
    most = np.exp2(digits) - (exponent == reach + e0 - 1)
    real = np.clip(np.rint(values.astype(np.float64) / scale), -most, most) * scale
    return real, rational(scale)


def channel_step(
    real: FloatArray, step: FractionArray, offset: Fraction = Fraction(0)
) -> FractionArray:
    """One step for each place of the last axis that all its values are multiples of."""
    full = np.broadcast_to(step, real.shape)
    if not real.ndim:
        return step_array(common_divisor(full.item(), offset))
    columns = full.reshape(-1, real.shape[-1]).T
    used = (real != 0).reshape(-1, real.shape[-1]).T
    result: FractionArray = np.empty(len(columns), dtype=object)
    result[:] = [
        common_divisor(*set(column[mask].tolist()), offset)
        for column, mask in zip(columns, used, strict=True)
    ]
    return compact(result)


def _class(value: Any) -> Any:
    return value.get("class_name") if isinstance(value, dict) else None


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-9 < value < 1e9:
        raise Obstacle(f"{what} with scaler={value!r}; use a positive number such as 1")
    return float(value)


def _pair(value: Any, what: str) -> tuple[float, float] | None:
    match value:
        case None:
            return None
        case [int() | float() as slope, int() | float() as shift] if (
            1e-9 < abs(slope) < 1e9 > abs(shift)
        ):
            return float(slope), float(shift)
        case _:
            raise Obstacle(f"{what} with affine={value!r}; use two numbers")


def _retraced(config: Config, grid: Grid, values: FloatArray32) -> Grid:
    """The grid of constants with the integer bits of the largest magnitude that shares them."""
    width = grid.i + grid.f
    shared = tuple(at for at, n in enumerate(width.shape) if n == 1)
    largest = np.abs(values).max(axis=shared, keepdims=True)
    i = np.clip(integer_bits(largest, None, width), *config.limits).astype(np.int64)
    return Grid(grid.k, i, width - i)


def _limits(constraint: Any) -> tuple[float, float]:
    """The ends of a MinMax constraint."""
    config = constraint.get("config") if isinstance(constraint, dict) else None
    if _class(constraint) != "MinMax" or not isinstance(config, dict):
        return -math.inf, math.inf
    ends = [config.get("min_value"), config.get("max_value")]
    low, high = (
        float(v) if isinstance(v, int | float) and abs(v) <= MOST else default
        for v, default in zip(ends, (-math.inf, math.inf), strict=True)
    )
    return low, high


def _strange(branch: Branch) -> UsageError:
    return UsageError(
        "the variables of a quantiser are not those that HGQ 2 stores",
        where=branch.place,
        hint="save the model again as .keras by a current HGQ 2",
    )
