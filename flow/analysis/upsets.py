"""Upsets of flip-flops: each one in each clock, many machines a step, and whether any hangs.

A machine is the design with one flip-flop inverted before one clock; 64 samples are the bits of a
word, a machine is a column of words, and all machines run side by side. Every machine sees its
sample at the inputs all the time, with everything ready, so that its answer is known whenever
it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.aig import Words
from flow.ir.design import Design
from flow.progress import Progress, silent

RESET, VALID = "rst", "out_valid"
RESET_CLOCKS = 2
SAMPLES = 64
"""Of one word: as many are tried at most."""
MOST_CLOCKS = 20_000
CHUNK_WORDS = 1 << 22
"""Words of all variables that one run holds."""
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Upsets:
    """What upsets of flip-flops do, each in one clock, over all samples.

    `places` are (flip-flop, clock); the other arrays have a number of samples for each of them:
    `wrong` gives a wrong answer, `shifted` an answer at another time, `lasting` is wrong at the
    last answers too, `hangs` gives none then. `clocks` are those from the end of the reset to the
    second answer; upsets of later clocks repeat them. Each machine is watched for `watched` clocks
    from the upset on; an answer comes every `interval`. `total` is how many places there are,
    also where only some are tried.
    """

    flipflops: tuple[str, ...]
    clocks: int
    samples: int
    interval: int
    watched: int
    total: int
    places: Counts
    wrong: Counts
    shifted: Counts
    lasting: Counts
    hangs: Counts

    @property
    def count(self) -> int:
        """Upsets of one sample each that were tried."""
        return len(self.places) * self.samples

    def share(self, what: Counts) -> float:
        """The share of upsets that a count of this object is."""
        return float(what.sum()) / max(1, self.count)


def upsets(
    design: Design,
    drive: Mapping[str, NDArray[np.uint8]],
    most: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Upsets:
    """Every flip-flop upset in every clock; `drive` has the bits (samples,) of each data input.

    Of more than `most` places so many are drawn by chance. Inputs without data are held at 1
    (valid, ready), the reset at 1 for two clocks and then 0. A design without `out_valid` answers
    in every clock. IRError for more than 64 samples, or where no answer comes.
    """
    machine = _Machine(design, drive)
    golden = machine.golden()
    total = len(design.flipflops) * golden.clocks
    chosen = np.arange(total)
    if most is not None and total > most:
        chosen = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
    places = np.stack([chosen // golden.clocks, chosen % golden.clocks], axis=1)
    rows = design.graph.first_gate + design.graph.size
    step = max(1, CHUNK_WORDS // rows)
    parts = []
    for first in range(0, len(places), step):
        progress("upsets", first, len(places))
        parts.append(machine.upset(golden, places[first : first + step]))
    found = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return Upsets(
        design.flipflops, golden.clocks, machine.samples, golden.interval, golden.watched, total,
        places, **found,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Golden:
    """The run without upsets: (clocks, ...) of its outputs, one word each, after the reset."""

    start: Words
    answers: Words
    valid: Words
    clocks: int
    interval: int
    watched: int


class _Machine:
    """The graph by levels, and its inputs as words."""

    def __init__(self, design: Design, drive: Mapping[str, NDArray[np.uint8]]) -> None:
        graph = design.graph
        self.design, self.graph = design, graph
        self.samples = len(next(iter(drive.values())))
        if not 0 < self.samples <= SAMPLES:
            raise IRError(f"{self.samples} samples do not fit one word")
        shifts = np.arange(self.samples, dtype=np.uint64)
        self.mask = np.uint64((1 << self.samples) - 1)
        self.inputs = np.full(len(design.inputs), _ALL, dtype=np.uint64)
        for k, name in enumerate(design.inputs):
            if name in drive:
                self.inputs[k] = (drive[name].astype(np.uint64) << shifts).sum(dtype=np.uint64)
        self.reset = design.inputs.index(RESET) if RESET in design.inputs else None
        names = design.outputs
        self.valid = names.index(VALID) if VALID in names else None
        control = (VALID, "in_ready")
        self.data = np.array([i for i, x in enumerate(names) if x not in control], dtype=np.int64)
        level = graph.levels()[graph.first_gate :]
        order = np.argsort(level, kind="stable")
        starts = np.flatnonzero(np.diff(level[order], prepend=0))
        left, right = np.array(graph.left), np.array(graph.right)
        self.levels = [
            (gates + graph.first_gate, left[gates], right[gates])
            for gates in np.split(order, starts[1:])
        ] if graph.size else []  # fmt: skip
        self.literals = np.array(graph.literals, dtype=np.int64)

    def clock(self, state: Words, resetting: bool) -> tuple[Words, Words]:
        """The outputs (outputs, words) of a state (flip-flops, words), and the next state."""
        values = np.zeros((self.graph.first_gate + self.graph.size, state.shape[1]), np.uint64)
        given = len(self.inputs)
        values[1 : 1 + given] = self.inputs[:, None]
        if self.reset is not None:
            values[1 + self.reset] = _ALL if resetting else 0
        values[1 + given : self.graph.first_gate] = state
        for gates, a, b in self.levels:
            values[gates] = _read(values, a) & _read(values, b)
        found = _read(values, self.literals)
        own = len(self.design.outputs)
        return found[:own], found[own:]

    def golden(self) -> _Golden:
        """The run from the reset on, long enough to watch an upset of its last clock."""
        state = np.zeros((len(self.design.flipflops), 1), dtype=np.uint64)
        for k, name in enumerate(self.design.flipflops):
            state[k] = _ALL if self.design.initial.get(name) == 1 else 0
        for _ in range(RESET_CLOCKS):
            _, state = self.clock(state, True)
        start = state
        outputs: list[Words] = []
        times: list[int] = []
        end = MOST_CLOCKS
        while len(outputs) < end:
            out, state = self.clock(state, False)
            outputs.append(out[:, 0])
            valid = self.mask if self.valid is None else out[self.valid, 0] & self.mask
            if valid == self.mask:
                times.append(len(outputs) - 1)
                if len(times) == 2:
                    # Every value in the design has been replaced twice, and three answers more.
                    clocks, interval = times[1] + 1, times[1] - times[0]
                    watched = 2 * clocks + 4 * interval
                    end = min(end, clocks + watched)
        if len(times) < 2:
            raise IRError(f"{self.graph.name}: no answer comes within {MOST_CLOCKS} clocks")
        every = np.array(outputs)
        shape = len(every), 1
        valid = np.full(shape, _ALL) if self.valid is None else every[:, [self.valid]]
        return _Golden(start, every[:, self.data], valid, clocks, interval, watched)

    def upset(self, golden: _Golden, places: Counts) -> dict[str, Counts]:
        """Machine k has the flip-flop places[k, 0] inverted before the clock places[k, 1]."""
        many, since = len(places), places[:, 1]
        state = np.repeat(golden.start, many, axis=1)
        wrong, shifted, lasting, alive = (np.zeros(many, dtype=np.uint64) for _ in range(4))
        answering = golden.valid[:, 0] & self.mask == self.mask
        right = golden.answers[answering][0][:, None]
        for t in range(golden.clocks + golden.watched):
            now = np.flatnonzero(since == t)
            state[places[now, 0], now] ^= _ALL
            out, state = self.clock(state, False)
            valid = golden.valid[t] if self.valid is None else out[self.valid]
            bad = valid & np.bitwise_or.reduce(out[self.data] ^ right, axis=0)
            age = t - since
            watching = (age >= 0) & (age < golden.watched)
            last = watching & (age >= golden.watched - 2 * golden.interval)
            wrong |= np.where(watching, bad, 0)
            shifted |= np.where(watching, valid ^ golden.valid[t], 0)
            lasting |= np.where(last, bad, 0)
            alive |= np.where(last, valid, 0)
        counts = {"wrong": wrong, "shifted": shifted, "lasting": lasting, "hangs": ~alive}
        return {n: np.bitwise_count(x & self.mask).astype(np.int64) for n, x in counts.items()}


def _read(values: Words, literals: NDArray[np.int64]) -> Words:
    found: Words = values[literals >> 1]
    found[(literals & 1).astype(bool)] ^= _ALL
    return found
