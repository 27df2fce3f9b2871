"""The stages of a network on the target lpu: hardwire, emit, prove, report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.bench import bench_files
from flow.backends.emission import write_files
from flow.backends.hardwired_levels import emit_wired
from flow.backends.project import About, project_files
from flow.backends.vectors import vector_files
from flow.ir.text import print_circuit
from flow.pipeline.comparing import require_equal
from flow.pipeline.folder import write_file
from flow.pipeline.lanes import lane_scales
from flow.pipeline.neuron_chip import neuron_record, notes, prove_neurons, wire_network
from flow.pipeline.provenance import header_of
from flow.pipeline.stages.emit_stage import ports_text
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts
from flow.report.codec import to_json
from flow.report.html import to_html


@dataclass(frozen=True)
class Hardwire:
    """Cut the circuit into levels: weighted sums become neurons, the rest logic between."""

    name = "hardwire"

    def run(self, state: State, out: Path, own: Path) -> State:
        """A file for each part of logic; the wires give the network's answer to every sample."""
        state.progress("wires of every neuron")
        wired = wire_network(have(state.network), have(state.lowered), state.config.seed)
        require_equal("the wired network", wired.answers(state.inputs), state.expected)
        for name, part in wired.parts.items():
            write_file(own, f"{name}.flow", print_circuit(part))
        return replace(state, wired=wired)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Wiring is quick: it runs again."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class EmitNeurons:
    """Write the Verilog, with everything that a hardware engineer expects around it."""

    name = "emit"

    def run(self, state: State, out: Path, own: Path) -> State:
        """rtl/, tb/, vectors/, constraints/, synth/, file lists, README.md; ports.txt."""
        header = header_of(state.config)
        emission = emit_wired(have(state.wired), header=header)
        samples = len(next(iter(state.inputs.values())))
        emission.write(out)
        write_files(bench_files(emission, samples, state.config.seed + 1), out)
        scales = lane_scales(have(state.network))
        write_files(vector_files(emission, state.inputs, state.expected, scales), out)
        write_files(project_files(emission, _about(state, ())), out)
        write_file(own, "ports.txt", ports_text(emission))
        return replace(state, emission=emission)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Emission is pure and quick: it runs again."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class ProveNeurons:
    """Prove that wires are weights, that neurons are counters, and that logic is its Verilog."""

    name = "prove"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where something is disproved."""
        verdicts = prove_neurons(
            have(state.wired), have(state.emission), state.config.prove_limit, state.config.seed,
            state.progress,
        )  # fmt: skip
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: the same texts were proved."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))


@dataclass(frozen=True)
class WriteNeuronReport:
    """Write report.json, report.html, and the figures into README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt."""
        made = neuron_record(state)
        write_file(out, "report.json", to_json(made))
        write_file(out, "report.html", to_html(made))
        facts = [*notes(have(state.wired)), f"Checks: {made.verdict}"]
        if made.accuracy is not None:
            samples = f"on {made.accuracy.samples} samples"
            facts.insert(0, f"Accuracy {made.accuracy.circuit:.4f} {samples}")
        write_files(project_files(have(state.emission), _about(state, tuple(facts))), out)
        write_file(own, "verdict.txt", f"{made.verdict}\n")
        return replace(state, report=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reporting is quick: it runs again."""
        return self.run(state, out, own)


def _about(state: State, facts: tuple[str, ...]) -> About:
    model = have(state.config.model).name
    return About(
        description=f"Hardwired neurons of the {have(state.source).format} model {model}.",
        facts=facts,
        samples=len(next(iter(state.inputs.values()))),
    )
