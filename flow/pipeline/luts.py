"""The fabric of look-up tables: a circuit is mapped onto an FPGA family by Yosys."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from flow.analysis.lut_timing import METHOD, longest_path
from flow.backends.emission import Emission
from flow.backends.verilog import emit_verilog
from flow.errors import UsageError
from flow.ir.circuit import Circuit
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import write_file
from flow.pipeline.folding import prove_folding
from flow.pipeline.lut_measures import LutMeasures
from flow.pipeline.lut_synthesis import module_of, synthesise_luts
from flow.pipeline.period import is_large, period_text
from flow.pipeline.points import Point
from flow.pipeline.proving import prove_design
from flow.pipeline.routing import Route, route
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import TIMING
from flow.tech.part import Part
from flow.tech.parts import load_part
from flow.tech.technology import Technology
from flow.verify.lut_netlist import prove_luts, simulate_luts
from flow.verify.verdict import Verdict

MOST_ROUTED = 5_000
"""Look-up tables up to which every guess of a number of stages is placed and routed."""
PART = "part.txt"
"""The name of the family that was mapped onto; `flow verify` reads it."""


@dataclass(frozen=True)
class Luts:
    """Look-up tables, carry chains and flip-flops of an FPGA family."""

    tools: tuple[str, ...] = ("nextpnr",)
    unit: str = "look-up tables"
    largest: int = 6_000

    def choose(self, config: BuildConfig, usual: str) -> Part:
        """The family that the options name; UsageError at options that only cells have."""
        for option, value in (("--liberty", config.liberty), ("--voltage", config.voltage)):
            if value is not None:
                raise UsageError(
                    f"{option} is for cells of a library, the target {config.target} has none",
                    hint="leave it out, or build for asic or printed",
                )
        return load_part(config.tech or usual)

    def points(
        self, circuit: Circuit, technology: Technology | Part, config: BuildConfig
    ) -> tuple[Point, ...]:
        """The look-up tables that Yosys needs; where delay counts, the estimate of it."""
        part, emission = family(technology), emit_verilog(circuit)
        if config.objective == "area":
            size = part.lut_count(synthesise_luts(emission, part, quick=True).cells)
            return (Point("yosys", size),)
        found = synthesise_luts(emission, part)
        delay = longest_path(module_of(found.data, emission.top), part)
        return (Point("yosys", part.lut_count(found.cells), delay),)

    def delay(
        self,
        circuit: Circuit,
        emission: Emission,
        technology: Technology | Part,
        config: BuildConfig,
    ) -> float:
        """The shortest clock period in ns that place and route finds; else the estimate."""
        part = family(technology)
        found = synthesise_luts(emission, part, quick=is_large(circuit))
        if part.lut_count(found.cells) <= MOST_ROUTED:
            routed = route(emission, found, part)
            if routed.fmax_mhz is not None and routed.routed:
                return 1e3 / routed.fmax_mhz
        return longest_path(module_of(found.data, emission.top), part)

    def synthesise(self, state: State, out: Path, own: Path) -> State:
        """netlist/ as Verilog and JSON, the Yosys script; counts.txt, part.txt."""
        part, emission = family(state.technology), have(state.emission)
        state.progress("Yosys maps onto look-up tables")
        found = synthesise_luts(emission, part, quick=is_large(have(state.circuit)))
        write_file(out, f"netlist/{emission.top}.v", found.netlist)
        write_file(out, f"netlist/{emission.top}.json", found.data)
        write_file(own, PART, f"{part.name}\n")
        rows = [f"{name}: {count}\n" for name, count in found.cells.items()]
        write_file(own, "counts.txt", "".join([*rows, f"chosen: {found.script[-1]}\n"]))
        return replace(state, luts=found)

    def prove(self, state: State, out: Path) -> tuple[Verdict, ...]:
        """Circuit = Verilog = netlist of primitives, and every exact pass."""
        begin = time.monotonic()
        circuit, emission, limit = (
            have(state.circuit),
            have(state.emission),
            state.config.prove_limit,
        )
        if state.folding is not None:
            return prove_folding(
                state.folding, emission,
                limit_s=limit, seed=state.config.seed + 1, progress=state.progress,
            )  # fmt: skip
        chain = prove_design(
            circuit, emission, None, state.steps,
            steps=(), netlist=None, held=(), limit_s=limit / 2, seed=state.config.seed + 1,
            progress=state.progress,
        )  # fmt: skip
        left = limit - (time.monotonic() - begin)
        state.progress("proof of the netlist")
        link = prove_luts(
            circuit, emission, have(state.luts).netlist, family(state.technology).models,
            timeout_s=left, seed=state.config.seed + 1,
        )  # fmt: skip
        return (*chain, link)

    def measure(self, state: State, out: Path, own: Path) -> tuple[State, tuple[Verdict, ...]]:
        """The netlist simulated on the samples; primitives, frequency; route.txt."""
        part, emission, luts = family(state.technology), have(state.emission), have(state.luts)
        verdicts = (
            (simulate_luts(out, emission.top, part.models),)
            if state.config.simulator != "none"
            else ()
        )
        estimate = longest_path(module_of(luts.data, emission.top), part)
        routed = route(emission, luts, part, seed=state.config.seed + 1)
        count = part.count
        found = LutMeasures(
            luts=part.lut_count(luts.cells),
            flipflops=count(luts.cells, part.flipflops),
            carries=count(luts.cells, part.carries),
            muxes=count(luts.cells, part.muxes),
            dsps=count(luts.cells, part.dsps),
            counted_by=f"Yosys, {part.synthesis}",
            estimate_ns=estimate,
            estimate_by=METHOD,
            fmax_mhz=routed.fmax_mhz,
            route=routed.how,
            limit=routed.limit,
        )
        fmax = "none" if routed.fmax_mhz is None else f"{routed.fmax_mhz:.2f} MHz"
        text = f"maximum frequency: {fmax}\n{routed.how}\n{routed.limit}\n"
        write_file(own, "route.txt", f"{text}estimate: {estimate:.3f} ns, {METHOD}\n")
        timing = _timing(routed, estimate, state.config)
        return replace(state, fpga=found), (*verdicts, *timing)


def family(technology: Technology | Part | None) -> Part:
    """The technology, which `choose` has made an FPGA family."""
    assert isinstance(technology, Part), "look-up tables need an FPGA family"
    return technology


def _timing(routed: Route, estimate: float, config: BuildConfig) -> tuple[Verdict, ...]:
    """Whether the period that was asked for is kept; an estimate decides nothing."""
    if config.period is None:
        return ()
    limit = period_text(config.period)
    if routed.fmax_mhz is None:
        detail = f"estimated path {period_text(estimate)}, period {limit}; {routed.how}"
        return (Verdict(TIMING, "not checked", detail, 0.0),)
    period = 1e3 / routed.fmax_mhz
    kept = period <= config.period
    word = "keeps" if kept else "is longer than"
    detail = f"the shortest period of {period_text(period)} {word} the {limit} asked for"
    return (Verdict(TIMING, "passed" if kept else "failed", detail, 0.0),)
