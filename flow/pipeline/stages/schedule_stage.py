"""Stage `schedule`: the layers as binary neurons, each with its micro-program on the array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.tulip import listing
from flow.mapping.tulip.shape import parse_shape
from flow.pipeline.folder import write_file
from flow.pipeline.state import State, have
from flow.pipeline.tulip import plan_network, schedule_json, table_text


@dataclass(frozen=True)
class ScheduleArray:
    """Find the bits of the network, and give each layer its steps, memories and descriptors."""

    name = "schedule"

    def run(self, state: State, out: Path, own: Path) -> State:
        """schedule.json; steps.txt, programs.txt."""
        state.progress("layers become binary neurons, neurons become schedules")
        made = plan_network(have(state.network), parse_shape(state.config.array))
        write_file(out, "schedule.json", schedule_json(made))
        write_file(own, "steps.txt", table_text(made))
        write_file(own, "programs.txt", listing(made.plan))
        return replace(state, tulip=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Scheduling is quick and gives the same: it runs again."""
        return self.run(state, out, own)
