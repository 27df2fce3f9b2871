"""Stage `report` of a project for HLS: what is known before the vendor's compiler runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.emission import write_files
from flow.pipeline.folder import write_file
from flow.pipeline.recording import layer_row, measured_accuracy, summary
from flow.pipeline.stages.emit_hls_stage import readme_file
from flow.pipeline.state import State, have
from flow.report.codec import to_json
from flow.report.html import to_html
from flow.report.record import Check, Fact, Record, Technology


@dataclass(frozen=True)
class WriteHlsReport:
    """Write report.json, report.html, and the figures into README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt."""
        made = _record(state)
        write_file(out, "report.json", to_json(made))
        write_file(out, "report.html", to_html(made))
        facts = [f"Checks: {made.verdict}"]
        if made.accuracy is not None:
            samples = f"on {made.accuracy.samples} samples"
            facts.insert(0, f"Accuracy {made.accuracy.circuit:.4f} {samples}")
        write_files(readme_file(state, tuple(facts)), out)
        write_file(own, "verdict.txt", f"{made.verdict}\n")
        return replace(state, report=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reporting is quick: it runs again."""
        return self.run(state, out, own)


def _record(state: State) -> Record:
    config, project, network = state.config, have(state.hls), have(state.network)
    part = f"part {config.tech}, " if config.tech else ""
    title = f"{project.backend.title}, {part}{config.strategy}, reuse factor {config.reuse}"
    said = tuple(f"hls4ml: {line}" for line in project.said)
    data = state.samples
    return Record(
        summary=summary(state, Technology(title, None, "", "the part is synthesised elsewhere")),
        accuracy=measured_accuracy(state),
        area=None,
        power=None,
        timing=None,
        latency=None,
        sources=(),
        layers=tuple(layer_row(network, layer) for layer in network.layers),
        widths=(),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=(*state.notes, *said),
        provenance=(
            Fact("format of the model", have(state.source).format),
            *(() if data is None else (Fact("sha256 of the data", data.sha256),)),
        ),
        quantisation=state.quantisation,
    )
