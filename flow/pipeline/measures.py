"""Area, power and timing of a mapped netlist, in all and layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.activity import simulate_activity, uniform_activity
from flow.analysis.area import Area, area_of
from flow.analysis.attribution import OTHER, attribute, totals
from flow.analysis.layers import layer_of
from flow.analysis.power import Power, power_of
from flow.analysis.timing import Timing, timing_of
from flow.backends.emission import Emission
from flow.ir.circuit import Circuit
from flow.ir.netlist import CLOCK
from flow.pipeline.synthesis import Synthesis
from flow.tech.technology import Technology

RUNNING = {"in_valid": 1, "out_ready": 1, "rst": 0}
"""Control inputs while samples stream through."""


@dataclass(frozen=True)
class Measures:
    """The figures of a mapped circuit; `layers` has the layer of each of the `instances`."""

    area: Area
    power: Power
    timing: Timing
    instances: tuple[str, ...]
    layers: tuple[str, ...]

    def by_layer(self) -> dict[str, tuple[int, float, float]]:
        """Cells, area (um2) and power (mW) of each layer; they add up to the totals."""
        cells = Counter(self.layers)
        area = totals(self.layers, self.area.by_instance)
        power = totals(self.layers, self.power.by_instance)
        if self.power.inputs:
            power[OTHER] = power.get(OTHER, 0.0) + self.power.inputs
        names = list(dict.fromkeys([*cells, *power]))
        return {n: (cells.get(n, 0), area.get(n, 0.0), power.get(n, 0.0)) for n in names}


def measure(
    circuit: Circuit,
    emission: Emission,
    synthesis: Synthesis,
    technology: Technology,
    inputs: Mapping[str, NDArray[Any]],
    period_ns: float,
    vectors: bool,
    timing: Timing | None = None,
) -> Measures:
    """All that is measured on the netlist; activity is that of the samples if they are the user's
    `vectors`, else that of uniform states. `timing` is that of another timer than our own."""
    netlist = synthesis.netlist
    if vectors:
        bits = stimulus(emission, [bus.name for bus in netlist.inputs], inputs)
        activity = simulate_activity(netlist, technology, bits)
    else:
        activity = uniform_activity(netlist, technology)
    layers = attribute(netlist, technology, synthesis.graph, layer_of(circuit), synthesis.held)
    return Measures(
        area_of(netlist, technology),
        power_of(netlist, technology, activity, period_ns),
        timing or timing_of(netlist, technology),
        tuple(instance.name for instance in netlist.instances),
        layers,
    )


def stimulus(
    emission: Emission, buses: list[str], inputs: Mapping[str, NDArray[Any]]
) -> NDArray[np.uint8]:
    """The samples as bits (samples, input bits without the clock), in the order of the buses."""
    ports = {port.name: port for port in emission.inputs}
    samples = len(next(iter(inputs.values()))) if inputs else 0
    columns = []
    for name in buses:
        if name == CLOCK and emission.clocked:
            continue
        if name not in ports:
            columns.append(np.full((samples, 1), RUNNING[name], dtype=np.uint8))
            continue
        port = ports[name]
        values = np.asarray(inputs[port.source])
        for i, lane in enumerate(port.lanes):
            shifted = values[:, i, None] >> np.arange(lane.width).astype(values.dtype)
            columns.append((shifted & 1).astype(np.uint8))
    return np.concatenate(columns, axis=1)
