"""Stage `emit` of a project for HLS: the network goes through hls4ml; bench, vectors, README."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from flow.backends.emission import write_files
from flow.backends.hls_project import HlsAbout, hls_vectors, readme
from flow.pipeline.folder import write_file
from flow.pipeline.hls import layers_text, make_project
from flow.pipeline.lanes import lane_scales
from flow.pipeline.state import State, have
from flow.verify.hls import CHECK


@dataclass(frozen=True)
class EmitHls:
    """Hand the layers to hls4ml, and write its project with everything around it."""

    name = "emit"

    def run(self, state: State, out: Path, own: Path) -> State:
        """hls/, tb/, vectors/, README.md; layers.json, said.txt."""
        network = have(state.network)
        state.progress("hls4ml writes the project")
        project, files = make_project(network, state.config)
        write_files(files, out)
        scales = lane_scales(network)
        write_files(hls_vectors(network, state.inputs, state.expected, scales), out)
        write_file(own, "layers.json", layers_text(project.model))
        write_file(own, "said.txt", "".join(f"{line}\n" for line in project.said))
        state = replace(state, hls=project)
        write_files(readme_file(state, ()), out)
        return state

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """hls4ml runs again: equal layers give equal files."""
        return self.run(state, out, own)


def _unchecked(state: State) -> str:
    for verdict in state.verdicts:
        if verdict.check == CHECK:
            return "" if verdict.good else verdict.detail
    return "the build ended before"


def readme_file(state: State, facts: tuple[str, ...]) -> dict[PurePosixPath, str]:
    """README.md, with these facts."""
    config, project = state.config, have(state.hls)
    about = HlsAbout(
        f"The {have(state.source).format} model {have(config.model).name} for "
        f"{project.backend.title}.",
        facts,
        f"strategy {config.strategy}, reuse factor {config.reuse}",
        project.said,
        len(next(iter(state.inputs.values()))),
        _unchecked(state),
    )
    return {PurePosixPath("README.md"): readme(have(state.network), project.backend, about)}
