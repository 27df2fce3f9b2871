"""Stage `prove`: passes by algebra or SAT; Verilog, synthesis steps and netlist as a chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.state import State
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts


@dataclass(frozen=True)
class Prove:
    """Prove circuit = Verilog = mapped netlist, and every exact pass, within the time limit."""

    name = "prove"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where something is disproved."""
        verdicts = state.circuit_recipe.fabric.prove(state, out)
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: the same graphs were proved."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
