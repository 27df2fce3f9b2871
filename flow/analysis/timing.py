"""Static timing of a mapped netlist by the tables of its cells: the report names it `flow sta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.analysis.power import net_loads
from flow.ir.netlist import CLOCK, Instance, Netlist
from flow.tech.technology import Arc, Cell, Table, Technology

METHOD = "flow sta"

Edge = tuple[float, float]
"""When an edge arrives (ns), and how slow it is (slew, ns)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One cell on a path: where it is left, when (ns), and with which edge."""

    instance: str
    cell: str
    pin: str
    net: str
    arrival_ns: float
    edge: str


@dataclass(frozen=True, slots=True)
class Timing:
    """The longest path, from an input or a flip-flop to an output or a flip-flop's data.

    Set-up times and wires count nothing, as `method` does not know them.
    """

    delay_ns: float
    start: str
    end: str
    path: tuple[Hop, ...]
    method: str = METHOD

    @property
    def fmax_hz(self) -> float | None:
        """The highest rate of samples; None where nothing takes time."""
        return 1e9 / self.delay_ns if self.delay_ns > 0 else None


@dataclass(frozen=True, slots=True)
class _Arrival:
    time: float
    slew: float
    source: tuple[str, str] | None  # net and edge before
    hop: Hop | None


def timing_of(netlist: Netlist, technology: Technology) -> Timing:
    """The longest path through the netlist; inputs arrive at 0 with the smallest slew known."""
    load = net_loads(netlist, technology)
    first = min(
        (table.slews[0] for c in technology.cells.values() for a in c.arcs for table in _tables(a)),
        default=0.0,
    )
    at: dict[tuple[str, str], _Arrival] = {}
    for bit in netlist.input_bits:
        for edge in ("rise", "fall"):
            at[bit, edge] = _Arrival(0.0, first, None, None)
    ends: dict[str, str] = {}
    for instance in netlist.instances:
        cell = technology.cell(instance.cell)
        _leave(instance, cell, load, at, first)
        if cell.kind == "flipflop" and cell.storage is not None:
            data = (cell.storage.data or "").strip()
            ends[instance.net(data)] = f"{instance.name}/{data}"
    for bit, net in zip(netlist.output_bits, netlist.drivers, strict=True):
        ends[net] = bit
    best: tuple[str, str] | None = None
    for net in ends:
        for edge in ("rise", "fall"):
            if (net, edge) in at and (best is None or at[net, edge].time > at[best].time):
                best = (net, edge)
    if best is None:
        return Timing(0.0, "", "", ())
    delay, end = at[best].time, ends[best[0]]
    path: list[Hop] = []
    place: tuple[str, str] | None = best
    start = best[0]
    while place is not None:
        start = place[0]
        arrival = at[place]
        if arrival.hop is not None:
            path.append(arrival.hop)
        place = arrival.source
    return Timing(delay, start, end, tuple(reversed(path)))


def _leave(
    instance: Instance,
    cell: Cell,
    load: Mapping[str, float],
    at: dict[tuple[str, str], _Arrival],
    first: float,
) -> None:
    """The latest rise and fall at every output of a cell."""
    nets = dict(instance.pins)
    for arc in cell.arcs:
        net, source = nets.get(arc.output), nets.get(arc.related)
        if net is None or source is None:
            continue
        sequential = cell.kind == "flipflop"
        if sequential and arc.related != cell.clock:
            continue
        edges = {"rise": (arc.rise, arc.rise_transition), "fall": (arc.fall, arc.fall_transition)}
        for edge, (table, transition) in edges.items():
            if table is None:
                continue
            for before in causes(arc, edge, sequential):
                known = at.get((source, before))
                if known is None:
                    continue
                slew = first if sequential else known.slew
                time = known.time + table.at(slew, load.get(net, 0.0))
                old = at.get((net, edge))
                if old is None or time > old.time:
                    out = transition.at(slew, load.get(net, 0.0)) if transition else slew
                    hop = Hop(instance.name, cell.name, arc.output, net, time, edge)
                    at[net, edge] = _Arrival(
                        time, out, None if source == CLOCK else (source, before), hop
                    )
    for pin in cell.outputs:
        net = nets.get(pin)
        if net is not None and (net, "rise") not in at and (net, "fall") not in at:
            for edge in ("rise", "fall"):
                at[net, edge] = _Arrival(0.0, first, None, None)


def causes(arc: Arc, edge: str, sequential: bool) -> tuple[str, ...]:
    """The edges at an arc's input that give an edge at its output."""
    if sequential:
        return ("rise",)
    other = "fall" if edge == "rise" else "rise"
    match arc.sense:
        case "positive_unate":
            return (edge,)
        case "negative_unate":
            return (other,)
        case _:
            return ("rise", "fall")


def _tables(arc: Arc) -> list[Table]:
    return [table for table in (arc.rise, arc.fall) if table is not None]
