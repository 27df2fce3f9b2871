"""Arrivals, required times and slacks of a large netlist in arrays, for every drive of its cells.

Beyond the largest load of a table its last slope goes on, not beyond its largest slew, and the
slowest edge at a pin counts, all as in OpenSTA: a net with too many readers is as slow as there.
`flow.analysis.timing` names paths; this one is for changing many cells and timing them anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flow.analysis.timing import causes
from flow.ir.netlist import CLOCK, ONE, ZERO, Instance, Netlist
from flow.tech.technology import Cell, Table, Technology

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Row = tuple[str, str, int, int]
"""One cause of an edge: input pin, output pin, edge at the input, edge at the output; 0 rises."""

EDGES = ("rise", "fall")


def rows_of(cell: Cell) -> dict[Row, tuple[Table, Table | None]]:
    """Delay and transition of every cause of an edge at an output, in the order of the arcs."""
    found: dict[Row, tuple[Table, Table | None]] = {}
    sequential = cell.kind == "flipflop"
    for arc in cell.arcs:
        if sequential and arc.related != cell.clock:
            continue
        tables = ((arc.rise, arc.rise_transition), (arc.fall, arc.fall_transition))
        for out, (delay, transition) in enumerate(tables):
            if delay is None:
                continue
            for cause in causes(arc, EDGES[out], sequential):
                row = (arc.related, arc.output, EDGES.index(cause), out)
                found[row] = (delay, transition)
    return found


class Tables:
    """Tables side by side, read at many points at once; their slopes go on beyond the
    loads and below the slews."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._slews = _axes([t.slews for t in tables])
        self._loads = _axes([t.loads for t in tables])
        self._values = np.zeros((len(tables), self._slews[0].shape[1], self._loads[0].shape[1]))
        for i, table in enumerate(tables):
            values = np.array(table.values)
            values = np.repeat(values, 2, axis=0) if values.shape[0] == 1 else values
            values = np.repeat(values, 2, axis=1) if values.shape[1] == 1 else values
            self._values[i, : values.shape[0], : values.shape[1]] = values

    def at(self, tables: Ints, slew: Floats, load: Floats) -> Floats:
        """The value of each table at its slew (ns) and load (pF)."""
        i, down = _between(self._slews, tables, slew)
        down = np.minimum(down, 1.0)
        j, right = _between(self._loads, tables, load)
        v = self._values
        upper = v[tables, i, j] * (1 - right) + v[tables, i, j + 1] * right
        lower = v[tables, i + 1, j] * (1 - right) + v[tables, i + 1, j + 1] * right
        found: Floats = upper * (1 - down) + lower * down
        return found


def _axes(axes: Sequence[tuple[float, ...]]) -> tuple[Floats, Floats]:
    """Axes of one width, and their points between the first and the last, both with infinities
    behind; an axis of one point gets a second, so that its slope is 0."""
    width = max((2, *(len(axis) for axis in axes)))
    found, inner = np.full((2, len(axes), width), np.inf)
    for i, axis in enumerate(axes):
        whole = axis if len(axis) > 1 else (axis[0], axis[0] + 1.0)
        found[i, : len(whole)] = whole
        inner[i, : len(whole) - 2] = whole[1:-1]
    return found, inner[:, : width - 2]


def _between(axes: tuple[Floats, Floats], tables: Ints, value: Floats) -> tuple[Ints, Floats]:
    """The point below each value, not the last one, and the part of the way to the next."""
    points, inner = axes
    place = np.zeros(len(tables), dtype=np.int64)
    for column in inner.T:
        place += column[tables] <= value
    low, high = points[tables, place], points[tables, place + 1]
    return place, (value - low) / (high - low)


@dataclass(frozen=True)
class Library:
    """The tables of every cell; a row of a cell is number `first[cell]` and its place in `rows`.

    `transition` is -1 where an output has none; it then hands on the slew of its input.
    """

    rows: Mapping[str, Mapping[Row, int]]
    first: Mapping[str, int]
    delay: Ints
    transition: Ints
    tables: Tables


def library(technology: Technology, names: Sequence[str]) -> Library:
    """The tables of these cells."""
    rows: dict[str, dict[Row, int]] = {}
    first: dict[str, int] = {}
    tables: list[Table] = []
    delay: list[int] = []
    transition: list[int] = []
    for name in names:
        found = rows_of(technology.cell(name))
        first[name] = len(delay)
        rows[name] = {row: k for k, row in enumerate(found)}
        for own, slews in found.values():
            delay.append(len(tables))
            tables.append(own)
            transition.append(-1 if slews is None else len(tables))
            if slews is not None:
                tables.append(slews)
    return Library(rows, first, np.array(delay), np.array(transition), Tables(tables))


@dataclass(frozen=True)
class Slacks:
    """When edges come (ns) and by when they must: an index is 2 * net, + 1 for a falling edge.

    `delay` has what each row of the arrays takes.
    """

    arrival: Floats
    slew: Floats
    required: Floats
    delay: Floats

    @property
    def slack(self) -> Floats:
        """What is left, ns; infinite where no path ends."""
        return self.required - self.arrival

    def of_nets(self) -> Floats:
        """The least slack of each net."""
        found: Floats = self.slack.reshape(-1, 2).min(axis=1)
        return found


class NetlistArrays:
    """A netlist as arrays: rows from an edge at a pin to an edge at an output.

    Rows are in the order in which they can be timed. `source` and `target` are edges of nets,
    `owner` is the number of the instance and `place` that of the row within its cell. `pin_net`,
    `pin_owner` and `pin_place` are those of every input pin.
    """

    def __init__(self, netlist: Netlist, technology: Technology, lib: Library) -> None:
        self.lib = lib
        self.technology = technology
        self.instances = netlist.instances
        self.nets = _nets(netlist, technology)
        self.names = list(self.nets)
        members: dict[str, list[int]] = {}
        for k, instance in enumerate(netlist.instances):
            members.setdefault(instance.cell, []).append(k)
        level = _levels(netlist.instances, technology, self.nets)
        sources, targets, owners, places = [], [], [], []
        nets, who, where = [], [], []
        for name, numbers in members.items():
            cell = technology.cell(name)
            ends = (*cell.inputs, *cell.outputs)
            table = np.array([self._at(self.instances[k], ends) for k in numbers])
            pins = {pin: table[:, i] for i, pin in enumerate(ends)}
            at = np.array(numbers)
            for (related, output, cause, out), place in lib.rows[name].items():
                source, target = pins[related], pins[output]
                there = (target >= 0) & (source >= 0)
                sources.append(2 * source[there] + cause)
                targets.append(2 * target[there] + out)
                owners.append(at[there])
                places.append(np.full(int(there.sum()), place))
            for place, pin in enumerate(cell.inputs):
                there = pins[pin] >= 0
                nets.append(pins[pin][there])
                who.append(at[there])
                where.append(np.full(int(there.sum()), place))
        owner = _join(owners)
        target = _join(targets)
        order = np.lexsort((target, level[owner])) if len(owner) else np.zeros(0, np.int64)
        self.source, self.target = _join(sources)[order], target[order]
        self.owner, self.place = owner[order], _join(places)[order]
        self.pin_net, self.pin_owner, self.pin_place = map(_join, (nets, who, where))
        self._steps = _steps(level[self.owner], self.target)
        self.clock = self.nets.get(CLOCK, -1)
        self.ends = self._ends(netlist)

    def _at(self, instance: Instance, ends: Sequence[str]) -> list[int]:
        """The nets at the pins of an instance; -1 for an open pin and for a constant."""
        pins = dict(instance.pins)
        return [self.nets.get(pins.get(pin, ""), -1) for pin in ends]

    def _ends(self, netlist: Netlist) -> Ints:
        """The nets at outputs and at the data of flip-flops."""
        found = {self.nets[net] for net in netlist.drivers if net in self.nets}
        for instance in netlist.flipflops(self.technology):
            store = self.technology.cell(instance.cell).storage
            data = (store.data or "").strip() if store is not None else ""
            found.update(self.nets[net] for net in instance.nets([data]) if net in self.nets)
        return np.array(sorted(found), dtype=np.int64)

    def cells(self) -> list[str]:
        """The cell of every instance."""
        return [instance.cell for instance in self.instances]

    def pin_loads(self, cells: Sequence[str]) -> Floats:
        """The capacitance of every input pin, pF, with these cells."""
        names = sorted(set(cells))
        width = max((len(self.technology.cell(n).inputs) for n in names), default=0)
        table = np.zeros((len(names), width))
        for k, name in enumerate(names):
            cell = self.technology.cell(name)
            table[k, : len(cell.inputs)] = [cell.capacitance.get(p, 0.0) for p in cell.inputs]
        number = {name: k for k, name in enumerate(names)}
        kind = np.array([number[name] for name in cells], dtype=np.int64)
        found: Floats = table[kind[self.pin_owner], self.pin_place]
        return found

    def loads(self, cells: Sequence[str]) -> Floats:
        """The capacitance on every net, pF, with these cells."""
        weights = self.pin_loads(cells)
        return np.bincount(self.pin_net, weights, len(self.nets)).astype(np.float64)

    def rows(self, cells: Sequence[str]) -> Ints:
        """The number of every row in the library, with these cells."""
        base = np.array([self.lib.first[name] for name in cells], dtype=np.int64)
        found: Ints = base[self.owner] + self.place
        return found

    def time(self, cells: Sequence[str], period: float, loads: Floats | None = None) -> Slacks:
        """All slacks with these cells at a period in ns; inputs and the clock arrive at 0."""
        rows = self.rows(cells)
        load = self.loads(cells) if loads is None else loads
        edges = 2 * len(self.nets)
        arrival, slew = np.zeros(edges), np.zeros(edges)
        delay = np.zeros(len(rows))
        tables, taken = self.lib.tables, load[self.target // 2]
        transition = self.lib.transition[rows]
        for step, heads, goals in self._steps:
            before = slew[self.source[step]]
            delay[step] = tables.at(self.lib.delay[rows[step]], before, taken[step])
            after = np.where(
                transition[step] < 0, before,
                tables.at(np.maximum(transition[step], 0), before, taken[step]),
            )  # fmt: skip
            at = arrival[self.source[step]] + delay[step]
            arrival[goals] = np.maximum.reduceat(at, heads)
            slew[goals] = np.maximum.reduceat(after, heads)
        required = np.full(edges, np.inf)
        required[2 * self.ends] = required[2 * self.ends + 1] = period
        for step, _, _ in reversed(self._steps):
            np.minimum.at(required, self.source[step], required[self.target[step]] - delay[step])
        if self.clock >= 0:
            required[2 * self.clock : 2 * self.clock + 2] = np.inf
        return Slacks(arrival, slew, required, delay)


def worst(arrays: NetlistArrays, slacks: Slacks) -> float:
    """The longest path, ns; 0 where there is none."""
    if not len(arrays.ends):
        return 0.0
    both = slacks.arrival.reshape(-1, 2)[arrays.ends]
    return float(both.max(initial=0.0))


def _nets(netlist: Netlist, technology: Technology) -> dict[str, int]:
    """Numbers of the nets that change: inputs, then what cells drive."""
    found = {bit: k for k, bit in enumerate(netlist.input_bits)}
    for instance in netlist.instances:
        for net in instance.nets(technology.cell(instance.cell).outputs):
            if net not in (ZERO, ONE):
                found.setdefault(net, len(found))
    return found


def _levels(instances: Sequence[Instance], technology: Technology, nets: Mapping[str, int]) -> Ints:
    """How many cells stand before each; flip-flops are at 0."""
    level = [0] * len(nets)
    found = []
    for instance in instances:
        cell = technology.cell(instance.cell)
        own = 0
        if cell.kind != "flipflop":
            at = [level[nets[net]] for net in instance.nets(cell.inputs) if net in nets]
            own = 1 + max(at, default=0)
        for net in instance.nets(cell.outputs):
            level[nets[net]] = own
        found.append(own)
    return np.array(found, dtype=np.int64)


def _steps(level: Ints, target: Ints) -> list[tuple[slice, Ints, Ints]]:
    """The rows of each level, where the rows of a target begin within it, and the targets."""
    if not len(level):
        return []
    bounds = np.flatnonzero(np.r_[True, level[1:] != level[:-1], True])
    found = []
    for low, high in pairwise(bounds.tolist()):
        own = target[low:high]
        heads = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
        found.append((slice(low, high), heads, own[heads]))
    return found


def _join(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
