"""The same printed netlist at every supply its technology has figures for: power, time, source."""

from __future__ import annotations

from flow.analysis.activity import simulate_activity, uniform_activity
from flow.analysis.power import power_of
from flow.analysis.timing import timing_of
from flow.pipeline.measures import stimulus
from flow.pipeline.period import clock_period
from flow.pipeline.state import State, have
from flow.report.record import Supply
from flow.tech.power_sources import drivable_by
from flow.tech.registry import load, technologies, voltages
from flow.tech.technology import Technology


def supplies(state: State, sensors_mw: float | None) -> tuple[Supply, ...]:
    """A row for each supply, ascending; empty where the target is not printed, or the technology
    has figures for one supply only. `sensors_mw` is the power of the converters, where known."""
    technology = state.target
    if not state.circuit_recipe.printed_power or not isinstance(technology, Technology):
        return ()
    if technology.name not in technologies() or len(voltages(technology.name)) < 2:
        return ()
    netlist = have(state.synthesis).netlist
    if state.samples is None:
        activity = uniform_activity(netlist, technology)
    else:
        buses = [bus.name for bus in netlist.inputs]
        bits = stimulus(have(state.emission), buses, state.given_inputs)
        activity = simulate_activity(netlist, technology, bits)
    period = clock_period(state.config, state.circuit_recipe)
    rows = []
    for voltage in voltages(technology.name):
        cells = load(technology.name, voltage)
        power = power_of(netlist, cells, activity, period).total
        delay = timing_of(netlist, cells).delay_ns
        able = drivable_by(power)
        both = drivable_by(power + sensors_mw) if sensors_mw is not None else ()
        rows.append(
            Supply(
                voltage, power, delay / 1e6, period / 1e6, delay <= period,
                able[0].title if able else "", both[0].title if both else "",
            )
        )  # fmt: skip
    return tuple(rows)
