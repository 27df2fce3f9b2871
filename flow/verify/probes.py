"""Probes: inputs for a bench that show what the samples of a data set do not.

A classifier answers alike almost everywhere, so most mistakes in a circuit show at few inputs, and
a test set has none of them. Probes are drawn uniformly, beside other inputs, and on either side of
a change of the answer, and kept where they show a stuck node of the circuit's graph that no earlier
input shows: fault simulation chooses them (Abramovici et al., "Digital Systems Testing and Testable
Design", 1990, chapter 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import FaultClass, Gates
from flow.backends.bitblast import bitblast
from flow.ir.aig import Aig, Words, pack
from flow.ir.circuit import Circuit, lane_width
from flow.verify.prove import transparent

ROUND = 2048
"""Inputs that are tried in a turn."""
IDLE_TURNS = 4
"""Turns without anything new after which it ends."""
MOST_TURNS = 60
MOST_FAULTS = 8000
"""Stuck nodes that are looked at; of more, so many are drawn by chance."""
EVALUATIONS = 4e9
"""Nodes times inputs times stuck nodes of a turn at most; larger circuits have shorter turns."""
EACH = 3
"""Inputs that must show a stuck node before it is left alone."""

Rows = NDArray[np.int64]
"""(samples, lanes) of all ports side by side."""


def probe_inputs(
    circuit: Circuit, samples: Mapping[str, NDArray[Any]], most: int, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """At most so many inputs by port, (probes, lanes), that show more than `samples` do.

    Empty arrays for a circuit with an input of more than 62 bits, or without inputs.
    """
    lanes = [lane.range for port in circuit.inputs for lane in port.lanes]
    known = _joined(circuit, samples)
    if not lanes or max(r.width for r in lanes) > 62 or most <= 0:
        return _split(circuit, known[:0])
    graph = bitblast(transparent(circuit))
    rng = np.random.default_rng(seed)
    faults = _faults(graph)
    if len(faults) > MOST_FAULTS:
        faults = [faults[k] for k in sorted(rng.permutation(len(faults))[:MOST_FAULTS])]
    lo, hi = (np.array([getattr(r, end) for r in lanes], dtype=np.int64) for end in ("lo", "hi"))
    size = int(min(ROUND, max(64, EVALUATIONS // max(1, len(faults) * graph.size) // 64 * 64)))
    simulator = FaultSimulator(_gates(graph), _words(circuit, known))
    shown = np.zeros(len(faults), dtype=np.int64)
    if len(known):
        shown += _counts(simulator.detected(faults), len(known))
    kept: list[Rows] = []
    idle = 0
    for turn in range(MOST_TURNS):
        left = np.flatnonzero(shown < EACH)
        if idle >= IDLE_TURNS or not left.size or sum(map(len, kept)) >= most:
            break
        tried = _drawn(
            circuit, simulator, np.concatenate([known, *kept]), (lo, hi), turn, size, rng
        )
        seen = simulator.on(_words(circuit, tried)).detected([faults[k] for k in left])
        chosen = _chosen(seen, len(tried))
        if chosen.size:
            shown[left] += _counts(seen, len(tried), chosen)
            kept.append(tried[chosen])
        idle = 0 if chosen.size else idle + 1
    rows = np.concatenate([known[:0], *kept])[:most]
    return _split(circuit, rows)


def _gates(graph: Aig) -> Gates:
    """The graph as tables of two inputs each; an inverted output counts like a plain one."""
    first = 1 + len(graph.inputs)

    def net(literal: int) -> int:
        # Net 1 is the constant one, which the graph has not: inputs and gates move up by one.
        return (literal >> 1) + 1 if literal > 1 else 0

    inputs: list[tuple[int, ...]] = [()] * (first + 1)
    tables = [0, 1, *([0] * len(graph.inputs))]
    for a, b in zip(graph.left, graph.right, strict=True):
        inputs.append((net(a), net(b)))
        bits = [((s & 1) ^ (a & 1)) & ((s >> 1) ^ (b & 1)) for s in range(4)]
        tables.append(sum(bit << s for s, bit in enumerate(bits)))
    names = tuple(f"n{k}" for k in range(len(tables)))
    outputs = tuple(net(literal) for literal in graph.literals)
    return Gates(names, len(graph.inputs), tuple(inputs), tuple(tables), (-1,) * len(names),
                 outputs, graph.size)  # fmt: skip


def _faults(graph: Aig) -> list[FaultClass]:
    """Every gate stuck at 0 and at 1."""
    first = 2 + len(graph.inputs)
    return [FaultClass((), ((first + k, t),)) for k in range(graph.size) for t in (0, 15)]


def _drawn(
    circuit: Circuit, simulator: FaultSimulator, known: Rows, ends: tuple[Rows, Rows], turn: int,
    size: int, rng: np.random.Generator,
) -> Rows:  # fmt: skip
    """Inputs for a turn: uniform, neighbours of known ones, and both sides of changes."""
    lo, hi = ends
    half = size // 2
    a, b = (rng.integers(lo, hi, (half, len(lo)), dtype=np.int64, endpoint=True) for _ in range(2))
    corners = rng.random(a.shape) < 0.1
    a = np.where(corners, np.where(rng.random(a.shape) < 0.5, lo, hi), a)
    if turn % 3 == 2 and len(known):
        a = known[rng.integers(0, len(known), half)]
        steps = rng.integers(-1, 2, a.shape) * (rng.random(a.shape) < 0.5)
        moved = np.clip(a + steps, lo, hi)
        b = np.where(rng.random((half, 1)) < 0.5, moved, np.where(rng.random(a.shape) < 0.2, b, a))
    if turn % 3:
        a, b = _sides(circuit, simulator, a, b, rng)
    return np.concatenate([a, b])


def _sides(
    circuit: Circuit, simulator: FaultSimulator, a: Rows, b: Rows, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Pairs between those given that are close to each other and answered differently."""

    def answers(rows: Rows) -> NDArray[np.uint64]:
        return simulator.on(_words(circuit, rows)).outputs

    first = answers(a)
    for turn in range(24):
        # First whole lanes of either, then values between.
        mixed = np.where(rng.random(a.shape) < 0.5, a, b) if turn < 8 else (a + b) // 2
        middle = np.where(rng.random(a.shape) < 0.5, mixed, a) if turn >= 8 else mixed
        differs = np.bitwise_or.reduce(answers(middle) ^ first, axis=0)
        bits = np.unpackbits(differs.view(np.uint8), bitorder="little")[: len(a)].astype(bool)
        a, b = np.where(bits[:, None], a, middle), np.where(bits[:, None], middle, b)
    return a, b


def _chosen(seen: Words, count: int) -> NDArray[np.int64]:
    """For each fault that shows, the first input that shows it; in order, each once."""
    found: set[int] = set()
    for row in seen:
        places = np.flatnonzero(row)
        for word in places[:EACH].tolist():
            value = int(row[word])
            found.add(64 * word + (value & -value).bit_length() - 1)
    return np.array(sorted(k for k in found if k < count), dtype=np.int64)


def _counts(seen: Words, count: int, chosen: NDArray[np.int64] | None = None) -> Rows:
    """How many inputs, of all or of the chosen, show each fault."""
    mask = np.zeros(64 * seen.shape[1], dtype=np.uint8)
    mask[chosen if chosen is not None else np.arange(count)] = 1
    words = np.packbits(mask, bitorder="little").view(np.uint64)
    total: Rows = np.bitwise_count(seen & words).sum(axis=1).astype(np.int64)
    return total


def _words(circuit: Circuit, rows: Rows) -> Words:
    """A row of words for each input bit of the graph."""
    columns = []
    lanes = [lane for port in circuit.inputs for lane in port.lanes]
    for column, lane in zip(rows.T, lanes, strict=True):
        columns += [(column >> i & 1).astype(np.uint8) for i in range(lane_width(lane))]
    return pack(np.array(columns, dtype=np.uint8).T)


def _joined(circuit: Circuit, values: Mapping[str, NDArray[Any]]) -> Rows:
    parts = [np.asarray(values[port.name]) for port in circuit.inputs if port.lanes]
    return np.concatenate([x.reshape(len(x), -1) for x in parts], axis=1).astype(np.int64)


def _split(circuit: Circuit, rows: Rows) -> dict[str, NDArray[Any]]:
    found, at = {}, 0
    for port in circuit.inputs:
        found[port.name] = rows[:, at : at + len(port.lanes)]
        at += len(port.lanes)
    return found
