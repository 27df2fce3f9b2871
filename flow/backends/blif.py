"""A mapped netlist as BLIF, the text that ABC reads; flip-flops are cut."""

from __future__ import annotations

from collections.abc import Iterator

from flow.ir.netlist import CLOCK, ONE, ZERO, Netlist
from flow.tech.technology import Technology


def mapped_blif(netlist: Netlist, technology: Technology) -> str:
    """The cells between inputs, outputs and flip-flops, one `.gate` line each.

    What a flip-flop holds is an input, what it takes is an output. Outputs that no cell drives
    are left out.
    """
    held = netlist.flipflops(technology)
    cut = {instance.name for instance in held}
    inputs = [bit for bit in netlist.input_bits if not (held and bit == CLOCK)]
    outputs = list(dict.fromkeys(netlist.drivers))
    for instance in held:
        cell = technology.cell(instance.cell)
        inputs += instance.nets(cell.outputs)
        outputs += [net for net in instance.nets(cell.inputs) if net != CLOCK]
    undriven = {*inputs, ZERO, ONE}
    driven = [net for net in dict.fromkeys(outputs) if net not in undriven]
    lines = [
        f".model {netlist.name}",
        f".inputs {' '.join(inputs)}",
        f".outputs {' '.join(driven)}",
        *_gates(netlist, cut),
        ".end",
    ]
    return "\n".join(lines) + "\n"


def _gates(netlist: Netlist, cut: set[str]) -> Iterator[str]:
    for instance in netlist.instances:
        if instance.name not in cut:
            pins = [f"{pin}={net}" for pin, net in instance.pins]
            yield f".gate {instance.cell} {' '.join(pins)}"
