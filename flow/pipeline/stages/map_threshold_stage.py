"""Stage `map`: the design becomes a netlist of threshold gates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.ir.threshold_text import parse_threshold, print_threshold
from flow.pipeline.folder import write_file
from flow.pipeline.reading import read_text
from flow.pipeline.state import State, have
from flow.pipeline.threshold_mapping import map_design, map_gates, trials_text

NETLIST = "netlist/threshold.th"


@dataclass(frozen=True)
class MapThreshold:
    """Cover the graph with threshold gates of few inputs, and merge them."""

    name = "map"

    def run(self, state: State, out: Path, own: Path) -> State:
        """netlist/threshold.th, trials.txt."""
        limit = state.config.fan_in or None
        if state.neurons is not None:
            found = map_gates(state.neurons, limit)
        else:
            found = map_design(have(state.design), limit, state.config.effort, state.progress)
        write_file(out, NETLIST, print_threshold(found.netlist))
        write_file(own, "trials.txt", trials_text(found))
        return replace(state, threshold=found.netlist, threshold_trials=found.trials)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The netlist of the earlier build."""
        text = read_text(earlier.parent / NETLIST)
        write_file(out, NETLIST, text)
        write_file(own, "trials.txt", read_text(earlier / "trials.txt"))
        return replace(state, threshold=parse_threshold(text, NETLIST))
