"""Bit-parallel simulation of a mapped netlist: states of cells and toggles of nets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import CheckFailed, IRError
from flow.ir.aig import Words, pack
from flow.ir.netlist import CLOCK, ONE, ZERO, Instance, Netlist
from flow.tech.technology import Cell, Technology

MOST_PINS = 10
"""Cells of more inputs have one leakage figure, so their states are not counted."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What cells do for each sample.

    `states[k][s]` is the share of samples in which instance k has input state s (bit i of s is
    input i of the cell); `toggles[net]` is how often a net changes, for each sample.
    `label` names the source of the samples.
    """

    label: str
    samples: int
    states: tuple[tuple[float, ...], ...]
    toggles: Mapping[str, float]


class Simulator:
    """Simulates a netlist on words of 64 samples, cells of one kind and depth at once."""

    def __init__(self, netlist: Netlist, technology: Technology) -> None:
        self.netlist = netlist
        self.cells = [technology.cell(i.cell) for i in netlist.instances]
        self.nets = [ZERO, ONE, *netlist.input_bits]
        self.flipflops = [
            (instance, cell)
            for instance, cell in zip(netlist.instances, self.cells, strict=True)
            if cell.kind == "flipflop"
        ]
        for instance, cell in zip(netlist.instances, self.cells, strict=True):
            self.nets += instance.nets(cell.outputs)
        self.index = {net: k for k, net in enumerate(self.nets)}
        self._plan = self._groups()

    def run(self, inputs: Mapping[str, NDArray[np.uint64]]) -> Words:
        """The words of every net, for those of the inputs and of what the flip-flops hold."""
        count = next(iter(inputs.values())).shape[0] if inputs else 1
        values = np.zeros((len(self.nets), count), dtype=np.uint64)
        values[1] = ~np.uint64(0)
        for name, row in inputs.items():
            values[self.index[name]] = row
        for instance, cell in self.flipflops:
            self._invert_state(values, instance, cell)
        for cell, pins, outputs in self._plan:
            operands = {pin: values[rows] for pin, rows in pins.items()}
            for pin, rows in outputs.items():
                if operands:
                    values[rows] = cell.function(pin).evaluate(operands)
                else:
                    values[rows] = values[1] if cell.functions[pin].strip() == "1" else values[0]
        return values

    def stream(self, bits: NDArray[Any]) -> Words:
        """The words of every net over a stream of samples, of shape (samples, inputs).

        Inputs are those of the netlist without the clock. A flip-flop has what its data was one
        sample before; it begins with 0. A pipeline settles after as many rounds as it has stages.
        """
        names = [bit for bit in self.netlist.input_bits if bit != CLOCK or not self.flipflops]
        if bits.shape[1] != len(names):
            raise IRError(f"{len(names)} input bits are simulated with {bits.shape[1]}")
        # The last sample goes on to the end of the last word, so that nothing stalls there.
        inputs = dict(zip(names, pack(_filled(bits)), strict=True))
        held = {net: np.zeros_like(next(iter(inputs.values()))) for net in self._held()}
        for _ in range(64 * len(next(iter(inputs.values()))) + 2):  # One more sample is right.
            values = self.run({**inputs, **held})
            new = {net: later(values[self.index[data]]) for net, data in self._held().items()}
            if all(np.array_equal(new[net], held[net]) for net in held):
                break
            held = new
        return values

    def walk(self, inputs: Iterable[Mapping[str, NDArray[np.uint64]]]) -> Iterator[Words]:
        """The words of every net clock after clock; each bit of a word is a run of its own.

        Flip-flops begin with 0.
        """
        data = self._held()
        held: dict[str, NDArray[np.uint64]] = {}
        for rows in inputs:
            if not held:
                held = {net: np.zeros_like(row) for row in list(rows.values())[:1] for net in data}
            values = self.run({**rows, **held})
            yield values
            held = {net: values[self.index[source]] for net, source in data.items()}

    def _held(self) -> dict[str, str]:
        """The net of each flip-flop's state output, or of the first output, and of its data."""
        found = {}
        for instance, cell in self.flipflops:
            data = (cell.storage.data or "").strip() if cell.storage else ""
            found[instance.nets(cell.outputs)[0]] = instance.net(data)
        return found

    def _invert_state(self, values: Words, instance: Instance, cell: Cell) -> None:
        first, *others = [(pin, net) for pin, net in instance.pins if pin in cell.outputs]
        for pin, net in others:
            same = cell.functions[pin].strip() == cell.functions[first[0]].strip()
            row = values[self.index[first[1]]]
            values[self.index[net]] = row if same else ~row

    def _groups(
        self,
    ) -> list[tuple[Cell, dict[str, NDArray[np.intp]], dict[str, NDArray[np.intp]]]]:
        """Instances of one cell and depth, with the rows of each pin."""
        depth = dict.fromkeys(self.nets, 0)
        groups: dict[tuple[int, str, tuple[str, ...]], list[Instance]] = {}
        for instance, cell in zip(self.netlist.instances, self.cells, strict=True):
            if cell.kind == "flipflop":
                continue
            level = 1 + max((depth[net] for net in instance.nets(cell.inputs)), default=0)
            for net in instance.nets(cell.outputs):
                depth[net] = level
            wired = tuple(pin for pin, _ in instance.pins)
            groups.setdefault((level, cell.name, wired), []).append(instance)
        cells = {cell.name: cell for cell in self.cells}
        plan = []
        for (_, name, _), members in sorted(groups.items(), key=lambda item: item[0]):
            cell = cells[name]
            pins = {pin: self._rows(members, pin) for pin in cell.inputs}
            used = [pin for pin in cell.outputs if pin in dict(members[0].pins)]
            plan.append((cell, pins, {pin: self._rows(members, pin) for pin in used}))
        return plan

    def _rows(self, members: Sequence[Instance], pin: str) -> NDArray[np.intp]:
        return np.array([self.index[instance.net(pin)] for instance in members])


def _filled(bits: NDArray[Any]) -> NDArray[Any]:
    missing = -len(bits) % 64
    return np.concatenate([bits, np.repeat(bits[-1:], missing, axis=0)]) if missing else bits


def later(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same stream one sample later; the first sample is 0."""
    moved = words << np.uint64(1)
    moved[1:] |= words[:-1] >> np.uint64(63)
    return moved


def simulate_activity(
    netlist: Netlist, technology: Technology, bits: NDArray[Any], label: str = "vectors"
) -> Activity:
    """The activity over 0/1 samples of shape (samples, input bits without the clock)."""
    samples = int(bits.shape[0])
    if samples < 1:
        raise CheckFailed("there are no samples to simulate", hint="give at least one vector")
    simulator = Simulator(netlist, technology)
    values = simulator.stream(bits)
    mask = pack(np.ones((samples, 1), dtype=np.uint8))[0]
    pairs = mask & later(mask)
    states = []
    clock = simulator.index.get(CLOCK, -1) if simulator.flipflops else -1
    for instance, cell in zip(netlist.instances, simulator.cells, strict=True):
        rows = [simulator.index[net] for net in instance.nets(cell.inputs)]
        states.append(_states(values, rows, mask, samples, clock))
    changes = np.bitwise_count((values ^ np.array([later(row) for row in values])) & pairs)
    counts = changes.sum(axis=1) / max(1, samples - 1)
    toggles = {net: float(counts[k]) for net, k in simulator.index.items()}
    if clock >= 0:
        toggles[CLOCK] = 2.0
    return Activity(label, samples, tuple(states), toggles)


def clocked_activity(
    netlist: Netlist, technology: Technology, clocks: int = 160, settle: int = 32, seed: int = 1
) -> Activity:
    """The activity of a machine at random inputs: 64 runs of so many clocks from 0.

    Each input bit is random in each clock; the first `settle` clocks are not counted.
    """
    if clocks <= settle + 1:
        raise CheckFailed("there are no samples to simulate", hint="give more clocks")
    simulator = Simulator(netlist, technology)
    names = [bit for bit in netlist.input_bits if bit != CLOCK or not simulator.flipflops]
    random = np.random.default_rng(seed)
    rows = (
        dict(zip(names, random.integers(0, 1 << 64, (len(names), 1), np.uint64), strict=True))
        for _ in range(clocks)
    )
    steps = [values for k, values in enumerate(simulator.walk(rows)) if k >= settle]
    values = np.concatenate(steps, axis=1)
    changes = np.bitwise_count(values[:, 1:] ^ values[:, :-1]).sum(axis=1) / (64 * len(steps) - 64)
    mask = np.full(len(steps), ~np.uint64(0), dtype=np.uint64)
    clock = simulator.index.get(CLOCK, -1) if simulator.flipflops else -1
    states = tuple(
        _states(
            values, [simulator.index[net] for net in instance.nets(cell.inputs)],
            mask, 64 * len(steps), clock,
        )
        for instance, cell in zip(netlist.instances, simulator.cells, strict=True)
    )  # fmt: skip
    toggles = {net: float(changes[k]) for net, k in simulator.index.items()}
    if clock >= 0:
        toggles[CLOCK] = 2.0
    label = f"random inputs, {len(steps)} clocks of 64 runs"
    return Activity(label, 64 * len(steps), states, toggles)


def _states(
    values: Words, rows: Sequence[int], mask: NDArray[np.uint64], samples: int, clock: int
) -> tuple[float, ...]:
    """The share of samples in each state; a clock is 1 for half of each sample."""
    if len(rows) > MOST_PINS:
        return (1.0,)
    shares: list[tuple[NDArray[np.uint64], float]] = [(mask, 1.0)]
    for row in rows:
        if row == clock:
            shares = [(m, w / 2) for m, w in shares] * 2
        else:
            ones = values[row]
            shares = [(m & ~ones, w) for m, w in shares] + [(m & ones, w) for m, w in shares]
    return tuple(float(np.bitwise_count(m).sum()) * w / samples for m, w in shares)


def uniform_activity(netlist: Netlist, technology: Technology) -> Activity:
    """Vectorless: every state of every cell is equally likely, and so are samples in a row."""
    states = []
    toggles = dict.fromkeys((*netlist.input_bits, ZERO, ONE), 0.5) | {ZERO: 0.0, ONE: 0.0}
    clocked = False
    for instance in netlist.instances:
        cell = technology.cell(instance.cell)
        clocked = clocked or cell.kind == "flipflop"
        count = 1 << len(cell.inputs) if len(cell.inputs) <= MOST_PINS else 1
        states.append((1 / count,) * count)
        for pin in cell.outputs:
            net = dict(instance.pins).get(pin)
            if net is not None:
                toggles[net] = _random_toggles(cell, pin)
    if clocked:
        toggles[CLOCK] = 2.0
    return Activity("vectorless, uniform states", 0, tuple(states), toggles)


def _random_toggles(cell: Cell, pin: str) -> float:
    if cell.kind != "combinational" or len(cell.inputs) > MOST_PINS:
        return 0.5
    share = cell.truth_table(pin).bit_count() / (1 << len(cell.inputs))
    return 2 * share * (1 - share)
