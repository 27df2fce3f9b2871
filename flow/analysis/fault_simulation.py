"""Simulation of a netlist under many faults: 64 samples a word, and only what a fault reaches.

Of each fault only the nets are evaluated that read something wrong, in order, until nothing is
wrong any more: single fault propagation as in Waicukauski et al., "Fault Simulation for Structured
VLSI", VLSI Systems Design, 1985.
"""

from __future__ import annotations

import ctypes
import heapq
import tempfile
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.stuck_at import FaultClass, Gates
from flow.errors import IRError, ToolError
from flow.ir.aig import Words
from flow.tools.compiler import available, shared_library

CHUNK_BYTES = 64 << 20
"""Answers that are held at once."""

FaultWords = NDArray[np.uint64]
"""(faults, outputs, words)."""


@cache
def kernel() -> ctypes.CDLL | None:
    """The functions of faults.c, compiled for this machine; None where nothing compiles them."""
    if not available():
        return None
    text = Path(__file__).with_name("faults.c").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="flow-faults-") as folder:
        try:
            return ctypes.CDLL(str(shared_library(text, Path(folder), "faults")))
        except ToolError:
            return None


class FaultSimulator:
    """A netlist with the values of its nets for given words of its inputs.

    `compiled` says whether C does the work; numpy gives the same without it.
    """

    def __init__(self, gates: Gates, words: Words, compiled: bool = True) -> None:
        if words.shape[0] != gates.given:
            raise IRError(f"{gates.given} inputs are simulated with {words.shape[0]} rows")
        self.gates = gates
        self.kernel = kernel() if compiled else None
        sizes = [len(x) for x in gates.inputs]
        self._offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self._inputs = np.array([x for row in gates.inputs for x in row] or [0], dtype=np.int32)
        self._tables = np.array(gates.tables, dtype=np.uint64)
        self._outputs = np.array(gates.outputs, dtype=np.int32)
        readers: list[list[int]] = [[] for _ in gates.names]
        for k, row in enumerate(gates.inputs):
            for x in dict.fromkeys(row):
                readers[x].append(k)
        self._readers = readers
        self._reader = np.concatenate([[0], np.cumsum([len(x) for x in readers])]).astype(np.int32)
        self._read = np.array([k for row in readers for k in row] or [0], dtype=np.int32)
        self.good = self._simulate(np.ascontiguousarray(words, dtype=np.uint64))

    def on(self, words: Words) -> FaultSimulator:
        """The same netlist with other words of its inputs."""
        other = copy(self)
        other.good = self._simulate(np.ascontiguousarray(words, dtype=np.uint64))
        return other

    @property
    def outputs(self) -> Words:
        """The words of the outputs without any fault."""
        return self.good[self._outputs]

    def answers(self, faults: Sequence[FaultClass]) -> Iterator[FaultWords]:
        """The words of the outputs under each fault, some faults at a time."""
        each = 8 * max(1, len(self._outputs)) * max(1, self.good.shape[1])
        step = max(1, CHUNK_BYTES // each)
        for start in range(0, len(faults), step):
            part = faults[start : start + step]
            shape = (len(part), len(self._outputs), self.good.shape[1])
            found = np.empty(shape, dtype=np.uint64)
            self._run(part, found, None)
            yield found

    def detected(self, faults: Sequence[FaultClass]) -> Words:
        """For each fault a row of words: the samples at which some output differs."""
        found = np.empty((len(faults), self.good.shape[1]), dtype=np.uint64)
        self._run(faults, None, found)
        return found

    def _simulate(self, words: Words) -> Words:
        gates, count = self.gates, words.shape[1]
        first = 2 + gates.given
        values = np.zeros((len(gates.names), count), dtype=np.uint64)
        values[1] = ~np.uint64(0)
        values[2:first] = words
        if self.kernel is not None:
            self.kernel.simulate(
                len(gates.names), first, count, _at(self._offset), _at(self._inputs),
                _at(self._tables), _at(values),
            )  # fmt: skip
            return values
        for k in range(first, len(gates.names)):
            values[k] = looked_up(gates.tables[k], [values[x] for x in gates.inputs[k]], count)
        return values

    def _run(
        self, faults: Sequence[FaultClass], answers: FaultWords | None, seen: Words | None
    ) -> None:
        if self.kernel is None:
            self._run_numpy(faults, answers, seen)
            return
        start = np.concatenate([[0], np.cumsum([len(f.changes) for f in faults])]).astype(np.int32)
        changes = [change for fault in faults for change in fault.changes] or [(0, 0)]
        net = np.array([n for n, _ in changes], dtype=np.int32)
        other = np.array([table for _, table in changes], dtype=np.uint64)
        status = self.kernel.faults(
            len(self.gates.names), self.good.shape[1], _at(self._offset), _at(self._inputs),
            _at(self._tables), _at(self._reader), _at(self._read), _at(self.good),
            len(self._outputs), _at(self._outputs), len(faults), _at(start), _at(net), _at(other),
            _at(answers), _at(seen),
        )  # fmt: skip
        if status:
            raise MemoryError

    def _run_numpy(
        self, faults: Sequence[FaultClass], answers: FaultWords | None, seen: Words | None
    ) -> None:
        for f, fault in enumerate(faults):
            wrong = self._propagated(fault)
            rows = [wrong.get(k, self.good[k]) for k in self.gates.outputs]
            if answers is not None:
                answers[f] = rows
            if seen is not None:
                seen[f] = 0
                for k, row in zip(self.gates.outputs, rows, strict=True):
                    seen[f] |= row ^ self.good[k]

    def _propagated(self, fault: FaultClass) -> dict[int, Words]:
        """The nets that a fault makes wrong, with their words."""
        own = dict(fault.changes)
        due = sorted(own)
        waiting = set(due)
        wrong: dict[int, Words] = {}
        while due:
            k = heapq.heappop(due)
            inputs = [wrong.get(x, self.good[x]) for x in self.gates.inputs[k]]
            row = looked_up(own.get(k, self.gates.tables[k]), inputs, self.good.shape[1])
            if np.array_equal(row, self.good[k]):
                continue
            wrong[k] = row
            for reader in self._readers[k]:
                if reader not in waiting:
                    waiting.add(reader)
                    heapq.heappush(due, reader)
        return wrong


def looked_up(table: int, inputs: Sequence[Words], words: int) -> Words:
    """A truth table of rows of words, by Shannon's expansion over its inputs, the last first."""
    if not inputs:
        return np.full(words, ~np.uint64(0) if table & 1 else np.uint64(0), dtype=np.uint64)
    half = 1 << (len(inputs) - 1)
    low, high = table & ((1 << half) - 1), table >> half
    a = looked_up(low, inputs[:-1], words)
    if low == high:
        return a
    found: Words = a ^ ((a ^ looked_up(high, inputs[:-1], words)) & inputs[-1])
    return found


def _at(array: NDArray[Any] | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)
