"""Stage `synthesise`: the circuit is mapped onto the cells of the technology."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.netlist_text import cell_models, netlist_json, netlist_verilog
from flow.pipeline.folder import write_file
from flow.pipeline.stages.emit_stage import ABC_SCRIPT, LIBERTY
from flow.pipeline.state import State, have
from flow.pipeline.synthesis import synthesise
from flow.tech.write_liberty import liberty_text

TECHNOLOGY = "technology.lib"
"""The cells as they were mapped onto, flip-flops included; `flow verify` reads them."""


@dataclass(frozen=True)
class Synthesise:
    """Map onto cells by several scripts, each run step by step; the smallest result stays."""

    name = "synthesise"

    def run(self, state: State, out: Path, own: Path) -> State:
        """netlist/, synth/cells.lib, synth/abc.script; an AIGER file for each step; areas.txt,
        technology.lib."""
        technology = have(state.technology)
        result = synthesise(have(state.circuit), technology, own, emission=have(state.emission))
        top = result.netlist.name
        write_file(out, f"netlist/{top}.v", netlist_verilog(result.netlist, technology))
        write_file(out, "netlist/cells.v", cell_models(result.netlist, technology))
        write_file(out, f"netlist/{top}.json", netlist_json(result.netlist, technology))
        write_file(out, LIBERTY, liberty_text(technology, combinational_only=True))
        write_file(out, ABC_SCRIPT, "".join(f"{command}\n" for command in result.script))
        write_file(own, TECHNOLOGY, liberty_text(technology))
        lines = [f"{name}: {area:.0f} um2\n" for name, area in result.areas]
        write_file(own, "areas.txt", "".join([*lines, f"chosen: {result.variant}\n"]))
        return replace(state, synthesis=result, notes=(*state.notes, *result.notes))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Synthesis runs again: its graphs are what the proofs go along."""
        return self.run(state, out, own)
