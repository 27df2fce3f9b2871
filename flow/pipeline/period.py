"""The clock period: as many pipeline stages as it needs, and whether the netlist keeps it."""

from __future__ import annotations

from bisect import bisect_left
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
"""So many more stages that make nothing faster end the search."""
MOST_STAGES = 64
"""More stages are not tried."""
LARGE = 15_000
"""Operations beyond which mapping a circuit takes minutes."""
TYPICAL = 1.25
"""What mapping adds to an estimate, for the first guess: 1.34 was seen on 20 000 operations."""
DOUBT = 1.02
"""What an estimate puts beyond so many periods is not measured."""


def is_large(circuit: Circuit) -> bool:
    """Whether mapping takes minutes, so that less is tried."""
    return sum(1 for _ in circuit.walk()) > LARGE


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
    """The fewest stages whose netlist keeps the period: guesses are mapped and timed.

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
        stages = fewest_stages(
            lambda n: measured(replace(kind, stages=n)), period_ns,
            kind.estimate(circuit) if kind.family else None,
        )  # fmt: skip
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
    """The same stages with fewer registers, where slower blocks still keep the period.

    Of a large circuit nothing more is mapped for that.
    """
    if is_large(circuit):
        return pipeline
    spare = int(100 * (period_ns / measured(pipeline) - 1))
    stored = cost(pipeline.run(circuit)).register_bits
    for slack in (spare, spare // 2):
        trial = replace(pipeline, slack=float(slack))
        if slack < LEAST_SLACK or cost(trial.run(circuit)).register_bits > WORTH * stored:
            continue
        if measured(trial) <= period_ns:
            return trial
    return pipeline


def fewest_stages(
    measured: Callable[[int], float],
    period: float,
    foreseen: Callable[[int], float] | None = None,
) -> int:
    """The smallest number whose measured delay was seen to be within the period, by halving.

    `foreseen` is an estimate of every delay in any unit, which each measured one corrects: numbers
    that it puts well beyond the period are not measured. Without it a delay is taken to be that of
    one stage over their number, and the number below the answer is measured too.
    """
    guess = foreseen or (lambda n: 1.0 / n)
    delays: dict[int, float] = {}

    def least(low: int, high: int, ratio: float) -> int:
        """The least number from `low` that the estimate calls enough, or best; else `high`."""
        wanted = max(period / ratio, guess(MOST_STAGES))
        return bisect_left(range(high), True, low, high, key=lambda n: guess(n) <= wanted)

    stages = least(1, MOST_STAGES, TYPICAL) if foreseen else 1
    while True:
        delays[stages] = measured(stages)
        ratio = delays[stages] / guess(stages)
        enough = min((n for n in delays if delays[n] <= period), default=None)
        short = max((n for n in delays if delays[n] > period), default=0)
        if enough is None:
            fastest = min(delays, key=lambda n: (delays[n], n))
            if stages >= min(fastest + PATIENCE, MOST_STAGES):
                raise _TooShort(fastest, delays[fastest])
            stages = least(short + 1, MOST_STAGES, ratio)
        elif enough <= short + 1 or (foreseen and ratio * guess(enough - 1) > DOUBT * period):
            return enough
        else:
            stages = least(short + 1, enough - 1, ratio)


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
