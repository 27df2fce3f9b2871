"""Buffers on nets without slack: each such net becomes one level of a tree, the best of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.analysis.slack import Floats, Ints, NetlistArrays, Slacks
from flow.ir.netlist import Instance, Netlist
from flow.tech.technology import Cell, Technology

LEAVES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Numbers of buffers that are tried on a net."""
LEAST = 4e-4
"""A smaller gain, in periods, puts no buffer."""
NEAR = 0.9
"""A smaller tree is taken for this part of the best gain."""
SPREAD = 0.012
"""Pins with so little more slack than the least, in periods, may stay before the buffers."""
SHARE = 0.1
"""The part of the largest gain that a net must promise; others wait for the next round."""
KEPT = 0.5
"""The part of the load that may stay there."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A cell that hands its input on: its pins, and its capacitance in pF."""

    cell: Cell
    source: str
    output: str
    load: float


def buffers_of(technology: Technology) -> tuple[Buffer, ...]:
    """The buffers of a library, by area."""
    found = [
        Buffer(c, c.inputs[0], c.outputs[0], c.capacitance.get(c.inputs[0], 0.0))
        for c in technology.cells.values()
        if c.kind == "combinational"
        and not c.dont_use
        and len(c.inputs) == len(c.outputs) == 1
        and c.outputs[0] in c.functions
        and c.truth_table(c.outputs[0]) == 0b10
    ]
    return tuple(sorted(found, key=lambda b: (b.cell.area, b.cell.name)))


@dataclass(frozen=True)
class _Nets:
    """Nets that may get buffers, and their pins, those of least slack first.

    `rows` are those that end at the nets, `numbers` theirs in the library, `row_net` the net of
    each. `pins` and `slack` are those of all nets in a row, net k has those from `first[k]` on; the
    first `kept[k]` of them may stay before the buffers.
    """

    nets: Ints
    rows: Ints
    numbers: Ints
    row_net: Ints
    first: Ints
    pins: Ints
    slack: Floats
    kept: Ints
    load: Floats
    kept_load: Floats


def add_buffers(
    netlist: Netlist,
    arrays: NetlistArrays,
    cells: Sequence[str],
    slacks: Slacks,
    buffers: Sequence[Buffer],
    period: float,
) -> tuple[Netlist, int]:
    """One more level of buffers where it gains time, and how many there are."""
    loads, least = arrays.loads(cells), LEAST * period
    if not buffers:
        return netlist, 0
    found = _candidates(
        arrays, cells, slacks, loads, _quick(arrays, cells, slacks, buffers, least), SPREAD * period
    )
    if not len(found.nets):
        return netlist, 0
    best = np.full(len(found.nets), least)
    trials = [
        (buffer, leaves, keep, _gain(arrays, slacks, found, buffer, leaves, keep))
        for keep in (False, True)
        for buffer in buffers
        for leaves in LEAVES
    ]
    for *_, gain in trials:
        best = np.maximum(best, gain)
    chosen = np.full(len(found.nets), -1)
    area = np.full(len(found.nets), np.inf)
    for number, (buffer, leaves, _, gain) in enumerate(trials):
        own = leaves * buffer.cell.area
        better = (gain > least) & (gain >= NEAR * best) & (own < area)
        chosen, area = np.where(better, number, chosen), np.where(better, own, area)
    trees = {}
    for k in np.flatnonzero(chosen >= 0).tolist():
        buffer, leaves, keep, _ = trials[chosen[k]]
        end = found.first[k + 1]
        start = found.first[k] + (found.kept[k] if keep else 0)
        trees[arrays.names[found.nets[k]]] = (buffer, _groups(found.pins[start:end], leaves))
    return _planted(netlist, arrays, trees)


def _quick(
    arrays: NetlistArrays,
    cells: Sequence[str],
    slacks: Slacks,
    buffers: Sequence[Buffer],
    least: float,
) -> NDArray[np.bool_]:
    """Nets without slack whose driver would gain most with one buffer alone on it."""
    lib = arrays.lib
    critical = slacks.of_nets() < 0
    if arrays.clock >= 0:
        critical[arrays.clock] = False
    rows = np.flatnonzero(critical[arrays.target // 2])
    net, number = arrays.target[rows] // 2, arrays.rows(cells)[rows]
    slew = slacks.slew[arrays.source[rows]]
    alone = np.full(len(rows), min(b.load for b in buffers))
    gain = slacks.delay[rows] - lib.tables.at(lib.delay[number], slew, alone)
    most = np.zeros(len(arrays.nets))
    np.maximum.at(most, net, gain)
    tables = [a.rise or a.fall for b in buffers for a in b.cell.arcs]
    takes = min((t.smallest_corner for t in tables if t is not None), default=0.0)
    return most > max(takes + least, SHARE * float(most.max(initial=0.0)))


def _candidates(
    arrays: NetlistArrays,
    cells: Sequence[str],
    slacks: Slacks,
    loads: Floats,
    chosen: NDArray[np.bool_],
    spread: float,
) -> _Nets:
    """The chosen nets with their pins; those within `spread` of the least slack may be kept."""
    pin_slack = _pin_slacks(arrays, slacks, chosen)
    pins = np.flatnonzero(chosen[arrays.pin_net])
    pins = pins[np.lexsort((pins, pin_slack[pins], arrays.pin_net[pins]))]
    nets, first = np.unique(arrays.pin_net[pins], return_index=True)
    ends = np.r_[first[1:], len(pins)] if len(nets) else np.zeros(0, np.int64)
    own = arrays.pin_loads(cells)[pins]
    slack = pin_slack[pins]
    kept, kept_load = [], []
    for low, high in zip(first.tolist(), ends.tolist(), strict=True):
        near = int((slack[low:high] < slack[low] + spread).sum())
        share = float(own[low : low + near].sum())
        keep = near < high - low and share < KEPT * float(own[low:high].sum())
        kept.append(near if keep else 0)
        kept_load.append(share if keep else 0.0)
    rows = np.flatnonzero(np.isin(arrays.target // 2, nets))
    return _Nets(
        nets, rows, arrays.rows(cells)[rows], np.searchsorted(nets, arrays.target[rows] // 2),
        np.r_[first, len(pins)], pins, slack, np.array(kept, dtype=np.int64),
        loads[nets], np.array(kept_load),
    )  # fmt: skip


def _pin_slacks(arrays: NetlistArrays, slacks: Slacks, chosen: NDArray[np.bool_]) -> Floats:
    """The slack of the paths through each input pin; of other nets and of ends, that of the net."""
    net_slack = slacks.of_nets()
    found = net_slack[arrays.pin_net]
    rows = np.flatnonzero(chosen[arrays.source // 2])
    own = slacks.required[arrays.target[rows]] - slacks.delay[rows]
    own = own - slacks.arrival[arrays.source[rows]]
    count = np.int64(len(arrays.nets))
    key = arrays.owner[rows] * count + arrays.source[rows] // 2
    keys, place = np.unique(key, return_inverse=True)
    least = np.full(len(keys), np.inf)
    np.minimum.at(least, place, own)
    pin_key = arrays.pin_owner * count + arrays.pin_net
    at = np.searchsorted(keys, pin_key)
    at = np.minimum(at, max(len(keys) - 1, 0))
    if len(keys):
        there = keys[at] == pin_key
        found = np.where(there, least[at], found)
    return np.where(np.isfinite(found), found, 1e9)


def _gain(
    arrays: NetlistArrays,
    slacks: Slacks,
    found: _Nets,
    buffer: Buffer,
    leaves: int,
    keep: bool,
) -> Floats:
    """How much more slack each net has behind so many of a buffer, ns; -inf where it cannot be."""
    lib, rows = arrays.lib, found.rows
    kept_load = found.kept_load if keep else np.zeros(len(found.nets))
    load = leaves * buffer.load + kept_load
    number = found.numbers
    before, taken = slacks.slew[arrays.source[rows]], load[found.row_net]
    at = slacks.arrival[arrays.source[rows]] + lib.tables.at(lib.delay[number], before, taken)
    transition = lib.transition[number]
    after = lib.tables.at(np.maximum(transition, 0), before, taken)
    after = np.where(transition < 0, before, after)
    edge = 2 * found.row_net + arrays.target[rows] % 2
    arrival = np.full(2 * len(found.nets), -np.inf)
    slew = np.zeros(2 * len(found.nets))
    np.maximum.at(arrival, edge, at)
    np.maximum.at(slew, edge, after)
    behind = np.repeat((found.load - kept_load) / leaves, 2)
    leaf = _through(arrays, buffer, arrival, slew, behind)
    old = slacks.arrival[(2 * found.nets[:, None] + [0, 1]).ravel()]
    real = np.isfinite(arrival)
    sooner = np.where(real, old - arrival, np.inf).reshape(-1, 2).min(axis=1)
    later = np.where(real, old - leaf, np.inf).reshape(-1, 2).min(axis=1)
    least = found.slack[found.first[:-1]]
    count = np.diff(found.first)
    if keep:
        rest = np.where(found.kept > 0, found.first[:-1] + found.kept, 0)
        slack = np.minimum(least + sooner, found.slack[rest] + later)
        good = (found.kept > 0) & (count - found.kept >= leaves)
    else:
        slack, good = least + later, count >= max(leaves, 2)
    limit = buffer.cell.max_capacitance.get(buffer.output, np.inf)
    good = good & (behind[::2] <= limit) & np.isfinite(slack)
    return np.where(good, slack - least, -np.inf)


def _through(
    arrays: NetlistArrays, buffer: Buffer, arrival: Floats, slew: Floats, load: Floats
) -> Floats:
    """When edges leave a buffer, ns."""
    lib, name = arrays.lib, buffer.cell.name
    found = np.full(len(arrival), -np.inf)
    for (_, _, cause, out), place in lib.rows[name].items():
        table = np.full(len(arrival) // 2, lib.delay[lib.first[name] + place])
        at = arrival[cause::2] + lib.tables.at(table, slew[cause::2], load[cause::2])
        found[out::2] = np.maximum(found[out::2], at)
    return found


def _groups(pins: Ints, leaves: int) -> list[list[int]]:
    """Pins in groups of one size, neighbours in slack together."""
    return [part.tolist() for part in np.array_split(pins, leaves) if len(part)]


def _planted(
    netlist: Netlist, arrays: NetlistArrays, trees: dict[str, tuple[Buffer, list[list[int]]]]
) -> tuple[Netlist, int]:
    """The netlist with buffers behind the drivers of the nets, after the flip-flops."""
    moved: dict[tuple[int, str], str] = {}
    made: dict[str, list[Instance]] = {}
    serial = len(netlist.instances)
    for net, (buffer, groups) in trees.items():
        for group in groups:
            serial += 1
            copy = f"buffered:{serial}"
            pins = ((buffer.source, net), (buffer.output, copy))
            made.setdefault(net, []).append(Instance(f"buffer:{serial}", buffer.cell.name, pins))
            for pin in group:
                cell = arrays.technology.cell(arrays.instances[arrays.pin_owner[pin]].cell)
                moved[int(arrays.pin_owner[pin]), cell.inputs[arrays.pin_place[pin]]] = copy
    changed = {owner for owner, _ in moved}
    instances: list[Instance] = []
    first: list[Instance] = []
    held = True
    for k, instance in enumerate(netlist.instances):
        cell = arrays.technology.cell(instance.cell)
        if held and cell.kind != "flipflop":
            held = False
            instances += first
        if k in changed:
            own = tuple((pin, moved.get((k, pin), net)) for pin, net in instance.pins)
            instance = replace(instance, pins=own)
        grown = list(_grown(instance, cell, made))
        instances.append(instance)
        (first if held else instances).extend(grown)
    instances += first if held else []
    return replace(netlist, instances=tuple(instances)), serial - len(netlist.instances)


def _grown(instance: Instance, cell: Cell, made: dict[str, list[Instance]]) -> Iterator[Instance]:
    for net in instance.nets(cell.outputs):
        yield from made.get(net, ())
