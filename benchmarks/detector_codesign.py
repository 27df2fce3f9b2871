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
    design_of,
    prepare,
    reference,
    widths_of,
)
from flow.pipeline.config import BuildConfig
from flow.pipeline.realising import Realised
from flow.pipeline.sizing import sized_designs
from flow.progress import silent
from flow.report.codesign import Design, Kind, widths_text
from flow.search.allocation import Choice, allocate

NEAR = 0.005
"""Accuracy that a design may lose of the float network's, on samples that it has never seen."""
EVEN = (2, 3, 4, 5)
"""Uniform widths of weights and of reads: every pair is retrained."""
SAVED = (0.97, 0.94, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6)
"""Parts of what the best uniform design takes that mixed widths are asked to keep within."""
INPUT_BITS, EPOCHS = 5, 10


@dataclass(frozen=True)
class Tried:
    """A design, and the widths that it came of."""

    choices: tuple[Choice, ...]
    design: Design
    made: Realised

    def __str__(self) -> str:
        return f"{self.design.accuracy:.3f} at {widths_text(self.design.widths)}"


def codesign(options: Options) -> Iterator[list[Row]]:
    """Bit operations and area of mixed widths against those of the best uniform ones.

    The best uniform design is the one of the fewest bit operations, of all pairs of widths, that
    loses at most NEAR, or of the most accurate one where all lose more. Mixed widths are asked for
    within parts of what it takes, and the same rule takes one of them, of as many; so it does where
    sizes of layers are searched with the widths. All are retrained in the same way.
    """
    if options.report:
        return
    for task in tasks():
        if options.only not in task.name:
            continue
        try:
            with threadpool_limits(1):
                yield from _compared(task)
        except FlowError as error:
            yield [Row(f"codesign: {task.name}", None, "BOPs", note=error.message, met=False)]
        print(f"... {task.name}", file=sys.stderr, flush=True)


def _compared(task: Task) -> Iterator[list[Row]]:
    ready, floats = _ready(task, EPOCHS)
    even = [_even(ready, w, a) for w, a in product(EVEN, EVEN)]
    goal = min(floats - NEAR, max(t.design.accuracy for t in even))
    rival = _cheapest(even, goal)
    mixed = [_tried(ready, "mixed", c) for c in _mixed(ready, rival)[: len(even)]]
    yield _rows(f"{task.name}, mixed widths", floats, goal, rival, mixed)
    known = [(t.design, t.made) for t in (rival, *mixed[:: len(mixed) // 3 or 1]) if t is not None]
    sized = sized_designs(ready.realiser, ready.layers, known, (2, 8), len(even), silent)
    found = [Tried((), design, made) for design, made in sized]
    yield _rows(f"{task.name}, widths and sizes", floats, goal, rival, found)


def _rows(
    name: str, floats: float, goal: float, rival: Tried | None, tried: Sequence[Tried]
) -> list[Row]:
    """The cheapest of the designs tried that are smaller than the rival, beside it."""
    smaller = [t for t in tried if rival is not None and t.design.area < rival.design.area]
    best = _cheapest(smaller, goal)
    note = f"float {floats:.3f}, uniform {rival}"
    if best is not None:
        sizes = "-".join(str(w.outputs) for w in best.design.widths)
        note += f", mixed {best} outputs {sizes}"
    else:
        note += f", none of {len(tried)} others tried is as accurate with less area"
    rows = []
    for what, unit in (("bops", "BOPs"), ("area", "adder bits")):
        value, other = (
            None if t is None else float(getattr(t.design, what)) for t in (best, rival)
        )
        met = value is not None and other is not None and value < other
        title = f"codesign: {name}, {what}"
        rows.append(Row(title, value, unit, "best uniform widths", other, "fewer", met, note=note))
    return rows


def _ready(task: Task, epochs: int) -> tuple[Prepared, float]:
    asked = CodesignOptions({"bops": 1.0}, epochs=epochs, test=task.test)
    config = BuildConfig(model=task.model, data=task.data, input_bits=INPUT_BITS)
    ready = prepare(config, asked)
    return ready, reference(ready.realiser.source, ready.realiser.parts.held)


def _cheapest(tried: Sequence[Tried], goal: float) -> Tried | None:
    good = [t for t in tried if t.design.accuracy >= goal]
    return min(good, key=lambda t: t.design.bops, default=None)


def _mixed(ready: Prepared, rival: Tried | None) -> list[tuple[Choice, ...]]:
    """Mixed widths within parts of what the rival takes, each once."""
    found: dict[str, tuple[Choice, ...]] = {}
    for part, weight in product(SAVED, PARTS) if rival is not None else ():
        limits = {
            name: part * sum(c.costs[name] for c in rival.choices) for name in ("bops", "area")
        }
        try:
            choices = allocate([x.choices for x in ready.layers], limits, weight)
        except UsageError:
            break
        found[str([(c.weight_bits, c.activation_bits) for c in choices])] = choices
    return list(found.values())


def _even(ready: Prepared, weight_bits: int, read_bits: int) -> Tried:
    choices = [choice_of(x, weight_bits, read_bits) for x in ready.layers]
    return _tried(ready, "uniform", choices)


def _tried(ready: Prepared, kind: Kind, choices: Sequence[Choice]) -> Tried:
    made = ready.realiser.realise(widths_of(ready.layers, choices))
    return Tried(tuple(choices), design_of(kind, ready.layers, choices, made), made)
