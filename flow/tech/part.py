"""An FPGA family: its primitives and their times, how Yosys maps onto it, where it is placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delays:
    """Times of the primitives in ns: the slowest pins, and one figure for every net.

    Of a carry cell: `enter` is from an operand to the carry out, `through` from carry to carry,
    `leave` from the carry in to a sum, `sum` from an operand to a sum. Nets at the pins `local`
    of carry cells and multiplexers take no time.
    """

    lut: float
    mux: float
    wire: float
    enter: float
    through: float
    leave: float
    sum: float
    clock: float
    setup: float
    local: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """One size of a family: its name, the options that choose it, its look-up tables."""

    name: str
    options: tuple[str, ...]
    luts: int


@dataclass(frozen=True, slots=True)
class Place:
    """The place and route of a family: the nextpnr program, its options, the devices by size."""

    program: str
    arguments: tuple[str, ...]
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """An FPGA family. `luts` says how many look-up tables each cell takes, `carry_bits` how many
    places of a chain a carry cell holds.

    `synthesis` is the Yosys command, `models` its files of cell models below Yosys' share folder;
    `place` is None where no open place and route knows the family.
    """

    name: str
    title: str
    family: str
    inputs: int
    source: str
    synthesis: str
    models: tuple[str, ...]
    luts: Mapping[str, int]
    carries: tuple[str, ...]
    carry_bits: int
    flipflops: tuple[str, ...]
    muxes: tuple[str, ...]
    dsps: tuple[str, ...]
    delays: Delays
    place: Place | None
    notes: tuple[str, ...]

    @property
    def voltage(self) -> None:
        """A family has no supply voltage of its own in a report."""
        return

    @property
    def corner(self) -> str:
        """The corner of its times, as its title says."""
        return ""

    def count(self, cells: Mapping[str, int], kinds: tuple[str, ...]) -> int:
        """How many of the cells are of those kinds."""
        return sum(cells.get(kind, 0) for kind in kinds)

    def lut_count(self, cells: Mapping[str, int]) -> int:
        """The look-up tables that the cells take."""
        return sum(self.luts.get(name, 0) * count for name, count in cells.items())
