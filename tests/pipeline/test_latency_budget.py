"""Clock and latency as a user writes them, and what becomes of a budget that cannot be met."""

from dataclasses import replace

import pytest

from flow.analysis.latency import latency
from flow.errors import UsageError
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Input
from flow.passes.pipeline import Pipeline
from flow.pipeline.config import BuildConfig, check_config, latency_cycles, parse_period
from flow.pipeline.period import pipeline_for


@pytest.mark.parametrize(
    ("text", "ns"), [("6.25", 6.25), ("6.25ns", 6.25), ("160MHz", 6.25), ("1 us", 1e3), ("1GHz", 1)]
)
def test_a_clock_is_a_time_or_a_frequency(text, ns):
    assert parse_period(text) == ns


@pytest.mark.parametrize("text", ["fast", "0ns", "5 furlongs", "-"])
def test_what_is_no_clock_is_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_period(text)
    assert caught.value.show() == (
        f"error: {text!r} is no clock\n  hint: write 6.25ns, 160MHz or a number of ns"
    )


@pytest.mark.parametrize(
    ("text", "cycles"), [("5", 5), ("100ns", 16), ("6.25ns", 1), ("0.1us", 16), (None, None)]
)
def test_a_latency_is_a_time_or_clock_cycles(text, cycles):
    assert latency_cycles(replace(BuildConfig(), latency=text, period=6.25)) == cycles


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"latency": "soon"},
            "error: --latency soon is no time and no number of clock cycles\n"
            "  hint: write --latency 100ns or --latency 5",
        ),
        (
            {"latency": "100ns"},
            "error: --latency 100ns says nothing without a clock\n"
            "  hint: give --clock 6.25ns --latency 100ns, or a number of cycles",
        ),
        (
            {"latency": "5ns", "period": 6.25},
            "error: --latency 5ns is less than one clock cycle of 6.25 ns\n"
            "  hint: give a longer latency or a faster clock",
        ),
        (
            {"latency": "5", "stages": 3},
            "error: --stages and --latency both pipeline\n  hint: give one of them",
        ),
        (
            {"ii": 4},
            "error: --ii is for FPGAs, the target is printed\n"
            "  hint: leave it out, or build with --target fpga",
        ),
        (
            {"max_luts": 400, "target": "fpga", "stages": 2},
            "error: --stages and --max-luts contradict each other: steps take the place of stages\n"
            "  hint: give one of them",
        ),
        (
            {"ii": 2, "target": "fpga", "handshake": False},
            "error: --ii and --no-handshake contradict each other: a sample cannot enter every "
            "clock\n  hint: leave one of them out",
        ),
    ],
)
def test_budgets_that_make_no_sense_are_refused(config, message):
    with pytest.raises(UsageError) as caught:
        check_config(replace(BuildConfig(), **config))
    assert caught.value.show() == message


def chain():
    x = tuple(Input("x", i, 0, 15) for i in range(9))
    total = x[0]
    for lane in x[1:]:
        total = Add(total, lane)
    return Circuit("chain", (Port("x", x),), (Port("y", (total,)),))


def found(period, most):
    def delay(piped, emission):
        return 12.0 / latency(piped)

    return pipeline_for(chain(), delay, Pipeline(), "ecp5", period, most, True)


def test_the_fewest_stages_within_the_latency_are_taken_with_the_registers_they_need():
    pipeline = found(4.2, 5)
    assert pipeline.stages == 3
    assert found(5.9, 5) == Pipeline(stages=3, slack=47.0)


def test_a_latency_that_is_too_short_for_the_clock_is_refused():
    with pytest.raises(UsageError) as caught:
        found(2.0, 4)
    assert caught.value.show() == (
        "error: in ecp5 a period of 2 ns takes 6 clock cycles, 12 ns, and the latency leaves 4\n"
        "  hint: give --latency 6, or at least --clock 3ns"
    )
