"""The grid of an input that several quantisers read, perhaps behind moves of its elements.

floor(x / s + 1/2) = floor((floor(2 x / s) + 1) / 2): an input that is rounded down to half the step
of every quantiser that reads it answers each of them as the real number would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flow.frontend.exact.rational import rational
from flow.frontend.source import (
    Quantiser,
    SourceGather,
    SourceInput,
    SourceModel,
    SourceQuantise,
    SourceReshape,
)
from flow.ir.rounding import Overflow, Rounding
from flow.ir.tensor import IntArray, TensorType, exact

FINER = {"floor": 1, "half_up": 2}
"""By the rounding of a quantiser, how many times finer than its step the input must be."""


@dataclass(frozen=True, slots=True, eq=False)
class SharedGrid:
    """The type of an input that is rounded down and brought into it by the overflow.

    `unreached` elements of quantisers have steps of which no input beyond `limit` is a half.
    """

    tensor: TensorType
    overflow: Overflow
    unreached: int
    limit: Fraction | None


def shared_grid(
    model: SourceModel, layer: SourceInput, largest: float | None = None
) -> SharedGrid | None:
    """The type that stands for the real input before all its quantisers; None if there is none.

    Training prunes an element of a quantiser by a step so large that it rounds all inputs to 0:
    larger than four times the `largest` input known, or, if None, than 32 times what the others
    tell apart. The input need not reach so far.
    """
    reads = list(_reads(model, layer))
    if not reads or any(q is None or q.rounding not in FINER for q, _ in reads):
        return None
    quantisers = [(q, places) for q, places in reads if q is not None]
    overflows = {q.overflow for q, _ in quantisers}
    if len(overflows) != 1:
        return None
    (overflow,) = overflows
    limit = _limit(quantisers, largest)
    count = int(np.prod(layer.shape, dtype=np.int64))
    steps: list[Fraction] = [Fraction(0)] * count
    ends = [(Fraction(0), Fraction(0))] * count
    reached = [e for e in _all(quantisers) if limit is None or e.step <= limit]
    for e in reached:
        place = e.place
        steps[place] = min(steps[place], e.fine) if steps[place] else e.fine
        lowest, highest = ends[place]
        ends[place] = min(lowest, e.low * e.step), max(highest, (e.high + 1) * e.step)
    if any((e.fine / steps[e.place]).denominator != 1 for e in reached):
        return None
    if overflow == "wrap":
        # An input that wraps keeps the answer of a quantiser whose period divides its own.
        periods = [Fraction(0)] * count
        for e in reached:
            periods[e.place] = max(periods[e.place], e.period)
        if any((periods[e.place] / e.period).denominator != 1 for e in reached):
            return None
        ends = [
            (-p / 2, p / 2) if low < 0 else (Fraction(0), p)
            for p, (low, _) in zip(periods, ends, strict=True)
        ]
    low, high, scale = (np.empty(count, dtype=object) for _ in range(3))
    for at, (step, (lowest, highest)) in enumerate(zip(steps, ends, strict=True)):
        scale[at] = step or Fraction(1)
        low[at] = lowest // scale[at]
        high[at] = highest // scale[at] - 1 if step else 0
    arrays = (a.reshape(layer.shape) for a in (low, high, scale))
    unreached = sum(1 for _ in _all(quantisers)) - len(reached)
    return SharedGrid(TensorType(layer.shape, *arrays), overflow, unreached, limit)


def _reads(model: SourceModel, layer: SourceInput) -> Iterator[tuple[Quantiser | None, IntArray]]:
    """Each quantiser that reads the input, None for any other reader, with the flat place in the
    input of each element that it reads (-1: none)."""
    count = int(np.prod(layer.shape, dtype=np.int64))
    here = {layer.name: np.arange(count, dtype=np.int64).reshape(layer.shape)}
    for reader in model.layers:
        sources = [s for s in reader.sources if s in here]
        if not sources:
            continue
        places = here[sources[0]]
        match reader:
            case SourceReshape(shape=shape):
                here[reader.name] = places.reshape(shape)
            case SourceGather(indices=indices, fill=fill) if not fill:
                found = places.reshape(-1)[np.maximum(indices, 0)]
                here[reader.name] = np.where(indices < 0, -1, found)
            case SourceQuantise(quantiser=quantiser):
                yield quantiser, places
            case _:
                yield None, places
    if any(name in here for name in model.outputs):
        yield None, here[layer.name]


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a quantiser, and the flat place of the input element that it reads."""

    place: int
    step: Fraction
    low: int
    high: int
    rounding: Rounding

    @property
    def fine(self) -> Fraction:
        """The step that the input needs."""
        return self.step / FINER[self.rounding]

    @property
    def period(self) -> Fraction:
        """The distance after which a wrapping quantiser repeats."""
        return (self.high - self.low + 1) * self.step


def _all(quantisers: Sequence[tuple[Quantiser, IntArray]]) -> Iterator[_Element]:
    """The elements that read something and are not always 0."""
    for q, places in quantisers:
        step = np.broadcast_to(rational(q.step), places.shape).ravel().tolist()
        low, high = (exact(np.asarray(e), places.shape).ravel().tolist() for e in (q.lo, q.hi))
        for place, s, lo, hi in zip(places.ravel().tolist(), step, low, high, strict=True):
            if place >= 0 and (lo or hi):
                yield _Element(place, s, lo, hi, q.rounding)


def _limit(
    quantisers: Sequence[tuple[Quantiser, IntArray]], largest: float | None
) -> Fraction | None:
    """The largest step that counts; None where all do."""
    if any(q.rounding != "half_up" for q, _ in quantisers):
        return None
    if largest is not None:
        return 4 * Fraction(largest) if largest > 0 else None
    reach = [(e.high + 1) * e.step for e in _all(quantisers) if e.high - e.low > 1]
    return 32 * max(reach) if reach else None
