"""What stands around the encoder of a calorimeter's front end: charges in, sums, truncated codes.

All of it is integer and exact, and made of layers that every backend knows:

* a cell's code is a small floating-point number, e * 2**m + f: with exponent e = 0 its charge is
  f, else (2**m + f) << (e - 1), where m is the number of bits of the fraction f;
* the sum S of all charges leaves beside the codes;
* the encoder reads y = floor(2**k * x / max(S, 1) + 1/2) of each charge x, where k is the number
  of fraction bits of its input; the quotient comes bit by bit from a restoring division;
* an input says how many low bits of every output are cleared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import (
    Add,
    Affine,
    AtLeast,
    Gather,
    Input,
    Layer,
    Lookup,
    Multiply,
    Pool,
    Requantize,
    Reshape,
)
from flow.ir.network import Network
from flow.ir.tensor import IntArray, fractions, tensor_type

PLACE = "the readout"
CELLS, LINKS, SUM = "cells", "links", "charge_sum"


@dataclass(frozen=True)
class Readout:
    """Trigger cells with codes of `exponent_bits` and `mantissa_bits`, and where they go.

    `arrangement` has a cell, or -1 for a 0, for each element of the encoder's input in row-major
    order; `cleared` the low bits that are cleared for each value of the input `links`, if any.
    """

    cells: int
    exponent_bits: int
    mantissa_bits: int
    arrangement: tuple[int, ...]
    cleared: tuple[int, ...] = ()

    def charges(self) -> tuple[int, ...]:
        """The charge of every code."""
        m = self.mantissa_bits
        one = 1 << m
        return tuple(
            code if code < one else (one + code % one) << ((code >> m) - 1)
            for code in range(1 << (self.exponent_bits + m))
        )


def with_readout(network: Network, readout: Readout) -> Network:
    """The encoder behind and before its readout: inputs `cells` (and `links`), outputs first the
    encoder's, then the sum.

    UsageError where the encoder has several inputs or outputs, or an input that does not fit.
    """
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UsageError("a readout needs an encoder of one input and one output")
    (entry,) = network.inputs
    if len(readout.arrangement) != entry.tensor.size or not (
        -1 <= min(readout.arrangement) <= max(readout.arrangement) < readout.cells
    ):
        raise UsageError(
            f"the arrangement of the readout does not fill an input of {entry.tensor.size}",
            hint="name a cell, or -1, for each of them",
        )
    bits = _fraction_bits(entry)
    charges = readout.charges()
    count = readout.cells
    top = len(charges) - 1
    codes = Input(CELLS, (), PLACE, tensor_type((count,), 0, top), fractions(0, (count,)))
    layers: list[Layer] = [
        codes,
        Lookup("charges", (CELLS,), PLACE, (0,), (charges,), np.array(0), fractions(1, ())),
        # A sum without weights, which registers could hold.
        Reshape("charge_row", ("charges",), PLACE, (count, 1)),
        Pool("charge_total", ("charge_row",), PLACE, "sum", (count,), (count,), ((0, 0),)),
        Reshape(SUM, ("charge_total",), PLACE, (1,)),
    ]  # fmt: skip
    quotient = _quotients(layers, charges[-1], count, bits)
    order: IntArray = np.array(readout.arrangement).reshape(entry.tensor.shape)
    layers.append(Gather("arranged", (quotient,), PLACE, order, 0))
    scale = fractions(entry.tensor.scale, entry.tensor.shape)
    one: Any = np.array(1)
    # The quotients count in the steps of the encoder's input, and take its name.
    layers.append(Affine(entry.name, ("arranged",), PLACE, one, np.array(0), scale))
    layers += [layer for layer in network.layers if not isinstance(layer, Input)]
    (output,) = network.outputs
    if readout.cleared:
        links = len(readout.cleared)
        layers.insert(1, Input(LINKS, (), PLACE, tensor_type((1,), 0, links - 1),
                               fractions(0, (1,))))  # fmt: skip
        output = _cleared(layers, output, network.types[output], readout.cleared)
    return Network(network.name, tuple(layers), (output, SUM), "none")


def _fraction_bits(entry: Input) -> int:
    """k where the input counts in steps of 2**-k and holds 1."""
    step = Fraction(entry.tensor.scale.ravel()[0])
    bits = step.denominator.bit_length() - 1
    hull = entry.tensor.hull
    if step != Fraction(1, 1 << bits) or hull.lo > 0 or hull.hi < 1 << bits:
        raise UsageError(
            "the encoder's input cannot hold normalised charges from 0 to 1",
            hint="its step must be a power of two, at most 1",
        )
    return bits


def _quotients(layers: list[Layer], most: int, count: int, bits: int) -> str:
    """floor(2**bits * x / max(S, 1) + 1/2) of every charge: one more bit is divided, and rounded.

    A remainder is below the divisor, so that high bits of it are 0 and are dropped.
    """
    width = (most * count).bit_length()
    one, none = np.array(1), np.array(0)
    unit = fractions(1, ())
    zero = np.array(Fraction(0), dtype=object)
    layers += [
        Requantize("divisor", (SUM,), PLACE, unit, zero, "floor", "saturate", one,
                   np.array(most * count), unit),
        Gather("divisors", ("divisor",), PLACE, np.zeros(count, np.int64), 0),
        Affine("minus", ("divisors",), PLACE, np.array(-1), none, unit),
    ]  # fmt: skip
    rest, digits = "charges", []
    for place in range(bits + 1, -1, -1):
        difference, digit, step = f"difference{place}", f"digit{place}", f"step{place}"
        layers += [
            Add(difference, (rest, "minus"), PLACE),
            AtLeast(digit, (difference,), PLACE, none),
            Multiply(step, (digit, "minus"), PLACE, unit),
            Affine(f"weight{place}", (digit,), PLACE, np.array(1 << place), none, unit),
        ]
        digits.append(f"weight{place}")
        if place:
            layers += [
                Add(f"less{place}", (rest, step), PLACE),
                Requantize(f"rest{place}", (f"less{place}",), PLACE, unit, zero, "floor", "wrap",
                           none, np.array((1 << width) - 1), unit),
                Affine(f"twice{place}", (f"rest{place}",), PLACE, np.array(2), none, unit),
            ]  # fmt: skip
            rest = f"twice{place}"
        else:
            layers.pop(-2)  # The last remainder is not needed.
    half = np.array(Fraction(1, 2), dtype=object)
    layers += [
        Add("quotients", tuple(digits), PLACE),
        Requantize("rounded", ("quotients",), PLACE, half, half, "floor", "saturate", none,
                   np.array(1 << bits), unit),
    ]  # fmt: skip
    return "rounded"


def _cleared(layers: list[Layer], output: str, tensor: Any, cleared: Sequence[int]) -> str:
    """The output with as many low bits cleared as the input `links` says."""
    scale = tensor.scale
    lo, hi = int(tensor.hull.lo), int(tensor.hull.hi)
    zero = np.array(Fraction(0), dtype=object)
    index = np.zeros(tensor.shape, np.int64)
    parts = []
    for k, bits in enumerate(cleared):
        table = tuple(int(i == k) for i in range(len(cleared)))
        kept = np.array(Fraction(1, 1 << bits), dtype=object)
        layers += [
            Lookup(f"link{k}", (LINKS,), PLACE, (0,), (table,), np.array(0), fractions(1, ())),
            Gather(f"chosen{k}", (f"link{k}",), PLACE, index, 0),
            Requantize(f"cut{k}", (output,), PLACE, kept, zero, "floor", "saturate",
                       np.array(lo >> bits), np.array(hi >> bits), fractions(1, ())),
            Affine(f"kept{k}", (f"cut{k}",), PLACE, np.array(1 << bits), np.array(0), scale),
            Multiply(f"part{k}", (f"kept{k}", f"chosen{k}"), PLACE, scale),
        ]  # fmt: skip
        parts.append(f"part{k}")
    layers.append(Add("codes", tuple(parts), PLACE))
    return "codes"
