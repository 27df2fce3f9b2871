"""The area of a mapped netlist: the sum of its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.ir.netlist import Netlist
from flow.tech.technology import Technology


@dataclass(frozen=True, slots=True)
class Area:
    """Cell area in um2, as a whole, for each instance in order, and for each cell.

    `nand2` is the whole in units of the two-input NAND, None where the library has none.
    """

    um2: float
    nand2: float | None
    cells: Mapping[str, int]
    by_cell: Mapping[str, float]
    by_instance: tuple[float, ...]

    @property
    def cm2(self) -> float:
        """The whole in cm2."""
        return self.um2 / 1e8

    @property
    def count(self) -> int:
        """The number of cells."""
        return sum(self.cells.values())


def area_of(netlist: Netlist, technology: Technology) -> Area:
    """The area of every cell of a netlist; wires take what the technology says of them."""
    cells = netlist.histogram()
    by_cell = {name: technology.cell(name).area * count for name, count in cells.items()}
    um2 = technology.area(cells)
    return Area(
        um2,
        technology.nand2_equivalents(um2),
        cells,
        by_cell,
        tuple(technology.cell(i.cell).area for i in netlist.instances),
    )
