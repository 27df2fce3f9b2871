"""Upsets of flip-flops: each one in each clock, many machines a step, and whether any hangs.

A machine is the design on one sample with one bit of its state inverted before one clock; some
hundred run side by side. Every machine sees its sample at the inputs all the time, with everything
ready, so that its answer is known whenever it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.analysis.upset_machine import ALL, Flip, Machines, Memory, Snapshot
from flow.errors import IRError
from flow.ir.aig import Words
from flow.ir.design import Design
from flow.progress import Progress, silent

RESET, VALID = "rst", "out_valid"
CONTROL = (VALID, "in_ready")
RESET_CLOCKS = 2
SAMPLES = 64
"""As many are tried at most."""
MOST_CLOCKS = 20_000
BLOCK = 256
"""Clocks whose outputs are held at once."""
CHUNK_WORDS, MOST_WORDS = 1 << 20, 64
"""Words of all variables that one run of numpy holds, and of a row."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a design needs beside its logic, and what is asked of it.

    `answers` says which outputs are compared when an answer comes, `struck` which flip-flops are
    upset. `loading` are clocks after the reset with these values at inputs, one after the other.
    With `from_answer` upsets begin behind the first answer: what comes before it loads the design.
    `cells`: bits of memories are upset, not flip-flops.
    """

    memories: tuple[Memory, ...] = ()
    answers: Callable[[str], bool] = lambda name: name not in CONTROL
    struck: Callable[[str], bool] = lambda name: True
    loading: tuple[tuple[int, Mapping[str, int]], ...] = ()
    from_answer: bool = False
    cells: bool = False


PLAIN = Setting()


@dataclass(frozen=True, slots=True, eq=False)
class Upsets:
    """What upsets of flip-flops do, each in one clock, over all samples.

    `places` are (flip-flop, clock); the other arrays have a number of samples for each of them:
    `wrong` gives a wrong answer, `shifted` an answer at another time, `lasting` is wrong at the
    last answers too, `hangs` gives none then. `clocks` are those from the end of the reset to the
    second answer, or those between both; upsets of later clocks repeat them. Each machine is
    watched for at least `watched` clocks from the upset on; an answer comes every `interval`.
    `total` is how many places there are, also where only some are tried.
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
    most: int | Callable[[int], int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    setting: Setting = PLAIN,
) -> Upsets:
    """Every flip-flop upset in every clock; `drive` has the bits (samples,) of each data input.

    Of more than `most` places so many are drawn by chance; `most` may be a function of how many
    there are. Inputs without data are held at 1
    (valid, ready), the reset at 1 for two clocks and then 0. A design without `out_valid` answers
    in every clock. IRError for more than 64 samples, where no answer comes, or where answers to
    what stays the same differ.
    """
    study = _Study(design, drive, setting)
    rows = study.struck()
    golden = study.golden()
    total = len(rows) * golden.clocks
    count = total if most is None else most if isinstance(most, int) else most(total)
    chosen = np.arange(total)
    if count < total:
        chosen = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    places = np.stack([chosen // golden.clocks, chosen % golden.clocks], axis=1)
    found = study.run(golden, places, [row for _, row in rows], progress)
    return Upsets(
        tuple(name for name, _ in rows), golden.clocks, study.samples, golden.interval,
        golden.watched, total, places, **found,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Golden:
    """The run without upsets: what is held before its first clock, when all answer, and what."""

    start: Snapshot
    valid: Words
    right: Words
    clocks: int
    interval: int
    watched: int


class _Study:
    """Machines of a design whose answers are watched: row 0 is whether there is one."""

    def __init__(
        self, design: Design, drive: Mapping[str, NDArray[np.uint8]], setting: Setting
    ) -> None:
        self.design, self.setting, self.drive = design, setting, drive
        graph, names = design.graph, design.outputs
        valid = graph.literals[names.index(VALID)] if VALID in names else 1
        data = [x for name, x in zip(names, graph.literals, strict=False) if setting.answers(name)]
        words = min(MOST_WORDS, max(1, CHUNK_WORDS // (graph.first_gate + graph.size)))
        self.samples = len(next(iter(drive.values()))) if drive else 1
        if not 0 < self.samples <= SAMPLES:
            raise IRError(f"{self.samples} samples do not fit one word")
        self.machines = Machines(design, (valid, *data), words, setting.memories)
        self.words = self.machines.words
        self.each = 64 * self.words // self.samples
        pattern = np.zeros(64 * self.words, dtype=np.uint8)
        pattern[: self.each * self.samples] = 1
        self.used = _packed(pattern)

    def struck(self) -> list[tuple[str, int]]:
        """Names and rows of what is upset."""
        wanted, found = self.setting.struck, list[tuple[str, int]]()
        if self.setting.cells:
            for m, start in zip(self.setting.memories, self.machines.first_cell, strict=False):
                if m.write and wanted(m.name):
                    bits = m.depth * len(m.held)
                    found += [(f"{m.name}[{k}]", -1 - start - k) for k in range(bits)]
            return found
        first = 1 + len(self.design.inputs)
        found = [(name, first + k) for k, name in enumerate(self.design.flipflops) if wanted(name)]
        for m in self.setting.memories:
            if wanted(m.name):
                found += [(f"{m.name}.q[{k}]", row) for k, row in enumerate(m.held)]
        return found

    def _fresh(self) -> Snapshot:
        held = self.machines.fresh()
        for k, name in enumerate(self.design.inputs, 1):
            bits = self.drive.get(name)
            held.values[k] = ALL if bits is None else self._spread(bits)
        first = 1 + len(self.design.inputs)
        for k, name in enumerate(self.design.flipflops):
            held.values[first + k] = ALL if self.design.initial.get(name) == 1 else 0
        for m in self.setting.memories:
            held.values[list(m.held)] = 0
        return held

    def _spread(self, bits: NDArray[np.uint8]) -> Words:
        """The bits of the samples, again for each machine of a row."""
        row = np.zeros(64 * self.words, dtype=np.uint8)
        row[: self.each * self.samples] = np.tile(bits, self.each)
        return _packed(row)

    def _set(self, held: Snapshot, inputs: Mapping[str, int]) -> None:
        for name, value in inputs.items():
            if name in self.design.inputs:
                held.values[1 + self.design.inputs.index(name)] = ALL if value else 0

    def golden(self) -> _Golden:
        """The run from the reset on, long enough to watch an upset of its last clock."""
        held = self._fresh()
        self._set(held, {RESET: 1})
        self.machines.run(held, RESET_CLOCKS)
        self._set(held, {RESET: 0})
        for clocks, inputs in self.setting.loading:
            self._set(held, inputs)
            self.machines.run(held, clocks)
        start, valid, times = held.copy(), list[Words](), list[int]()
        right: Words | None = None
        first, end = 0, MOST_CLOCKS
        clocks = interval = watched = 0
        while len(valid) < end:
            rows = self.machines.run(held, min(BLOCK, end - len(valid)))
            for row in rows:
                valid.append(row[0])
                if (row[0] & self.used != self.used).any():
                    continue
                right = row[1:] & self.used if right is None else right
                if (row[1:] & self.used != right).any():
                    raise IRError(f"{self.design.graph.name}: answers to one sample differ")
                times.append(len(valid) - 1)
            if clocks == 0 and len(times) > 1:
                # Every value in the design has been replaced, and some answers more.
                first = times[0] + 1 if self.setting.from_answer else 0
                clocks, interval = times[1] + 1 - first, times[1] - times[0]
                watched = clocks + 3 * interval if first else 2 * clocks + 4 * interval
                end = min(end, first + clocks + watched)
        if right is None or not clocks:
            raise IRError(f"{self.design.graph.name}: no answer comes within {MOST_CLOCKS} clocks")
        if first:
            self.machines.run(start, first)
        return _Golden(
            start, np.array(valid)[first:], right, clocks, interval, watched
        )  # fmt: skip

    def run(
        self, golden: _Golden, places: Counts, rows: Sequence[int], progress: Progress
    ) -> dict[str, Counts]:
        """Counts of samples by place; machines are taken in the order of their clocks."""
        order = np.argsort(places[:, 1], kind="stable")
        found = {
            name: np.zeros(len(places), dtype=np.int64)
            for name in ("wrong", "shifted", "lasting", "hangs")
        }
        lead, at = golden.start.copy(), 0
        for first in range(0, len(order), self.each):
            progress("upsets", first, len(order))
            chosen = order[first : first + self.each]
            clock = int(places[chosen[0], 1])
            while at < clock:
                step = min(BLOCK, clock - at)
                self.machines.run(lead, step)
                at += step
            flips = [
                flip
                for k, place in enumerate(chosen.tolist())
                for flip in self._flips(int(places[place, 1]) - clock, rows[places[place, 0]], k)
            ]
            last = int(places[chosen[-1], 1]) - clock
            seen = self._watch(golden, lead.copy(), clock, last + golden.watched, flips)
            for name, row in seen.items():
                bits = np.unpackbits(row.view(np.uint8), bitorder="little")
                own = bits[: self.each * self.samples].reshape(self.each, self.samples)
                found[name][chosen] = own.sum(axis=1)[: len(chosen)]
        return found

    def _flips(self, clock: int, row: int, machine: int) -> list[Flip]:
        """One machine's bits, which may lie in two words."""
        mask = ((1 << self.samples) - 1) << (machine * self.samples % 64)
        word = machine * self.samples // 64
        low, high = mask & ((1 << 64) - 1), mask >> 64
        return [(clock, row, word, low), *([(clock, row, word + 1, high)] if high else [])]

    def _watch(
        self, golden: _Golden, held: Snapshot, start: int, clocks: int, flips: Sequence[Flip]
    ) -> dict[str, Words]:
        """Which machines of a row are wrong, shifted, wrong at the last answers, or hang."""
        end = min(clocks, len(golden.valid) - start)
        wrong, shifted, lasting, alive = (np.zeros(self.words, dtype=np.uint64) for _ in range(4))
        for at in range(0, end, BLOCK):
            step = min(BLOCK, end - at)
            now = [(f[0] - at, *f[1:]) for f in flips if at <= f[0] < at + step]
            rows = self.machines.run(held, step, now)
            valid = rows[:, 0]
            differ = np.bitwise_or.reduce(rows[:, 1:] ^ golden.right, axis=1)
            bad = valid & differ
            wrong |= np.bitwise_or.reduce(bad, axis=0)
            late = golden.valid[start + at : start + at + step]
            shifted |= np.bitwise_or.reduce(valid ^ late, axis=0)
            if (last := max(0, end - 2 * golden.interval - at)) < step:
                lasting |= np.bitwise_or.reduce(bad[last:], axis=0)
                alive |= np.bitwise_or.reduce(valid[last:], axis=0)
        return {"wrong": wrong, "shifted": shifted, "lasting": lasting, "hangs": ~alive}


def _packed(bits: NDArray[np.uint8]) -> Words:
    found: Words = np.packbits(bits, bitorder="little").view(np.uint64)
    return found
