"""Stage `synthesise`: the circuit is mapped onto its fabric: cells, or look-up tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flow.pipeline.state import State


@dataclass(frozen=True)
class Synthesise:
    """Map onto the cells of the library or the look-up tables of the FPGA family."""

    name = "synthesise"

    def run(self, state: State, out: Path, own: Path) -> State:
        """netlist/, synth/, and what the fabric says of its steps."""
        return state.circuit_recipe.fabric.synthesise(state, out, own)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Synthesis runs again: its graphs are what the proofs go along."""
        return self.run(state, out, own)
