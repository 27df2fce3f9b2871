"""Stage `prove`: passes by algebra or SAT; Verilog, synthesis steps and netlist as a chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.proving import prove_design
from flow.pipeline.reading import read_text
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts


@dataclass(frozen=True)
class Prove:
    """Prove circuit = Verilog = mapped netlist, and every exact pass, within the time limit."""

    name = "prove"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where something is disproved."""
        synthesis = have(state.synthesis)
        verdicts = prove_design(
            have(state.circuit),
            have(state.emission),
            have(state.technology),
            state.steps,
            steps=synthesis.steps,
            netlist=read_text(out / "netlist" / f"{synthesis.netlist.name}.v"),
            held=synthesis.held,
            limit_s=state.config.prove_limit,
            seed=state.config.seed + 1,
        )
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: the same graphs were proved."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
