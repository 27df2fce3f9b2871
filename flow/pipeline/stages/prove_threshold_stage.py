"""Stage `prove`: the netlist of threshold gates equals the design, and mutants of it do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.pipeline.state import State, have
from flow.pipeline.threshold_mapping import prove_mapping
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts


@dataclass(frozen=True)
class ProveThreshold:
    """Prove threshold netlist = design within the time limit; three mutants must be refused."""

    name = "prove"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where something is disproved."""
        state.progress("proving the netlist")
        source = have(state.design) if state.neurons is None else state.neurons
        verdict = prove_mapping(
            source, have(state.threshold), state.config.prove_limit, state.config.seed + 1
        )
        write_verdicts(own, (verdict,))
        require_good((verdict,))
        return replace(state, verdicts=(*state.verdicts, verdict))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: the same netlists were proved."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
