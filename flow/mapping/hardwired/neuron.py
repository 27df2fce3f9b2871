"""One neuron of constant weights: hardwired and bit-serial, and the forms that rival it.

Inputs x are `bits` wide in two's complement, weights are FP4 (E2M1) doubled: 0, 1, 2, 3, 4, 6, 8,
12 and their negatives. A negative weight reads the complement of its input, -x = ~x + 1, and what
that leaves is one constant. Every form gives the same integer, the sum of w x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.mapping.hardwired.bits import ONE, ZERO, Bits, Builder, Netlist, run

MAGNITUDES = (1, 2, 3, 4, 6, 8, 12)
"""Values of regions; inputs of the weight 0 are left out."""


@dataclass(frozen=True, slots=True)
class Base:
    """A neuron before its weights: ports of each region, in the order of MAGNITUDES, and the bits
    of its inputs. Every neuron of an array has the same cells."""

    ports: tuple[int, ...]
    bits: int

    @property
    def width(self) -> int:
        """Bits of the largest count."""
        top = sum(m * n for m, n in zip(MAGNITUDES, self.ports, strict=True))
        return max(1, top.bit_length())


def hardwired(base: Base, name: str = "neuron") -> Netlist:
    """The neuron that reads one bit of each port a clock, the lowest first.

    The regions of 1, 2, 4 and 8 count at their places of one compressor, those of 3, 6 and 12 at
    1, 2 and 4 of another, whose count is tripled once. `first` marks the lowest bits, `last` the
    signs, which count negative. A port of `c` is tied to `first` where the bit of the constant
    is 1, else to 0. After `bits` clocks the output is the sum, in two's complement.
    """
    build = Builder(name)
    ports = iter(build.input("p", sum(base.ports)))
    constant = build.input("c", base.width + 1)
    (first,), (last,) = build.input("first", 1), build.input("last", 1)
    weights = [m for m, n in zip(MAGNITUDES, base.ports, strict=True) for _ in range(n)]
    plane = _grouped(build, weights, [[next(ports)] for _ in weights])
    # The accumulator keeps the upper part of the sum; its lowest bit leaves each clock.
    kept = build.wires(base.width + 1)
    held = [
        build.add("or", build.add("andnot", net, first)[0], bit)[0]
        for net, bit in zip(kept, constant, strict=True)
    ]
    carry = last
    total = []
    for k in range(base.width + 2):
        bit = plane[k] if k < len(plane) else ZERO
        flipped = build.add("xor", bit, last)[0] if bit != ZERO else last
        here, carry = build.add("fa", held[min(k, base.width)], flipped, carry)
        total.append(here)
    for net, data in zip(kept, total[1:], strict=True):
        build.register(data, net)
    low: list[int] = []
    for _ in range(base.bits - 1):
        (stored,) = build.wires(1)
        build.register(low[0] if low else total[0], stored)
        low.insert(0, stored)
    return build.done([*low, *total])


def cell_embedding(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The neuron that multiplies each input by its own constant, all bits at once, and adds."""
    build = Builder(name)
    columns = _products(build, weights, bits)
    return build.done(_with_constant(build, columns, weights, bits))


def adder_tree(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The same, as it is drawn: each product a word of its own, then a tree of two-word adders."""
    build = Builder(name)
    true, false = build.input("x", len(weights) * bits), build.input("xn", len(weights) * bits)
    words = []
    for i, weight in enumerate(weights):
        if not weight:
            continue
        word = list((true if weight > 0 else false)[i * bits : (i + 1) * bits])
        if weight % 3 == 0:
            word = _sum(build, word, [ZERO, *word])
        words.append([ZERO] * _shift(weight) + word)
    constant = -sum(w for w in weights if w < 0)
    words.append([ONE if constant >> k & 1 else ZERO for k in range(constant.bit_length() + 1)])
    while len(words) > 1:
        pairs = [_sum(build, a, b) for a, b in zip(words[::2], words[1::2], strict=False)]
        words = [*pairs, *words[len(pairs) * 2 :]]
    return build.done(words[0])


def shared(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The same with one tripling for all inputs of the magnitudes 3, 6 and 12."""
    build = Builder(name)
    true, false = build.input("x", len(weights) * bits), build.input("xn", len(weights) * bits)
    rows = [_row(true, false, i, w, bits) if w else [] for i, w in enumerate(weights)]
    word = _grouped(build, weights, rows)
    columns = [[bit] if bit != ZERO else [] for bit in word]
    return build.done(_with_constant(build, columns, weights, bits))


def words(x: NDArray[np.int64], bits: int) -> list[dict[str, Bits]]:
    """What the other forms read, in one clock."""
    spread = (x[:, :, None] >> np.arange(bits) & 1).astype(bool).reshape(len(x), -1)
    return [{"x": spread, "xn": ~spread}]


def answers(netlist: Netlist, clocks: Sequence[dict[str, Bits]]) -> NDArray[np.int64]:
    """The output after the last clock, in two's complement."""
    *_, word = run(netlist, clocks)
    scale = 1 << np.arange(word.shape[1], dtype=np.int64)
    scale[-1] = -scale[-1]
    found: NDArray[np.int64] = word.astype(np.int64) @ scale
    return found


def _grouped(build: Builder, weights: Sequence[int], rows: Sequence[Sequence[int]]) -> list[int]:
    """The sum of rows of bits, each times the magnitude of its weight."""
    single: list[list[int]] = []
    triple: list[list[int]] = []
    for weight, row in zip(weights, rows, strict=True):
        for place, bit in enumerate(row):
            if weight:
                _put(triple if weight % 3 == 0 else single, _shift(weight) + place, bit)
    for place, bit in enumerate(build.total(triple)):
        if bit != ZERO:
            _put(single, place, bit)
            _put(single, place + 1, bit)
    return build.total(single)


def _products(build: Builder, weights: Sequence[int], bits: int) -> list[list[int]]:
    """Columns of all products: one row of bits for a power of two, two rows for thrice one."""
    true, false = build.input("x", len(weights) * bits), build.input("xn", len(weights) * bits)
    columns: list[list[int]] = []
    for i, weight in enumerate(weights):
        for more in range(2 if weight % 3 == 0 else 1) if weight else ():
            for place, bit in enumerate(_row(true, false, i, weight, bits)):
                _put(columns, _shift(weight) + more + place, bit)
    return columns


def _row(true: Sequence[int], false: Sequence[int], i: int, weight: int, bits: int) -> list[int]:
    """The bits of x or of ~x with the sign bit complemented, which leaves a constant."""
    mine, other = (true, false) if weight > 0 else (false, true)
    return [*mine[i * bits : (i + 1) * bits - 1], other[(i + 1) * bits - 1]]


def _with_constant(
    build: Builder,
    columns: list[list[int]],
    weights: Sequence[int],
    bits: int,
) -> list[int]:
    """The sum of columns and of what sign bits and complements leave: a sign bit s is worth
    -s = ~s - 1, and -x = ~x + 1."""
    constant = -sum(map(abs, weights)) * (1 << bits - 1) - sum(w for w in weights if w < 0)
    width = (sum(map(abs, weights)) << bits - 1).bit_length() + 1
    for place in range(width):
        if constant >> place & 1:
            _put(columns, place, ONE)
    word = build.total(columns)[:width]
    return [*word, *[ZERO] * (width - len(word))]


def _sum(build: Builder, one: Sequence[int], other: Sequence[int]) -> list[int]:
    """The sum of two words in two's complement, a bit wider than both."""
    width = max(len(one), len(other)) + 1
    carry, total = ZERO, []
    for k in range(width):
        bits = [word[min(k, len(word) - 1)] for word in (one, other)]
        known = [bit for bit in (*bits, carry) if bit != ZERO]
        if len(known) < 2:
            total.append(known[0] if known else ZERO)
            carry = ZERO
        else:
            here, carry = build.add("fa" if len(known) == 3 else "ha", *known)
            total.append(here)
    return total


def _put(columns: list[list[int]], place: int, bit: int) -> None:
    while len(columns) <= place:
        columns.append([])
    columns[place].append(bit)


def _shift(weight: int) -> int:
    """The power of two in a weight."""
    return (abs(weight) & -abs(weight)).bit_length() - 1
