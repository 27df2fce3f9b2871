"""When everything happens: the clocks of the sequencer and of the streams that feed it.

Clock 0 is the first in which images and kernels are offered. A host that always offers the next
word is taken for granted; what it may wait for is a free half of a memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.mapping.tulip.execute import runs
from flow.mapping.tulip.plan import Plan

FETCH_CLOCKS = 2
"""From the end of a run to the start of one that needs a descriptor; else 1."""
STEP_DELAY = 2
"""From the start of a run to the clock in which the elements take its first step."""
DRAIN_CLOCKS = 4
"""From the end of the last run to the next batch."""


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """A batch: the clock of the first step of each run, and of `finished`.

    `layers` are the clocks that each layer took, `waited` those spent waiting for kernels.
    """

    steps: tuple[int, ...]
    finished: int
    layers: tuple[int, ...]
    waited: int


def batch_words(plan: Plan) -> int:
    """Words that the host writes for a batch: every word or integer of every sample."""
    return plan.inputs.size * plan.shape.cols


def timeline(plan: Plan, batches: int) -> tuple[BatchTimes, ...]:
    """The times of so many batches, one after the other."""
    made = list(runs(plan))
    lengths = _lengths(plan)
    sizes = [tile.words for tile in plan.tiles]
    words = batch_words(plan)
    kernel = _Stream()
    images = _Stream()
    idle = 0
    found = []
    # Two halves each: the host is at most two tiles and two batches ahead.
    for _ in range(batches):
        full = images.offer(words)
        start = max(idle, full) + FETCH_CLOCKS
        steps, layers, waited = [], [0] * len(plan.layers), 0
        tile, end, before = 0, start, start
        for run in made:
            layer = plan.layers[run.layer]
            if layer.kernels and run.position == 0 and run.segment == 0:
                loaded = kernel.offer(sizes[tile])
                tile += 1
                waited += max(0, loaded - start)
                start = max(start, loaded)
            steps.append(start + STEP_DELAY)
            end = start + lengths[run.layer][run.segment]
            if run.ends_tile and layer.kernels:
                kernel.free(end + 1)
            single = len(layer.descriptors) == 1
            start = end + (1 if single and not run.ends_tile else FETCH_CLOCKS)
            layers[run.layer] += start - before
            before = start
        idle = end + DRAIN_CLOCKS
        images.free(idle)
        found.append(BatchTimes(tuple(steps), idle, tuple(layers), waited))
    return tuple(found)


def steady_cycles(plan: Plan) -> int:
    """Clocks from one batch to the next, once the memories are filled."""
    times = timeline(plan, 4)
    return times[3].finished - times[2].finished


def _lengths(plan: Plan) -> list[Sequence[int]]:
    found: list[Sequence[int]] = []
    for layer in plan.layers:
        if layer.programs:
            found.append([len(program) for program in layer.programs])
        else:
            biases = [plan.shape.macs] + [0] * (len(layer.descriptors) - 1)
            rows = zip(layer.descriptors, biases, strict=True)
            found.append([descriptor.items + more for descriptor, more in rows])
    return found


class _Stream:
    """A memory in two halves that a host fills, one word in a clock."""

    def __init__(self) -> None:
        self.next = 0
        self.frees = [0, 0]

    def offer(self, words: int) -> int:
        """The first clock in which the next half is seen to be full."""
        begin = max(self.next, self.frees.pop(0))
        self.next = begin + words
        return self.next

    def free(self, clock: int) -> None:
        """A half can be filled from this clock on."""
        self.frees.append(clock)
