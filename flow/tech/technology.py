"""What a circuit is made of: cells with their area, power and delay, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from flow.errors import UsageError
from flow.tech.function import BooleanFunction, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["combinational", "flipflop", "latch", "tristate"]
Sense = Literal["positive_unate", "negative_unate", "non_unate"]


@dataclass(frozen=True, slots=True)
class Table:
    """Values over input slew (ns, rows) and output load (pF, columns); one of each is allowed."""

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, slew: float, load: float) -> float:
        """The bilinear value; outside the table, the value of its border."""
        row, down = _place(self.slews, slew)
        column, right = _place(self.loads, load)
        below = min(row + 1, len(self.slews) - 1)
        beside = min(column + 1, len(self.loads) - 1)
        upper = _mix(self.values[row][column], self.values[row][beside], right)
        lower = _mix(self.values[below][column], self.values[below][beside], right)
        return _mix(upper, lower, down)

    @property
    def smallest_corner(self) -> float:
        """The value at the smallest slew and the smallest load."""
        return self.values[0][0]

    @property
    def largest_corner(self) -> float:
        """The value at the largest slew and the largest load."""
        return self.values[-1][-1]

    def corners(self) -> Table:
        """The same table with the first and the last row and column only."""
        rows, columns = _ends(len(self.slews)), _ends(len(self.loads))
        return Table(
            tuple(self.slews[r] for r in rows),
            tuple(self.loads[c] for c in columns),
            tuple(tuple(self.values[r][c] for c in columns) for r in rows),
        )


@dataclass(frozen=True, slots=True)
class Arc:
    """The delay from one pin to one output, ns; None where that edge does not occur.

    Where the library has several conditions for the same pins, the worst of them.
    """

    related: str
    output: str
    sense: Sense
    rise: Table | None
    fall: Table | None
    rise_transition: Table | None = None
    fall_transition: Table | None = None


@dataclass(frozen=True, slots=True)
class Toggle:
    """Energy that the cell itself takes when an output toggles, pJ, without the load's."""

    rise: float
    fall: float

    @property
    def mean(self) -> float:
        """Energy of a toggle of unknown direction, pJ."""
        return (self.rise + self.fall) / 2


@dataclass(frozen=True, slots=True)
class Storage:
    """The state of a flip-flop or a latch; the texts are Liberty expressions over the inputs.

    A flip-flop takes `data` when `clock` becomes true, a latch while it is true. An SR latch has
    neither, only `clear` and `preset`.
    """

    state: str
    inverted: str
    data: str | None = None
    clock: str | None = None
    clear: str | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. Area um2, leakage uW, capacitance pF, energy pJ, delay ns.

    `functions` are Liberty expressions over the inputs (over the names of `storage` for a
    flip-flop or a latch). `leakage[s]` is that of input state s, where bit i of s is inputs[i];
    it has one entry only where the cell has more than ten inputs. `cell_leakage` is the one
    figure that a library gives for a cell whose state is unknown.
    """

    name: str
    area: float
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    functions: Mapping[str, str]
    leakage: tuple[float, ...]
    cell_leakage: float
    capacitance: Mapping[str, float]
    energy: Mapping[str, Toggle] = field(default_factory=dict)
    arcs: tuple[Arc, ...] = ()
    kind: Kind = "combinational"
    storage: Storage | None = None
    enable: Mapping[str, str] = field(default_factory=dict)
    max_capacitance: Mapping[str, float] = field(default_factory=dict)
    dont_use: bool = False

    def function(self, output: str) -> BooleanFunction:
        """The compiled function of an output."""
        return parse(self.functions[output])

    def truth_table(self, output: str) -> int:
        """Bit s is the output for input state s (bit i of s is inputs[i]); combinational cells."""
        return self.function(output).truth_table(self.inputs)

    def leakage_at(self, state: int) -> float:
        """Leakage in an input state, uW."""
        return self.leakage[state if len(self.leakage) > 1 else 0]

    @property
    def clock(self) -> str | None:
        """The one pin that clocks or enables the cell, if it has one."""
        if self.storage is None or self.storage.clock is None:
            return None
        pins = parse(self.storage.clock).inputs
        return pins[0] if len(pins) == 1 else None

    def worst_delay(self) -> float:
        """The largest delay of any arc at the largest corner of its table, ns; 0 without arcs."""
        tables = [table for arc in self.arcs for table in (arc.rise, arc.fall) if table]
        return max((table.largest_corner for table in tables), default=0.0)


@dataclass(frozen=True, slots=True)
class Technology:
    """A cell library at one voltage and temperature; every figure names it and its source.

    `script` is the ABC script that suits it, one command each; `wire_model` says what is assumed
    of wires; `notes` are what a careful reader of its figures must know.
    """

    name: str
    title: str
    voltage: float
    temperature: float
    corner: str
    cells: Mapping[str, Cell]
    source: str
    nand2: str | None = None
    wire_model: str = "none: wires take no area, no power and no time"
    script: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cell(self, name: str) -> Cell:
        """The cell of that name; UsageError that lists the cells where there is none."""
        if name not in self.cells:
            raise UsageError(
                f"technology {self.name} has no cell {name}",
                hint="it has " + ", ".join(sorted(self.cells)),
            )
        return self.cells[name]

    def area(self, counts: Mapping[str, int]) -> float:
        """The area of so many of each cell, um2."""
        return sum(self.cell(name).area * count for name, count in sorted(counts.items()))

    def leakage(self, counts: Mapping[str, int]) -> float:
        """The leakage of so many of each cell in unknown states, uW."""
        return sum(self.cell(name).cell_leakage * count for name, count in sorted(counts.items()))

    def nand2_equivalents(self, area: float) -> float | None:
        """An area (um2) in units of the two-input NAND; None where the library has none."""
        return None if self.nand2 is None else area / self.cells[self.nand2].area

    @property
    def flipflops(self) -> tuple[Cell, ...]:
        """The flip-flops, by area, then by name."""
        found = [cell for cell in self.cells.values() if cell.kind == "flipflop"]
        return tuple(sorted(found, key=lambda cell: (cell.area, cell.name)))


def find_nand2(cells: Mapping[str, Cell]) -> str | None:
    """The name of the smallest cell that is a two-input NAND, if there is one."""
    nands = [
        (cell.area, name)
        for name, cell in cells.items()
        if cell.kind == "combinational"
        and len(cell.inputs) == 2
        and len(cell.outputs) == 1
        and cell.truth_table(cell.outputs[0]) == 0b0111
    ]
    return min(nands)[1] if nands else None


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    """The index below a value, and the fraction of the way to the next."""
    if value <= axis[0] or len(axis) == 1:
        return 0, 0.0
    for i in range(1, len(axis)):
        if value <= axis[i]:
            return i - 1, (value - axis[i - 1]) / (axis[i] - axis[i - 1])
    return len(axis) - 1, 0.0


def _mix(a: float, b: float, part: float) -> float:
    return a + (b - a) * part if part else a


def _ends(count: int) -> tuple[int, ...]:
    return (0,) if count == 1 else (0, count - 1)
