"""Static CMOS equivalents of flash cells in a library, and the cells by the published ratios."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flow.analysis.power import net_loads
from flow.analysis.timing import timing_of
from flow.errors import ToolFailed, UsageError
from flow.ir.aig import AigBuilder
from flow.ir.netlist import Bus, Netlist, flipflop, rename
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import threshold_literal
from flow.mapping.flash.functions import positive_gates
from flow.mapping.flash.netlist import CellModel
from flow.pipeline.synthesis import map_graph
from flow.pipeline.variants import CHOICES, REWRITE, SQUEEZE
from flow.tech.flash_cell import flash_cell
from flow.tech.technology import Technology

_VARIANTS = (CHOICES, REWRITE, SQUEEZE)


@dataclass(frozen=True)
class FlashLibrary:
    """The cells that a library has so far, and the one area (um2) that each of them takes.

    It is the published share of `mean_um2`, the mean equivalent of all functions of as many inputs
    as published: a cell has one layout, whatever its voltages.
    """

    technology: Technology
    models: Mapping[ThresholdGate, CellModel]
    footprint_um2: float
    mean_um2: float


def flash_library(technology: Technology, gates: Iterable[ThresholdGate] = ()) -> FlashLibrary:
    """Models of some positive gates and of all classes of the published size, by ABC.

    UsageError where the library has no flip-flop.
    """
    cell = flash_cell()
    flop = flipflop(technology)[0]
    classes = [g for n in range(1, cell.most_inputs + 1) for g in positive_gates(n)]
    wanted = list(dict.fromkeys([*classes, *gates]))
    for gate in wanted:
        if gate.constant is not None or min(gate.weights) < 1:
            raise UsageError(f"the gate {gate} is no positive gate that needs each input")
    netlists = _map(wanted, technology)
    areas = [technology.area(n.histogram()) + flop.area for n in netlists]
    mean = sum(areas[: len(classes)]) / len(classes)
    footprint = (1 - cell.ratios.area) * mean
    models = {}
    for gate, netlist, area in zip(wanted, netlists, areas, strict=True):
        loads = net_loads(netlist, technology)
        models[gate] = CellModel(
            gate,
            netlist,
            area,
            timing_of(netlist, technology).delay_ns,
            footprint,
            cell.ratios.delay,
            tuple(loads.get(f"x{i}", 0.0) for i in range(gate.fan_in)),
        )
    return FlashLibrary(technology, models, footprint, mean)


def _map(gates: Sequence[ThresholdGate], technology: Technology) -> list[Netlist]:
    """The smallest netlist of each gate that the scripts find, all gates in one graph."""
    names = [f"g{k}_{i}" for k, gate in enumerate(gates) for i in range(gate.fan_in)]
    g = AigBuilder("cells", names)
    literal = {name: 2 * i for i, name in enumerate(names, 1)}
    outputs = []
    for k, gate in enumerate(gates):
        pins = [literal[f"g{k}_{i}"] for i in range(gate.fan_in)]
        outputs.append((f"y{k}", threshold_literal(g, gate, pins)))
    graph = g.finish(outputs)
    best: list[Netlist] = []
    for variant in _VARIANTS:
        try:
            whole, _ = map_graph(graph, technology, (variant,))
        except ToolFailed:
            continue
        parts = _parts(whole, gates, technology)
        areas = [technology.area(n.histogram()) for n in parts]
        best = [
            new if not best or area < technology.area(best[k].histogram()) else best[k]
            for k, (new, area) in enumerate(zip(parts, areas, strict=True))
        ]
    if not best:
        raise ToolFailed("no script maps the equivalents of the flash cells")
    return best


def _parts(whole: Netlist, gates: Sequence[ThresholdGate], technology: Technology) -> list[Netlist]:
    """The netlist of each output, whose inputs are its own."""
    driver = {
        net: unit
        for unit in whole.instances
        for net in unit.nets(technology.cell(unit.cell).outputs)
    }
    place = {unit.name: k for k, unit in enumerate(whole.instances)}
    result = []
    for k, (gate, end) in enumerate(zip(gates, whole.drivers, strict=True)):
        found: set[int] = set()
        stack = [end]
        while stack:
            unit = driver.get(stack.pop())
            if unit is not None and place[unit.name] not in found:
                found.add(place[unit.name])
                stack += unit.nets(technology.cell(unit.cell).inputs)
        new = {f"g{k}_{i}": f"x{i}" for i in range(gate.fan_in)}
        units = [whole.instances[p] for p in sorted(found)]
        own = tuple(
            type(u)(u.name, u.cell, tuple((pin, new.get(n, n)) for pin, n in u.pins)) for u in units
        )
        inputs = tuple(Bus(f"x{i}", 1) for i in range(gate.fan_in))
        part = Netlist("cell", inputs, (Bus("y", 1),), own, (new.get(end, end),))
        result.append(rename(part, technology))
    return result
