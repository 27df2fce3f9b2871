"""The target of the threshold-logic array: what it refuses, the plan of a network, its table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flow.analysis.binary_layers import binary_inputs, binary_layers
from flow.backends.tulip import TulipEmission
from flow.errors import UnsupportedModel, UsageError
from flow.ir.binary import BinaryLayer, Neurons
from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.mapping.tulip.bound import count_bound
from flow.mapping.tulip.plan import Plan, Planned, make_plan
from flow.mapping.tulip.shape import ArrayShape, parse_shape
from flow.mapping.tulip.timeline import timeline
from flow.pipeline.config import BuildConfig
from flow.pipeline.state import Recipe

REFUSED = (
    "tech", "voltage", "liberty", "objective", "effort", "passes", "stages", "latency", "ii",
    "max_luts", "handshake", "axis", "interval", "period", "hls_backend", "reuse", "strategy",
)  # fmt: skip
"""Choices of BuildConfig that mean nothing to a programmed array."""


@dataclass(frozen=True, kw_only=True)
class TulipRecipe(Recipe):
    """An array of binary-neuron processing elements, programmed for a network."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The simulators and the readers of Verilog."""
        return ("icarus", "verilator", "yosys")

    def choose(self, config: BuildConfig) -> None:
        """No technology: the RTL is for any. UsageError at options of circuits, and no array."""
        for name in REFUSED:
            if getattr(config, name) != getattr(BuildConfig, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} means nothing to the array of the target "
                    f"{self.name}, which is programmed",
                    hint="leave it out, or build for asic, fpga or printed",
                )
        parse_shape(config.array)


@dataclass(frozen=True)
class LayerSteps:
    """A layer on the array: steps at one position beside their lower bound, and its clocks.

    `bound` and `ratio` are of neurons of bits only; `clocks` are those of a batch.
    """

    layer: str
    kind: str
    inputs: int
    neurons: int
    positions: int
    tiles: int
    steps: int
    bound: int | None
    ratio: float | None
    clocks: int
    kernel_words: int


@dataclass(frozen=True)
class TulipBuild:
    """The binary layers of a network, their plan, and what was emitted for it."""

    layers: tuple[BinaryLayer, ...]
    plan: Plan
    emission: TulipEmission | None = None

    def table(self) -> tuple[LayerSteps, ...]:
        """The layers in order, in the third batch: the memories are filled by then."""
        times = timeline(self.plan, 3)[2]
        rows = zip(self.plan.layers, times.layers, strict=True)
        return tuple(layer_steps(planned, clocks) for planned, clocks in rows)

    def cycles(self) -> tuple[int, int]:
        """Clocks of the first batch until its answers, and between two batches."""
        times = timeline(self.plan, 4)
        return times[0].finished, times[3].finished - times[2].finished


def layer_steps(planned: Planned, clocks: int) -> LayerSteps:
    """The row of a layer that takes so many clocks in a batch."""
    bound = ratio = None
    if planned.kind == "count":
        bound = count_bound(planned.inputs).steps
        ratio = round(planned.steps / bound, 4)
    return LayerSteps(
        planned.name, planned.kind, planned.inputs, planned.neurons, planned.positions,
        planned.tiles, planned.steps, bound, ratio, clocks, planned.kernel_words,
    )  # fmt: skip


def array_of(manifest: Mapping[str, Any]) -> ArrayShape:
    """The array that a manifest says was built; UsageError where it says of none."""
    choices = manifest.get("choices")
    text = choices.get("array", BuildConfig.array) if isinstance(choices, dict) else None
    if not isinstance(text, str):
        raise UsageError("the manifest does not say which array was built")
    return parse_shape(text)


def plan_network(network: Network, shape: ArrayShape | None = None) -> TulipBuild:
    """The network on an array, 32 x 8 by default.

    UnsupportedModel where a layer is not binary, or does not fit.
    """
    layers = binary_layers(network)
    integer = any(isinstance(layer, Neurons) and layer.integer for layer in layers)
    lo = min(int(layer.tensor.lo.min()) for layer in network.inputs)
    hi = max(int(layer.tensor.hi.max()) for layer in network.inputs)
    size = sum(layer.tensor.size for layer in network.inputs)
    if integer and max(hi.bit_length(), lo.bit_length()) > 16:
        raise UnsupportedModel(
            f"the input has integers from {lo} to {hi}, and the MACs take 16 bits",
            hint="give the input fewer bits with --input-bits",
        )
    return TulipBuild(layers, make_plan(layers, size, (lo, hi) if integer else (0, 1), shape))


def array_inputs(network: Network, inputs: Mapping[str, IntArray]) -> IntArray:
    """Inputs by name as the array reads them (samples, elements)."""
    read = binary_inputs(network, inputs)
    return np.concatenate([array.reshape(len(array), -1) for array in read], axis=1)


def table_text(build: TulipBuild) -> str:
    """The table as text: what a neuron takes, its lower bound, clocks."""
    head = "layer", "kind", "inputs", "neurons", "positions", "steps", "bound", "ratio", "clocks"
    rows = [head]
    for row in build.table():
        bound = "" if row.bound is None else str(row.bound)
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        rows.append(
            (
                row.layer, row.kind, str(row.inputs), str(row.neurons), str(row.positions),
                str(row.steps), bound, ratio, str(row.clocks),
            )
        )  # fmt: skip
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def schedule_json(build: TulipBuild) -> str:
    """Everything that is known of the schedule, for machines."""
    first, steady = build.cycles()
    shape = build.plan.shape
    made: dict[str, Any] = {
        "array": {"rows": shape.rows, "cols": shape.cols, "macs": shape.macs * shape.cols},
        "samples_per_batch": shape.cols,
        "clocks_of_first_batch": first,
        "clocks_of_a_batch": steady,
        "program_words": sum(map(len, build.plan.programs)),
        "image_words": build.plan.image_words,
        "kernel_words": sum(tile.words for tile in build.plan.tiles),
        "scores": "class of the largest"
        if build.plan.argmax
        else {"factors": build.plan.host[0], "summands": build.plan.host[1]},
        "layers": [asdict(row) for row in build.table()],
    }
    return json.dumps(made, indent=1) + "\n"


def notes(build: TulipBuild) -> tuple[str, ...]:
    """What the report says of the schedule, a line each."""
    first, steady = build.cycles()
    cols = build.plan.shape.cols
    lines = [
        f"{steady} clocks for {cols} samples, {steady / cols:.1f} a sample; "
        f"the first answers after {first} clocks",
    ]
    for row in build.table():
        bound = "" if row.bound is None else f", lower bound {row.bound} (ratio {row.ratio:.3f})"
        plural = "" if row.positions == 1 else "s"
        lines.append(
            f"{row.layer}: {row.neurons} neurons of {row.inputs} inputs at {row.positions} "
            f"position{plural}, {row.steps} steps each{bound}; {row.clocks} clocks a batch"
        )
    return tuple(lines)
