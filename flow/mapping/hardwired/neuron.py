"""One neuron of constant weights: hardwired and bit-serial, and the forms that rival it.

Inputs x are `bits` wide in two's complement, weights are integers of few magnitudes: those of FP4
(E2M1) doubled are 1, 2, 3, 4, 6, 8 and 12. A negative weight reads the complement of its input,
-x = ~x + 1, and what that leaves is one constant. Every form gives the same integer, the sum of
w x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.mapping.hardwired.bits import ONE, ZERO, Bits, Builder, Netlist, run

MAGNITUDES = (1, 2, 3, 4, 6, 8, 12)
"""Values of the regions of FP4, doubled; inputs of the weight 0 are left out."""
TERNARY = (1,)
INT4 = tuple(range(1, 9))


@dataclass(frozen=True, slots=True)
class Base:
    """A neuron before its weights: ports of each region, in the order of `magnitudes`, and the
    bits of its inputs. Every neuron of an array has the same cells. A bias that is larger than
    what the weights leave asks for a width of at least `least`."""

    ports: tuple[int, ...]
    bits: int
    magnitudes: tuple[int, ...] = MAGNITUDES
    least: int = 1

    @property
    def width(self) -> int:
        """Bits of the largest count, at least `least`; constants are below 2**width."""
        top = sum(m * n for m, n in zip(self.magnitudes, self.ports, strict=True))
        return max(self.least, top.bit_length())

    @property
    def word(self) -> int:
        """Bits of the answer."""
        return self.bits - 1 + self.width + 2

    def value(self, region: int) -> str:
        """The weights of a region as a reader knows them: those of FP4 are stored doubled."""
        found = self.magnitudes[region]
        return f"{found / 2:g}" if self.magnitudes == MAGNITUDES else str(found)


def hardwired(base: Base, name: str = "neuron") -> Netlist:
    """The neuron that reads one bit of each port a clock, the lowest first.

    Regions of powers of two count at their places of one compressor, those of 3, 6 and 12 at 1, 2
    and 4 of another, whose count is tripled once, and so on for each odd part. `first` marks the
    lowest bits, `last` the signs, which count negative. A port of `c` is tied to `first` where the
    bit of the constant is 1, else to 0. After `bits` clocks the output is the sum, in two's
    complement.
    """
    build = Builder(name)
    ports = iter(build.input("p", sum(base.ports)))
    weights = [m for m, n in zip(base.magnitudes, base.ports, strict=True) for _ in range(n)]
    return _accumulating(build, base.width, base.bits, lambda: _grouped(
        build, weights, [[next(ports)] for _ in weights]
    ))  # fmt: skip


def sub_neurons(
    bases: Sequence[Base], shifts: Sequence[int], bits: int, name: str = "neuron"
) -> Netlist:
    """The same with a compressor for each block of inputs, whose count is worth 2**shift.

    Ports of `p` are those of the blocks, one after the other, each in the order of its base.
    """
    build = Builder(name)
    ports = iter(build.input("p", sum(sum(base.ports) for base in bases)))
    top = sum(
        m * n << shift
        for base, shift in zip(bases, shifts, strict=True)
        for m, n in zip(base.magnitudes, base.ports, strict=True)
    )

    def plane() -> list[int]:
        columns: list[list[int]] = []
        for base, shift in zip(bases, shifts, strict=True):
            pairs = zip(base.magnitudes, base.ports, strict=True)
            weights = [m for m, n in pairs for _ in range(n)]
            word = _grouped(build, weights, [[next(ports)] for _ in weights])
            for place, bit in enumerate(word):
                if bit != ZERO:
                    _put(columns, shift + place, bit)
        return build.total(columns)

    return _accumulating(build, max(1, top.bit_length()), bits, plane)


def _accumulating(
    build: Builder, width: int, bits: int, counted: Callable[[], list[int]]
) -> Netlist:
    """The neuron around the count of one bit of each input, below 2**width."""
    constant = build.input("c", width + 1)
    (first,), (last,) = build.input("first", 1), build.input("last", 1)
    plane = counted()
    # The accumulator keeps the upper part of the sum; its lowest bit leaves each clock.
    kept = build.wires(width + 1)
    held = [
        build.add("or", build.add("andnot", net, first)[0], bit)[0]
        for net, bit in zip(kept, constant, strict=True)
    ]
    carry = last
    total = []
    for k in range(width + 2):
        bit = plane[k] if k < len(plane) else ZERO
        flipped = build.add("xor", bit, last)[0] if bit != ZERO else last
        here, carry = build.add("fa", held[min(k, width)], flipped, carry)
        total.append(here)
    for net, data in zip(kept, total[1:], strict=True):
        build.register(data, net)
    low: list[int] = []
    for _ in range(bits - 1):
        (stored,) = build.wires(1)
        build.register(low[0] if low else total[0], stored)
        low.insert(0, stored)
    return build.done([*low, *total])


def cell_embedding(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The neuron that multiplies each input by its own constant, all bits at once, and adds."""
    build = Builder(name)
    true, false = build.input("x", len(weights) * bits), build.input("xn", len(weights) * bits)
    columns: list[list[int]] = []
    rows = [(i, digit) for i, weight in enumerate(weights) for digit in digits(weight)]
    for i, digit in rows:
        for place, bit in enumerate(_row(true, false, i, digit, bits)):
            _put(columns, _shift(digit) + place, bit)
    return build.done(_with_constant(build, columns, [digit for _, digit in rows], bits))


def adder_tree(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The same, as it is drawn: each product a word of its own, then a tree of two-word adders."""
    build = Builder(name)
    true, false = build.input("x", len(weights) * bits), build.input("xn", len(weights) * bits)
    words = []
    constant = 0
    for i, weight in enumerate(weights):
        word: list[int] = []
        for digit in digits(weight):
            mine = (true if digit > 0 else false)[i * bits : (i + 1) * bits]
            row = [ZERO] * _shift(digit) + list(mine)
            word = _sum(build, word, row) if word else row
            constant -= min(digit, 0)
        if word:
            words.append(word)
    words.append([ONE if constant >> k & 1 else ZERO for k in range(constant.bit_length() + 1)])
    while len(words) > 1:
        pairs = [_sum(build, a, b) for a, b in zip(words[::2], words[1::2], strict=False)]
        words = [*pairs, *words[len(pairs) * 2 :]]
    return build.done(words[0])


def shared(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """The same with one multiple for all inputs whose weights have one odd part."""
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
    parts: dict[int, list[list[int]]] = {1: []}
    for weight, row in zip(weights, rows, strict=True):
        if weight:
            columns = parts.setdefault(abs(weight) >> _shift(weight), [])
            for place, bit in enumerate(row):
                _put(columns, _shift(weight) + place, bit)
    whole = parts.pop(1)
    for odd in sorted(parts):
        for place, bit in enumerate(build.total(parts[odd])):
            for more in range(odd.bit_length()) if bit != ZERO else ():
                if odd >> more & 1:
                    _put(whole, place + more, bit)
    return build.total(whole)


def digits(weight: int) -> list[int]:
    """Powers of two and their negatives that sum to a weight, as few as can be; without negative
    ones of a positive weight where that takes no more."""
    rest, found, place = abs(weight), [], 0
    plain = [1 << k for k in range(rest.bit_length()) if rest >> k & 1]
    while rest:
        if rest & 1:
            digit = 2 - rest % 4
            found.append(digit << place)
            rest -= digit
        rest >>= 1
        place += 1
    best = plain if len(plain) <= len(found) else found
    return [-d for d in best] if weight < 0 else best


def _row(true: Sequence[int], false: Sequence[int], i: int, weight: int, bits: int) -> list[int]:
    """The bits of x or of ~x with the sign bit complemented, which leaves a constant."""
    mine, other = (true, false) if weight > 0 else (false, true)
    return [*mine[i * bits : (i + 1) * bits - 1], other[(i + 1) * bits - 1]]


def _with_constant(
    build: Builder, columns: list[list[int]], factors: Sequence[int], bits: int
) -> list[int]:
    """The sum of columns and of what sign bits and complements leave: a sign bit s is worth
    -s = ~s - 1, and -x = ~x + 1."""
    constant = -sum(map(abs, factors)) * (1 << bits - 1) - sum(f for f in factors if f < 0)
    width = (sum(map(abs, factors)) << bits - 1).bit_length() + 1
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
