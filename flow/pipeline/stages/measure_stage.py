"""Stage `measure`: the netlist is simulated on the samples; every figure of the fabric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.state import State
from flow.pipeline.verdicts import require_right, write_verdicts


@dataclass(frozen=True)
class Measure:
    """Simulate the mapped netlist on the samples; measure it."""

    name = "measure"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json and figures; raises CheckFailed where the netlist disagrees."""
        measured, verdicts = state.circuit_recipe.fabric.measure(state, out, own)
        require_right(verdicts)
        write_verdicts(own, verdicts)
        return replace(measured, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Measuring is quick: it runs again."""
        return self.run(state, out, own)
