"""Weights as a list of wires over an array of equal neurons: which input feeds which port.

After the metal embedding of the ASPLOS '26 paper: cells do not depend on weights, a few upper
metal layers do. A port takes an input or its complement; a port that is left over is tied to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.mapping.hardwired.bits import Bits
from flow.mapping.hardwired.neuron import MAGNITUDES, Base

Integers = NDArray[np.integer[Any]]
TIED = -1
"""A port that no input feeds."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """For each neuron and port 2 i for input i, 2 i + 1 for its complement, or TIED; and the
    constant that complements leave."""

    base: Base
    ports: NDArray[np.int32]
    constants: NDArray[np.int64]


def base_for(
    weights: Integers, bits: int, slack: float = 0.0, magnitudes: tuple[int, ...] = MAGNITUDES
) -> Base:
    """The smallest base that holds all neurons `[neurons, inputs]`, with a share more of ports."""
    return base_of(counts(weights, magnitudes).max(axis=0), bits, slack, magnitudes)


def base_of(most: NDArray[np.int64], bits: int, slack: float, magnitudes: tuple[int, ...]) -> Base:
    """The base with room for so many inputs of each magnitude, and a share more."""
    return Base(tuple(int(np.ceil(n * (1 + slack))) for n in most), bits, magnitudes)


def regions(weights: Integers) -> tuple[int, ...]:
    """The magnitudes that weights have, zero left out."""
    return tuple(int(m) for m in np.unique(np.abs(weights.astype(np.int64))) if m)


def check_room(weights: Integers, base: Base, first: int = 0) -> None:
    """UsageError that names the first neuron (row 0 is neuron `first`) and region without room."""
    found = counts(weights, base.magnitudes)
    strange = found.sum(axis=1) != np.count_nonzero(weights, axis=1)
    if strange.any():
        neuron = int(np.argmax(strange))
        row = np.abs(weights[neuron].astype(np.int64))
        value = int(row[(row > 0) & ~np.isin(row, base.magnitudes)][0])
        raise UsageError(
            f"neuron {first + neuron} has a weight of magnitude {value}, "
            "for which the array has no region",
            hint="its regions are " + ", ".join(map(str, base.magnitudes)),
        )
    missing = np.argwhere(found > np.array(base.ports, np.int64))
    if len(missing):
        neuron, region = (int(n) for n in missing[0])
        raise UsageError(
            f"neuron {first + neuron} has {found[neuron, region]} weights of "
            f"{base.value(region)}, but its region has {base.ports[region]} ports",
            hint="give the array more slack",
        )


def embed(weights: Integers, base: Base) -> Wiring:
    """The wires of neurons `[neurons, inputs]`, integer weights (those of FP4 doubled).

    UsageError that names the first neuron and region without room.
    """
    check_room(weights, base)
    ports = np.full((len(weights), sum(base.ports)), TIED, np.int32)
    begin = 0
    sizes = np.abs(weights.astype(np.int64))
    for magnitude, room in zip(base.magnitudes, base.ports, strict=True):
        rows, inputs = np.nonzero(sizes == magnitude)
        starts = np.searchsorted(rows, np.arange(len(weights)))
        place = np.arange(len(rows)) - starts[rows]
        ports[rows, begin + place] = 2 * inputs + (weights[rows, inputs] < 0)
        begin += room
    negative = np.where(weights < 0, -weights.astype(np.int64), 0)
    return Wiring(base, ports, negative.sum(axis=1))


def evaluate(wiring: Wiring, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the neurons `[neurons]` of the wires answer, for samples `[samples, inputs]`: counts of
    what ports read, times their regions, and the constant."""
    read = np.repeat(wiring.base.magnitudes, wiring.base.ports)
    signed = np.stack([x, ~x], axis=2).reshape(len(x), -1)
    both = np.concatenate([signed, np.zeros((len(x), 1), np.int64)], axis=1)
    found = np.empty((len(x), len(wiring.ports)), np.int64)
    for neuron, row in enumerate(wiring.ports):
        found[:, neuron] = both[:, row] @ read + wiring.constants[neuron]
    return found


def unwired(wiring: Wiring, inputs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The weights `[neurons, inputs]` and biases that the wires stand for, whatever made them."""
    read = np.repeat(np.array(wiring.base.magnitudes, np.int64), wiring.base.ports)
    weights = np.zeros((len(wiring.ports), inputs), np.int64)
    rows, places = np.nonzero(wiring.ports != TIED)
    ports = wiring.ports[rows, places]
    signed = np.where(ports % 2 == 1, -1, 1) * read[places]
    np.add.at(weights, (rows, ports // 2), signed)
    left = np.zeros(len(weights), np.int64)
    np.add.at(left, rows, np.where(signed < 0, -signed, 0))
    return weights, wiring.constants - left


def clocks(wiring: Wiring, neuron: int, x: NDArray[np.int64]) -> list[dict[str, Bits]]:
    """What one neuron's ports read in each clock, for samples `[samples, inputs]`."""
    base, ports = wiring.base, wiring.ports[neuron]
    constant = int(wiring.constants[neuron])
    found = []
    for k in range(base.bits):
        bits = (x[:, np.maximum(ports, 0) // 2] >> k & 1).astype(bool)
        first, last = (np.full((len(x), 1), k == at) for at in (0, base.bits - 1))
        tied = np.array([constant >> j & 1 == 1 for j in range(base.width + 1)])
        found.append(
            {"p": (bits ^ (ports % 2 == 1)) & (ports != TIED), "c": tied & first,
             "first": first, "last": last}
        )  # fmt: skip
    return found


def counts(weights: Integers, magnitudes: tuple[int, ...]) -> NDArray[np.int64]:
    """How many inputs of each neuron have each magnitude, `[neurons, magnitudes]`."""
    sizes = np.abs(weights.astype(np.int64))
    found = [np.count_nonzero(sizes == m, axis=1) for m in magnitudes]
    return np.array(found, np.int64).reshape(len(magnitudes), len(weights)).T
