"""Majority voters of library cells: the smallest structure that a technology has cells for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

from flow.errors import UsageError
from flow.tech.technology import Cell, Technology

A, B, C = "a", "b", "c"
OUT = "y"
_MAJORITY = 0b11101000

Gate = tuple[str, int, tuple[str, ...]]
"""What a gate drives, its truth table over what it reads, and what it reads."""

_AND, _OR, _NAND, _NOR = 0b1000, 0b1110, 0b0111, 0b0001
_NAND3, _OR3 = 0b01111111, 0b11111110
_OAI21, _AOI21 = 0b00011111, 0b00000111
"""!((x0 | x1) & x2) and !((x0 & x1) | x2), with x2 the highest bit of the state."""
_INVERTER = 0b01
_AOI222 = sum(
    1 << s for s in range(64) if not any(s >> 2 * i & 1 and s >> 2 * i + 1 & 1 for i in range(3))
)
STRUCTURES: tuple[tuple[Gate, ...], ...] = (
    ((OUT, _MAJORITY, (A, B, C)),),
    (("n", ~_MAJORITY & 0xFF, (A, B, C)), (OUT, _INVERTER, ("n",))),
    (("n", _AOI222, (A, B, B, C, C, A)), (OUT, _INVERTER, ("n",))),
    (("p", _NAND, (A, B)), ("q", _OAI21, (A, B, C)), (OUT, _NAND, ("p", "q"))),
    (
        ("p", _NAND, (A, B)), ("q", _NAND, (B, C)), ("r", _NAND, (C, A)),
        (OUT, _NAND3, ("p", "q", "r")),
    ),
    (("p", _NAND, (A, B)), ("o", _OR, (A, B)), ("q", _NAND, ("o", C)), (OUT, _NAND, ("p", "q"))),
    (("p", _AND, (A, B)), ("o", _OR, (A, B)), ("q", _AND, ("o", C)), (OUT, _OR, ("p", "q"))),
    (("p", _NOR, (A, B)), ("q", _AOI21, (A, B, C)), (OUT, _NOR, ("p", "q"))),
)  # fmt: skip
"""Ways to vote: two of three, a cell or as gates of two or three inputs."""


@dataclass(frozen=True, slots=True)
class VoterCell:
    """A cell of a voter: `pins` has (pin, signal) in the order of the cell; one pin drives."""

    cell: str
    pins: tuple[tuple[str, str], ...]
    drives: str


@dataclass(frozen=True, slots=True)
class Voter:
    """Cells between the signals `a`, `b`, `c` and `y`, drivers first, and their area (um2).

    `stuck` counts the faults inside (its output not among them) that act as the output stuck at
    0 and at 1; every other one is masked while the three copies agree.
    """

    cells: tuple[VoterCell, ...]
    area: float
    stuck: tuple[int, int]


def voter_of(technology: Technology) -> Voter:
    """The voter of the least area; UsageError where the library has no cells for one."""
    found = [v for structure in STRUCTURES if (v := _built(structure, technology)) is not None]
    if not found:
        raise UsageError(
            f"technology {technology.name} has no cells for a majority voter",
            hint="it needs NAND or AND and OR of two inputs",
        )
    return min(found, key=lambda voter: (voter.area, len(voter.cells)))


def _built(structure: Sequence[Gate], technology: Technology) -> Voter | None:
    cells: list[VoterCell] = []
    area = 0.0
    for drives, table, reads in structure:
        match = _cell(table, len(reads), technology)
        if match is None:
            return None
        cell, output, order = match
        # Pin i of the cell reads what the structure names order[i].
        inputs = tuple(zip(cell.inputs, (reads[i] for i in order), strict=True))
        cells.append(VoterCell(cell.name, (*inputs, (output, drives)), drives))
        area += cell.area
    return Voter(tuple(cells), area, _stuck(structure))


def _cell(
    table: int, inputs: int, technology: Technology
) -> tuple[Cell, str, tuple[int, ...]] | None:
    """The smallest cell with that function, its output, and the input that each pin takes."""
    best: tuple[float, str] | None = None
    found = None
    wanted = dict(_orders(table, inputs))
    for cell in technology.cells.values():
        if cell.kind != "combinational" or cell.dont_use or len(cell.inputs) != inputs:
            continue
        for output in cell.outputs:
            order = wanted.get(cell.truth_table(output))
            if order is not None and (best is None or (cell.area, cell.name) < best):
                best, found = (cell.area, cell.name), (cell, output, order)
    return found


def _orders(table: int, inputs: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The tables that the function has when pin i takes its input order[i]."""
    for order in permutations(range(inputs)):
        moved = 0
        for state in range(1 << inputs):
            own = sum((state >> i & 1) << k for i, k in enumerate(order))
            moved |= (table >> own & 1) << state
        yield moved, order


def _stuck(structure: Sequence[Gate]) -> tuple[int, int]:
    """Faults of inner lines by their effect while the three inputs agree: output 0, output 1."""
    zero = one = 0
    readers: dict[str, int] = {}
    for _, _, reads in structure:
        for name in reads:
            readers[name] = readers.get(name, 0) + 1
    sites: list[tuple[str, int] | str] = [name for name, _, _ in structure if name != OUT]
    for k, (_, _, reads) in enumerate(structure):
        sites += [(str(k), i) for i, name in enumerate(reads) if readers[name] > 1 or name in "abc"]
    for site, value in product(sites, (0, 1)):
        answers = [_answer(structure, common, site, value) for common in (0, 1)]
        zero += answers == [0, 0]
        one += answers == [1, 1]
    return zero, one


def _answer(structure: Sequence[Gate], common: int, site: tuple[str, int] | str, value: int) -> int:
    values = dict.fromkeys((A, B, C), common)
    for k, (drives, table, reads) in enumerate(structure):
        state = 0
        for i, name in enumerate(reads):
            state |= (value if site == (str(k), i) else values[name]) << i
        values[drives] = value if site == drives else table >> state & 1
    return values[OUT]
