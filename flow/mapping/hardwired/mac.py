"""The neuron as a machine would do it: weights in a ROM, one multiplier, an input each clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.mapping.hardwired.bits import ONE, ZERO, Bits, Builder, Netlist
from flow.mapping.hardwired.neuron import MAGNITUDES

CODES = {m: code for code, m in enumerate((0, *MAGNITUDES))}
"""The three lower bits of E2M1 by the doubled magnitude: its codes are in order."""


def rom_mac(weights: Sequence[int], bits: int, name: str = "neuron") -> Netlist:
    """One FP4 weight a clock: `a` is the number of the input that `x` is, `x3` is three times it,
    `first` clears the sum. After all inputs the output is the sum, in two's complement.

    The address, the input and its triple are the same for all neurons of an array.
    """
    build = Builder(name)
    address = build.input("a", max(1, (len(weights) - 1).bit_length()))
    x, x3 = build.input("x", bits), build.input("x3", bits + 2)
    (first,) = build.input("first", 1)
    codes = [CODES[abs(w)] | (w < 0) << 3 for w in weights]
    mantissa, low, high, negative = _rom(build, address, codes)
    exponent = build.add("or", low, high)[0]
    three = _both(build, mantissa, exponent)
    some = build.add("or", mantissa, exponent)[0]
    wide = [*x, x[-1], x[-1]]
    word = [_choose(build, three, one, other) for one, other in zip(wide, x3, strict=True)]
    word = [_both(build, bit, some) for bit in word]
    # Doubled E2M1 is 3 * 2**(e - 1) where mantissa and exponent are not 0, else 2**e.
    word = _shifted(build, word, _steps(build, low, high, three))
    width = (sum(map(abs, weights)) << bits - 1).bit_length() + 1
    kept = build.wires(width)
    carry, total = negative, []
    for k in range(width):
        bit = build.add("xor", word[min(k, len(word) - 1)], negative)[0]
        held = build.add("andnot", kept[k], first)[0]
        here, carry = build.add("fa", held, bit, carry)
        total.append(here)
    for net, data in zip(kept, total, strict=True):
        build.register(data, net)
    return build.done(total)


def _rom(build: Builder, address: Sequence[int], codes: Sequence[int]) -> list[int]:
    """The four bits of the code at an address; equal parts of the table are one."""
    room = 1 << len(address)
    inverted = [_not(build, net) for net in address]
    known: dict[tuple[bool, ...], int] = {}

    def read(table: tuple[bool, ...]) -> int:
        if not any(table) or all(table):
            return ONE if table[0] else ZERO
        if table not in known:
            half = len(table) // 2
            place = half.bit_length() - 1
            low, high = read(table[:half]), read(table[half:])
            if low == high:
                return low
            zero = build.add("andnot", low, address[place])[0]
            one = build.add("andnot", high, inverted[place])[0]
            known[table] = build.add("or", zero, one)[0]
        return known[table]

    padded = [*codes, *[0] * (room - len(codes))]
    return [read(tuple(bool(code >> bit & 1) for code in padded)) for bit in range(4)]


def _steps(build: Builder, low: int, high: int, less: int) -> tuple[int, int]:
    """The exponent less one where `less`: places to shift by, two bits."""
    unit = build.add("xor", low, less)[0]
    borrow = build.add("andnot", less, low)[0]
    return unit, build.add("andnot", high, borrow)[0]


def _shifted(build: Builder, word: list[int], places: tuple[int, int]) -> list[int]:
    """A word times 2**(0 to 3), three bits wider."""
    for bit, amount in zip(places, (1, 2), strict=True):
        wide = [*word, *[word[-1]] * amount]
        moved = [*[ZERO] * amount, *word]
        word = [_choose(build, bit, one, other) for one, other in zip(wide, moved, strict=True)]
    return word


def _not(build: Builder, net: int) -> int:
    return build.add("xor", net, ONE)[0]


def _both(build: Builder, one: int, other: int) -> int:
    return build.add("andnot", one, _not(build, other))[0]


def _choose(build: Builder, condition: int, zero: int, one: int) -> int:
    low = build.add("andnot", zero, condition)[0]
    return build.add("or", low, _both(build, one, condition))[0]


def clocks(x: NDArray[np.int64], bits: int) -> list[dict[str, Bits]]:
    """What the neuron reads in each clock, for samples `[samples, inputs]`."""
    samples, inputs = x.shape
    width = max(1, (inputs - 1).bit_length())
    return [
        {
            "a": _spread(np.full(samples, i), width),
            "x": _spread(x[:, i], bits),
            "x3": _spread(3 * x[:, i], bits + 2),
            "first": np.full((samples, 1), i == 0),
        }
        for i in range(inputs)
    ]


def products(x: NDArray[np.int64], bits: int) -> list[dict[str, Bits]]:
    """One clock, in which sample i is input i alone: the output is each product."""
    inputs = len(x)
    width = max(1, (inputs - 1).bit_length())
    return [
        {
            "a": _spread(np.arange(inputs), width),
            "x": _spread(x, bits),
            "x3": _spread(3 * x, bits + 2),
            "first": np.full((inputs, 1), True),
        }
    ]


def _spread(values: NDArray[np.int64], width: int) -> Bits:
    found: Bits = (values[:, None] >> np.arange(width) & 1).astype(bool)
    return found
