"""Test vectors that show every stuck-at fault that can be shown; the others are proved redundant.

Random vectors first, with fault dropping; then a SAT problem for each fault that is left: Larrabee,
"Test Pattern Generation Using Boolean Satisfiability", IEEE Trans. CAD, 1992, with the chains of
differences of Stephan, Brayton and Sangiovanni-Vincentelli, "Combinational Test Generation Using
Satisfiability", IEEE Trans. CAD, 1996. The circuit without faults stays in an incremental solver.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import FaultClass, Faults, Gates
from flow.ir.aig import Words, pack, unpack
from flow.progress import Progress, silent

ROUND_WORDS = 16
"""Words of random vectors that are tried at once."""
MOST_ROUNDS = 400
IDLE_ROUNDS = 12
"""Rounds of random vectors in which nothing new shows, before SAT takes over."""
HALVINGS = 12
NEAR_WORDS = 4
"""Words of neighbours of a vector that the solver has found."""
SOLVER_FAULTS = 200
"""Faults after which the solver begins anew, so that it stays small."""

Bits = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FaultVectors:
    """Vectors (vectors, input bits), right answers (vectors, output bits), and every class of
    faults by number: shown by a vector, proved to change nothing, or not decided in time."""

    vectors: Bits
    answers: Bits
    shown: tuple[int, ...]
    redundant: tuple[int, ...]
    undecided: tuple[int, ...]
    by_chance: int

    @property
    def complete(self) -> bool:
        """Whether every fault is shown or proved redundant."""
        return not self.undecided


def vectors_for(
    faults: Faults, *, limit_s: float = 600.0, seed: int = 0, progress: Progress = silent
) -> FaultVectors:
    """Vectors for all classes of faults of a netlist; `by_chance` of them are shown at random.

    Deterministic for a seed unless the time runs out, which is looked at between two faults.
    """
    deadline = time.monotonic() + limit_s
    gates, classes = faults.gates, faults.classes
    kept, left = _by_chance(gates, classes, seed, progress)
    by_chance = len(classes) - len(left)
    found = _Search(gates, classes, left, seed)
    found.run(deadline, progress)
    vectors = np.concatenate([*kept, *found.vectors], axis=0)
    done = frozenset(found.redundant) | frozenset(found.undecided)
    shown = [k for k in range(len(classes)) if k not in done]
    chosen = vectors[_cover(gates, [classes[k] for k in shown], vectors)]
    simulator = FaultSimulator(gates, pack(chosen))
    return FaultVectors(
        chosen,
        unpack(simulator.outputs, len(chosen)),
        tuple(shown),
        tuple(found.redundant),
        tuple(found.undecided),
        by_chance,
    )


def _by_chance(
    gates: Gates, classes: Sequence[FaultClass], seed: int, progress: Progress
) -> tuple[list[Bits], list[int]]:
    """Random vectors that show something new, and the classes that none shows.

    In turns uniform ones, ones on either side of a change of the answer, and neighbours of those
    that showed something: a classifier answers the same almost everywhere, so that most faults
    show only where its answer is about to change.
    """
    left = list(range(len(classes)))
    kept: list[Bits] = [np.zeros((0, gates.given), dtype=np.uint8)]
    rng = np.random.default_rng(seed)
    idle = 0
    for turn in range(MOST_ROUNDS):
        if idle >= IDLE_ROUNDS or not left:
            break
        progress("random vectors", turn, MOST_ROUNDS)
        words = _drawn(gates, np.concatenate(kept[-8:]), turn, rng)
        seen = FaultSimulator(gates, words).detected([classes[k] for k in left])
        first = _first(seen)
        idle = 0 if (first >= 0).any() else idle + 1
        places = np.unique(first[first >= 0])
        if places.size:
            kept.append(unpack(words, 64 * words.shape[1])[places])
        left = [k for k, place in zip(left, first.tolist(), strict=True) if place < 0]
    return kept, left


def _drawn(gates: Gates, kept: Bits, turn: int, rng: np.random.Generator) -> Words:
    """Words of vectors for a turn, half of each for either side of a change from turn 1 on."""
    shape = (gates.given, ROUND_WORDS // 2)
    a, b = (rng.integers(0, 1 << 64, shape, dtype=np.uint64) for _ in range(2))
    if turn % 3 == 2 and len(kept):
        near = kept[rng.integers(0, len(kept), 64 * shape[1])]
        a = pack(near)
        b = pack(near ^ (rng.random(near.shape) < rng.random((len(near), 1)) / 4).astype(np.uint8))
    if turn % 3:
        a, b = _sides(gates, a, b, rng)
    return np.concatenate([a, b], axis=1)


def _sides(gates: Gates, a: Words, b: Words, rng: np.random.Generator) -> tuple[Words, Words]:
    """Vectors between those of each pair that are close to each other and answered differently."""
    answer = FaultSimulator(gates, a).outputs
    for _ in range(HALVINGS):
        middle = a ^ ((a ^ b) & rng.integers(0, 1 << 64, a.shape, dtype=np.uint64))
        found = FaultSimulator(gates, middle).outputs
        same = ~np.bitwise_or.reduce(found ^ answer, axis=0)
        a, b = (a & ~same) | (middle & same), (b & same) | (middle & ~same)
    return a, b


def _first(seen: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The first sample of each row that is 1, -1 where none is."""
    found = np.full(len(seen), -1, dtype=np.int64)
    hit = seen != 0
    rows = np.flatnonzero(hit.any(axis=1))
    word = hit[rows].argmax(axis=1)
    value = seen[rows, word]
    lowest = np.bitwise_count((value & -value) - np.uint64(1)).astype(np.int64)
    found[rows] = 64 * word + lowest
    return found


class _Search:
    """SAT for the classes that random vectors have not shown, with fault dropping."""

    def __init__(
        self, gates: Gates, classes: Sequence[FaultClass], left: Sequence[int], seed: int
    ) -> None:
        self.gates, self.classes = gates, classes
        self.left = list(left)
        self.rng = np.random.default_rng(seed)
        self.readers: list[list[int]] = [[] for _ in gates.names]
        for k, row in enumerate(gates.inputs):
            for x in dict.fromkeys(row):
                self.readers[x].append(k)
        self.vectors: list[Bits] = []
        self.redundant: list[int] = []
        self.undecided: list[int] = []

    def run(self, deadline: float, progress: Progress) -> None:
        """Decide every class that is left, or give up at the deadline."""
        total, solver, asked = len(self.left), None, 0
        while self.left:
            progress("faults by SAT", total - len(self.left), total)
            k = self.left.pop()
            if time.monotonic() > deadline:
                self.undecided.append(k)
                continue
            if solver is None or asked % SOLVER_FAULTS == 0:
                solver = _Solver(self.gates, self.readers)
            asked += 1
            answer = solver.ask(self.classes[k])
            if answer.size:
                self._drop(answer)
            else:
                self.redundant.append(k)
        self.redundant.sort()
        self.undecided.sort()

    def _drop(self, vector: Bits) -> None:
        """Keep a vector, and its neighbours on either side of a change that show more of the rest,
        as long as there are such."""
        base = np.repeat(vector[None], 64 * NEAR_WORDS, axis=0)
        kept: Bits = vector[None]
        while self.left:
            flips = self.rng.random(base.shape) < self.rng.random((len(base), 1)) / 4
            a, b = pack(base), pack(base ^ flips.astype(np.uint8))
            words = np.concatenate([a[:, :1], b, *_sides(self.gates, a, b, self.rng)], axis=1)
            rows = [self.classes[k] for k in self.left]
            first = _first(FaultSimulator(self.gates, words).detected(rows))
            places = np.unique(first[first >= 0])
            if not places.size:
                break
            found = unpack(words, 64 * words.shape[1])[places]
            kept = np.concatenate([kept, found])
            base = found[self.rng.integers(0, len(found), len(base))]
            pairs = zip(self.left, first.tolist(), strict=True)
            self.left = [k for k, place in pairs if place < 0]
        self.vectors.append(kept)


class _Solver:
    """The circuit without faults as clauses, and one faulty cone after another beside it."""

    def __init__(self, gates: Gates, readers: Sequence[Sequence[int]]) -> None:
        from pysat.solvers import Solver

        self.gates, self.readers = gates, readers
        self.seen = frozenset(gates.outputs)
        self.solver: Any = Solver(name="cadical153")
        self.top = len(gates.names)
        self.solver.add_clause([-1])
        self.solver.add_clause([2])
        for k, row in enumerate(gates.inputs):
            if k >= 2 + gates.given:
                for clause in _clauses(gates.tables[k], [x + 1 for x in row], k + 1):
                    self.solver.add_clause(clause)

    def ask(self, fault: FaultClass) -> Bits:
        """A vector that shows the fault; an empty one where none can."""
        empty = np.zeros(0, dtype=np.uint8)
        cone = self._cone(fault)
        if not any(k in self.seen for k in cone):
            return empty
        own = dict(fault.changes)
        bad = {k: self._new() for k in cone}
        path = {k: self._new() for k in cone}
        add = self.solver.add_clause
        for k in cone:
            good, wrong, on = k + 1, bad[k], path[k]
            table = own.get(k, self.gates.tables[k])
            for clause in _clauses(table, [bad.get(x, x + 1) for x in self.gates.inputs[k]], wrong):
                add(clause)
            # On the path the values differ, and it goes on until an output.
            add([-on, good, wrong])
            add([-on, -good, -wrong])
            if k not in self.seen:
                add([-on, *(path[r] for r in self.readers[k] if r in path)])
        active = self._new()
        add([-active, *(path[k] for k in own)])
        found = self.solver.solve(assumptions=[active])
        if found:
            model = self.solver.get_model()
            row = [model[2 + i] > 0 for i in range(self.gates.given)]
            vector = np.array(row, dtype=np.uint8)
        add([-active])
        return vector if found else empty

    def _cone(self, fault: FaultClass) -> list[int]:
        """The nets that a fault can reach, in order."""
        reached = {k for k, _ in fault.changes}
        stack = sorted(reached)
        while stack:
            for reader in self.readers[stack.pop()]:
                if reader not in reached:
                    reached.add(reader)
                    stack.append(reader)
        return sorted(reached)

    def _new(self) -> int:
        self.top += 1
        return self.top


def _clauses(table: int, inputs: Sequence[int], output: int) -> Iterator[list[int]]:
    """What a truth table says of variables: one clause for each prime cube of either value."""
    for cube, value in primes(table, len(inputs)):
        clause = [-x if bit else x for x, bit in zip(inputs, cube, strict=True) if bit is not None]
        yield [*clause, output if value else -output]


@cache
def primes(table: int, inputs: int) -> tuple[tuple[tuple[int | None, ...], int], ...]:
    """The largest cubes (None: any) over which a function of so many inputs has one value."""
    found: list[tuple[tuple[int | None, ...], int]] = []
    cubes = product((None, 0, 1), repeat=inputs)
    for cube in sorted(cubes, key=lambda c: sum(bit is not None for bit in c)):
        if any(_inside(cube, larger) for larger, _ in found):
            continue
        values = {
            table >> state & 1
            for state in range(1 << inputs)
            if all(bit is None or state >> i & 1 == bit for i, bit in enumerate(cube))
        }
        if len(values) == 1:
            found.append((cube, values.pop()))
    return tuple(found)


def _inside(cube: tuple[int | None, ...], larger: tuple[int | None, ...]) -> bool:
    return all(b is None or a == b for a, b in zip(cube, larger, strict=True))


def _cover(gates: Gates, classes: Sequence[FaultClass], vectors: Bits) -> list[int]:
    """A few of the vectors that show all classes: the one that shows most of the rest, again."""
    if not classes:
        return []
    seen = FaultSimulator(gates, pack(vectors)).detected(classes)
    shows = unpack(seen, len(vectors)).astype(np.bool_)  # (vectors, classes)
    left = np.ones(len(classes), dtype=np.bool_)
    counts = shows.sum(axis=1, dtype=np.int64)
    chosen: list[int] = []
    while left.any():
        best = int(counts.argmax())
        chosen.append(best)
        gone = shows[best] & left
        counts -= shows[:, gone].sum(axis=1)
        left &= ~gone
    return chosen
