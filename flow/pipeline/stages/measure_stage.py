"""Stage `measure`: the netlist is simulated on the samples; area, power and timing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.folder import write_file
from flow.pipeline.measures import measure
from flow.pipeline.period import clock_period, timing_verdict
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import require_good, write_verdicts
from flow.verify.simulate import simulate_netlist


@dataclass(frozen=True)
class Measure:
    """Simulate the mapped netlist on the samples; measure area, power and timing."""

    name = "measure"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json and layers.txt; raises CheckFailed where the netlist disagrees."""
        verdicts = (simulate_netlist(out),) if state.config.simulator != "none" else ()
        require_good(verdicts)
        found = measure(
            have(state.circuit),
            have(state.emission),
            have(state.synthesis),
            have(state.technology),
            state.inputs,
            clock_period(state.config, state.recipe),
            vectors=state.samples is not None,
        )
        timing = timing_verdict(found.timing, state.config, state.recipe)
        if timing is not None:
            # A slow circuit is right all the same: the report says so, the build goes on.
            verdicts = (*verdicts, timing)
        write_verdicts(own, verdicts)
        rows = [
            f"{name}: {cells} cells, {area:.0f} um2, {power:.6g} mW\n"
            for name, (cells, area, power) in found.by_layer().items()
        ]
        write_file(own, "layers.txt", "".join(rows))
        return replace(state, verdicts=(*state.verdicts, *verdicts), measures=found)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Measuring is quick: it runs again."""
        return self.run(state, out, own)
