"""Many machines of one design, clock by clock: each bit of a row of words is one of them.

The gates are evaluated in C where a compiler is installed, else by numpy with the same answers.
A memory is no gates: machines that read one address read it together.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.errors import ToolError, ToolNotFound
from flow.ir.aig import Words
from flow.ir.design import Design
from flow.tools.compiler import available, shared_library

COMPILED_WORDS = 8
"""Words of a row in C: 512 machines."""
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory beside a design: `depth` words, of which one is read into `held` in a clock.

    All but `held` are literals of the design's graph: of the lanes that are written (none: a
    table), of both addresses, what is written, and whether is read. `held` are variables, inputs
    of the graph. What is written in a clock is read from the next one on. `table` are the bits at
    the beginning, (depth, width).
    """

    name: str
    depth: int
    write: tuple[int, ...]
    write_address: tuple[int, ...]
    data: tuple[int, ...]
    read: int
    read_address: tuple[int, ...]
    held: tuple[int, ...]
    table: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What all machines hold: rows of every variable, and of every cell of the memories."""

    values: Words
    cells: Words

    def copy(self) -> Snapshot:
        """The same, on its own."""
        return Snapshot(self.values.copy(), self.cells.copy())


Flip = tuple[int, int, int, int]
"""Before which clock, which row (a variable, or -1 - cell), which word, which of its bits."""


class Machines:
    """The design as arrays, and the rows that are watched.

    `words` are those of a row. ToolNotFound for memories where no C compiler is.
    """

    def __init__(
        self, design: Design, watch: Sequence[int], words: int, memories: Sequence[Memory] = ()
    ) -> None:
        graph = design.graph
        self.first, self.rows = graph.first_gate, graph.first_gate + graph.size
        own, flops = len(design.inputs), len(design.flipflops)
        self.held = np.arange(1 + own, 1 + own + flops, dtype=np.int32)
        self.taken = np.array(graph.literals[len(design.outputs) :], dtype=np.int32)
        self.watch = np.array(watch, dtype=np.int32)
        self.memories = tuple(memories)
        self.kernel = _kernel()
        if self.kernel is None and memories:
            raise ToolNotFound(
                "memories are simulated in C, and no C compiler is installed",
                hint="install gcc or clang, or set CC to the path of a C compiler",
            )
        self.words = words if self.kernel is None else COMPILED_WORDS
        self.left = np.array(graph.left or (0,), dtype=np.int32)
        self.right = np.array(graph.right or (0,), dtype=np.int32)
        self.gates = graph.size
        if self.kernel is None:
            level = graph.levels()[graph.first_gate :]
            order = np.argsort(level, kind="stable")
            starts = np.flatnonzero(np.diff(level[order], prepend=0))
            self.levels = np.split(order, starts[1:]) if graph.size else []
        self.first_cell, self._memory_of = self._layout()

    def _layout(self) -> tuple[tuple[int, ...], NDArray[np.int32]]:
        starts, row, flat = list[int](), 0, list[int]()
        for m in self.memories:
            # A table is a memory that is never written.
            lanes = m.write or (0,)
            to = m.write_address or (0,) * len(m.read_address)
            data = m.data or (0,) * len(m.held)
            flat += [m.depth, len(m.held), len(lanes), len(m.read_address), row, *lanes, *to]
            flat += [*data, m.read, *m.read_address, *m.held]
            starts.append(row)
            row += m.depth * len(m.held)
        return (*starts, row), np.array(flat or [0], dtype=np.int32)

    def fresh(self) -> Snapshot:
        """Everything 0, but tables."""
        cells = np.zeros((self.first_cell[-1], self.words), dtype=np.uint64)
        for m, start in zip(self.memories, self.first_cell, strict=False):
            if m.table is not None:
                bits = np.zeros((m.depth, len(m.held)), dtype=np.uint64)
                bits[: len(m.table)] = m.table
                cells[start : start + bits.size] = (bits.reshape(-1, 1) * ALL).repeat(
                    self.words, axis=1
                )
        return Snapshot(np.zeros((self.rows, self.words), dtype=np.uint64), cells)

    def run(self, held: Snapshot, clocks: int, flips: Sequence[Flip] = ()) -> Words:
        """The watched rows (clocks, rows, words); `held` goes on by so many clocks.

        Flips stand in the order of their clocks.
        """
        found = np.empty((clocks, len(self.watch), self.words), dtype=np.uint64)
        if self.kernel is None:
            self._numpy(held, found, flips)
            return found
        flip = np.array([f[:3] for f in flips] or [(-1, 0, 0)], dtype=np.int32)
        mask = np.array([f[3] for f in flips] or [0], dtype=np.uint64)
        room = len(self.held) + sum(len(m.held) for m in self.memories)
        moved = np.empty(self.rows, dtype=np.uint8)
        following = np.empty((room + 1, self.words), dtype=np.uint64)
        self.kernel.run(
            self.first, self.gates, _at(self.left), _at(self.right), len(self.held),
            _at(self.held), _at(self.taken), len(self.memories), _at(self._memory_of),
            len(self.watch), _at(self.watch), clocks, len(flips), _at(flip), _at(mask),
            _at(held.values), _at(held.cells), _at(following), _at(found), _at(moved),
        )  # fmt: skip
        return found

    def _numpy(self, held: Snapshot, found: Words, flips: Sequence[Flip]) -> None:
        values, waiting = held.values, list(flips)
        for t in range(len(found)):
            while waiting and waiting[0][0] == t:
                _, row, word, mask = waiting.pop(0)
                values[row, word] ^= np.uint64(mask)
            for gates in self.levels:
                values[gates + self.first] = (
                    _read(values, self.left[gates]) & _read(values, self.right[gates])
                )  # fmt: skip
            found[t] = _read(values, self.watch)
            values[self.held] = _read(values, self.taken)


def _read(values: Words, literals: NDArray[np.int32]) -> Words:
    found: Words = values[literals >> 1]
    found[(literals & 1).astype(bool)] ^= ALL
    return found


@cache
def _kernel() -> ctypes.CDLL | None:
    """The functions of upsets.c, compiled for this machine; None where nothing compiles them."""
    if not available():
        return None
    text = Path(__file__).with_name("upsets.c").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="flow-upsets-") as folder:
        try:
            library = ctypes.CDLL(str(shared_library(text, Path(folder), "upsets")))
        except ToolError:
            return None
    library.run.restype = None
    return library


def _at(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
