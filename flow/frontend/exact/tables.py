"""Tables of functions between two quantisers: one for each kind of element."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from flow.frontend.exact.pending import Call, Step, arrays, real
from flow.frontend.exact.rational import full, rational, spread
from flow.frontend.exact.workbench import ZERO, Value, Workbench
from flow.frontend.float_model import round_float
from flow.frontend.functions import FLAT, slope
from flow.frontend.obstacle import Obstacle
from flow.frontend.source import Quantiser, SourceQuantise
from flow.ir.interval import IntRange
from flow.ir.layers import Lookup, Requantize
from flow.ir.rounding import round_fraction, round_ratio
from flow.ir.tensor import IntArray, compact, exact, narrow

MAX_TABLE = 1 << 16
MAX_ENTRIES = 1 << 21
"""Entries of all tables of a layer together."""
MAX_SCAN = 1 << 22
TRIMMED = 1 << 12
"""Entries from which on the constant ends of a table are cut off by a clip before it."""

MOST_BITS = 16
MANTISSA = 24
"""Bits of a float32."""

_FIXED = 5
"""Numbers of an element beside those of its steps: m, b, step, lo, hi."""

Table = tuple[int, tuple[int, ...]]
"""(base, entries)"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What elements that share a table have in common: real = steps(n * m + b), then q."""

    m: Fraction
    b: Fraction
    steps: tuple[tuple[Step, tuple[Fraction | None, ...]], ...]
    step: Fraction
    lo: int
    hi: int


def looked_up(bench: Workbench, layer: SourceQuantise, value: Value) -> Value:
    """Every step of the value and the quantiser behind them, as one table for each kind."""
    q = layer.quantiser
    shape, here = bench.shape(value), bench.types[value.layer]
    kinds, choice = _kinds(value, q, shape)
    spots = spread(choice, shape).ravel()
    lows, highs = here.lo.ravel(), here.hi.ravel()
    tables = []
    for k, kind in enumerate(kinds):
        mine = spots == k
        reach = IntRange(int(lows[mine].min()), int(highs[mine].max()))
        tables.append(tabulate(kind, reach, q))
        if sum(len(entries) for _, entries in tables) > MAX_ENTRIES:
            raise Obstacle(
                f"the tables of {_functions(value)} have more than {MAX_ENTRIES} entries; "
                "quantise before them to fewer bits"
            )
    source = _within(bench, layer, value, tables, choice)
    step = compact(rational(q.step))
    name = bench.emit(
        Lookup(
            bench.names[layer.name], (source,), layer.place, tuple(base for base, _ in tables),
            tuple(entries for _, entries in tables), narrow(compact(choice)), step,
        )
    )  # fmt: skip
    return Value(name, step, ZERO)


def tabulate(kind: Kind, here: IntRange, q: Quantiser) -> Table:
    """The table of quantiser(steps(n * m + b)) for n in `here`.

    Constant ends of a long table are left out: entry of n beyond them is the first or the last.
    Values are float64, rounded by the quantiser. Obstacle where the table would be too long, or
    the function has no value.
    """
    called = "/".join(s.function for s, _ in kind.steps if isinstance(s, Call))
    lo, hi = _ends(kind, here)
    if hi - lo >= MAX_SCAN:
        raise Obstacle(f"{called} of integers in [{lo}, {hi}]; quantise them first")
    x = np.arange(lo, hi + 1).astype(np.float64) * float(kind.m) + float(kind.b)
    y = real(kind.steps, x)
    if np.isnan(y).any():
        raise Obstacle(f"{called} of {x[np.isnan(y)][0]:g} has no value; clip what comes before it")
    whole = round_float(y / float(kind.step), q.rounding)
    if q.overflow == "wrap":
        if not np.isfinite(whole).all():
            raise Obstacle(f"{called} is infinite in a quantiser that wraps; clip it first")
        whole = (whole - kind.lo) % (kind.hi - kind.lo + 1) + kind.lo
    table = np.clip(whole, kind.lo, kind.hi).astype(np.int64)
    first, last = 0, hi - lo
    if here.hi - here.lo >= TRIMMED:
        change = np.flatnonzero(np.diff(table))
        first, last = (int(change[0]), int(change[-1]) + 1) if change.size else (0, 0)
    if last - first >= MAX_TABLE:
        raise Obstacle(f"{called} needs a table of {last - first + 1} entries; quantise before it")
    return lo + first, tuple(table[first : last + 1].tolist())


def _ends(kind: Kind, here: IntRange) -> tuple[int, int]:
    """The part of the interval beyond which the first function is flat in float64."""
    first = kind.steps[0][0]
    if not isinstance(first, Call) or first.function not in FLAT or not kind.m:
        return here.lo, here.hi
    flat = Fraction(FLAT[first.function])
    ends = sorted([(-flat - kind.b) / kind.m, (flat - kind.b) / kind.m])
    lo = min(max(here.lo, round_fraction(ends[0], "floor")), here.hi)
    return lo, max(min(here.hi, round_fraction(ends[1], "ceil")), here.lo)


def _kinds(value: Value, q: Quantiser, shape: tuple[int, ...]) -> tuple[list[Kind], IntArray]:
    """The kinds of elements, and which one each element is; compact."""
    numbers: list[Any] = [value.m, value.b, rational(q.step), np.asarray(q.lo), np.asarray(q.hi)]
    slots = []
    for step in value.steps:
        slots.append(len(numbers))
        numbers += [x for x in arrays(step) if x is not None]
    joint = np.broadcast_shapes(*(x.shape for x in numbers))
    columns = [np.broadcast_to(x, joint).ravel().tolist() for x in numbers]
    seen: dict[tuple[Any, ...], int] = {}
    choice = np.array([seen.setdefault(key, len(seen)) for key in zip(*columns, strict=True)])
    kinds = []
    for m, b, step, lo, hi, *rest in seen:
        steps = []
        for at, s in zip(slots, value.steps, strict=True):
            left = iter(rest[at - _FIXED :])
            steps.append((s, tuple(None if x is None else next(left) for x in arrays(s))))
        kinds.append(Kind(m, b, tuple(steps), step, int(lo), int(hi)))
    return kinds, choice.reshape(joint)


def _within(
    bench: Workbench, layer: SourceQuantise, value: Value, tables: list[Table], choice: IntArray
) -> str:
    """The integers, clipped to the ends of the tables where they leave them."""
    shape, here = bench.shape(value), bench.types[value.layer]
    lows = np.array([base for base, _ in tables], dtype=object)[choice]
    highs = np.array([base + len(entries) - 1 for base, entries in tables], dtype=object)[choice]
    if not ((here.lo < exact(lows, shape)) | (here.hi > exact(highs, shape))).any():
        return value.layer
    return bench.emit(
        Requantize(
            bench.new(f"{layer.name}_clip"), (value.layer,), layer.place, full(1, ()),
            full(0, ()), "floor", "saturate", narrow(compact(np.asarray(lows))),
            narrow(compact(np.asarray(highs))), compact(here.scale),
        )
    )  # fmt: skip


def _functions(value: Value) -> str:
    return "/".join(s.function for s in value.steps if isinstance(s, Call))


def rounds_apart(bench: Workbench, value: Value, q: Quantiser) -> bool:
    """Whether a slope below 0 such as 0.3 brings the quantiser to another integer in float32, as
    the framework computes it, than exactly; only seen where a table could hold the difference."""
    match value.steps:
        case (Call(function="leaky_relu", parameters=parameters),) if not bench.round_bias:
            below = slope(parameters)
        case _:
            return False
    here = bench.types[value.layer]
    wide = here.hull.width
    if wide > MOST_BITS or (wide + below.numerator.bit_length() <= MANTISSA and _dyadic(below)):
        return False
    shape = bench.shape(value)
    kinds, choice = _kinds(value, q, shape)
    spots, lows, highs = spread(choice, shape).ravel(), here.lo.ravel(), here.hi.ravel()
    for k, kind in enumerate(kinds):
        mine = spots == k
        reach = IntRange(int(lows[mine].min()), int(highs[mine].max()))
        n = np.arange(reach.lo, reach.hi + 1).astype(object)
        base, entries = tabulate(kind, reach, q)
        single = np.array(entries)[np.clip(n - base, 0, len(entries) - 1).astype(np.int64)]
        if (single != _bent(kind, n, below, q)).any():
            return True
    return False


def _bent(kind: Kind, n: IntArray, below: Fraction, q: Quantiser) -> IntArray:
    """quantiser(x) of x = n * m + b, times `below` where that is negative; exactly."""
    m, b = kind.m / kind.step, kind.b / kind.step
    unit = m.denominator * b.denominator
    x = n * int(m * unit) + int(b * unit)
    y = np.where(x < 0, x * below.numerator, x * below.denominator)
    whole = round_ratio(y, unit * below.denominator, q.rounding)
    if q.overflow == "wrap":
        whole = (whole - kind.lo) % (kind.hi - kind.lo + 1) + kind.lo
    clipped: IntArray = np.minimum(np.maximum(whole, kind.lo), kind.hi)
    return clipped


def _dyadic(number: Fraction) -> bool:
    return number.denominator & (number.denominator - 1) == 0


def tabled(value: Value) -> bool:
    """Whether a step is a function that no arithmetic carries out."""
    exactly = ("leaky_relu", "abs", "square")
    return any(isinstance(s, Call) and s.function not in exactly for s in value.steps)
