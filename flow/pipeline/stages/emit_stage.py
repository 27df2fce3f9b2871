"""Stage `emit`: Verilog, benches, vectors, constraints and scripts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flow.analysis.latency import latency
from flow.backends.axis import with_axis
from flow.backends.bench import bench_files
from flow.backends.emission import Emission, write_files
from flow.backends.folded import emit_folded
from flow.backends.project import About, project_files
from flow.backends.vectors import Sides, vector_files
from flow.backends.verilog import emit_verilog
from flow.backends.weight_store import with_store
from flow.passes.base import uncollected
from flow.pipeline.folder import write_file
from flow.pipeline.lanes import lane_scales, port_answers
from flow.pipeline.provenance import header_of
from flow.pipeline.state import State, have
from flow.pipeline.synthesis import Synthesis
from flow.tech.part import Part
from flow.tech.technology import Technology
from flow.tech.write_liberty import time_unit
from flow.verify.probes import probe_inputs

LIBERTY = "synth/cells.lib"
ABC_SCRIPT = "synth/abc.script"


@dataclass(frozen=True)
class Emit:
    """Write the circuit as Verilog, with everything that a hardware engineer expects around it."""

    name = "emit"

    @uncollected()
    def run(self, state: State, out: Path, own: Path) -> State:
        """rtl/, tb/, vectors/, constraints/, synth/, file lists, README.md; ports.txt."""
        circuit = have(state.circuit)
        header = header_of(state.config)
        handshake = state.config.handshake and latency(circuit) > 0
        if state.folding is not None:
            emission = emit_folded(state.folding.folded, header=header)
        else:
            emission = emit_verilog(circuit, header=header, handshake=handshake)
        if state.config.axis:
            emission = with_axis(emission)
        if state.freed is not None:
            emission = with_store(emission, emission.inputs[-1].source, state.config.tmr)
        inputs, expected = state.inputs, state.expected
        probes = bench_probes(state)
        count = len(next(iter(probes[0].values()))) if probes is not None else 0
        samples = len(next(iter(inputs.values())))
        emission.write(out)
        write_files(bench_files(emission, samples, state.config.seed + 1, count), out)
        scales = lane_scales(have(state.network))
        write_files(vector_files(emission, inputs, expected, scales, probes), out)
        state = replace(state, probes=count)
        write_files(project_files(emission, about(state, ())), out)
        write_file(own, "ports.txt", ports_text(emission))
        return replace(state, emission=emission)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Emission is pure and quick: it runs again."""
        return self.run(state, out, own)


def bench_probes(state: State) -> Sides | None:
    """Inputs for the benches beside the samples, and their answers, by port; None without any.

    A circuit whose weights are loaded has none: its benches draw weights of their own.
    """
    if not state.config.probes or state.freed is not None:
        return None
    answers = partial(port_answers, have(state.network))
    chance = state.config.seed + 1
    found = probe_inputs(
        have(state.circuit), state.inputs, answers, state.config.probes, chance
    )  # fmt: skip
    return (found, answers(found)) if found and len(next(iter(found.values()))) else None


def about(state: State, facts: tuple[str, ...]) -> About:
    """What the project files say of the circuit."""
    config, recipe = state.config, state.circuit_recipe
    technology = state.target
    cells = isinstance(technology, Technology)
    interval = config.interval or recipe.interval
    return About(
        description=(
            f"Circuit of the {have(state.source).format} model {have(config.model).name} "
            f"for {technology.title}."
        ),
        facts=facts,
        period_ns=config.period or interval * 1e6,
        samples=len(next(iter(state.inputs.values()))),
        probes=state.probes,
        liberty=LIBERTY if cells else None,
        abc_script=ABC_SCRIPT if cells else None,
        mapping=mapping_text(state.synthesis) if state.synthesis is not None else (),
        time_unit=time_unit(technology) if isinstance(technology, Technology) else "ns",
        synthesis=technology.synthesis if isinstance(technology, Part) else None,
    )


def mapping_text(made: Synthesis) -> tuple[str, ...]:
    """How far synth/yosys.ys is from the netlist of the build, in lines."""
    own = next(point.size for point in made.points if point.script == made.variant)
    lines = (
        "The netlist of this build, netlist/, is flow's own mapping: adders that are cut out of",
        "the graph become cells, ABC maps the rest, and the best of several scripts is kept.",
        f"It has {own:.0f} um2 of cells without flip-flops. synth/yosys.ys is a start for a flow",
        "of your own: Yosys reads the Verilog, and ABC maps all of it, adders too.",
    )
    if (alone := made.portable) is None:
        return (*lines, "How much larger its result is was not tried on so large a circuit.")
    more = f", {100 * (alone.point.size / own - 1):+.1f} %" if own else ""
    return (
        *lines,
        f"On flow's graph its script, synth/abc.script, gives {alone.point.size:.0f} um2{more};",
        "what Yosys reads is another graph of the same function: expect 5 % to either side.",
    )


def ports_text(emission: Emission) -> str:
    """Direction, name, lanes, bits and latency, a line a port."""
    rows = [
        f"{port.direction} {port.name}: {len(port.lanes)} lanes, {port.width} bits\n"
        for port in emission.ports
    ]
    return "".join([*rows, f"latency {emission.latency}\n"])
