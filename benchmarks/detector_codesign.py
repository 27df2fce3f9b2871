"""Mixed widths against the best uniform width at equal accuracy, by what `flow codesign` does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from cases import Options
from common import Row
from detector_networks import Task, tasks
from threadpoolctl import threadpool_limits

from flow.errors import FlowError, UsageError
from flow.pipeline.codesigning import (
    PARTS,
    CodesignOptions,
    Prepared,
    choice_of,
    prepare,
    reference,
    widths_of,
)
from flow.pipeline.config import BuildConfig
from flow.pipeline.realising import Realised
from flow.search.allocation import Choice, allocate

NEAR = 0.01
"""Accuracy that a design may lose of the float network's, on samples that it has never seen."""
EPOCHS = 15
EVEN = (2, 3, 4, 5, 6)
"""Uniform widths of weights and of reads: every pair is retrained."""
SAVED = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Parts of the best uniform design's bit operations that mixed widths are asked to keep within."""


@dataclass(frozen=True)
class Tried:
    """Widths, retrained."""

    choices: tuple[Choice, ...]
    made: Realised

    @property
    def bops(self) -> float:
        """Bit operations."""
        return sum(c.costs["bops"] for c in self.choices)

    def __str__(self) -> str:
        widths = " ".join(f"{c.weight_bits}:{c.activation_bits}" for c in self.choices)
        return f"{self.made.accuracy:.3f} at {widths}"


def codesign(options: Options) -> Iterator[list[Row]]:
    """Bit operations and area of mixed widths against those of the best uniform ones.

    The best uniform design is the one of the fewest bit operations, of all pairs of widths, that
    loses at most NEAR. Mixed widths are asked for within parts of what it takes, both of bit
    operations and of adders; at each part what the choosing samples prefer of three is taken.
    """
    if options.report:
        return
    for task in tasks():
        if options.only in task.name:
            try:
                with threadpool_limits(1):
                    yield _compared(task)
            except FlowError as error:
                yield [Row(f"codesign: {task.name}", None, "BOPs", note=error.message, met=False)]
            print(f"... {task.name}", file=sys.stderr, flush=True)


def _compared(task: Task) -> list[Row]:
    asked = CodesignOptions({"bops": 1.0}, epochs=EPOCHS, test=task.test)
    ready = prepare(BuildConfig(model=task.model, data=task.data, input_bits=8), asked)
    floats = reference(ready.realiser.source, ready.realiser.parts.held)
    goal = floats - NEAR
    even = [
        _tried(ready, [choice_of(x, w, a) for x in ready.layers]) for w, a in product(EVEN, EVEN)
    ]
    rival = min((t for t in even if t.made.accuracy >= goal), key=lambda t: t.bops)
    best = None
    for part in SAVED:
        found = _mixed(ready, rival, part)
        if found is not None and found.made.accuracy >= goal:
            best = found
    note = f"float {floats:.3f}, uniform {rival}" + ("" if best is None else f", mixed {best}")
    values = {
        "bit operations": ("BOPs", None if best is None else best.bops, rival.bops),
        "area": ("adder bits", None if best is None else best.made.area, rival.made.area),
    }
    return [
        Row(f"codesign: {task.name}, {what}", value, unit, "best uniform widths", other, "fewer",
            value is not None and value < other, note=note)
        for what, (unit, value, other) in values.items()
    ]  # fmt: skip


def _mixed(ready: Prepared, rival: Tried, part: float) -> Tried | None:
    """The best of three by the samples that choose, within a part of what the rival takes."""
    area = sum(c.costs["area"] for c in rival.choices)
    limits = {"bops": part * rival.bops, "area": part * area}
    tried = []
    for weight in PARTS:
        try:
            choices = allocate([x.choices for x in ready.layers], limits, weight)
        except UsageError:
            return None
        tried.append(_tried(ready, choices))
    return max(tried, key=lambda t: t.made.chosen)


def _tried(ready: Prepared, choices: Sequence[Choice]) -> Tried:
    made = ready.realiser.realise(widths_of(ready.layers, choices))
    return Tried(tuple(choices), made)
