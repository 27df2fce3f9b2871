"""Stage `simulate` of a project for HLS: its C++ runs on every sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.hls_project import bench_arguments
from flow.errors import CheckFailed
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, write_verdicts
from flow.verify.hls import simulate_hls


@dataclass(frozen=True)
class SimulateHls:
    """Compile the C++ with a plain compiler, and run the user's samples through it."""

    name = "simulate"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where the C++ disagrees with the network."""
        backend = have(state.hls).backend
        skipped = "--simulator none" if state.config.simulator == "none" else ""
        samples = len(next(iter(state.inputs.values())))
        state.progress("C++ compiler and simulation")
        verdict = simulate_hls(out, bench_arguments(backend), samples, skipped or backend.unchecked)
        if verdict.bad:
            raise CheckFailed(
                f"{verdict.check}: {verdict.status}: {verdict.detail}",
                hint="nothing was written; please report it with the model",
            )
        write_verdicts(own, (verdict,))
        return replace(state, verdicts=(*state.verdicts, verdict))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdict of the earlier build: its C++ was made of the same network."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))
