"""The target of projects for HLS: what it refuses, and the project of a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from flow.backends.hls_layers import HlsModel, hls_model
from flow.backends.hls_project import BACKENDS, PROJECT, HlsBackend, own_files, top_name
from flow.errors import UsageError
from flow.ir.network import Network
from flow.pipeline.config import BuildConfig
from flow.pipeline.state import Recipe
from flow.tools.hls4ml import HlsChoices, HlsLayer, part_name, write_project

CIRCUIT_OPTIONS = (
    "voltage", "liberty", "objective", "effort", "passes", "stages", "latency", "ii", "max_luts",
    "handshake", "axis", "interval", "prove_limit", "probes",
)  # fmt: skip
"""Choices of BuildConfig that only circuits have."""


@dataclass(frozen=True, kw_only=True)
class HlsRecipe(Recipe):
    """A project that a compiler for HLS turns into a circuit."""

    @property
    def tools(self) -> tuple[str, ...]:
        """hls4ml, and the compiler of the simulation."""
        return ("compiler", "hls4ml")

    def choose(self, config: BuildConfig) -> None:
        """No technology: the part is a name for hls4ml. UsageError at options of circuits."""
        usual = {field.name: field.default for field in fields(BuildConfig)}
        for name in CIRCUIT_OPTIONS:
            if getattr(config, name) != usual[name]:
                raise UsageError(
                    f"--{name.replace('_', '-')} is for circuits, the target {self.name} leaves "
                    "them to the compiler for HLS",
                    hint="leave it out, or build for asic, fpga or printed",
                )
        if config.simulator in ("icarus", "verilator"):
            raise UsageError(
                f"--simulator {config.simulator} runs Verilog, and a project for HLS is C++",
                hint="leave it out, or give none to skip the simulation",
            )
        if config.tech is not None and not part_name(config.tech):
            raise UsageError(
                f"--tech {config.tech!r} is no name of a part",
                hint="such as xcvu13p-flga2577-2-e",
            )


@dataclass(frozen=True)
class HlsProject:
    """The layers that hls4ml was given, its backend, and what it said."""

    model: HlsModel
    backend: HlsBackend
    said: tuple[str, ...]


def make_project(
    network: Network, config: BuildConfig
) -> tuple[HlsProject, dict[PurePosixPath, bytes | str]]:
    """The project with its files: `hls/` and the bench."""
    backend = BACKENDS[config.hls_backend]
    model = hls_model(network)
    choices = HlsChoices(
        backend.name, config.reuse, config.strategy, config.tech, config.period, backend.fixed
    )
    written, said = write_project(top_name(network), model.layers, model.outputs, choices)
    files: dict[PurePosixPath, bytes | str] = {PROJECT / p: text for p, text in written.items()}
    return HlsProject(model, backend, said), files | own_files(network, model, backend)


def layers_text(model: HlsModel) -> str:
    """The layers as JSON, a line each; of an array its shape."""
    rows = [f"  {json.dumps(_row(layer))}" for layer in model.layers]
    outputs = json.dumps(list(model.outputs))
    return '{"layers": [\n' + ",\n".join(rows) + f'\n], "outputs": {outputs}}}\n'


def _row(layer: HlsLayer) -> Mapping[str, Any]:
    row: dict[str, Any] = {
        "name": layer.name, "class": layer.kind, "inputs": layer.inputs, "shape": layer.shape,
        "types": {name: kind.text() for name, kind in layer.types.items()},
    }  # fmt: skip
    row |= {
        key: value if isinstance(value, (int, str, list)) else f"array {value.shape}"
        for key, value in layer.attributes.items()
    }
    if layer.call is not None:
        row |= {"function": layer.call.function, "constants": layer.call.constants}
    return row
