"""Stage `report` of the array: accuracy, clocks, steps beside their bounds, checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.emission import write_files
from flow.pipeline.folder import write_file
from flow.pipeline.recording import layer_row, measured_accuracy, summary
from flow.pipeline.stages.emit_tulip_stage import readme_file
from flow.pipeline.state import State, have
from flow.pipeline.tulip import notes
from flow.report.codec import to_json
from flow.report.html import to_html
from flow.report.record import Check, Fact, Latency, Record, Technology


@dataclass(frozen=True)
class WriteTulipReport:
    """Write report.json, report.html, and the figures into README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt."""
        made = _record(state)
        write_file(out, "report.json", to_json(made))
        write_file(out, "report.html", to_html(made))
        facts = [notes(have(state.tulip))[0], f"Checks: {made.verdict}"]
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
    made, network = have(state.tulip), have(state.network)
    shape = made.plan.shape
    title = (
        f"array of {shape.rows} x {shape.cols} binary-neuron processing elements, "
        f"{shape.macs * shape.cols} MACs"
    )
    first, steady = made.cycles()
    data = state.samples
    return Record(
        summary=summary(state, Technology(title, None, "", "the RTL is for any technology")),
        accuracy=measured_accuracy(state),
        area=None,
        power=None,
        timing=None,
        latency=Latency(first, steady),
        sources=(),
        layers=tuple(layer_row(network, layer) for layer in network.layers),
        widths=(),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=(*state.notes, *notes(made)),
        provenance=(
            Fact("format of the model", have(state.source).format),
            *(() if data is None else (Fact("sha256 of the data", data.sha256),)),
        ),
        quantisation=state.quantisation,
    )
