"""Stage `report`: everything measured becomes report.json and report.html."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.emission import write_files
from flow.backends.project import project_files
from flow.pipeline.folder import write_file
from flow.pipeline.recording import record
from flow.pipeline.stages.emit_stage import about
from flow.pipeline.state import State, have
from flow.report.codec import to_json
from flow.report.html import to_html
from flow.report.record import Record


@dataclass(frozen=True)
class WriteReport:
    """Write report.json, report.html, and the figures into README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt."""
        made = record(state)
        write_file(out, "report.json", to_json(made))
        write_file(out, "report.html", to_html(made))
        write_files(project_files(have(state.emission), about(state, _facts(made))), out)
        write_file(own, "verdict.txt", f"{made.verdict}\n")
        return replace(state, report=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reporting is quick: it runs again."""
        return self.run(state, out, own)


def _facts(made: Record) -> tuple[str, ...]:
    facts = []
    if made.accuracy is not None:
        facts.append(f"Accuracy {made.accuracy.circuit:.4f} on {made.accuracy.samples} samples")
    if made.area is not None and made.area.cm2 is not None:
        facts.append(f"Area {made.area.cm2:.4g} cm2 of cells, {made.area.count} cells")
    if made.fpga is not None:
        fpga = made.fpga
        facts.append(
            f"{fpga.luts} look-up tables, {fpga.carries} carry cells, {fpga.flipflops} flip-flops "
            f"({fpga.counted_by})"
        )
        fmax = "" if fpga.fmax_mhz is None else f"{fpga.fmax_mhz:.4g} MHz, "
        facts.append(f"Maximum frequency: {fmax}{fpga.route}")
    if made.power is not None:
        facts.append(f"Power {made.power.total_mw:.4g} mW, from {made.power.how}")
    if made.timing is not None:
        facts.append(f"Delay {made.timing.delay:.4g} {made.timing.unit} ({made.timing.tool})")
    return (*facts, f"Checks: {made.verdict}")
