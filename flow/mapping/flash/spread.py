"""A netlist of flash cells whose threshold voltages scatter: Monte Carlo over what each decides.

Every device of every cell, and the offset of its amplifier, is drawn from a normal distribution; a
cell then has the truth table that its two networks give, right or wrong. The netlist is looked at
as combinational: each cell is a rank of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import FaultClass, Gates
from flow.errors import IRError
from flow.ir.aig import Words
from flow.ir.threshold import ThresholdGate, ThresholdNetlist
from flow.mapping.flash.voltages import best_voltages
from flow.tech.flash_cell import branch_currents, flash_cell

MOST_INPUTS = 6
"""A cell of more inputs has no truth table in the simulator."""
CONSTANTS = 2
"""Nets of the simulator before the inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class VoltageSpread:
    """Copies of a netlist at one spread: how many cells of each decide wrongly at some input, and
    the words (copies, outputs, words) of what it answers."""

    sigma_mv: float
    cells: int
    wrong: NDArray[np.int64]
    answers: NDArray[np.uint64]

    @property
    def share(self) -> float:
        """The mean share of cells that are wrong."""
        return float(self.wrong.mean()) / max(1, self.cells)


def voltage_spread(
    netlist: ThresholdNetlist, words: Words, sigma_mv: float, copies: int = 100, seed: int = 0
) -> VoltageSpread:
    """Copies whose voltages scatter by `sigma_mv`; `words` has a row for each input.

    Offsets scatter as the technology says, also at a sigma of 0. IRError for cells of more than
    MOST_INPUTS inputs or flip-flops, CheckFailed where a cell has no voltages.
    """
    if netlist.widest > MOST_INPUTS or netlist.flipflops:
        raise IRError(f"{netlist.name} is not combinational, or has cells of too many inputs")
    random = np.random.default_rng(seed)
    gates = _gates(netlist)
    first = CONSTANTS + netlist.first_gate
    changes: list[list[tuple[int, int]]] = [[] for _ in range(copies)]
    wrong = np.zeros(copies, dtype=np.int64)
    cells = 0
    for k, placed in enumerate(netlist.gates):
        if placed.gate.constant is not None:
            continue
        cells += 1
        tables = scattered_tables(placed.gate, sigma_mv, copies, random)
        for copy in np.flatnonzero(tables != np.uint64(placed.gate.table())).tolist():
            changes[copy].append((first + k, int(tables[copy])))
            wrong[copy] += 1
    simulator = FaultSimulator(gates, words)
    faults = [FaultClass((), tuple(own)) for own in changes]
    return VoltageSpread(sigma_mv, cells, wrong, np.concatenate(list(simulator.answers(faults))))


def scattered_tables(
    gate: ThresholdGate, sigma_mv: float, copies: int, random: np.random.Generator
) -> NDArray[np.uint64]:
    """What copies of the cell of a gate decide: truth tables (copies,), input 0 the lowest bit."""
    positive, flips = gate.positive()
    voltages = best_voltages(positive)
    cell, current = flash_cell(), branch_currents()
    levels = np.array([*voltages.left, *voltages.right], dtype=np.float64)
    drawn = levels + sigma_mv * random.standard_normal((copies, len(levels)))
    currents = np.interp(drawn, list(current), list(current.values()))
    offset = cell.offset_ua * random.standard_normal((copies, 1))
    leads = currents @ _leads(flips).T + offset
    found: NDArray[np.uint64] = (
        (leads > 0).astype(np.uint64) << np.arange(leads.shape[1], dtype=np.uint64)
    ).sum(axis=1, dtype=np.uint64)
    return found


def _leads(flips: Sequence[bool]) -> NDArray[np.float64]:
    """For each row of the truth table, what each branch adds to the lead of the left network."""
    inputs = len(flips)
    rows = np.arange(1 << inputs)
    bits = np.array([(rows >> i & 1) ^ flip for i, flip in enumerate(flips)]).T
    ones = np.ones((len(rows), 1))
    return np.hstack([bits, ones, bits - 1, -ones]).astype(np.float64)


def _gates(netlist: ThresholdNetlist) -> Gates:
    inputs = [tuple(CONSTANTS + x for x in placed.inputs) for placed in netlist.gates]
    given = [()] * (CONSTANTS + netlist.first_gate)
    tables = [placed.gate.table() for placed in netlist.gates]
    names = [f"n{k}" for k in range(len(given) + len(inputs))]
    return Gates(
        tuple(names), netlist.first_gate, (*given, *inputs), (0, 1, *[0] * netlist.first_gate,
        *tables), (-1,) * len(given) + tuple(range(len(inputs))),
        tuple(CONSTANTS + x for x in netlist.drivers), len(inputs),
    )  # fmt: skip
