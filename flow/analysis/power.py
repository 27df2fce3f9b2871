"""The power of a mapped netlist: leakage by state, and the energy of toggles."""

from __future__ import annotations

from dataclasses import dataclass

from flow.analysis.activity import Activity
from flow.errors import UsageError
from flow.ir.netlist import Netlist
from flow.tech.technology import Technology


@dataclass(frozen=True, slots=True)
class Power:
    """Power in mW. `label` names the source of the activity, `period_ns` the clock assumed.

    `internal` is what cells take as their outputs toggle, `switching` what charges the pins that
    they drive; `by_instance` has the sum of all three for each instance, in order. `inputs` is
    what charges the pins on the clock and on other inputs; it belongs to no instance.
    """

    leakage: float
    internal: float
    switching: float
    inputs: float
    label: str
    period_ns: float
    by_instance: tuple[float, ...]

    @property
    def total(self) -> float:
        """All of it, mW."""
        return self.leakage + self.internal + self.switching + self.inputs


def power_of(
    netlist: Netlist, technology: Technology, activity: Activity, period_ns: float
) -> Power:
    """The power at one sample in each period. UsageError where the period is not positive."""
    if period_ns <= 0:
        raise UsageError(f"a clock period of {period_ns:g} ns is not positive")
    load = net_loads(netlist, technology)
    volts = technology.voltage**2
    leakage = internal = switching = 0.0
    rows = []
    for instance, shares in zip(netlist.instances, activity.states, strict=True):
        cell = technology.cell(instance.cell)
        if len(cell.leakage) > 1 and len(shares) == len(cell.leakage):
            own = sum(p * x for p, x in zip(shares, cell.leakage, strict=True)) / 1e3
        else:
            own = cell.cell_leakage / 1e3
        inside = outside = 0.0
        for pin, net in instance.pins:
            if pin in cell.outputs:
                rate = activity.toggles[net] / period_ns  # pJ/ns is mW.
                energy = cell.energy.get(pin)
                inside += rate * energy.mean if energy is not None else 0.0
                outside += rate * load.get(net, 0.0) * volts / 2
        leakage, internal, switching = leakage + own, internal + inside, switching + outside
        rows.append(own + inside + outside)
    bits = [bit for bit in netlist.input_bits if bit in load]
    inputs = sum(activity.toggles[bit] * load[bit] * volts / 2 / period_ns for bit in bits)
    return Power(leakage, internal, switching, inputs, activity.label, period_ns, tuple(rows))


def net_loads(netlist: Netlist, technology: Technology) -> dict[str, float]:
    """The capacitance of the pins on each net, pF; wires have what the technology says."""
    load: dict[str, float] = {}
    for instance in netlist.instances:
        cell = technology.cell(instance.cell)
        for pin, net in instance.pins:
            if pin in cell.inputs:
                load[net] = load.get(net, 0.0) + cell.capacitance.get(pin, 0.0)
    return load
