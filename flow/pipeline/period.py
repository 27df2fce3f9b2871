"""The clock period: as many pipeline stages as it needs, and whether the netlist keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil

from flow.analysis.cost import cost
from flow.analysis.timing import Timing
from flow.backends.emission import Emission
from flow.backends.verilog import emit_verilog
from flow.errors import UsageError
from flow.ir.circuit import Circuit
from flow.passes.pipeline import Pipeline
from flow.pipeline.config import BuildConfig
from flow.pipeline.state import CircuitRecipe
from flow.pipeline.verdicts import TIMING
from flow.report.figures import duration
from flow.verify.verdict import Verdict

LEAST_SLACK = 5
"""Percent of the period below which no slower blocks are tried."""
WORTH = 0.97
"""What fewer registers must come to for a netlist to be tried."""
PATIENCE = 3
"""So many more stages in a row that make nothing faster end the search."""


def clock_period(config: BuildConfig, recipe: CircuitRecipe) -> float:
    """The time between two samples in ns: the clock period, or the interval."""
    return config.period or (config.interval or recipe.interval) * 1e6


def pipeline_for(
    circuit: Circuit,
    delay: Callable[[Circuit, Emission], float],
    kind: Pipeline,
    name: str,
    period_ns: float,
    most: int | None,
    handshake: bool,
) -> Pipeline:
    """The fewest stages whose netlist keeps the period: every guess is mapped and timed.

    `delay` maps a circuit and gives its longest path in ns, `kind` says how a pipeline times it;
    `name` is the technology, `most` the stages that a latency leaves. What the slowest block is
    faster than the period then goes to blocks of fewer registers, if the netlist still keeps it.

    An estimate from cells alone does not know what the mapping does to a carry chain, nor the
    load of a net. UsageError, with the shortest period found, where no number of stages is
    enough, and where too many are needed.
    """
    delays: dict[Pipeline, float] = {}

    def measured(pipeline: Pipeline) -> float:
        if pipeline not in delays:
            piped = pipeline.run(circuit)
            delays[pipeline] = delay(piped, emit_verilog(piped, handshake=handshake))
        return delays[pipeline]

    try:
        stages = fewest_stages(lambda n: measured(replace(kind, stages=n)), period_ns)
    except _TooShort as error:
        raise UsageError(
            f"no pipeline in {name} keeps a period of {period_text(period_ns)}",
            hint=f"with {error.stages} stages it is {period_text(error.delay)}; give at least "
            f"--period {ceil(error.delay * 1000) / 1000:.12g}",
        ) from None
    if most is not None and stages > most:
        there = measured(replace(kind, stages=most))
        raise UsageError(
            f"in {name} a period of {period_text(period_ns)} takes {stages} clock cycles, "
            f"{period_text(stages * period_ns)}, and the latency leaves {most}",
            hint=f"give --latency {stages}, or at least --clock {ceil(there * 1000) / 1000:.12g}ns",
        )
    return _thrifty(replace(kind, stages=stages), circuit, measured, period_ns)


def _thrifty(
    pipeline: Pipeline,
    circuit: Circuit,
    measured: Callable[[Pipeline], float],
    period_ns: float,
) -> Pipeline:
    """The same stages with fewer registers, where slower blocks still keep the period."""
    spare = int(100 * (period_ns / measured(pipeline) - 1))
    stored = cost(pipeline.run(circuit)).register_bits
    for slack in (spare, spare // 2):
        trial = replace(pipeline, slack=float(slack))
        if slack < LEAST_SLACK or cost(trial.run(circuit)).register_bits > WORTH * stored:
            continue
        if measured(trial) <= period_ns:
            return trial
    return pipeline


def fewest_stages(measured: Callable[[int], float], period: float) -> int:
    """The smallest number from which on the measured delay was seen to be within the period."""
    delays = {1: measured(1)}
    stages = max(1, min(64, int(delays[1] / period)))
    while True:
        if stages not in delays:
            delays[stages] = measured(stages)
        if delays[stages] <= period:
            break
        fastest = min(delays, key=lambda n: (delays[n], n))
        if stages >= fastest + PATIENCE:
            raise _TooShort(fastest, delays[fastest])
        stages += 1
    while stages > 1:
        if stages - 1 not in delays:
            delays[stages - 1] = measured(stages - 1)
        if delays[stages - 1] > period:
            break
        stages -= 1
    return stages


class _TooShort(Exception):
    """The period is shorter than anything that was measured."""

    def __init__(self, stages: int, delay: float) -> None:
        super().__init__()
        self.stages = stages
        self.delay = delay


def timing_verdict(timing: Timing, config: BuildConfig, recipe: CircuitRecipe) -> Verdict | None:
    """Whether the critical path keeps the period or interval that was asked for; else None.

    An interval that the target assumes is no promise: the report shows both figures.
    """
    if config.period is None and config.interval is None:
        return None
    limit = clock_period(config, recipe)
    word = "period" if config.period is not None else "interval"
    kept = timing.delay_ns <= limit
    detail = (
        f"the critical path of {period_text(timing.delay_ns)} "
        f"{'is within' if kept else 'is longer than'} the {word} of {period_text(limit)}; "
        "set-up times and wires count nothing"
    )
    return Verdict(TIMING, "passed" if kept else "failed", detail, 0.0)


def period_text(ns: float) -> str:
    """A time in ns as a reader wants it."""
    return duration(ns, "ns")
