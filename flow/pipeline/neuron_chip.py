"""Networks of the other frontends on the target lpu: what is refused, areas, proofs, the record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from flow.backends.bitblast import bitblast, buses
from flow.backends.emission import Emission
from flow.backends.hardwired import WIRES, read_wires
from flow.backends.hardwired_levels import prefix
from flow.backends.verilog import emit_verilog
from flow.errors import FlowError, UsageError
from flow.ir.circuit import Circuit
from flow.ir.network import Network
from flow.mapping.hardwired.counts import cell_counts
from flow.mapping.hardwired.embedding import unwired
from flow.mapping.hardwired.levels import Wired, hardwire
from flow.mapping.hardwired.neuron import hardwired
from flow.passes.base import PassManager, check_exact
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.config import BuildConfig
from flow.pipeline.folding import weighted_layers
from flow.pipeline.neuron_cells import map_cells, prove_verilog
from flow.pipeline.planning import CELLS, LIBRARY
from flow.pipeline.recording import layer_row, measured_accuracy, summary
from flow.pipeline.state import Recipe, State, have
from flow.progress import Progress, silent
from flow.report.record import (
    Area,
    CellCount,
    Check,
    Fact,
    Latency,
    LayerRow,
    Record,
    Technology,
)
from flow.tech.registry import load
from flow.verify.chain import prove_chain
from flow.verify.verdict import Verdict

PASSES = "adders"
"""What makes logic of the parts between neurons."""
NAND = "sky130_fd_sc_hd__nand2_1"
MUX = "sky130_fd_sc_hd__mux2_1"
INVERTER = "sky130_fd_sc_hd__inv_1"
REFUSED = (
    "tech", "voltage", "liberty", "objective", "effort", "passes", "stages", "latency", "ii",
    "max_luts", "handshake", "axis", "interval", "period", "hls_backend", "reuse", "strategy",
    "harden", "code", "rounding", "tokenizer", "rows",
    "slack", "base",
)  # fmt: skip
"""Choices of BuildConfig that mean nothing to a network of hardwired neurons."""


@dataclass(frozen=True, kw_only=True)
class NeuronRecipe(Recipe):
    """A network whose weighted sums are hardwired neurons."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The simulators, the readers of Verilog, and what maps and proves."""
        return ("icarus", "verilator", "yosys", "abc")

    def choose(self, config: BuildConfig) -> None:
        """No technology: areas are in cells of sky130. UsageError at options of others."""
        for name in REFUSED:
            if getattr(config, name) != getattr(BuildConfig, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} means nothing to a network on the target "
                    f"{self.name}",
                    hint="leave it out, or build for asic, fpga or printed",
                )


def wire_network(network: Network, lowered: Circuit, seed: int) -> Wired:
    """The network's circuit with its weighted sums as neurons, every pass compared on vectors."""

    def better(_: str, part: Circuit) -> Circuit:
        return PassManager(parse_pipeline(PASSES), (check_exact(seed=seed),)).run(part)

    return hardwire(lowered, weighted_layers(network)).improved(better)


def prove_neurons(
    wired: Wired, emission: Emission, limit_s: float, seed: int, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """Of each level: its wires in the text are the layer's weights, its neuron is what it should
    be; and every part between is its Verilog.

    The controller and the enables of registers are simulated, with gaps and pauses, not proved.
    """
    begin = time.monotonic()
    verdicts: list[Verdict] = []
    for index, level in enumerate(wired.levels):
        verdicts.append(_wires(wired, emission, index))
        progress(f"proof of the neuron of level {index}", index, len(wired.levels))
        left = max(1.0, limit_s - (time.monotonic() - begin))
        found = prove_verilog(hardwired(level.wiring.base), left)
        check = f"{found.check}, level {index}"
        verdicts.append(Verdict(check, found.status, found.detail, found.seconds))
    for k, (name, part) in enumerate(wired.parts.items()):
        progress(f"proofs of {name}", k, len(wired.parts))
        module = emit_verilog(replace(part, name=f"{emission.top}_{name}"))
        own = {path: emission.files[path] for path in module.files}
        left = max(1.0, limit_s - (time.monotonic() - begin))
        text = Emission(own, module.top, module.ports)
        links = prove_chain(part, text, timeout_s=left, seed=seed + k)
        verdicts += [Verdict(f"{v.check}, {name}", v.status, v.detail, v.seconds) for v in links]
    return tuple(verdicts)


def _wires(wired: Wired, emission: Emission, index: int) -> Verdict:
    """The text of the wires, taken back to weights and biases."""
    begin = time.monotonic()
    level = wired.levels[index]
    name = f"{prefix(emission.top, index)}{WIRES}"
    text = next(str(t) for path, t in emission.files.items() if path.name == name)
    check = f"wires = weights of {', '.join(level.layers)}"
    try:
        inputs = len(level.reads)
        read = unwired(read_wires(text, level.wiring.base, inputs), inputs)
    except FlowError as error:
        return Verdict(check, "failed", error.message, time.monotonic() - begin)
    same = all(
        np.array_equal(one, other)
        for one, other in zip(read, (level.weights, level.biases), strict=True)
    )
    detail = f"{np.count_nonzero(read[0])} wires and {len(read[1])} biases, read from {name}"
    seconds = time.monotonic() - begin
    return Verdict(check, "proved" if same else "disproved", detail, seconds)


@dataclass(frozen=True, slots=True)
class Block:
    """A part in cells of the library by name; `layer` is the layer that it computes, if one."""

    name: str
    what: str
    cells: Mapping[str, int]
    layer: str | None = None


def blocks(wired: Wired, emission: Emission, progress: Progress = silent) -> tuple[Block, ...]:
    """Arrays as their netlists are, logic as ABC maps it, registers and what picks a bit."""
    found = []
    for level in wired.levels:
        cells: Counter[str] = Counter({INVERTER: len(level.reads)})
        for kind, count in cell_counts(level.wiring.base).items():
            cells[CELLS[kind]] += count * len(level.wiring.ports)
        cells[MUX] += (wired.interval - 1) * len(level.reads)
        name = ", ".join(level.layers)
        only = level.layers[0] if len(level.layers) == 1 else None
        found.append(Block(name, "hardwired neurons", cells, only))
    library = load(LIBRARY)
    held = wired.interval.bit_length() + len(wired.levels) + 1
    for name, part in wired.parts.items():
        progress(f"cells of {name}")
        held += sum(port.width for port in emit_verilog(part).outputs)
        graph = bitblast(part)
        if graph.size:
            mapped = map_cells(graph, *buses(part, None), library)
            found.append(Block(name, "logic between", mapped.netlist.histogram()))
    return (*found, Block("registers", "buffers and controller", {CELLS["dff"]: held}))


def neuron_record(state: State) -> Record:
    """Areas by level, clocks, accuracy, checks."""
    wired, network = have(state.wired), have(state.network)
    library = load(LIBRARY)
    found = blocks(wired, have(state.emission), state.progress)
    total: Counter[str] = Counter()
    for block in found:
        total.update(block.cells)
    cells = tuple(
        CellCount(name, count, library.cells[name].area * count)
        for name, count in sorted(total.items())
        if count
    )
    um2 = sum(cell.area_um2 or 0.0 for cell in cells)
    layers = {layer.name: layer for layer in network.layers}
    rows = []
    for block in found:
        area = library.area(block.cells)
        count = sum(block.cells.values())
        if block.layer in layers:
            adders = block.cells.get(CELLS["fa"], 0) + block.cells.get(CELLS["ha"], 0)
            rows.append(layer_row(network, layers[block.layer], adders, count, area))
        else:
            rows.append(LayerRow(block.name, block.what, (), 0, 0, 0, 0, count, area, None))
    data = state.samples
    return Record(
        summary=summary(state, Technology(f"cells of {LIBRARY}", None, "", library.source)),
        accuracy=measured_accuracy(state),
        area=Area(um2, um2 / library.cells[NAND].area, cells),
        power=None,
        timing=None,
        latency=Latency(wired.latency, wired.interval),
        sources=(),
        layers=tuple(rows),
        widths=(),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=(*state.notes, *notes(wired)),
        provenance=(
            Fact("format of the model", have(state.source).format),
            *(() if data is None else (Fact("sha256 of the data", data.sha256),)),
        ),
        quantisation=state.quantisation,
    )


def notes(wired: Wired) -> tuple[str, ...]:
    """What a reader should know of the neurons."""
    weights = sum(int(np.count_nonzero(level.weights)) for level in wired.levels)
    ports = sum(level.wiring.ports.size for level in wired.levels)
    neurons = sum(len(level.wiring.ports) for level in wired.levels)
    return (
        f"{neurons} hardwired neurons with {weights} weights on {ports} ports; a bit of every "
        f"input a clock, {wired.interval} clocks a layer",
        "areas are cells as they are counted, before placement; arrays are not resynthesised",
    )
