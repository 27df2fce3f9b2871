"""Netlists of one-bit cells: full and half adders, gates, flip-flops; built, run, counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["fa", "ha", "xor", "or", "andnot", "dff"]
Bits = NDArray[np.bool_]
ZERO, ONE = 0, 1
"""Nets of the constants."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and its nets; adders give sum and carry, `andnot` a and not b, `dff` a at a clock."""

    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Netlist:
    """Nets in groups of inputs by name, cells in the order of their values, a word of outputs."""

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    output: tuple[int, ...]
    nets: int

    def counts(self) -> dict[Kind, int]:
        """Cells of each kind."""
        found = Counter(cell.kind for cell in self.cells)
        return {kind: found[kind] for kind in sorted(found)}


class Builder:
    """Makes a netlist cell by cell."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inputs: dict[str, tuple[int, ...]] = {}
        self._cells: list[Cell] = []
        self._nets = 2

    def input(self, name: str, width: int) -> tuple[int, ...]:
        """The nets of an input bus."""
        self._inputs[name] = nets = self.wires(width)
        return nets

    def wires(self, count: int) -> tuple[int, ...]:
        """New nets."""
        self._nets += count
        return tuple(range(self._nets - count, self._nets))

    def add(self, kind: Kind, *inputs: int) -> tuple[int, ...]:
        """A cell; its outputs."""
        outputs = self.wires(2 if kind in ("fa", "ha") else 1)
        self._cells.append(Cell(kind, inputs, outputs))
        return outputs

    def register(self, data: int, output: int) -> None:
        """A flip-flop onto a net that exists, so that cells before it can read it."""
        self._cells.append(Cell("dff", (data,), (output,)))

    def total(self, columns: Sequence[Sequence[int]]) -> list[int]:
        """The sum of bits, `columns[k]` of them of weight 2**k, as one word, lowest bit first.

        Three bits of a column become one and a carry until one is left (C. S. Wallace, 1964);
        the oldest go first, so that the depth of a count grows with its logarithm.
        """
        rest = [deque(bit for bit in column if bit != ZERO) for column in columns]
        word = []
        place = 0
        while place < len(rest):
            column = rest[place]
            while len(column) > 1:
                if place + 1 == len(rest):
                    rest.append(deque())
                kind: Kind = "fa" if len(column) > 2 else "ha"
                bits = [column.popleft() for _ in range(3 if kind == "fa" else 2)]
                here, above = self.add(kind, *bits)
                column.append(here)
                rest[place + 1].append(above)
            word.append(column[0] if column else ZERO)
            place += 1
        return word

    def done(self, output: Sequence[int]) -> Netlist:
        """The netlist."""
        return Netlist(self.name, dict(self._inputs), tuple(self._cells), tuple(output), self._nets)


def run(netlist: Netlist, clocks: Sequence[Mapping[str, Bits]]) -> Iterator[Bits]:
    """The output word `[samples, bits]` in each clock, from inputs `[samples, width]`.

    Flip-flops begin at zero.
    """
    samples = len(next(iter(clocks[0].values())))
    values = np.zeros((netlist.nets, samples), bool)
    values[ONE] = True
    registers = [cell for cell in netlist.cells if cell.kind == "dff"]
    for clock in clocks:
        for name, nets in netlist.inputs.items():
            values[list(nets)] = clock[name].T
        for cell in netlist.cells:
            _value(cell, values)
        yield values[list(netlist.output)].T.copy()
        data = values[[cell.inputs[0] for cell in registers]].copy()
        values[[cell.outputs[0] for cell in registers]] = data


def _value(cell: Cell, values: Bits) -> None:
    match cell.kind:
        case "fa":
            a, b, c = (values[net] for net in cell.inputs)
            values[cell.outputs[0]] = a ^ b ^ c
            values[cell.outputs[1]] = (a & b) | (c & (a ^ b))
        case "ha":
            a, b = (values[net] for net in cell.inputs)
            values[cell.outputs[0]], values[cell.outputs[1]] = a ^ b, a & b
        case "xor":
            values[cell.outputs[0]] = values[cell.inputs[0]] ^ values[cell.inputs[1]]
        case "or":
            values[cell.outputs[0]] = values[cell.inputs[0]] | values[cell.inputs[1]]
        case "andnot":
            values[cell.outputs[0]] = values[cell.inputs[0]] & ~values[cell.inputs[1]]
        case "dff":
            pass
