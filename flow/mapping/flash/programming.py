"""The programming file of flash cells: which device gets how many pulses, over one scan chain.

All devices begin erased. A scan chain of one bit for each device stands in the order of the file:
in round r every device whose count is r or more is selected and gets one pulse, then is read (K.-D.
Suh et al., IEEE JSSC 30(11), 1995). A cell's devices are those of its left network (L0, L1, ...
the last one always on), then those of its right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flow.errors import UsageError
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.mapping.flash.voltages import Voltages
from flow.tech.flash_cell import flash_cell

HEADER = "flow-flash-program 1"
_CELL = re.compile(r"cell (\S+) \[([\d, ]+); (\d+)\] delay_ps (\d+)")
_DEVICE = re.compile(r"device (\d+) ([LR])(\d+) vt_mv (\d+) pulses (\d+)")


@dataclass(frozen=True, slots=True)
class Programmed:
    """A cell with its voltages, and its delay from the clock edge in ps."""

    name: str
    voltages: Voltages
    delay_ps: int


def program_text(cells: Sequence[Programmed]) -> str:
    """The programming file of some cells, in their order on the scan chain."""
    cell = flash_cell()
    lines = [HEADER, f"erased_mv {cell.vt_min_mv} pulse_mv {cell.step_mv}"]
    place = 0
    for one in cells:
        lines.append(f"cell {one.name} {one.voltages.gate} delay_ps {one.delay_ps}")
        for side, levels in (("L", one.voltages.left), ("R", one.voltages.right)):
            for i, vt in enumerate(levels):
                pulses = (vt - cell.vt_min_mv) // cell.step_mv
                lines.append(f"device {place} {side}{i} vt_mv {vt} pulses {pulses}")
                place += 1
    return "\n".join(lines) + "\n"


def read_program(text: str, where: str = "program") -> tuple[Programmed, ...]:
    """The cells of a programming file, with the voltages that its pulses give.

    UsageError with the line where the file is not one, where a device is missing, or where the
    pulses do not give the voltage that stands beside them.
    """
    lines = text.splitlines()
    technology = flash_cell()
    scale = f"erased_mv {technology.vt_min_mv} pulse_mv {technology.step_mv}"
    if lines[:2] != [HEADER, scale]:
        raise UsageError(
            "this is no programming file of these cells",
            where=where,
            hint=f"it begins with {HEADER!r} and {scale!r}",
        )
    found: list[Programmed] = []
    place, at = 0, 2
    while at < len(lines):
        head = _CELL.fullmatch(lines[at])
        if head is None:
            raise _wrong("a line that names no cell", where, at)
        weights = tuple(int(word) for word in head[2].split(","))
        sides: dict[str, list[int]] = {"L": [], "R": []}
        for k in range(2 * (len(weights) + 1)):
            at += 1
            device = _DEVICE.fullmatch(lines[at]) if at < len(lines) else None
            side, number = "LR"[k > len(weights)], k % (len(weights) + 1)
            if device is None or (device[2], int(device[3])) != (side, number):
                raise _wrong(f"device {side}{number} of cell {head[1]} is missing", where, at)
            if int(device[1]) != place:
                raise _wrong(f"device {side}{number} is not at place {place}", where, at)
            vt = technology.vt_min_mv + int(device[5]) * technology.step_mv
            if vt != int(device[4]) or vt > technology.vt_max_mv:
                raise _wrong(f"{device[5]} pulses do not give {device[4]} mV", where, at)
            sides[side].append(vt)
            place += 1
        gate = ThresholdGate(weights, int(head[3]))
        voltages = Voltages(gate, tuple(sides["L"]), tuple(sides["R"]), "programmed")
        found.append(Programmed(head[1], voltages, int(head[4])))
        at += 1
    return tuple(found)


def read_back(text: str, cells: Sequence[FlashFlipFlop], where: str = "program") -> str | None:
    """What is wrong with a programming file for a design's cells; None where nothing is.

    Every cell must be there once, and with the voltages that its pulses give decide as the
    design's gate at every minimal true and maximal false point.
    """
    programmed = {one.name: one for one in read_program(text, where)}
    wanted = {cell.name: cell for cell in cells}
    if sorted(programmed) != sorted(wanted):
        one = min(set(programmed) ^ set(wanted))
        return f"cell {one} is {'missing' if one in wanted else 'not of the design'}"
    for name, cell in wanted.items():
        found = programmed[name].voltages
        actual = Voltages(cell.gate, found.left, found.right, found.method)
        if len(found.left) != cell.gate.fan_in + 1 or actual.margin_ua <= 0:
            return f"cell {name} does not decide as {cell.gate}"
    return None


def rounds(cells: Sequence[Programmed]) -> Iterator[tuple[int, ...]]:
    """The places on the scan chain that are selected in each round of pulses."""
    cell = flash_cell()
    levels = [vt for one in cells for vt in (*one.voltages.left, *one.voltages.right)]
    pulses = [(vt - cell.vt_min_mv) // cell.step_mv for vt in levels]
    for r in range(1, max(pulses, default=0) + 1):
        yield tuple(place for place, count in enumerate(pulses) if count >= r)


def _wrong(what: str, where: str, line: int) -> UsageError:
    return UsageError(
        f"the programming file cannot be used: {what}",
        where=f"{where}, line {line + 1}",
        hint="take the one that the build has written",
    )
