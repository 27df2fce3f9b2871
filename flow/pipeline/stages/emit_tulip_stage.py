"""Stage `emit` of the array: RTL, memory images, benches with the user's samples, README."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from flow.backends.emission import write_files
from flow.backends.render import fill
from flow.backends.tulip import emit_tulip
from flow.backends.vectors import npy
from flow.pipeline.folder import write_file
from flow.pipeline.lanes import port_inputs
from flow.pipeline.provenance import header_of
from flow.pipeline.state import State, have
from flow.pipeline.tulip import array_inputs, table_text


@dataclass(frozen=True)
class EmitTulip:
    """Write the array and everything that runs whole samples through it."""

    name = "emit"

    def run(self, state: State, out: Path, own: Path) -> State:
        """rtl/, mem/, tb/, vectors/, README.md."""
        made, network = have(state.tulip), have(state.network)
        header = header_of(state.config)
        answers = next(iter(state.expected.values()))
        inputs = array_inputs(network, port_inputs(network, state.inputs))
        emission = emit_tulip(made.plan, network.name, inputs, answers, header)
        write_files(emission.files, out)
        lanes = np.concatenate([np.asarray(v) for v in state.inputs.values()], axis=1)
        write_file(out / "vectors", "inputs.npy", npy(lanes))
        write_file(out / "vectors", "expected.npy", npy(answers))
        state = replace(state, tulip=replace(made, emission=emission))
        write_files(readme_file(state, ()), out)
        return state

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Emission is pure and quick: it runs again."""
        return self.run(state, out, own)


def readme_file(state: State, facts: tuple[str, ...]) -> dict[PurePosixPath, str]:
    """README.md, with these facts."""
    made = have(state.tulip)
    emission = have(made.emission)
    text = fill(
        "tulip/README.md.j2",
        top=emission.top,
        model=have(state.config.model).name,
        format=have(state.source).format,
        facts=facts,
        p=emission.parameters,
        table=table_text(made),
        samples=len(next(iter(state.inputs.values()))),
    )
    return {PurePosixPath("README.md"): text}
