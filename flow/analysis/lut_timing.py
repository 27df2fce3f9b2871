"""A level-by-level estimate of the longest path through look-up tables and carry chains.

It knows the slowest pin of each primitive and one figure for every net: it chooses the number of
pipeline stages, and is no place and route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flow.errors import ToolFailed
from flow.tech.part import Part

METHOD = "flow levels: slowest pins of the primitives, one figure for every net"
_CLOCKS = ("C", "CLK")
_CARRY_IN = ("CI", "CIN", "CYINIT")
_CARRY_OUT = ("CO", "COUT")


@dataclass(frozen=True, slots=True)
class _Cell:
    name: str
    kind: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


def longest_path(module: Mapping[str, Any], part: Part) -> float:
    """The longest path in ns from an input or a flip-flop to an output or a flip-flop.

    `module` is that of the JSON netlist which Yosys writes. ToolFailed where it has a loop.
    """
    cells = [_cell(name, data) for name, data in module["cells"].items()]
    times = part.delays
    at: dict[int, float] = {}
    driver: dict[int, _Cell] = {}
    last = 0.0
    for cell in cells:
        for _, net in cell.outputs:
            driver[net] = cell
        if cell.kind in part.flipflops:
            at.update((net, times.clock) for _, net in cell.outputs)
    for cell in _ordered([c for c in cells if c.kind not in part.flipflops], driver, part):
        at.update(_leave(cell, at, part))
    for cell in cells:
        if cell.kind in part.flipflops:
            for pin, net in cell.inputs:
                if pin not in _CLOCKS:
                    last = max(last, at.get(net, 0.0) + times.wire + times.setup)
    ports = [p for p in module["ports"].values() if p["direction"] == "output"]
    return max([last, *(at.get(net, 0.0) for p in ports for net in p["bits"] if net in at)])


def _cell(name: str, data: Mapping[str, Any]) -> _Cell:
    """Constants, written as text, are no nets."""
    pins: dict[str, list[tuple[str, int]]] = {"input": [], "output": []}
    for pin, nets in data["connections"].items():
        way = data["port_directions"].get(pin, "input")
        pins.setdefault(way, []).extend((pin, net) for net in nets if isinstance(net, int))
    return _Cell(name, data["type"], tuple(pins["input"]), tuple(pins["output"]))


def _leave(cell: _Cell, at: Mapping[int, float], part: Part) -> Iterator[tuple[int, float]]:
    """When each output of a cell is stable."""
    times = part.delays
    carry = cell.kind in part.carries
    for out, net in cell.outputs:
        latest = 0.0
        for pin, source in cell.inputs:
            local = pin in times.local and (carry or cell.kind in part.muxes)
            wire = 0.0 if local else times.wire
            if carry:
                own = _carry(pin in _CARRY_IN, out in _CARRY_OUT, part)
            elif cell.kind in part.muxes:
                own = times.mux
            elif cell.kind in part.luts:
                own = times.lut
            else:
                own = wire = 0.0  # An inverter or a buffer that placing absorbs.
            latest = max(latest, at.get(source, 0.0) + wire + own)
        yield net, latest


def _carry(enters: bool, leaves: bool, part: Part) -> float:
    times = part.delays
    if leaves:
        return times.through if enters else times.enter
    return times.leave if enters else times.sum


def _ordered(cells: list[_Cell], driver: Mapping[int, _Cell], part: Part) -> list[_Cell]:
    """Drivers before users."""
    waiting: dict[str, int] = {}
    users: dict[str, list[_Cell]] = {}
    for cell in cells:
        names = {
            driver[net].name
            for _, net in cell.inputs
            if net in driver and driver[net].kind not in part.flipflops
        }
        waiting[cell.name] = len(names)
        for name in sorted(names):
            users.setdefault(name, []).append(cell)
    ready = [cell for cell in cells if not waiting[cell.name]]
    for cell in ready:
        for user in users.get(cell.name, ()):
            waiting[user.name] -= 1
            if not waiting[user.name]:
                ready.append(user)
    if len(ready) < len(cells):
        raise ToolFailed("the netlist of look-up tables has a loop")
    return ready
