"""A netlist of one-bit cells as an and-inverter graph that knows its adders, registers cut."""

from __future__ import annotations

from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder
from flow.mapping.hardwired.bits import ONE, ZERO, Netlist


def graph(netlist: Netlist) -> Aig:
    """The graph: bits of the inputs, then `Q:k` of register k; bits of `y`, then `D:k`.

    A word of one bit is named without an index, as ports are.
    """
    inputs = {
        net: name if len(nets) == 1 else f"{name}[{i}]"
        for name, nets in netlist.inputs.items()
        for i, net in enumerate(nets)
    }
    registers = [cell for cell in netlist.cells if cell.kind == "dff"]
    g = AigBuilder(netlist.name, [*inputs.values(), *(f"Q:{k}" for k in range(len(registers)))])
    literal = {ZERO: FALSE, ONE: TRUE}
    literal |= {net: 2 * i for i, net in enumerate(inputs, 1)}
    first = 1 + len(inputs)
    literal |= {cell.outputs[0]: 2 * (first + k) for k, cell in enumerate(registers)}
    for cell in netlist.cells:
        read = [literal[net] for net in cell.inputs] if cell.kind != "dff" else []
        match cell.kind:
            case "fa" | "ha":
                a, b, *c = read
                total, carry = g.full_adder(a, b, c[0] if c else FALSE)
                literal[cell.outputs[0]], literal[cell.outputs[1]] = total, carry
            case "xor":
                literal[cell.outputs[0]] = g.xor(*read)
            case "or":
                literal[cell.outputs[0]] = g.disj(*read)
            case "andnot":
                literal[cell.outputs[0]] = g.conj(read[0], read[1] ^ 1)
            case "dff":
                pass
    outputs = [(f"y[{k}]", literal[net]) for k, net in enumerate(netlist.output)]
    outputs += [(f"D:{k}", literal[cell.inputs[0]]) for k, cell in enumerate(registers)]
    return g.finish(outputs)
