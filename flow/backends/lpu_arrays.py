"""Arrays of hardwired neurons for the chip as Verilog: cells side by side around their wires.

All neurons of an array are the same cells, so a net of the netlist is a word with one bit for each
of up to LANES neurons: a simulator evaluates them together, a synthesiser sees each of them.
Nothing here knows a weight: `lpu_wires` writes the module that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flow.ir.language import Array, LanguageProgram
from flow.mapping.hardwired.bits import ONE, ZERO, Cell
from flow.mapping.hardwired.embedding import Wiring
from flow.mapping.hardwired.neuron import Base, hardwired
from flow.mapping.lpu.assemble import slots
from flow.mapping.lpu.base import ChipBase, kind, wired

LANES = 64
"""Neurons that one word of a simulator holds."""
KEPT = " /* verilator public_flat_rd */"
"""Of a port that Verilator does not replace by what feeds it: equal cells stay one function."""


@dataclass(frozen=True, slots=True, eq=False)
class Hardwired:
    """An array on the chip: its cells (`shape` is their number), its wires, and its phases."""

    array: Array
    shape: int
    wiring: Wiring
    slots: int
    phases: int

    @property
    def width(self) -> int:
        """Bits of an answer."""
        return self.wiring.base.word

    @property
    def tied(self) -> int:
        """Bits of a neuron's constant."""
        return self.wiring.base.width + 1

    @property
    def room(self) -> int:
        """Ports of a neuron."""
        return sum(self.wiring.base.ports)

    @property
    def groups(self) -> tuple[range, ...]:
        """Neurons of cells that words of LANES hold."""
        return tuple(range(at, min(at + LANES, self.slots)) for at in range(0, self.slots, LANES))


def hardwired_arrays(program: LanguageProgram, rows: int, base: ChipBase) -> tuple[Hardwired, ...]:
    """The arrays with their wires; those of one kind have the same cells.

    UsageError without room.
    """
    shapes = {name: number for number, name in enumerate(base.kinds)}
    made = []
    for array, wiring in zip(program.arrays, wired(program, base), strict=True):
        count = slots(array.outputs, rows)
        phases = -(-array.outputs // count)
        made.append(Hardwired(array, shapes[kind(array)], wiring, count, phases))
    return tuple(made)


def cells_text(base: Base, name: str) -> str:
    """LANES neurons or fewer as a module: a bit of each word belongs to one neuron.

    After eight clocks of `clk` and one more, `y` is the answer of `row` after a clock of `read`.
    """
    net = hardwired(base, name)
    place = {ZERO: "{N{1'b0}}", ONE: "{N{1'b1}}"}
    ports, tied = net.inputs["p"], net.inputs["c"]
    place |= {net_: f"p[{k}*N +: N]" for k, net_ in enumerate(ports)}
    place |= {net_: f"c{k}" for k, net_ in enumerate(tied)}
    place[net.inputs["first"][0]] = "{N{first}}"
    place[net.inputs["last"][0]] = "{N{last}}"
    for cell in net.cells:
        place |= {made: f"n{made}" for made in cell.outputs}
    registers = {cell.outputs[0]: cell.inputs[0] for cell in net.cells if cell.kind == "dff"}
    stored = {data: place[kept] for kept, data in registers.items()}
    low = [place[bit] for bit in net.output[: base.bits - 1]]
    word = ["lowest", *low, *(stored[bit] for bit in net.output[base.bits :])]
    width = len(word)
    lines = [
        f"module {name} #(",
        "    parameter N = 64,\n    parameter ROW = 6",
        ") (",
        f"    input  wire clk,\n    input  wire first{KEPT},\n    input  wire last{KEPT},",
        f"    input  wire [{len(ports)}*N-1:0] p{KEPT},",
        f"    input  wire [{len(tied)}*N-1:0] c{KEPT},",
        f"    input  wire read,\n    input  wire [ROW-1:0] row{KEPT},",
        f"    output reg  [{width - 1}:0] y",
        ");",
        "    /* verilator no_inline_module */",
    ]
    lines += [f"    wire [N-1:0] c{k} = c[{k}*N +: N] & {{N{{first}}}};" for k in range(len(tied))]
    # The last carries of a sum that cannot overflow are read by nobody.
    wanted = {net_ for cell in net.cells for net_ in cell.inputs} | set(net.output)
    for cell in net.cells:
        kind = "reg " if cell.kind == "dff" else "wire"
        lines += [f"    {kind} [N-1:0] {place[made]};" for made in cell.outputs if made in wanted]
    lines.append("    reg  [N-1:0] lowest;")
    lines += [_cell_text(cell, place, wanted) for cell in net.cells if cell.kind != "dff"]
    lines.append("    always @(posedge clk) begin")
    lines += [f"        {place[kept]} <= {place[data]};" for kept, data in registers.items()]
    lines += [f"        lowest <= {low[0]};", "    end", "    always @(posedge read)"]
    lines.append(f"        y <= {{{', '.join(f'{bit}[row]' for bit in reversed(word))}}};")
    return "\n".join([*lines, "endmodule", ""])


def _cell_text(cell: Cell, place: dict[int, str], wanted: set[int]) -> str:
    read = [place[net] for net in cell.inputs]
    values: tuple[str, ...]
    match cell.kind:
        case "fa":
            a, b, c = read
            values = (f"{a} ^ {b} ^ {c}", f"({a} & {b}) | ({c} & ({a} ^ {b}))")
        case "ha":
            values = (f"{read[0]} ^ {read[1]}", f"{read[0]} & {read[1]}")
        case kind:
            sign = {"xor": "^", "or": "|", "andnot": "& ~"}[kind]
            values = (f"{read[0]} {sign}{read[1]}",)
    made = zip(cell.outputs, values, strict=True)
    return "\n".join(f"    assign {place[net]} = {value};" for net, value in made if net in wanted)


def array_text(made: Hardwired, name: str, cells: str, wires: str) -> Iterator[str]:
    """An array as a module: planes of bits in, the answer of a row out, two gated clocks."""
    inputs, width = made.array.inputs, made.width
    phase = "    input  wire [7:0] phase,\n" if made.phases > 1 else ""
    yield f"""module {name} (
    input  wire clk,
    input  wire run,
    input  wire first,
    input  wire last,
    input  wire [{inputs - 1}:0] x,
{phase}    input  wire read,
    input  wire [{_address(made.slots) - 1}:0] row,
    output wire [31:0] y
);
    /* verilator no_inline_module */
    wire counts, reads;
    lpu_gate count_clock (.clk(clk), .enable(run), .gated(counts));
    lpu_gate read_clock (.clk(clk), .enable(read), .gated(reads));
    reg  [{inputs - 1}:0] held;
    reg  first_held, last_held;
    always @(posedge counts) begin
        held <= x;
        first_held <= first;
        last_held <= last;
    end
"""
    if made.phases > 1:
        yield "    reg  [7:0] turn;\n    always @(posedge counts) turn <= phase;\n"
    sizes = [len(group) for group in made.groups]
    for number, size in enumerate(sizes):
        yield f"    wire [{made.room * size - 1}:0] p{number};\n"
        yield f"    wire [{made.tied * size - 1}:0] c{number};\n"
    ends = [".x(held)", *([".turn(turn)"] if made.phases > 1 else [])]
    ends += [f".p{k}(p{k}), .c{k}(c{k})" for k in range(len(sizes))]
    yield f"    {wires} wires ({', '.join(ends)});\n"
    for number, size in enumerate(sizes):
        yield f"""    wire [{width - 1}:0] y{number};
    {cells} #(.N({size}), .ROW({_address(size)})) neurons{number} (
        .clk(counts), .first(first_held), .last(last_held), .p(p{number}), .c(c{number}),
        .read(reads), .row(row[{_address(size) - 1}:0]), .y(y{number})
    );
"""
    if len(sizes) == 1:
        yield f"    assign y = {{{{{32 - width}{{y0[{width - 1}]}}}}, y0}};\n"
    else:
        top = _address(made.slots)
        yield f"    reg  [{top - 7}:0] group;\n"
        yield f"    always @(posedge reads) group <= row[{top - 1}:6];\n"
        chosen = "".join(f"group == {top - 6}'d{k} ? y{k} : " for k in range(len(sizes) - 1))
        yield f"    wire [{width - 1}:0] word = {chosen}y{len(sizes) - 1};\n"
        yield f"    assign y = {{{{{32 - width}{{word[{width - 1}]}}}}, word}};\n"
    yield "endmodule\n"


def _address(words: int) -> int:
    """Bits of an address of so many; at least 1."""
    return max(1, (words - 1).bit_length())
