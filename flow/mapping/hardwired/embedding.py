"""Weights as a list of wires over an array of equal neurons: which input feeds which port.

After the metal embedding of the ASPLOS '26 paper: cells do not depend on weights, a few upper
metal layers do. A port takes an input or its complement; a port that is left over is tied to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.mapping.hardwired.bits import Bits
from flow.mapping.hardwired.neuron import MAGNITUDES, Base

TIED = -1
"""A port that no input feeds."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """For each neuron and port 2 i for input i, 2 i + 1 for its complement, or TIED; and the
    constant that complements leave."""

    base: Base
    ports: NDArray[np.int32]
    constants: NDArray[np.int64]


def base_for(weights: NDArray[np.int8], bits: int, slack: float = 0.0) -> Base:
    """The smallest base that holds all neurons `[neurons, inputs]`, with a share more of ports."""
    found = _counts(weights).max(axis=0)
    return Base(tuple(int(np.ceil(n * (1 + slack))) for n in found), bits)


def embed(weights: NDArray[np.int8], base: Base) -> Wiring:
    """The wires of neurons `[neurons, inputs]`, weights doubled FP4.

    UsageError that names the first neuron and region without room.
    """
    missing = np.argwhere(_counts(weights) > np.array(base.ports))
    if len(missing):
        neuron, region = (int(n) for n in missing[0])
        count = int((np.abs(weights[neuron]) == MAGNITUDES[region]).sum())
        raise UsageError(
            f"neuron {neuron} has {count} weights of {MAGNITUDES[region] / 2:g}, "
            f"but its region has {base.ports[region]} ports",
            hint="give the array more slack",
        )
    ports = np.full((len(weights), sum(base.ports)), TIED, np.int32)
    begin = 0
    for magnitude, room in zip(MAGNITUDES, base.ports, strict=True):
        rows, inputs = np.nonzero(np.abs(weights) == magnitude)
        starts = np.searchsorted(rows, np.arange(len(weights)))
        place = np.arange(len(rows)) - starts[rows]
        ports[rows, begin + place] = 2 * inputs + (weights[rows, inputs] < 0)
        begin += room
    negative = np.where(weights < 0, -weights.astype(np.int64), 0)
    return Wiring(base, ports, negative.sum(axis=1))


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


def _counts(weights: NDArray[np.int8]) -> NDArray[np.int64]:
    return np.stack([(np.abs(weights) == m).sum(axis=1) for m in MAGNITUDES], axis=1)
