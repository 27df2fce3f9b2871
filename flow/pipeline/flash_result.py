"""A registered design with and without flash cells in one library: area, power and delay.

The cells are those of the published ratios, as `flash_models` makes them. Power is measured on
the netlist with the equivalent of each cell, and what the equivalents take is scaled: so the
published share is taken to hold at the activity of the design. The pins of a cell load what
drives them as those of its equivalent do. What a flip-flop takes at clock edges is counted where
it is known, in both designs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from flow.analysis.activity import Activity, clocked_activity, simulate_activity
from flow.analysis.power import net_loads, power_of
from flow.analysis.timing import Timing, timing_of
from flow.backends.aiger import read_aiger, write_aiger
from flow.backends.names import identifier
from flow.errors import ToolFailed
from flow.ir.aig import Aig
from flow.ir.netlist import CLOCK, Bus, Netlist, flipflop, with_flipflops
from flow.mapping.flash.absorb import Absorption, Prices, absorb
from flow.mapping.flash.functions import MOST_INPUTS
from flow.mapping.flash.netlist import (
    EQUAL,
    FLASH,
    equivalent_netlist,
    flash_netlist,
    with_cells,
)
from flow.pipeline.flash_models import FlashLibrary, flash_library
from flow.pipeline.synthesis import inverter_area, map_graph
from flow.pipeline.variants import CHOICES, PLAIN, REWRITE, SPEED, SQUEEZE, Variant
from flow.progress import Progress, silent
from flow.tech.flash_cell import flash_cell
from flow.tech.technology import Technology
from flow.tools.abc import abc

_TIDY = "ifraig; dc2; dc2; strash"
_ROUNDS = 4
_LARGEST_TIDY = 60_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Area (um2), power (mW) at the period of the comparison, and longest path (ns)."""

    area_um2: float
    power_mw: float
    delay_ns: float


@dataclass(frozen=True)
class FlashResult:
    """A design in gates alone and with flash cells.

    `netlist` is the one with cells in `technology`; flip-flop k of it holds `Q:` held[k].
    `sized_um2` is the area where each cell has the published share of its own equivalent;
    `clock_pj` is what a flip-flop takes inside in each clock, 0 where the library does not say.
    """

    gates_only: Figures
    with_cells: Figures
    absorption: Absorption
    netlist: Netlist
    technology: Technology
    held: tuple[str, ...]
    sized_um2: float
    period_ns: float
    activity: str
    clock_pj: float
    footprint_um2: float
    notes: tuple[str, ...] = ()

    @property
    def ratios(self) -> str:
        """Where the cells' figures come from."""
        return flash_cell().ratios.source

    @property
    def saved_area(self) -> float:
        """The share of the area that the cells save."""
        return 1 - self.with_cells.area_um2 / self.gates_only.area_um2

    @property
    def saved_power(self) -> float:
        """The share of the power that the cells save."""
        return 1 - self.with_cells.power_mw / self.gates_only.power_mw


def tidy(aig: Aig) -> Aig:
    """The graph with shared and shortened logic, by ABC; as it is where its adders are known."""
    if aig.size > _LARGEST_TIDY or aig.adders:
        return aig
    with tempfile.TemporaryDirectory(prefix="flow-tidy-") as scratch:
        place = Path(scratch)
        (place / "in.aig").write_bytes(write_aiger(aig))
        script = ["read_aiger in.aig", *_TIDY.split("; "), "write_aiger -s out.aig"]
        abc(script, cwd=place, timeout_s=300)
        return replace(read_aiger((place / "out.aig").read_bytes()), name=aig.name)


def cell_delays(result: FlashResult) -> dict[str, int]:
    """The delay of each flash cell from the clock to its output at its load, ps, by flip-flop."""
    load = net_loads(result.netlist, result.technology)
    found = {}
    units = result.netlist.flipflops(result.technology)
    for name, unit in zip(result.held, units, strict=True):
        cell = result.technology.cell(unit.cell)
        if unit.cell.startswith(FLASH):
            tables = [t for arc in cell.arcs for t in (arc.rise, arc.fall) if t is not None]
            net = load.get(unit.net("Q"), 0.0)
            found[name] = ceil(1e3 * max((t.at(t.slews[0], net) for t in tables), default=0.0))
    return found


def flash_result(
    aig: Aig,
    technology: Technology,
    *,
    inputs: Sequence[Bus] | None = None,
    outputs: Sequence[Bus] | None = None,
    bits: NDArray[Any] | None = None,
    most_inputs: int = MOST_INPUTS,
    least_inputs: int = 2,
    period_ns: float | None = None,
    variants: Sequence[Variant] = (CHOICES, REWRITE, SQUEEZE),
    library: FlashLibrary | None = None,
    progress: Progress = silent,
) -> FlashResult:
    """Map a graph with flip-flops (`Q:x`, `D:x`) twice and compare.

    Cells whose way on would be slower than the design in gates (or than the period, where that
    is longer) stay flip-flops. Power is that of `bits`, of shape (samples, inputs), else of
    random inputs; at `period_ns`, or at the delay of the slower design. `library` has the cells of
    the technology, where they are known.
    """
    if inputs is None:
        names = [x for x in aig.inputs if not x.startswith("Q:")]
        inputs = [Bus(CLOCK, 1), *(Bus(x, 1) for x in names)]
    if outputs is None:
        outputs = [Bus(x, 1) for x in aig.outputs if not x.startswith("D:")]
    held = tuple(x[2:] for x in aig.inputs if x.startswith("Q:"))
    graph = tidy(aig)
    # Both designs by the same scripts: those that take the whole, though what stays is smaller.
    variants = tuple(v for v in variants if graph.size <= v.largest) or (PLAIN,)
    progress("the design in gates")
    core, _ = map_graph(graph, technology, variants)
    core = replace(core, name=identifier(aig.name))
    plain = with_flipflops(core, technology, inputs, outputs)
    base = timing_of(plain, technology)
    library = library or flash_library(technology)
    prices = Prices(
        flipflop(technology)[0].area,
        technology.area(core.histogram()) / max(1, graph.size),
        library.footprint_um2,
        inverter_area(technology) or 0.0,
    )
    keep: set[str] = set()
    notes: list[str] = []
    limit = max(base.delay_ns, period_ns or 0.0)
    for round_ in range(_ROUNDS + 1):
        progress("flip-flops become flash cells")
        absorption = absorb(graph, prices, most_inputs, least_inputs, keep)
        library = _completed(library, absorption)
        cells = with_cells(technology, library.models)
        found = _mappings(absorption.rest, technology, variants, core.name)
        rest, netlist, timing = _in_time(
            (
                (rest, flash_netlist(rest, absorption.cells, cells, inputs, outputs))
                for rest in found
            ),
            cells,
            limit,
        )
        late = timing.delay_ns > limit
        source = _source(timing, netlist, cells, held) if late else None
        if source is None or source in keep or round_ == _ROUNDS:
            break
        keep.add(source)
    if late:
        notes.append(
            f"flash cells make the longest path {timing.delay_ns - base.delay_ns:.3f} ns longer"
        )
    if keep:
        notes.append(f"{len(keep)} flip-flops stay, as a cell would be late")
    period = period_ns or max(base.delay_ns, timing.delay_ns)
    progress("power by simulation")
    before = _activity(plain, technology, bits)
    power = power_of(plain, technology, before, period).total
    clocked = flash_cell().clock_energy_pj.get(flipflop(technology)[0].name, 0.0) / period
    kept = len(held) - flash_cell().ratios.power * len(absorption.cells)
    equal = equivalent_netlist(rest, absorption.cells, library.models, technology, inputs, outputs)
    share = 1 - flash_cell().ratios.area
    sized = technology.area(rest.histogram()) + sum(
        share * library.models[cell.gate].equivalent_um2 for cell in absorption.cells
    )
    sized += flipflop(technology)[0].area * (len(held) - len(absorption.cells))
    return FlashResult(
        Figures(technology.area(plain.histogram()), power + clocked * len(held), base.delay_ns),
        Figures(
            cells.area(netlist.histogram()),
            clocked * kept
            + _cell_power(equal, technology, _activity(equal, technology, bits), period),
            timing.delay_ns,
        ),
        absorption,
        netlist,
        cells,
        held,
        sized,
        period,
        before.label,
        clocked * period,
        library.footprint_um2,
        tuple(notes),
    )


def _mappings(
    graph: Aig, technology: Technology, variants: Sequence[Variant], name: str
) -> Iterator[Netlist]:
    """What stays in gates, by each script, smallest first; at last by one for speed.

    A design that only the plain script takes is too large for that one, too.
    """
    found: list[tuple[float, Netlist]] = []
    for variant in variants:
        with suppress(ToolFailed):  # A script that fails must not stop the others.
            netlist, point = map_graph(graph, technology, (variant,))
            found.append((point.size, netlist))
    for _, netlist in sorted(found, key=lambda pair: pair[0]):
        yield replace(netlist, name=name)
    if variants != (PLAIN,):
        yield replace(map_graph(graph, technology, (SPEED,))[0], name=name)


def _in_time(
    found: Iterator[tuple[Netlist, Netlist]], technology: Technology, limit_ns: float
) -> tuple[Netlist, Netlist, Timing]:
    """The first pair whose second netlist is in time, else the fastest; and its longest path."""
    best: tuple[Netlist, Netlist, Timing] | None = None
    for rest, netlist in found:
        timing = timing_of(netlist, technology)
        if best is None or timing.delay_ns < best[2].delay_ns:
            best = (rest, netlist, timing)
        if timing.delay_ns <= limit_ns:
            break
    assert best is not None, "one script at least has ended"
    return best


def _completed(library: FlashLibrary, absorption: Absorption) -> FlashLibrary:
    gates = {cell.gate for cell in absorption.cells} - set(library.models)
    if not gates:
        return library
    ordered = sorted(gates, key=lambda g: (g.weights, g.threshold))
    return flash_library(library.technology, [*library.models, *ordered])


def _activity(netlist: Netlist, technology: Technology, bits: NDArray[Any] | None) -> Activity:
    if bits is None:
        return clocked_activity(netlist, technology)
    return simulate_activity(netlist, technology, bits)


def _source(
    timing: Timing, netlist: Netlist, technology: Technology, held: Sequence[str]
) -> str | None:
    """The flash cell that a path begins at; None where it begins elsewhere."""
    if not timing.path:
        return None
    names = [unit.name for unit in netlist.flipflops(technology)]
    first = timing.path[0]
    is_cell = first.cell.startswith(FLASH) and first.instance in names
    return held[names.index(first.instance)] if is_cell else None


def _cell_power(
    equal: Netlist, technology: Technology, activity: Activity, period_ns: float
) -> float:
    """The power of a design with equivalents, of which theirs is scaled as published, mW.

    An equivalent takes what its instances and its clock pin take; what its output drives is the
    design's.
    """
    found = power_of(equal, technology, activity, period_ns)
    load, volts = net_loads(equal, technology), technology.voltage**2
    own = 0.0
    clock = flipflop(technology)
    for unit, power in zip(equal.instances, found.by_instance, strict=True):
        if not unit.name.startswith(EQUAL):
            continue
        own += power
        if technology.cell(unit.cell).kind == "flipflop":
            net = unit.net(clock[3])
            own -= activity.toggles[net] * load.get(net, 0.0) * volts / 2 / period_ns
            pin = clock[0].capacitance.get(clock[2], 0.0)
            own += activity.toggles[CLOCK] * pin * volts / 2 / period_ns
    return found.total - flash_cell().ratios.power * own
