"""Holds the registers of every processing element against the cycle model, clock by clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, repeat

import numpy as np

from flow.ir.tensor import IntArray
from flow.mapping.tulip.elements import Elements
from flow.mapping.tulip.execute import Execution, Run, runs
from flow.mapping.tulip.plan import Plan
from flow.mapping.tulip.timeline import timeline


def model_trace(plan: Plan, inputs: IntArray) -> Iterator[str]:
    """A line for each clock of the batches of `inputs` (samples, elements), as the bench of the
    array writes them: neurons, held operands of both pairs, banks address by address."""
    cols = plan.shape.cols
    room = np.zeros((-len(inputs) % cols, inputs.shape[1]), dtype=np.int64)
    batches = np.concatenate([inputs, room]).reshape(-1, cols, inputs.shape[1])
    execution = Execution(plan, cols)
    clock, line = 0, trace_line(execution.elements, cols)
    for times, batch in zip(timeline(plan, len(batches)), batches, strict=True):
        found: list[tuple[Run, str]] = []
        execution.run(batch, lambda run, e: found.append((run, trace_line(e, cols))))  # noqa: B023
        starts = dict(zip(runs(plan), times.steps, strict=True))
        for run, steps in groupby(found, key=lambda pair: pair[0]):
            for when, (_, after) in enumerate(steps, start=starts[run]):
                yield from repeat(line, when - clock)
                clock, line = when, after
        yield from repeat(line, times.finished - clock)
        clock = times.finished


def first_difference(plan: Plan, inputs: IntArray, lines: Iterable[str]) -> str | None:
    """The first clock in which the RTL's registers are not those of the model; None if none is."""
    count = 0
    given = iter(lines)
    for clock, wanted in enumerate(model_trace(plan, inputs)):
        have = next(given, None)
        if have is None:
            return f"the trace ends before clock {clock}"
        if have.strip() != wanted:
            fields = zip(have.split(), wanted.split(), strict=False)
            field = next((k for k, (a, b) in enumerate(fields) if a != b), -1)
            return f"clock {clock}: field {field} of the registers differs"
        count += 1
    return None if count else "there are no clocks"


def trace_line(elements: Elements, cols: int) -> str:
    """The registers of all elements: element rows * c + r is bit c of row r."""
    banks = elements.banks.transpose(1, 0, 2, 3)
    fields = [
        _hex(elements.neurons, cols),
        *(_hex(pair, cols) for pair in elements.held),
        *(_hex(bank[None], cols) for address in banks for bank in address),
    ]
    return " ".join(fields)


def _hex(registers: np.ndarray[tuple[int, ...], np.dtype[np.uint64]], cols: int) -> str:
    """Registers (count, rows, 1) as one word, the first register lowest."""
    words = registers[:, :, 0]
    bits = (words[:, None, :] >> np.arange(cols, dtype=np.uint64)[None, :, None]) & np.uint64(1)
    flat = bits.reshape(-1).astype(np.uint8)
    digits = -(-len(flat) // 4)
    packed = np.packbits(flat, bitorder="little").tobytes()
    return f"{int.from_bytes(packed, 'little'):0{digits}x}"
