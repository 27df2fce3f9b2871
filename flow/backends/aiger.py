"""Binary AIGER files of an and-inverter graph (Biere, Heljanko, Wieringa: AIGER 1.9, 2011)."""

from __future__ import annotations

from flow.errors import ToolFailed
from flow.ir.aig import Aig


def write_aiger(aig: Aig) -> bytes:
    """The graph as a combinational .aig file with the names of inputs and outputs."""
    inputs, gates = len(aig.inputs), aig.size
    head = f"aig {inputs + gates} {inputs} 0 {len(aig.outputs)} {gates}\n"
    out = bytearray(head.encode())
    out += "".join(f"{x}\n" for x in aig.literals).encode()
    for k, (a, b) in enumerate(zip(aig.left, aig.right, strict=True), aig.first_gate):
        if a < b:
            a, b = b, a
        for delta in (2 * k - a, a - b):
            while delta > 127:
                out.append(delta & 127 | 128)
                delta >>= 7
            out.append(delta)
    out += "".join(f"i{i} {name}\n" for i, name in enumerate(aig.inputs)).encode()
    out += "".join(f"o{i} {name}\n" for i, name in enumerate(aig.outputs)).encode()
    return bytes(out)


def read_aiger(data: bytes, name: str = "aig") -> Aig:
    """The graph in a binary .aig file; ToolFailed where it is not one.

    Latch k is cut: the input `Q:lk` and the output `D:lk`, behind all others.
    """
    try:
        return _read(data, name)
    except (ValueError, IndexError) as error:
        raise ToolFailed(
            f"not a binary AIGER file: {error}",
            where=name,
            hint="the tool that wrote it is too old, or was stopped while writing",
        ) from None


def _read(data: bytes, name: str) -> Aig:
    end = data.index(b"\n")
    head = data[:end].split()
    if head[:1] != [b"aig"]:
        raise ValueError("it does not begin with 'aig'")
    variables, inputs, latches, outputs, gates = (int(x) for x in head[1:6])
    if variables != inputs + latches + gates:
        raise ValueError(f"{variables} variables are not the sum of their kinds")
    if max(inputs, latches, outputs, gates) > len(data):
        raise ValueError("it is cut off")
    at = end + 1
    rows = []
    for _ in range(latches + outputs):
        end = data.index(b"\n", at)
        rows.append(int(data[at:end].split()[0]))
        at = end + 1
    literals = rows[latches:] + rows[:latches]
    left, right = [], []
    for k in range(1 + inputs + latches, 1 + variables):
        first, at = _delta(data, at)
        second, at = _delta(data, at)
        a = 2 * k - first
        if first < 1 or second < 0 or a - second < 0:
            raise ValueError(f"gate {k} is out of order")
        left.append(a)
        right.append(a - second)
    names = {"i": [f"i{i}" for i in range(inputs)], "o": [f"o{i}" for i in range(outputs)]}
    for line in data[at:].split(b"\n"):
        if line[:1] == b"c" or not line:
            break
        place, _, symbol = line.decode().partition(" ")
        if place[0] in names:
            names[place[0]][int(place[1:])] = symbol
    if any(x >> 1 > variables for x in literals):
        raise ValueError("an output is no variable")
    held, taken = ([f"{end}:l{k}" for k in range(latches)] for end in "QD")
    return Aig(
        name,
        (*names["i"], *held),
        (*names["o"], *taken),
        tuple(literals),
        tuple(left),
        tuple(right),
    )


def _delta(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
