"""The wires of the chip's arrays as Verilog: which input or complement feeds which port.

A module of wires is the only text of an array that knows its weights, as a few layers of metal are.
Each of its numbers has, for each port and each neuron, the number of what feeds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flow.backends.lpu_arrays import Hardwired
from flow.errors import CheckFailed
from flow.mapping.hardwired.embedding import TIED, Wiring, unwired

PIECE = 32
"""Ports whose wires are one number: programs have limits on the length of numbers."""
_NUMBER = re.compile(
    r"^    localparam \[(\d+):0\] ([WC])(\d+)_(\d+)(?:_(\d+))? =\n        (\d+)'h([0-9a-f]+);$",
    re.MULTILINE,
)


def wires_text(made: Hardwired, name: str) -> Iterator[str]:
    """The module: inputs in, what ports and constants of each group of neurons read out."""
    inputs, bits = made.array.inputs, _source_bits(made)
    groups = [(number, len(group)) for number, group in enumerate(made.groups)]
    outputs = ",\n".join(
        f"    output reg  [{made.room * size - 1}:0] p{number},\n"
        f"    output wire [{made.tied * size - 1}:0] c{number}"
        for number, size in groups
    )
    turn = "    input  wire [7:0] turn,\n" if made.phases > 1 else ""
    yield f"""module {name} (
    input  wire [{inputs - 1}:0] x,
{turn}{outputs}
);
    // Inputs, their complements, and 0.
    wire [{2 * inputs}:0] sources = {{1'b0, ~x, x}};
"""
    for number, size in groups:
        for phase in range(made.phases):
            neurons = _neurons(made, number, phase)
            wires = _wires(made.wiring, neurons, inputs, bits)
            for piece, begin in enumerate(range(0, made.room, PIECE)):
                part = wires[begin * size * bits : (begin + PIECE) * size * bits]
                yield _number(f"W{number}_{phase}_{piece}", part)
            yield _number(f"C{number}_{phase}", _constants(made.wiring, neurons, made.tied))
        yield _group_text(made, number, size, bits)
    yield "endmodule\n"


def check_wires(made: Hardwired, text: str) -> None:
    """CheckFailed unless the text of the wires, read back, is the weights of the array."""
    inputs, bits = made.array.inputs, _source_bits(made)
    found: dict[tuple[str, int, int, int], NDArray[np.int64]] = {}
    for top, what, number, phase, piece, width, digits in _NUMBER.findall(text):
        key = what, int(number), int(phase), int(piece or 0)
        if int(top) + 1 != int(width) or key in found:
            raise CheckFailed(
                f"the wires of {made.array.name} have a strange number {what}{number}"
            )
        found[key] = _bits_of(int(digits, 16), int(width))
    neurons = made.array.outputs
    ports = np.full((neurons, made.room), TIED, np.int64)
    constants = np.zeros(neurons, np.int64)
    for number, group in enumerate(made.groups):
        size = len(group)
        for phase in range(made.phases):
            mine = _neurons(made, number, phase)
            real = mine < neurons
            read = []
            for piece, begin in enumerate(range(0, made.room, PIECE)):
                count = min(PIECE, made.room - begin) * size
                part = found.pop(("W", number, phase, piece), np.zeros(0, np.int64))
                if len(part) != count * bits:
                    raise CheckFailed(f"the wires of {made.array.name} are not all there")
                read.append(part.reshape(count, bits) @ (1 << np.arange(bits)))
            source = np.concatenate(read).reshape(made.room, size).T
            if (source > 2 * inputs).any():
                raise CheckFailed(f"the wires of {made.array.name} name what is no input")
            ports[mine[real]] = _ports(source[real], inputs)
            part = found.pop(("C", number, phase, 0), np.zeros(0, np.int64))
            if len(part) != made.tied * size:
                raise CheckFailed(f"the constants of {made.array.name} are not all there")
            values = (1 << np.arange(made.tied)) @ part.reshape(made.tied, size)
            constants[mine[real]] = values[real]
    wiring = Wiring(made.wiring.base, ports.astype(np.int32), constants)
    weights, biases = unwired(wiring, inputs)
    if found or biases.any() or not np.array_equal(weights, made.array.effective):
        raise CheckFailed(f"the wires of {made.array.name} are not its weights")


def _ports(source: NDArray[np.int64], inputs: int) -> NDArray[np.int64]:
    """What feeds ports, as `Wiring` has it."""
    complement = np.where(source == 2 * inputs, TIED, 2 * (source - inputs) + 1)
    found: NDArray[np.int64] = np.where(source < inputs, 2 * source, complement)
    return found


def _neurons(made: Hardwired, group: int, phase: int) -> NDArray[np.int64]:
    return np.array(made.groups[group], np.int64) + phase * made.slots


def _source_bits(made: Hardwired) -> int:
    return (2 * made.array.inputs).bit_length()


def _number(name: str, bits: NDArray[np.int64]) -> str:
    packed = np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    digits = f"{int.from_bytes(packed, 'little'):x}"
    return f"    localparam [{len(bits) - 1}:0] {name} =\n        {len(bits)}'h{digits};\n"


def _bits_of(value: int, width: int) -> NDArray[np.int64]:
    packed = np.frombuffer(value.to_bytes(-(-width // 8), "little"), np.uint8)
    return np.unpackbits(packed, bitorder="little")[:width].astype(np.int64)


def _group_text(made: Hardwired, number: int, size: int, bits: int) -> str:
    loops = "".join(
        _loop(made, number, piece, min(PIECE, made.room - piece * PIECE) * size, size, bits)
        for piece in range(-(-made.room // PIECE))
    )
    constant = "".join(f"turn == 8'd{p} ? C{number}_{p} : " for p in range(made.phases - 1))
    constant += f"C{number}_{made.phases - 1}"
    return f"""    integer k{number};
    always @(*) begin
{loops}    end
    assign c{number} = {constant};
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


def _constants(wiring: Wiring, neurons: NDArray[np.int64], tied: int) -> NDArray[np.int64]:
    """For each bit, then each neuron: whether it is tied to 1 in the first clock."""
    real = neurons < len(wiring.ports)
    values = np.where(real, wiring.constants[np.minimum(neurons, len(wiring.ports) - 1)], 0)
    found: NDArray[np.int64] = (values >> np.arange(tied)[:, None] & 1).reshape(-1)
    return found
