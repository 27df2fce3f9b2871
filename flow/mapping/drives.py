"""Buffers and drives for a period: fan-out trees and larger cells where paths are too slow.

A mapper for area takes the smallest drive of every cell and lets any number of pins hang on a net.
Here nets without slack get buffers, the pins of least slack before them where that helps, and cells
without slack the drive whose gain exceeds what its pins cost the cells before it. Each step is
timed by the tables of the library, the fastest netlist seen is kept, and what it computes is what
it was: a buffer is a wire, and a drive changes no function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flow.analysis.slack import Floats, Ints, Library, NetlistArrays, Slacks, library, worst
from flow.ir.netlist import Netlist, rename
from flow.mapping.fanout import add_buffers, buffers_of
from flow.progress import Progress, silent
from flow.tech.technology import Cell, Technology

MARGIN = 0.98
"""The part of the period that slow paths are made to take: what stands in for set-up times."""
ROUNDS = 12
"""Rounds of buffers and drives, at most."""
PATIENCE = 3
"""Rounds without a faster netlist that end it; one does where the period is kept."""
STEPS = 4
"""Steps of drives in a round."""
LEAST = 1e-4
"""A smaller gain, in periods, changes nothing."""


@dataclass(frozen=True)
class Driven:
    """A netlist whose nets are driven, and what it took; delays in ns by `flow.analysis.slack`."""

    netlist: Netlist
    before_ns: float
    after_ns: float
    buffers: int
    resized: int


def drive(
    netlist: Netlist, technology: Technology, period_ns: float, progress: Progress = silent
) -> Driven:
    """The netlist with buffers and drives for a period; as it was where it keeps it already.

    Flip-flops keep their order. A library without a buffer, or with one drive each, leaves little
    to do, which is no error.
    """
    target = MARGIN * period_ns
    families = families_of(technology)
    buffers = buffers_of(technology)
    wanted = {*netlist.histogram(), *(b.cell.name for b in buffers)}
    wanted |= {other for name in sorted(wanted) for other in families.get(name, ())}
    lib = library(technology, sorted(wanted))
    arrays = NetlistArrays(netlist, technology, lib)
    cells = arrays.cells()
    slacks = arrays.time(cells, target)
    before = best = worst(arrays, slacks)
    if before <= period_ns:
        return Driven(netlist, before, before, 0, 0)
    current = fastest = netlist
    waited = 0
    for number in range(ROUNDS):
        if best <= target or waited > (0 if best <= period_ns else PATIENCE):
            break
        progress(f"drives: {best:.4g} ns of {period_ns:.4g}", number, ROUNDS)
        grown, count = add_buffers(current, arrays, cells, slacks, buffers, target)
        if count:
            arrays = NetlistArrays(grown, technology, lib)
            cells = arrays.cells()
            slacks = arrays.time(cells, target)
        changed = False
        for _ in range(STEPS):
            other = _resize(arrays, cells, slacks, families, LEAST * target)
            if other == cells:
                break
            trial = arrays.time(other, target)
            if worst(arrays, trial) > worst(arrays, slacks):
                break
            cells, slacks, changed = other, trial, True
        if not count and not changed:
            break
        current = _with_cells(grown, cells)
        now = worst(arrays, slacks)
        waited = 0 if now < best - LEAST * target else waited + 1
        if now < best:
            best, fastest = now, current
    added = len(fastest.instances) - len(netlist.instances)
    named = rename(fastest, technology) if added else fastest
    return Driven(named, before, best, added, _changed(netlist, fastest))


def families_of(technology: Technology) -> dict[str, tuple[str, ...]]:
    """For each cell those of the same pins and functions, itself among them, by area."""
    found: dict[object, list[Cell]] = {}
    for cell in technology.cells.values():
        known = all(pin in cell.functions for pin in cell.outputs)
        if cell.dont_use or not known or cell.kind not in ("combinational", "flipflop"):
            continue
        found.setdefault(_function(cell), []).append(cell)
    families: dict[str, tuple[str, ...]] = {}
    for members in found.values():
        if len(members) > 1:
            names = tuple(c.name for c in sorted(members, key=lambda c: (c.area, c.name)))
            families |= dict.fromkeys(names, names)
    return families


def _function(cell: Cell) -> object:
    if cell.kind == "flipflop":
        functions = tuple(cell.functions.get(pin, "") for pin in cell.outputs)
        return cell.kind, cell.inputs, cell.outputs, functions, cell.storage
    tables = tuple(cell.truth_table(pin) for pin in cell.outputs)
    return cell.kind, cell.inputs, cell.outputs, tables


def _resize(
    arrays: NetlistArrays,
    cells: Sequence[str],
    slacks: Slacks,
    families: Mapping[str, Sequence[str]],
    least: float,
) -> list[str]:
    """The cells with other drives where that gains time, no two that share a net at once."""
    lib, load = arrays.lib, arrays.loads(cells)
    critical = slacks.of_nets() < 0
    if not critical.any():
        return list(cells)
    rows = np.flatnonzero(critical[arrays.target // 2])
    slope = _slopes(arrays, cells, slacks, load, rows)
    owners: dict[str, set[int]] = {}
    for k in np.unique(arrays.owner[rows]).tolist():
        if cells[k] in families:
            owners.setdefault(cells[k], set()).add(k)
    gains: list[tuple[float, int, str]] = []
    for name, members in sorted(owners.items()):
        mine = np.array(sorted(members))
        own = rows[np.isin(arrays.owner[rows], mine)]
        best = np.full(len(mine), least)
        chosen = np.full(len(mine), -1)
        usable = [n for n in families[name] if n != name and _alike(lib, n, name)]
        for v, other in enumerate(usable):
            gain = _gain(arrays, slacks, load, own, mine, name, other)
            gain -= _cost(arrays, slope, mine, name, other)
            better = gain > best
            best, chosen = np.where(better, gain, best), np.where(better, v, chosen)
        gains += [
            (float(g), int(k), usable[v])
            for g, k, v in zip(best, mine, chosen, strict=True)
            if v >= 0
        ]
    return _apart(arrays, cells, gains)


def _alike(lib: Library, one: str, other: str) -> bool:
    return list(lib.rows[one]) == list(lib.rows[other])


def _slopes(
    arrays: NetlistArrays, cells: Sequence[str], slacks: Slacks, load: Floats, rows: Ints
) -> Floats:
    """What a pF more costs on each critical net, ns."""
    lib, number = arrays.lib, arrays.rows(cells)[rows]
    net = arrays.target[rows] // 2
    slew = slacks.slew[arrays.source[rows]]
    step = float(arrays.pin_loads(cells).mean())
    more = lib.tables.at(lib.delay[number], slew, load[net] + step)
    found = np.zeros(len(arrays.nets))
    np.maximum.at(found, net, (more - slacks.delay[rows]) / step)
    return found


def _gain(
    arrays: NetlistArrays,
    slacks: Slacks,
    load: Floats,
    rows: Ints,
    owners: Ints,
    name: str,
    other: str,
) -> Floats:
    """How much earlier the slowest critical output of each owner comes with another drive, ns."""
    lib, source, target = arrays.lib, arrays.source[rows], arrays.target[rows]
    table = lib.delay[lib.first[other] + arrays.place[rows]]
    at = slacks.arrival[source] + lib.tables.at(table, slacks.slew[source], load[target // 2])
    old = slacks.arrival[source] + slacks.delay[rows]
    where = np.searchsorted(owners, arrays.owner[rows])
    # Against what is required at each output: the least slack counts.
    after, before = np.full(len(owners), np.inf), np.full(len(owners), np.inf)
    np.minimum.at(after, where, slacks.required[target] - at)
    np.minimum.at(before, where, slacks.required[target] - old)
    found: Floats = after - before
    return found


def _cost(arrays: NetlistArrays, slope: Floats, owners: Ints, name: str, other: str) -> Floats:
    """How much later the inputs of each owner come, for the capacitance of its pins, ns."""
    old, new = arrays.technology.cell(name), arrays.technology.cell(other)
    more = [new.capacitance.get(p, 0.0) - old.capacitance.get(p, 0.0) for p in old.inputs]
    mine = np.isin(arrays.pin_owner, owners)
    price = slope[arrays.pin_net[mine]] * np.array(more)[arrays.pin_place[mine]]
    found = np.full(len(owners), -np.inf)
    np.maximum.at(found, np.searchsorted(owners, arrays.pin_owner[mine]), price)
    return np.where(np.isinf(found), 0.0, found)


def _apart(
    arrays: NetlistArrays, cells: Sequence[str], gains: Sequence[tuple[float, int, str]]
) -> list[str]:
    """Take the gains by size; a cell beside one that was taken waits for the next step."""
    found, taken = list(cells), set[str]()
    for _, k, other in sorted(gains, key=lambda gain: (-gain[0], gain[1])):
        nets = [net for _, net in arrays.instances[k].pins]
        if not taken.isdisjoint(nets):
            continue
        taken.update(nets)
        found[k] = other
    return found


def _with_cells(netlist: Netlist, cells: Sequence[str]) -> Netlist:
    """The netlist with another cell for each instance, of the same pins."""
    instances = tuple(
        instance if instance.cell == cell else replace(instance, cell=cell)
        for instance, cell in zip(netlist.instances, cells, strict=True)
    )
    return replace(netlist, instances=instances)


def _changed(before: Netlist, after: Netlist) -> int:
    """How many instances of `before` have another cell in `after`."""
    cells = {instance.name: instance.cell for instance in after.instances}
    return sum(cells[instance.name] != instance.cell for instance in before.instances)
