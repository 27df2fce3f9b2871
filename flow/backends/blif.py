"""A mapped netlist as BLIF, the text that ABC reads; flip-flops are cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flow.ir.netlist import CLOCK, ONE, ZERO, Netlist
from flow.tech.technology import Cell, Technology


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
        *_gates(netlist, technology, cut),
        ".end",
    ]
    return "\n".join(lines) + "\n"


def single_outputs(technology: Technology) -> Technology:
    """The library in which a cell of several outputs is a cell for each of them.

    Each has its share of the input capacitance, so that the load on a net is what it was: ABC
    times two-output cells wrongly. `mapped_blif` is written for this library.
    """
    cells: dict[str, Cell] = {}
    for name, cell in technology.cells.items():
        if cell.kind != "combinational" or len(cell.outputs) == 1:
            cells[name] = cell
            continue
        share = len(cell.outputs)
        for output in cell.outputs:
            part = f"{name}_{output}"
            cells[part] = replace(
                cell,
                name=part,
                area=cell.area / share,
                outputs=(output,),
                functions={output: cell.functions[output]},
                capacitance={pin: value / share for pin, value in cell.capacitance.items()},
                energy={},
                arcs=tuple(arc for arc in cell.arcs if arc.output == output),
            )
    return replace(technology, cells=cells)


def _gates(netlist: Netlist, technology: Technology, cut: set[str]) -> Iterator[str]:
    for instance in netlist.instances:
        if instance.name in cut:
            continue
        cell = technology.cell(instance.cell)
        nets = dict(instance.pins)
        pins = [f"{pin}={nets[pin]}" for pin in cell.inputs]
        for output in cell.outputs:
            name = cell.name if len(cell.outputs) == 1 else f"{cell.name}_{output}"
            net = nets.get(output, f"{instance.name}_{output}_open")
            yield f".gate {name} {' '.join(pins)} {output}={net}"
