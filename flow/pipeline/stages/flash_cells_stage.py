"""Stage `cells`: flip-flops with their logic become flash cells, programmed and proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.assets import asset
from flow.backends.flash_spice import flash_deck
from flow.backends.flash_verilog import flash_verilog
from flow.backends.names import identifier
from flow.backends.netlist_text import cell_models
from flow.errors import UsageError
from flow.ir.aig import Aig
from flow.ir.netlist import CLOCK, flipflop
from flow.mapping.flash.functions import MOST_INPUTS
from flow.mapping.flash.netlist import FLASH, cell_name
from flow.mapping.flash.programming import Programmed, program_text
from flow.mapping.flash.voltages import Voltages, best_voltages, robustness
from flow.pipeline.flash_result import FlashResult, cell_delays, flash_result
from flow.pipeline.folder import write_file
from flow.pipeline.state import State, have
from flow.pipeline.variants import CHOICES, REWRITE, SQUEEZE, TIGHT
from flow.pipeline.verdicts import require_good, write_verdicts
from flow.tech.technology import Technology
from flow.verify.flash_cells import check_cells, check_program, prove_cells

PROGRAM = "flash/program.txt"
_MOST_FLIPFLOPS = 20_000
_SCRIPTS = {
    "fast": (CHOICES,),
    "normal": (CHOICES, REWRITE, SQUEEZE),
    "high": (CHOICES, REWRITE, SQUEEZE, TIGHT),
}


@dataclass(frozen=True)
class FlashCells:
    """Absorb flip-flops into flash cells, and compare with the same design in gates alone."""

    name = "cells"

    def run(self, state: State, out: Path, own: Path) -> State:
        """netlist/flash.v, netlist/cells.v, rtl/tl_ff.v, flash/; verdicts.json."""
        technology, why = state.technology, _why_not(state)
        if why:
            write_verdicts(own, ())
            return replace(state, notes=(*state.notes, why))
        assert isinstance(technology, Technology)
        graph = with_plain_names(have(state.design).graph)
        most = min(state.config.fan_in or MOST_INPUTS, MOST_INPUTS)
        result = flash_result(
            graph, technology, most_inputs=most, variants=_SCRIPTS[state.config.effort],
            progress=state.progress,
        )  # fmt: skip
        gates = sorted(
            {cell.gate for cell in result.absorption.cells}, key=lambda g: (g.weights, g.threshold)
        )
        state.progress("threshold voltages")
        voltages = {gate: best_voltages(gate, seed=state.config.seed + 1) for gate in gates}
        delays = cell_delays(result)
        cells = result.absorption.cells
        program = program_text(
            [Programmed(c.name, voltages[c.gate], delays[c.name]) for c in cells]
        )
        text = flash_verilog(result.netlist, result.technology)
        write_file(out, "netlist/flash.v", text)
        write_file(out, "netlist/ports.txt", ports_text(have(state.design).graph, graph))
        plain = [n for n in result.netlist.histogram() if not n.startswith(FLASH)]
        write_file(out, "netlist/cells.v", cell_models(plain, technology))
        write_file(out, "rtl/tl_ff.v", asset("rtl", "tl_ff.v").read_text("utf-8"))
        write_file(out, PROGRAM, program)
        write_file(out, "flash/cells.txt", cells_text(list(voltages.values()), result))
        for gate, found in voltages.items():
            write_file(out, f"flash/{cell_name(gate).lower()}.cir", flash_deck(found))
        verdicts = (
            prove_cells(
                graph, text, result.technology, result.held,
                timeout_s=state.config.prove_limit, seed=state.config.seed + 1,
            ),
            check_program(program, cells),
            check_cells(list(voltages.values()), progress=state.progress),
        )  # fmt: skip
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(
            state, flash=result, verdicts=(*state.verdicts, *verdicts),
            notes=(*state.notes, *flash_notes(result)),
        )  # fmt: skip

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Everything anew: the figures come of the netlists, which are not read back."""
        return self.run(state, out, own)


def with_plain_names(graph: Aig) -> Aig:
    """The graph with inputs and outputs that Verilog can name; flip-flops keep their names."""
    known = {CLOCK, "tl_ff"}

    def plain(name: str) -> str:
        if name[:2] in ("Q:", "D:"):
            return name
        base = new = identifier(name)
        count = 1
        while new in known:
            count += 1
            new = f"{base}_{count}"
        known.add(new)
        return new

    return replace(
        graph,
        name=identifier(graph.name),
        inputs=tuple(map(plain, graph.inputs)),
        outputs=tuple(map(plain, graph.outputs)),
    )


def ports_text(design: Aig, graph: Aig) -> str:
    """A line for each port of the netlist: its name there, and that of the design."""
    pairs = [*zip(graph.inputs, design.inputs, strict=True)]
    pairs += zip(graph.outputs, design.outputs, strict=True)
    return "".join(f"{new} {old}\n" for new, old in pairs if new[:2] not in ("Q:", "D:"))


def cells_text(voltages: list[Voltages], result: FlashResult) -> str:
    """A line for each different cell: its use, method, margin, yield and voltages."""
    count: dict[object, int] = {}
    for cell in result.absorption.cells:
        count[cell.gate] = count.get(cell.gate, 0) + 1
    lines = []
    for one in voltages:
        robust = robustness(one)
        lines.append(
            f"{cell_name(one.gate)}: {count[one.gate]} cells, {one.method}, "
            f"margin {one.margin_ua:.1f} uA, right in {robust.right} of {robust.samples} samples, "
            f"left {' '.join(map(str, one.left))} mV, right {' '.join(map(str, one.right))} mV\n"
        )
    return "".join(lines)


def flash_notes(result: FlashResult) -> tuple[str, ...]:
    """What the cells save, a line each."""
    before, after, found = result.gates_only, result.with_cells, result.absorption
    return (
        f"{len(found.cells)} of {found.flipflops} flip-flops ({found.share:.0%}) and the gates "
        "before them are flash threshold cells",
        f"area with flash cells {after.area_um2:.0f} um2, without {before.area_um2:.0f} um2 "
        f"({-result.saved_area:+.1%})",
        f"power with flash cells {after.power_mw:.4g} mW, without {before.power_mw:.4g} mW "
        f"({-result.saved_power:+.1%}), {result.activity}, a clock each {result.period_ns:.3g} ns",
        f"longest path with flash cells {after.delay_ns:.3g} ns, without {before.delay_ns:.3g} ns",
        "flash cells have the published ratios to their static CMOS equivalent "
        f"({result.ratios}); one footprint of {result.footprint_um2:.1f} um2",
        *result.notes,
    )


def _why_not(state: State) -> str:
    """Why there are no flash cells in this design; empty where there can be some."""
    if state.design is None:
        return "no flash cells: the design is given as threshold gates"
    count = len(state.design.flipflops)
    if not count:
        return "no flash cells: the design has no flip-flop"
    if count > _MOST_FLIPFLOPS:
        return f"no flash cells: {count} flip-flops are more than are looked at"
    assert isinstance(state.technology, Technology)
    try:
        flipflop(state.technology)
    except UsageError as error:
        return f"no flash cells: {error.message}"
    return ""
