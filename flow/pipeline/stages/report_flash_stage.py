"""Stage `report` of threshold cells: gates by fan-in, what was tried, and every check."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from flow import __version__
from flow.analysis.timing import METHOD
from flow.ir.threshold import ThresholdNetlist, histogram
from flow.pipeline.folder import write_file
from flow.pipeline.provenance import command_line
from flow.pipeline.recording import measured_accuracy
from flow.pipeline.state import State, have
from flow.report.codec import to_json
from flow.report.html import to_html
from flow.report.record import (
    Area,
    CellCount,
    Check,
    Fact,
    Record,
    Summary,
    Technology,
    Timing,
)
from flow.report.tuning import Tried, Tuning


@dataclass(frozen=True)
class WriteFlashReport:
    """Write report.json, report.html and README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt."""
        made = _record(state)
        write_file(out, "report.json", to_json(made))
        write_file(out, "report.html", to_html(made))
        write_file(out, "README.md", _readme(state, made))
        write_file(own, "verdict.txt", f"{made.verdict}\n")
        return replace(state, report=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reporting is quick: it runs again."""
        return self.run(state, out, own)


def _record(state: State) -> Record:
    netlist, model, made = have(state.threshold), have(state.config.model), state.target
    given = "" if state.network is not None else "given circuit"
    decides = state.network is not None and state.network.layers[-1].decides
    task = given or ("classification" if decides else "regression or logits")
    return Record(
        summary=Summary(
            model_name=model.name,
            model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
            task=task,
            target=state.recipe.name,
            technology=Technology(made.title, made.voltage, made.corner, made.source),
            flow_version=__version__,
            tools=tuple(Fact(name, text) for name, text in sorted(state.tools.items())),
            seed=state.config.seed,
            command=command_line(state.config),
        ),
        accuracy=measured_accuracy(state) if state.network is not None else None,
        area=_area(state),
        power=None,
        timing=_timing(state),
        latency=None,
        sources=(),
        layers=(),
        widths=(),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=(*state.notes, *facts(netlist)),
        provenance=(Fact("threshold gates", str(netlist.size)),),
        quantisation=state.quantisation,
        tuning=_tuning(state),
    )


def facts(netlist: ThresholdNetlist) -> tuple[str, ...]:
    """What a netlist is made of, a line each."""
    return (
        f"{netlist.size} threshold gates of at most {netlist.widest} inputs, "
        f"{netlist.depth} levels deep; {len(netlist.flipflops)} flip-flops",
    )


def _cells(netlist: ThresholdNetlist) -> tuple[CellCount, ...]:
    names = {0: "constant", 1: "threshold gate, 1 input"}
    return tuple(
        CellCount(names.get(fan_in, f"threshold gate, {fan_in} inputs"), count, None)
        for fan_in, count in histogram(netlist).items()
    )


def _area(state: State) -> Area:
    """The cells around flip-flops that were absorbed, else the threshold gates, without areas."""
    found = state.flash
    if found is None:
        return Area(None, None, _cells(have(state.threshold)))
    technology = found.technology
    rows = [
        CellCount(name, count, technology.cell(name).area * count)
        for name, count in found.netlist.histogram().items()
        if technology.cell(name).area
    ]
    um2 = sum(row.area_um2 or 0.0 for row in rows)
    return Area(um2, technology.nand2_equivalents(um2), tuple(rows))


def _timing(state: State) -> Timing | None:
    if state.flash is None:
        return None
    return Timing(state.flash.with_cells.delay_ns, "ns", (), METHOD)


def _tuning(state: State) -> Tuning:
    chosen, tried = have(state.threshold).size, []
    for trial in state.threshold_trials:
        tried.append(Tried("", trial.script, trial.gates, None, trial.gates == chosen))
    return Tuning(state.config.objective, state.config.effort, "gates", tuple(tried))


_FLASH_FILES = (
    "",
    "`netlist/flash.v` is the same design in cells of the library, with flash cells (`tl_ff`) for",
    "flip-flops and the gates before them. `flash/program.txt` programs them, `flash/cells.txt`",
    "lists the kinds of cells with margin and yield, `flash/*.cir` are their SPICE decks.",
    "`flow retune` makes cells on late paths faster.",
)


def _readme(state: State, made: Record) -> str:
    lines = [
        f"# {have(state.config.model).name} in threshold gates",
        "",
        *(f"* {fact}" for fact in facts(have(state.threshold))),
        f"* Checks: {made.verdict}",
        "",
        "`netlist/threshold.th` has the gates: after `.threshold`, the inputs and the output of a",
        "gate; below, its weights in that order and its threshold. A gate answers 1 where the sum",
        "of the weights of its inputs that are 1 is not less than the threshold. A line `.latch`",
        "is a flip-flop: what it takes, its name, its first value (2: none).",
        *(_FLASH_FILES if state.flash is not None else ()),
    ]
    return "\n".join(lines) + "\n"
