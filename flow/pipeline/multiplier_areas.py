"""The area of every bespoke multiplier of an input by a constant, mapped onto a technology."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flow.ir.layers import Dense, Input
from flow.ir.network import Network
from flow.ir.tensor import fractions, tensor_type
from flow.pipeline.mapped_areas import MappedAreas
from flow.tech.technology import Technology


def multiplier_areas(
    technology: Technology, input_bits: int = 4, weight_bits: int = 8
) -> dict[int, float]:
    """um2 of x * w by the magnitude w, of all weights of so many bits, sign included.

    A shift costs nothing, so only odd multipliers are mapped.
    """
    odd = range(1, 1 << (weight_bits - 1), 2)
    costs = MappedAreas(technology).networks([_times(w, input_bits) for w in odd])
    known = {w: float(cost.area) for w, cost in zip(odd, costs, strict=True)}
    areas = {0: 0.0}
    for w in range(1, 1 << (weight_bits - 1)):
        areas[w] = known[w // (w & -w)]
    return areas


def _times(w: int, bits: int) -> Network:
    tensor = tensor_type((1,), 0, (1 << bits) - 1, Fraction(1))
    entry = Input("x", (), "input", tensor, fractions(0, (1,)))
    weights, bias = np.array([[w]], dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Network(
        "times", (entry, Dense("y", ("x",), "y", weights, bias, fractions(1, (1,)))), ("y",)
    )
