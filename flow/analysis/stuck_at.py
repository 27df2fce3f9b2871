"""Single stuck-at faults of a mapped netlist: its lines, and the classes that no test can part."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from flow.errors import IRError, UsageError
from flow.ir.netlist import CLOCK, ONE, ZERO, Netlist
from flow.tech.technology import Cell, Technology

MOST_INPUTS = 6
"""A cell's truth table fits one word of 64 bits."""


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of wire that can be stuck: a net as its driver gives it, or one of its branches.

    `place` is the number of the instance that drives the net (-1: it is an input), or of the one
    that reads the branch; `pin` is the pin there. Only a net with several readers has branches.
    """

    net: str
    place: int
    pin: str
    branch: bool

    def __str__(self) -> str:
        return f"{self.net} at {self.pin}" if self.branch else self.net


@dataclass(frozen=True, slots=True)
class FaultClass:
    """Faults that give the same circuit: (line, value it is stuck at), by number of the line.

    `changes` are the truth tables that nets get in place of their own, by number of the net.
    """

    members: tuple[tuple[int, int], ...]
    changes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """A combinational netlist as truth tables: net k is bit s of `tables[k]`, where bit i of s is
    the value of net `inputs[k][i]`; nets stand behind what they read.

    Nets 0 and 1 are the constants, the `given` ones behind them the input bits; then come the
    outputs of the cells. `place[k]` is the instance that drives net k, -1 for what is given.
    """

    names: tuple[str, ...]
    given: int
    inputs: tuple[tuple[int, ...], ...]
    tables: tuple[int, ...]
    place: tuple[int, ...]
    outputs: tuple[int, ...]
    cells: int


@dataclass(frozen=True, slots=True)
class Faults:
    """Every line of a netlist, and every fault of one line in one class."""

    gates: Gates
    lines: tuple[Line, ...]
    classes: tuple[FaultClass, ...]

    @property
    def count(self) -> int:
        """The number of faults: two a line."""
        return 2 * len(self.lines)


def gates_of(netlist: Netlist, technology: Technology) -> Gates:
    """The netlist as truth tables. UsageError where it holds state, or a cell is too large."""
    names = [ZERO, ONE, *(bit for bit in netlist.input_bits)]
    given = len(names) - 2
    number = {name: k for k, name in enumerate(names)}
    inputs: list[tuple[int, ...]] = [()] * len(names)
    tables = [0, 1, *([0] * given)]
    place = [-1] * len(names)
    for k, instance in enumerate(netlist.instances):
        cell = technology.cell(instance.cell)
        if cell.kind != "combinational":
            raise UsageError(
                f"the netlist holds state: {cell.kind} {instance.name}",
                where=netlist.name,
                hint="faults are those of combinational circuits: build without stages",
            )
        pins = instance.nets(cell.inputs)
        for pin, net in instance.pins:
            if pin in cell.outputs:
                number[net] = len(names)
                names.append(net)
                inputs.append(tuple(number[x] for x in pins))
                tables.append(_table(cell, pin))
                place.append(k)
    outputs = tuple(number[net] for net in netlist.drivers)
    return Gates(
        tuple(names), given, tuple(inputs), tuple(tables), tuple(place), outputs,
        len(netlist.instances),
    )  # fmt: skip


def _table(cell: Cell, pin: str) -> int:
    if len(cell.inputs) > MOST_INPUTS:
        raise UsageError(
            f"cell {cell.name} has {len(cell.inputs)} inputs",
            hint=f"faults are those of cells of at most {MOST_INPUTS} inputs",
        )
    return _tabulated(cell.functions[pin], cell.inputs)


@cache
def _tabulated(function: str, inputs: tuple[str, ...]) -> int:
    from flow.tech.function import parse

    return parse(function).truth_table(inputs)


@cache
def stuck(table: int, inputs: int, pin: int, value: int) -> int:
    """A truth table of so many inputs where one of them is stuck at a value."""
    result = 0
    for state in range(1 << inputs):
        seen = state | 1 << pin if value else state & ~(1 << pin)
        result |= (table >> seen & 1) << state
    return result


def faults_of(netlist: Netlist, technology: Technology) -> Faults:
    """Every stuck-at fault of every line, in classes of equal circuits.

    Two faults are one class where the truth table of a cell says so (an input of an AND stuck at
    0 is its output stuck at 0), along nets of one reader, from inputs to outputs: McCluskey and
    Clegg, "Fault Equivalence in Combinational Logic Networks", IEEE Trans. Computers, 1971.
    """
    gates = gates_of(netlist, technology)
    return _Collapse(netlist, technology, gates).run()


class _Collapse:
    """The lines of a netlist and the change that each of their faults is."""

    def __init__(self, netlist: Netlist, technology: Technology, gates: Gates) -> None:
        self.gates = gates
        self.number = {name: k for k, name in enumerate(gates.names)}
        self.netlist = netlist
        self.pins = [technology.cell(i.cell).inputs for i in netlist.instances]
        self.driven: list[list[int]] = [[] for _ in netlist.instances]
        for net, place in enumerate(gates.place):
            if place >= 0:
                self.driven[place].append(net)
        self.readers: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for k, instance in enumerate(netlist.instances):
            for i, read in enumerate(instance.nets(self.pins[k])):
                self.readers[self.number[read]].append((k, i))
        self.seen = frozenset(gates.outputs)

    def run(self) -> Faults:
        """Lines in order of nets, each with its branches behind it."""
        lines: list[Line] = []
        classes: dict[tuple[tuple[int, int], ...], list[tuple[int, int]]] = {}
        for net, name in enumerate(self.gates.names):
            readers = self.readers[net]
            if net >= 2 and (readers or net in self.seen) and name != CLOCK:
                for value in (0, 1):
                    classes.setdefault(self._net(net, value), []).append((len(lines), value))
                lines.append(Line(name, self.gates.place[net], self._output_pin(net), False))
            if net < 2 or len(readers) + (net in self.seen) > 1:
                for k, i in readers:
                    for value in (0, 1):
                        key = self._pin(k, i, value)
                        classes.setdefault(key, []).append((len(lines), value))
                    lines.append(Line(name, k, self.pins[k][i], True))
        found = tuple(FaultClass(tuple(members), key) for key, members in classes.items())
        return Faults(self.gates, tuple(lines), found)

    def _output_pin(self, net: int) -> str:
        place, name = self.gates.place[net], self.gates.names[net]
        if place < 0:
            return ""
        return next(pin for pin, x in reversed(self.netlist.instances[place].pins) if x == name)

    def _net(self, net: int, value: int) -> tuple[tuple[int, int], ...]:
        """The change that a net stuck at a value is: that of its one reader, where it has one."""
        while net not in self.seen and len(self.readers[net]) == 1:
            key = self._pin_change(*self.readers[net][0], value)
            if len(key) != 1 or len(self.driven[self.readers[net][0][0]]) != 1:
                return key
            after, table = key[0]
            ones = self._ones(after)
            if table not in (0, ones):
                return key
            net, value = after, int(table == ones)
        return ((net, self._ones(net) if value else 0),)

    def _pin(self, place: int, pin: int, value: int) -> tuple[tuple[int, int], ...]:
        """The change that a pin stuck at a value is."""
        key = self._pin_change(place, pin, value)
        if len(key) == 1 and len(self.driven[place]) == 1:
            net, table = key[0]
            if table in (0, self._ones(net)):
                return self._net(net, int(table != 0))
        return key

    def _pin_change(self, place: int, pin: int, value: int) -> tuple[tuple[int, int], ...]:
        changes = []
        for net in self.driven[place]:
            own = self.gates.tables[net]
            table = stuck(own, len(self.gates.inputs[net]), pin, value)
            if table != own:
                changes.append((net, table))
        return tuple(changes)

    def _ones(self, net: int) -> int:
        return (1 << (1 << len(self.gates.inputs[net]))) - 1


def weights(faults: Faults) -> list[int]:
    """How many faults each class stands for; together `faults.count`."""
    found = [len(one.members) for one in faults.classes]
    if sum(found) != faults.count:
        raise IRError(f"{sum(found)} of {faults.count} faults are in classes")
    return found
