"""The fabric of cells: a circuit is mapped onto the cells of a library by ABC."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.timing import timing_of
from flow.backends.emission import Emission, write_files
from flow.backends.netlist_text import cell_models, netlist_json, netlist_verilog
from flow.backends.tiny_tapeout import tiny_files
from flow.ir.circuit import Circuit
from flow.ir.netlist import flipflop
from flow.mapping.drives import Driven, drive
from flow.pipeline.chip import area_notes, copies_verdict, map_chip, scratch_chip
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import write_file
from flow.pipeline.hardening import harden_netlist, hardening_note, parse_hardening
from flow.pipeline.hardening_samples import hardening_samples
from flow.pipeline.judging import Judge
from flow.pipeline.measures import measure
from flow.pipeline.period import clock_period, timing_verdict
from flow.pipeline.points import Point, point_text
from flow.pipeline.proving import prove_design
from flow.pipeline.reading import read_text
from flow.pipeline.stages.emit_stage import ABC_SCRIPT, LIBERTY
from flow.pipeline.state import State, have
from flow.pipeline.synthesis import Synthesis, synthesise
from flow.pipeline.technology import choose_technology
from flow.pipeline.timers import Timer, own_timer
from flow.tech.part import Part
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text
from flow.verify.cell_netlist import check_cells
from flow.verify.chip import prove_chip
from flow.verify.simulate import simulate_chip_netlist
from flow.verify.verdict import Verdict

HELD = "held.txt"
"""The flip-flops of a hardened netlist, by the registers that they hold a copy of."""
TECHNOLOGY = "technology.lib"
"""The cells as they were mapped onto, flip-flops included; `flow verify` reads them."""

MOST_BYTES = 256
"""Weight registers beyond which the netlist of a chip is proved and not simulated."""
CHIP_SECONDS = 900.0
"""What that proof may take; on an idle core a bank of 1590 bytes takes 40."""


@dataclass(frozen=True)
class Cells:
    """Cells of a library: built in, of Debian's packages, or of any Liberty file.

    `timer` times the netlist for the report; `tools` are those that it may start.
    """

    timer: Timer = own_timer
    tools: tuple[str, ...] = ()
    unit: str = "um2"
    largest: int = 30_000

    def choose(self, config: BuildConfig, usual: str) -> Technology:
        """The Liberty file, the library that was named, or the usual one."""
        if config.harden is not None:
            parse_hardening(config.harden)
        return choose_technology(config, usual)

    def points(
        self, circuit: Circuit, technology: Technology | Part, config: BuildConfig
    ) -> tuple[Point, ...]:
        """Cell area in um2, without flip-flops, and delay by the quick scripts."""
        with tempfile.TemporaryDirectory(prefix="flow-choice-") as folder:
            found = synthesise(
                circuit, library(technology), Path(folder),
                objective=config.objective, effort="fast",
            )  # fmt: skip
        return found.points

    def delay(
        self,
        circuit: Circuit,
        emission: Emission,
        technology: Technology | Part,
        config: BuildConfig,
    ) -> float:
        """The longest path of the mapped netlist, ns, by our own timer."""
        with tempfile.TemporaryDirectory(prefix="flow-period-") as folder:
            mapped = synthesise(
                circuit, library(technology), Path(folder), emission=emission,
                objective=config.objective, effort=config.effort,
            )  # fmt: skip
        found = mapped.netlist
        if config.period is not None:
            found = drive(found, library(technology), config.period).netlist
        return timing_of(found, library(technology)).delay_ns

    def synthesise(self, state: State, out: Path, own: Path) -> State:
        """netlist/, synth/cells.lib, synth/abc.script; an AIGER file for each step; points.txt,
        technology.lib."""
        technology = library(state.technology)
        result = synthesise(
            have(state.circuit), technology, own,
            emission=have(state.emission), objective=state.config.objective,
            effort=state.config.effort, progress=state.progress,
        )  # fmt: skip
        result, driven = _driven(state, result, technology)
        hardened: tuple[str, ...] = ()
        if state.config.harden is not None:
            result, hardened = _hardened(state, result, technology)
        top = result.netlist.name
        write_file(out, f"netlist/{top}.v", netlist_verilog(result.netlist, technology))
        write_file(out, "netlist/cells.v", cell_models(result.netlist.histogram(), technology))
        write_file(out, f"netlist/{top}.json", netlist_json(result.netlist, technology))
        write_file(out, LIBERTY, liberty_text(technology))
        script = result.portable.script if result.portable else result.script
        write_file(out, ABC_SCRIPT, "".join(f"{command}\n" for command in script))
        write_file(own, TECHNOLOGY, liberty_text(technology))
        lines = [f"{point_text(point, self.unit)}\n" for point in result.points]
        write_file(own, "points.txt", "".join([*lines, f"chosen: {result.variant}\n"]))
        notes = [*state.notes, *result.notes, *driven, *hardened]
        emission = have(state.emission)
        if state.config.tiny_tapeout:
            files = tiny_files(
                emission, technology.area(result.netlist.histogram()), flipflop(technology)[0].area,
                f"{have(state.source).format} model {have(state.config.model).name}, by flow",
                clock_period(state.config, state.circuit_recipe),
            )  # fmt: skip
            write_files(files, out)
        if hardened and result.held:
            write_file(own, HELD, "".join(f"{name}\n" for name in result.held))
        chip = None
        if (store := emission.store) is not None:
            state.progress("the registers of the chip")
            chip = map_chip(emission, store, out, technology)
            both = {**result.netlist.histogram(), **chip.cells}
            write_file(out, "netlist/cells.v", cell_models(both, technology))
            notes += area_notes(chip, technology.area(result.netlist.histogram()), store.bits)
        return replace(state, synthesis=result, chip=chip, notes=tuple(notes))

    def prove(self, state: State, out: Path) -> tuple[Verdict, ...]:
        """Circuit = Verilog = each step of the synthesis = netlist, and every exact pass."""
        synthesis = have(state.synthesis)
        return prove_design(
            have(state.circuit),
            have(state.emission),
            library(state.technology),
            state.steps,
            steps=synthesis.steps,
            netlist=read_text(out / "netlist" / f"{synthesis.netlist.name}.v"),
            held=synthesis.held,
            limit_s=state.config.prove_limit,
            seed=state.config.seed + 1,
            progress=state.progress,
        )

    def measure(self, state: State, out: Path, own: Path) -> tuple[State, tuple[Verdict, ...]]:
        """The netlist simulated on the samples; area, power and timing; layers.txt."""
        technology, synthesis = library(state.technology), have(state.synthesis)
        state.progress("simulation of the netlist")
        verdicts = (
            (check_cells(out, lambda: technology),) if state.config.simulator != "none" else ()
        )
        emission = have(state.emission)
        if (store := emission.store) is not None:
            verdicts = (*verdicts, copies_verdict(have(state.chip), store))
            if store.bytes > MOST_BYTES:
                state.progress("proof of the chip's netlist")
                found = prove_chip(
                    out, emission, store, timeout_s=CHIP_SECONDS, seed=state.config.seed + 1
                )
                verdicts = (*verdicts, *found)
            elif state.config.simulator != "none":
                with scratch_chip(out, emission, store) as folder:
                    verdicts = (*verdicts, simulate_chip_netlist(Path(folder)))
        period = clock_period(state.config, state.circuit_recipe)
        state.progress("area, power and timing")
        figures = measure(
            have(state.circuit),
            have(state.emission),
            synthesis,
            technology,
            state.given_inputs,
            period,
            vectors=state.samples is not None,
            timing=self.timer(synthesis.netlist, technology, period),
        )
        timing = timing_verdict(figures.timing, state.config, state.circuit_recipe)
        if timing is not None:
            # A slow circuit is right all the same: the report says so, the build goes on.
            verdicts = (*verdicts, timing)
        rows = [
            f"{name}: {cells} cells, {area:.0f} um2, {power:.6g} mW\n"
            for name, (cells, area, power) in figures.by_layer().items()
        ]
        write_file(own, "layers.txt", "".join(rows))
        return replace(state, measures=figures), verdicts


def _driven(
    state: State, found: Synthesis, technology: Technology
) -> tuple[Synthesis, tuple[str, ...]]:
    """The mapped circuit with buffers and drives for a period that was asked for, and a note."""
    config = state.config
    if config.period is None and config.interval is None:
        return found, ()
    period = clock_period(config, state.circuit_recipe)
    made = drive(found.netlist, technology, period, state.progress)
    if not made.buffers and not made.resized:
        return found, ()
    before = technology.area(found.netlist.histogram())
    more = technology.area(made.netlist.histogram()) / before - 1
    return replace(found, netlist=made.netlist), (_drive_note(made, more),)


def _drive_note(made: Driven, more: float) -> str:
    """What buffers and drives changed, in a line."""
    return (
        f"drives: {made.buffers} buffers and {made.resized} cells of another drive, "
        f"{made.before_ns:.4g} ns became {made.after_ns:.4g} ns for {100 * more:.2g} % more area"
    )


def _hardened(
    state: State, found: Synthesis, technology: Technology
) -> tuple[Synthesis, tuple[str, ...]]:
    """The mapped circuit with the cells in three copies that the options name, and a note."""
    text, netlist = state.config.harden or "", found.netlist

    def samples() -> tuple[NDArray[np.uint8], Judge]:
        state.progress("faults of the netlist")
        return hardening_samples(state, netlist, technology)

    made = harden_netlist(netlist, technology, text, samples, state.progress)
    copies = len(made.netlist.flipflops(technology)) // max(1, len(found.held))
    held = tuple(name for name in found.held for _ in range(copies))
    area = technology.area(made.netlist.histogram()) / technology.area(netlist.histogram()) - 1
    return replace(found, netlist=made.netlist, held=held), (hardening_note(text, made, area),)


def library(technology: Technology | Part | None) -> Technology:
    """The technology, which `choose` has made a library of cells."""
    assert isinstance(technology, Technology), "cells need a library"
    return technology
