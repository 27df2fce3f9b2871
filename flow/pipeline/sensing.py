"""The sensors' converters in front of a printed circuit, as far as the circuit reads its inputs."""

from __future__ import annotations

from flow.analysis.sensor_bits import bits_read, levels_told_apart
from flow.backends.emission import VerilogPort
from flow.pipeline.state import State, have
from flow.report.record import SensorRow, Sensors
from flow.tech.flash_adc import Converter, FlashParts, conventional, converter, flash_parts
from flow.tech.power_sources import drivable_by
from flow.tech.technology import Technology

MOST_BITS = 8
"""No flash converter of more bits is printed."""


def sensors(state: State, circuit_mw: float) -> Sensors | None:
    """The converters of all inputs, where the target is printed in their technology.

    None elsewhere, and for inputs that no flash converter gives: signed, or above MOST_BITS.
    """
    technology, parts = state.target, flash_parts()
    if not state.circuit_recipe.printed_power or not isinstance(technology, Technology):
        return None
    if technology.name != parts.technology:
        return None
    ports = have(state.emission).inputs
    lanes = [lane for port in ports for lane in port.lanes]
    if any(lane.range.lo < 0 or not 0 < lane.width <= MOST_BITS for lane in lanes):
        return None
    gate_mw = technology.cell(parts.cell).cell_leakage * 1e-3
    netlist = have(state.synthesis).netlist
    masks, buses = bits_read(netlist), {bus.name: bus.bits for bus in netlist.inputs}
    names = state.samples.columns if state.samples is not None else ()
    rows = []
    for port in ports:
        for name, lane in zip(_names(port, names, len(lanes)), port.lanes, strict=True):
            mask = (masks[port.name] >> lane.offset) & ((1 << lane.width) - 1)
            bits = buses[port.name][lane.offset : lane.offset + lane.width]
            levels = levels_told_apart(netlist, technology, bits) if mask else None
            rows.append(_row(name, converter(lane.width, mask, levels), parts, gate_mw, mask))
    whole = [conventional(lane.width) for lane in lanes]
    power = sum(row.power_mw for row in rows)
    able = drivable_by(circuit_mw + power)
    return Sensors(
        title=f"{parts.title}s",
        rows=tuple(rows),
        area_um2=sum(row.area_um2 for row in rows),
        power_mw=power,
        whole_area_um2=sum(one.area_um2(parts) for one in whole),
        whole_power_mw=sum(one.power_mw(parts, gate_mw) for one in whole),
        supply=able[0].title if able else "",
        source=f"{parts.source}; comparators at {parts.voltage:g} V, gates at "
        f"{technology.voltage:g} V",
    )


def _names(port: VerilogPort, columns: tuple[str, ...], inputs: int) -> list[str]:
    """The columns of the samples where they name the inputs, else places of the port."""
    if len(port.lanes) == inputs and len(columns) in (inputs, inputs + 1):
        return list(columns[:inputs])
    return [f"{port.name}[{i}]" for i in range(len(port.lanes))]


def _row(name: str, found: Converter, parts: FlashParts, gate_mw: float, mask: int) -> SensorRow:
    return SensorRow(
        name, found.bits, mask.bit_count(), len(found.thresholds), found.gates,
        found.area_um2(parts), found.power_mw(parts, gate_mw),
    )  # fmt: skip
