"""The approximation `replace-coefficients`: weights give way to near ones of smaller multipliers.

G. Armeniakos, G. Zervakis, D. Soudris, M. B. Tahoori and J. Henkel, "Cross-Layer Approximation
for Printed Machine Learning Circuits", DATE 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from flow.errors import UsageError
from flow.ir.layers import MaskedDense
from flow.ir.network import Network
from flow.ir.tensor import IntArray, TensorType
from flow.passes.approximate.base import Facts, MultiplierAreas, approximate

LOWEST, HIGHEST = -128, 127
"""The weights of 8 bits."""


@dataclass(frozen=True)
class ReplaceCoefficients:
    """Replace each weight by the one of least area within `reach` above it or below it.

    Of all choices for a neuron the one whose weights keep their sum best, then the smallest:
    inputs are never negative, so errors of either sign balance.
    """

    name: ClassVar[str] = "replace-coefficients"
    exact: ClassVar[bool] = False

    reach: int = 4
    layer: str = ""

    def run_with(self, network: Network, facts: Facts) -> Network:
        """The network with other weights. UsageError without areas of multipliers."""
        areas = facts.areas
        if areas is None:
            raise UsageError("replace-coefficients: the areas of the multipliers are not measured")
        if self.reach < 0:
            raise UsageError(f"replace-coefficients: reach is {self.reach}, a negative number")

        def change(layer: MaskedDense, x: TensorType, values: IntArray) -> MaskedDense:
            highest = x.hi.reshape(-1, x.shape[-1]).max(axis=0).tolist()
            columns = [
                balanced([nearby(w, hi.bit_length(), self.reach, areas)
                          for w, hi in zip(column, highest, strict=True)])
                for column in layer.weights.T.tolist()
            ]  # fmt: skip
            return replace(layer, weights=np.array(columns, dtype=np.int64).T)

        return approximate(network, change, facts, self.name, self.layer)


Choice = tuple[int, float, int]
"""By how much a weight changes, the area of its multiplier, and the new weight."""


def nearby(w: int, input_bits: int, reach: int, areas: MultiplierAreas) -> list[Choice]:
    """The smallest multipliers for weights of 8 bits in [w, w + reach] and in [w - reach, w].

    Of equal ones the nearest to w. A weight of more than 8 bits stays.
    """
    if not LOWEST <= w <= HIGHEST:
        return [(0, 0.0, w)]
    found: list[Choice] = []
    for side in (1, -1):
        tried = [w + side * d for d in range(reach + 1) if LOWEST <= w + side * d <= HIGHEST]
        best = min(tried, key=lambda v: (areas.area(v, input_bits), abs(v - w)))
        choice = best - w, areas.area(best, input_bits), best
        if choice not in found:
            found.append(choice)
    return found


def balanced(choices: Sequence[Sequence[Choice]]) -> list[int]:
    """One choice a weight: the least |sum of changes|, then the least area, over all of them.

    Only the smallest way to each sum of changes goes on, so the work grows with the sums.
    """
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for options in choices:
        new: dict[int, tuple[float, tuple[int, ...]]] = {}
        for total, (area, taken) in best.items():
            for change, cost, weight in options:
                way = area + cost, (*taken, weight)
                if total + change not in new or way < new[total + change]:
                    new[total + change] = way
        best = new
    total = min(best, key=lambda change: (abs(change), *best[change]))
    return list(best[total][1])
