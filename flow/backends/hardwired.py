"""An array of hardwired neurons as Verilog: cells that know no weight, and a file of wires.

`neuron.v` and `array.v` depend on the base alone, so that other weights change `wires.v` only.
"""

from __future__ import annotations

from collections.abc import Iterator

from flow.mapping.hardwired.bits import ONE, ZERO, Cell, Netlist
from flow.mapping.hardwired.embedding import Wiring
from flow.mapping.hardwired.neuron import Base, hardwired

NEURON, ARRAY, WIRES = "neuron.v", "array.v", "wires.v"


def array_files(wiring: Wiring, inputs: int) -> dict[str, Iterator[str]]:
    """The lines of every file, by name; wires come neuron by neuron, so that no text is whole."""
    base, neurons = wiring.base, len(wiring.ports)
    return {
        NEURON: iter(neuron_text(hardwired(base)).splitlines(keepends=True)),
        ARRAY: iter(_array_text(base, inputs, neurons).splitlines(keepends=True)),
        WIRES: wire_lines(wiring, inputs),
    }


def neuron_text(netlist: Netlist) -> str:
    """A netlist as a module with a clock; adders stay adders of bits."""
    ports = ["    input wire clk"]
    place = {ZERO: "1'b0", ONE: "1'b1"}
    for name, nets in netlist.inputs.items():
        ports.append(f"    input wire [{len(nets) - 1}:0] {name}")
        place |= {net: f"{name}[{i}]" for i, net in enumerate(nets)}
    ports.append(f"    output wire [{len(netlist.output) - 1}:0] y")
    lines = [f"module {netlist.name} (", ",\n".join(ports), ");"]
    for cell in netlist.cells:
        for net in cell.outputs:
            place[net] = f"n{net}"
    # A register may be read before its cell: declare all nets first.
    names = [place[net] for cell in netlist.cells for net in cell.outputs]
    kinds = {place[c.outputs[0]]: "reg" for c in netlist.cells if c.kind == "dff"}
    lines += [f"    {kinds.get(name, 'wire')} {name};" for name in names]
    lines += [_cell_text(cell, place) for cell in netlist.cells]
    word = ", ".join(place[net] for net in reversed(netlist.output))
    return "\n".join([*lines, f"    assign y = {{{word}}};", "endmodule", ""])


def register_names(netlist: Netlist) -> dict[str, str]:
    """What a register is called in the Verilog, and its number in the netlist's graph."""
    registers = [cell for cell in netlist.cells if cell.kind == "dff"]
    return {f"n{cell.outputs[0]}": str(k) for k, cell in enumerate(registers)}


def wire_lines(wiring: Wiring, inputs: int) -> Iterator[str]:
    """The module that connects inputs to ports: the only one that depends on weights."""
    ports, bits = wiring.ports.shape[1], wiring.base.width + 1
    neurons = len(wiring.ports)
    yield "module wires (\n"
    yield f"    input wire [{inputs - 1}:0] x,\n    input wire first,\n"
    yield f"    output wire [{neurons * ports - 1}:0] p,\n"
    yield f"    output wire [{neurons * bits - 1}:0] c\n);\n"
    yield f"    wire [{inputs - 1}:0] n = ~x;\n"
    # TIED is -1: the last entry.
    names = [*(f"{bus}[{i}]" for i in range(inputs) for bus in ("x", "n")), "1'b0"]
    for neuron, row in enumerate(wiring.ports):
        text = ",".join([names[port] for port in reversed(row.tolist())])
        yield f"    assign p[{(neuron + 1) * ports - 1}:{neuron * ports}] = {{{text}}};\n"
        constant = int(wiring.constants[neuron])
        tied = ",".join("first" if constant >> k & 1 else "1'b0" for k in reversed(range(bits)))
        yield f"    assign c[{(neuron + 1) * bits - 1}:{neuron * bits}] = {{{tied}}};\n"
    yield "endmodule\n"


def _array_text(base: Base, inputs: int, neurons: int) -> str:
    ports, bits = sum(base.ports), base.width + 1
    word = base.bits - 1 + base.width + 2
    return f"""module array (
    input wire clk,
    input wire [{inputs - 1}:0] x,
    input wire first,
    input wire last,
    output wire [{neurons * word - 1}:0] y
);
    wire [{neurons * ports - 1}:0] p;
    wire [{neurons * bits - 1}:0] c;
    wires embedded (.x(x), .first(first), .p(p), .c(c));
    genvar i;
    generate
        for (i = 0; i < {neurons}; i = i + 1) begin : neurons
            neuron one (
                .clk(clk), .p(p[i*{ports} +: {ports}]), .c(c[i*{bits} +: {bits}]),
                .first(first), .last(last), .y(y[i*{word} +: {word}])
            );
        end
    endgenerate
endmodule
"""


def _cell_text(cell: Cell, place: dict[int, str]) -> str:
    read = [place[net] for net in cell.inputs]
    made = [place[net] for net in cell.outputs]
    match cell.kind:
        case "fa":
            a, b, c = read
            return (
                f"    assign {made[0]} = {a} ^ {b} ^ {c};\n"
                f"    assign {made[1]} = ({a} & {b}) | ({c} & ({a} ^ {b}));"
            )
        case "ha":
            a, b = read
            return f"    assign {made[0]} = {a} ^ {b};\n    assign {made[1]} = {a} & {b};"
        case "dff":
            return f"    always @(posedge clk) {made[0]} <= {read[0]};"
        case kind:
            sign = {"xor": "^", "or": "|", "andnot": "& ~"}[kind]
            return f"    assign {made[0]} = {read[0]} {sign}{read[1]};"
