"""Arrays of hardwired neurons for the chip as Verilog: cells side by side, and wires as data.

All neurons of an array are the same cells, so a net of the netlist is a word with one bit for each
of up to LANES neurons: a simulator evaluates them together, a synthesiser sees each of them.
Which input or complement feeds which port is one number, the only thing that knows a weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.ir.language import Array, LanguageProgram
from flow.mapping.hardwired.bits import ONE, ZERO, Cell
from flow.mapping.hardwired.embedding import (
    TIED,
    Wiring,
    base_of,
    counts,
    embed,
    regions,
)
from flow.mapping.hardwired.neuron import Base, hardwired
from flow.mapping.lpu.assemble import PLANES, slots

LANES = 64
"""Neurons that one word of a simulator holds."""
KEPT = " /* verilator public_flat_rd */"
"""Of a port that Verilator does not replace by what feeds it: equal cells stay one function."""
PIECE = 32
"""Ports whose wires are one number: programs have limits on the length of numbers."""


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


def hardwired_arrays(program: LanguageProgram, rows: int) -> tuple[Hardwired, ...]:
    """The arrays with their wires; arrays of the same place in all layers have the same cells."""
    kinds: dict[str, int] = {}
    members: list[list[Array]] = []
    for array in program.arrays:
        at = kinds.setdefault(_kind(array), len(kinds))
        if at == len(members):
            members.append([])
        members[at].append(array)
    bases = [_base(arrays) for arrays in members]
    made = []
    for array in program.arrays:
        at, count = kinds[_kind(array)], slots(array.outputs, rows)
        wiring = embed(array.effective, bases[at])
        made.append(Hardwired(array, at, wiring, count, -(-array.outputs // count)))
    return tuple(made)


def _base(arrays: list[Array]) -> Base:
    """The smallest base that holds the neurons of all of them."""
    magnitudes = tuple(sorted({m for array in arrays for m in regions(array.effective)})) or (1,)
    most = np.max([counts(a.effective, magnitudes).max(axis=0) for a in arrays], axis=0)
    return base_of(most, PLANES, 0.0, magnitudes)


def _kind(array: Array) -> str:
    """What arrays of different layers share: their name after that of the layer, and their size."""
    name = array.name.partition("_")[2] if array.name.startswith("layer") else array.name
    return f"{name} {array.outputs} {array.inputs}"


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


def array_text(made: Hardwired, name: str, cells: str) -> Iterator[str]:
    """An array as a module: planes of bits in, the answer of a row out, two gated clocks."""
    base, inputs = made.wiring.base, made.array.inputs
    ports, tied, width = sum(base.ports), base.width + 1, made.width
    groups = [range(at, min(at + LANES, made.slots)) for at in range(0, made.slots, LANES)]
    sources = 2 * inputs + 1
    bits = (sources - 1).bit_length()
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
    // Inputs, their complements, and 0.
    reg  [{inputs - 1}:0] held;
    reg  first_held, last_held;
    always @(posedge counts) begin
        held <= x;
        first_held <= first;
        last_held <= last;
    end
    wire [{sources - 1}:0] sources = {{1'b0, ~held, held}};
"""
    if made.phases > 1:
        yield "    reg  [7:0] turn;\n    always @(posedge counts) turn <= phase;\n"
    for number, group in enumerate(groups):
        size = len(group)
        for turn in range(made.phases):
            neurons = np.array([turn * made.slots + k for k in group])
            wires = _wires(made.wiring, neurons, inputs, bits)
            for piece, begin in enumerate(range(0, ports, PIECE)):
                part = wires[begin * size * bits : (begin + PIECE) * size * bits]
                yield f"    localparam [{len(part) - 1}:0] W{number}_{turn}_{piece} =\n"
                yield f"        {len(part)}'h{_number(part):x};\n"
            yield f"    localparam [{tied * size - 1}:0] C{number}_{turn} =\n"
            yield f"        {tied * size}'h{_constants(made.wiring, neurons, tied):x};\n"
        yield _group_text(made, number, size, bits, cells)
    if len(groups) == 1:
        yield f"    assign y = {{{{{32 - width}{{y0[{width - 1}]}}}}, y0}};\n"
    else:
        top = _address(made.slots)
        yield f"    reg  [{top - 7}:0] group;\n"
        yield f"    always @(posedge reads) group <= row[{top - 1}:6];\n"
        chosen = "".join(f"group == {top - 6}'d{k} ? y{k} : " for k in range(len(groups) - 1))
        yield f"    wire [{width - 1}:0] word = {chosen}y{len(groups) - 1};\n"
        yield f"    assign y = {{{{{32 - width}{{word[{width - 1}]}}}}, word}};\n"
    yield "endmodule\n"


def _group_text(made: Hardwired, number: int, size: int, bits: int, cells: str) -> str:
    base = made.wiring.base
    ports, tied = sum(base.ports), base.width + 1
    count, row = ports * size, _address(size)
    loops = "".join(
        _loop(made, number, piece, min(PIECE, ports - piece * PIECE) * size, size, bits)
        for piece in range(-(-ports // PIECE))
    )
    constant = "".join(f"turn == 8'd{p} ? C{number}_{p} : " for p in range(made.phases - 1))
    constant += f"C{number}_{made.phases - 1}"
    return f"""    reg  [{count - 1}:0] p{number};
    integer k{number};
    always @(*) begin
{loops}    end
    wire [{tied * size - 1}:0] c{number} = {constant};
    wire [{made.width - 1}:0] y{number};
    {cells} #(.N({size}), .ROW({row})) neurons{number} (
        .clk(counts), .first(first_held), .last(last_held), .p(p{number}), .c(c{number}),
        .read(reads), .row(row[{row - 1}:0]), .y(y{number})
    );
"""


def _loop(made: Hardwired, number: int, piece: int, count: int, size: int, bits: int) -> str:
    """Every wire of a piece of the ports."""
    k, begin = f"k{number}", piece * PIECE * size

    def pick(phase: int) -> str:
        source = f"sources[W{number}_{phase}_{piece}[{k}*{bits} +: {bits}]]"
        return f"p{number}[{begin} + {k}] = {source};"

    head = f"        for ({k} = 0; {k} < {count}; {k} = {k} + 1)\n"
    if made.phases == 1:
        return f"{head}            {pick(0)}\n"
    cases = "".join(f"                8'd{p}: {pick(p)}\n" for p in range(made.phases - 1))
    rest = f"                default: {pick(made.phases - 1)}\n"
    return f"{head}            case (turn)\n{cases}{rest}            endcase\n"


def _wires(wiring: Wiring, neurons: NDArray[np.int64], inputs: int, bits: int) -> NDArray[np.int64]:
    """Bits: for each port, then each neuron: its source. Neurons beyond the last have 0."""
    real = neurons < len(wiring.ports)
    ports = wiring.ports[np.minimum(neurons, len(wiring.ports) - 1)].astype(np.int64)
    source = np.where(ports % 2 == 1, inputs + ports // 2, ports // 2)
    source = np.where((ports == TIED) | ~real[:, None], 2 * inputs, source)
    spread = source.T.reshape(-1, 1) >> np.arange(bits) & 1
    found: NDArray[np.int64] = spread.reshape(-1)
    return found


def _constants(wiring: Wiring, neurons: NDArray[np.int64], tied: int) -> int:
    """For each bit, then each neuron: whether it is tied to 1 in the first clock."""
    real = neurons < len(wiring.ports)
    values = np.where(real, wiring.constants[np.minimum(neurons, len(wiring.ports) - 1)], 0)
    return _number((values >> np.arange(tied)[:, None] & 1).reshape(-1))


def _number(bits: NDArray[np.int64]) -> int:
    packed = np.packbits(bits.astype(np.uint8), bitorder="little")
    return int.from_bytes(packed.tobytes(), "little")


def _address(words: int) -> int:
    """Bits of an address of so many; at least 1."""
    return max(1, (words - 1).bit_length())
