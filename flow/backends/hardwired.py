"""An array of hardwired neurons as Verilog: cells that know no weight, and a file of wires.

`neuron.v` and `array.v` depend on the base alone, so that other weights change `wires.v` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from flow.errors import ToolFailed
from flow.mapping.hardwired.bits import ONE, ZERO, Cell, Netlist
from flow.mapping.hardwired.embedding import TIED, Wiring
from flow.mapping.hardwired.neuron import Base, hardwired

NEURON, ARRAY, WIRES = "neuron.v", "array.v", "wires.v"
WIRES_TAIL = "endmodule\n"


def array_files(wiring: Wiring, inputs: int) -> dict[str, Iterator[str]]:
    """The lines of every file, by name; wires come neuron by neuron, so that no text is whole."""
    files = base_files(wiring.base, inputs, len(wiring.ports))
    lines = {name: iter(text.splitlines(keepends=True)) for name, text in files.items()}
    return {**lines, WIRES: wire_lines(wiring, inputs)}


def base_files(
    base: Base, inputs: int, neurons: int, prefix: str = "", enable: bool = False
) -> dict[str, str]:
    """The files that know no weight; `prefix` is that of modules and files.

    With `enable` all registers stand still while the input `en` is 0.
    """
    return {
        f"{prefix}{NEURON}": neuron_text(hardwired(base, f"{prefix}neuron"), enable),
        f"{prefix}{ARRAY}": _array_text(base, inputs, neurons, prefix, enable),
    }


def neuron_text(netlist: Netlist, enable: bool = False) -> str:
    """A netlist as a module with a clock; adders stay adders of bits."""
    ports = ["    input wire clk", *["    input wire en"][: int(enable)]]
    place = {ZERO: "1'b0", ONE: "1'b1"}
    for name, nets in netlist.inputs.items():
        ports.append(f"    input wire [{len(nets) - 1}:0] {name}")
        place |= {net: f"{name}[{i}]" for i, net in enumerate(nets)}
    ports.append(f"    output wire [{len(netlist.output) - 1}:0] y")
    lines = [f"module {netlist.name} (", ",\n".join(ports), ");"]
    for cell in netlist.cells:
        for net in cell.outputs:
            place[net] = f"n{net}"
    # A register may be read before its cell: declare all nets first, but those that nobody reads.
    read = {*netlist.output, *(net for cell in netlist.cells for net in cell.inputs)}
    names = [place[net] for cell in netlist.cells for net in cell.outputs if net in read]
    kinds = {place[c.outputs[0]]: "reg" for c in netlist.cells if c.kind == "dff"}
    lines += [f"    {kinds.get(name, 'wire')} {name};" for name in names]
    for cell in netlist.cells:
        lines += _cell_lines(cell, place, [net in read for net in cell.outputs], enable)
    word = ", ".join(place[net] for net in reversed(netlist.output))
    return "\n".join([*lines, f"    assign y = {{{word}}};", "endmodule", ""])


def register_names(netlist: Netlist) -> dict[str, str]:
    """What a register is called in the Verilog, and its number in the netlist's graph."""
    registers = [cell for cell in netlist.cells if cell.kind == "dff"]
    return {f"n{cell.outputs[0]}": str(k) for k, cell in enumerate(registers)}


def wire_lines(wiring: Wiring, inputs: int) -> Iterator[str]:
    """The module that connects inputs to ports: the only one that depends on weights."""
    yield wires_head(wiring.base, inputs, len(wiring.ports))
    yield from wires_rows(wiring, inputs)
    yield WIRES_TAIL


def wires_head(base: Base, inputs: int, neurons: int, prefix: str = "") -> str:
    """The lines before the wires of the first neuron."""
    return f"""module {prefix}wires (
    input wire [{inputs - 1}:0] x,
    input wire first,
    output wire [{neurons * sum(base.ports) - 1}:0] p,
    output wire [{neurons * (base.width + 1) - 1}:0] c
);
    wire [{inputs - 1}:0] n = ~x;
"""


def wires_rows(
    wiring: Wiring, inputs: int, first: int = 0, scales: Sequence[float] = ()
) -> Iterator[str]:
    """The wires of neurons, of which row 0 is neuron `first`; a scale is a remark beside them."""
    ports, bits = wiring.ports.shape[1], wiring.base.width + 1
    names = _names(inputs)
    for k, row in enumerate(wiring.ports):
        neuron = first + k
        text = ",".join([names[port] for port in reversed(row.tolist())])
        if scales:
            yield f"    // neuron {neuron}: the sum times {scales[k]!r}\n"
        if ports:
            yield f"    assign p[{(neuron + 1) * ports - 1}:{neuron * ports}] = {{{text}}};\n"
        constant = int(wiring.constants[k])
        tied = ",".join("first" if constant >> b & 1 else "1'b0" for b in reversed(range(bits)))
        yield f"    assign c[{(neuron + 1) * bits - 1}:{neuron * bits}] = {{{tied}}};\n"


def read_wires(text: str, base: Base, inputs: int, first: int = 0) -> Wiring:
    """The wires that stand in the text of `wires.v`, or in some of its lines, the first of which
    is neuron `first`; ToolFailed where it is none of the base."""
    place = {name: k for k, name in enumerate(_names(inputs)[:-1])} | {TIED_TEXT: TIED}
    found: dict[str, list[list[str]]] = {"p": [], "c": []}
    for bus, high, low, body in _WIRES.findall(text):
        width = sum(base.ports) if bus == "p" else base.width + 1
        begin = (first + len(found[bus])) * width
        names = body.split(",")[::-1]
        if (int(high), int(low)) != (begin + width - 1, begin) or len(names) != width:
            raise ToolFailed(f"the wires {bus}[{high}:{low}] are not those of the base")
        found[bus].append(names)
    if len(found["p"]) != len(found["c"]) or not found["p"]:
        raise ToolFailed("the wires are not those of an array")
    try:
        ports = [[place[name] for name in row] for row in found["p"]]
    except KeyError as error:
        raise ToolFailed(f"a port is fed by {str(error)[:40]}") from error
    constants = [_word(row) for row in found["c"]]
    return Wiring(base, np.array(ports, np.int32), np.array(constants, np.int64))


TIED_TEXT = "1'b0"
_WIRES = re.compile(r"^ +assign ([pc])\[(\d+):(\d+)\] = \{([^}]*)\};$", re.MULTILINE)


def _names(inputs: int) -> list[str]:
    """What a port may be fed by, at its number; TIED is -1, the last entry."""
    return [*(f"{bus}[{i}]" for i in range(inputs) for bus in ("x", "n")), TIED_TEXT]


def _word(bits: Sequence[str]) -> int:
    """A constant in two's complement, `first` where its bit is 1."""
    if not set(bits) <= {"first", "1'b0"}:
        raise ToolFailed("a constant is fed by neither `first` nor 0")
    value = sum(1 << k for k, bit in enumerate(bits) if bit == "first")
    return value - (1 << len(bits) if bits[-1] == "first" else 0)


def _array_text(base: Base, inputs: int, neurons: int, prefix: str, enable: bool) -> str:
    ports, bits = sum(base.ports), base.width + 1
    word = base.word
    port, pin = ("    input wire en,\n", " .en(en),") if enable else ("", "")
    return f"""module {prefix}array (
    input wire clk,
{port}    input wire [{inputs - 1}:0] x,
    input wire first,
    input wire last,
    output wire [{neurons * word - 1}:0] y
);
    wire [{neurons * ports - 1}:0] p;
    wire [{neurons * bits - 1}:0] c;
    {prefix}wires embedded (.x(x), .first(first), .p(p), .c(c));
    genvar i;
    generate
        for (i = 0; i < {neurons}; i = i + 1) begin : neurons
            {prefix}neuron one (
                .clk(clk),{pin} .p(p[i*{ports} +: {ports}]), .c(c[i*{bits} +: {bits}]),
                .first(first), .last(last), .y(y[i*{word} +: {word}])
            );
        end
    endgenerate
endmodule
"""


def _cell_lines(
    cell: Cell, place: dict[int, str], wanted: Sequence[bool], enable: bool
) -> list[str]:
    """An assignment for each output that is wanted."""
    read = [place[net] for net in cell.inputs]
    match cell.kind:
        case "fa":
            a, b, c = read
            texts = [f"{a} ^ {b} ^ {c}", f"({a} & {b}) | ({c} & ({a} ^ {b}))"]
        case "ha":
            a, b = read
            texts = [f"{a} ^ {b}", f"{a} & {b}"]
        case "dff":
            when = "if (en) " if enable else ""
            return [f"    always @(posedge clk) {when}{place[cell.outputs[0]]} <= {read[0]};"]
        case kind:
            sign = {"xor": "^", "or": "|", "andnot": "& ~"}[kind]
            texts = [f"{read[0]} {sign}{read[1]}"]
    pairs = zip(cell.outputs, texts, wanted, strict=True)
    return [f"    assign {place[net]} = {text};" for net, text, kept in pairs if kept]
