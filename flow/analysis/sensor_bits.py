"""Which bits of its inputs a mapped netlist reads: the others need no sensor circuit."""

from __future__ import annotations

from flow.ir.netlist import Netlist


def bits_read(netlist: Netlist) -> dict[str, int]:
    """A mask for each input bus: bit i is 1 where a cell or an output reads bit i."""
    used = {net for instance in netlist.instances for _, net in instance.pins}
    used.update(netlist.drivers)
    return {
        bus.name: sum(1 << i for i, bit in enumerate(bus.bits) if bit in used)
        for bus in netlist.inputs
    }
