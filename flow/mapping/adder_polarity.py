"""Which form each adder of a graph takes, so that cells and inverters together are smallest.

Simulated annealing over single adders (Kirkpatrick, Gelatt, Vecchi 1983) by a heat bath: an adder
takes one of its forms with the probability that its cost has, at a temperature that falls to zero.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

from flow.ir.aig import Adder, Aig
from flow.mapping.adder_forms import Form

_HOT, _COLD = 0.75, 0.1
"""Temperatures of the first and the last sweep, in areas of an inverter."""


def choose_forms(
    graph: Aig,
    adders: Sequence[Adder],
    forms: Mapping[int, Sequence[Form]],
    inverter: float,
    sweeps: int = 20,
    seed: int = 1,
) -> list[Form]:
    """A form for each adder. A net that is needed in both polarities costs one inverter.

    Gates of the graph take and give either polarity; inputs and outputs have theirs.
    """
    # uses[v][p]: how many need or give variable v inverted (p = 1) or not (p = 0).
    uses = [[0, 0] for _ in range(graph.first_gate + graph.size)]
    for v in range(1, graph.first_gate):
        uses[v][0] = 1
    for x in graph.literals:
        uses[x >> 1][x & 1] += 1
    nets = [tuple((uses[x >> 1], x & 1) for x in (*a.inputs, a.sum, a.carry)) for a in adders]
    options = {
        count: sorted(rows, key=lambda f: (f.area, f.polarity)) for count, rows in forms.items()
    }
    table = {
        count: [(form.area / inverter, form.polarity) for form in rows]
        for count, rows in options.items()
    }
    chosen = [0] * len(adders)
    for pins in nets:
        _count(pins, table[len(pins) - 2][0][1], 1)
    draw = random.Random(seed).random
    for sweep in range(sweeps):
        heat = _HOT * (_COLD / _HOT) ** (sweep / max(1, sweeps - 3)) if sweep < sweeps - 2 else 0.0
        for k, pins in enumerate(nets):
            rows = table[len(pins) - 2]
            _count(pins, rows[chosen[k]][1], -1)
            price = [_price(use, bit) for use, bit in pins]
            costs = [
                area + sum([p[flip] for p, flip in zip(price, polarity, strict=True)])
                for area, polarity in rows
            ]
            chosen[k] = _pick(costs, heat, draw) if heat else costs.index(min(costs))
            _count(pins, rows[chosen[k]][1], 1)
    return [options[len(pins) - 2][k] for pins, k in zip(nets, chosen, strict=True)]


def _count(pins: Sequence[tuple[list[int], int]], polarity: Sequence[int], step: int) -> None:
    for (use, bit), flip in zip(pins, polarity, strict=True):
        use[bit ^ flip] += step


def _price(use: Sequence[int], bit: int) -> tuple[int, int]:
    """What a pin costs, in inverters, that takes the net as it is, or inverted."""
    plain, inverted = use[bit], use[bit ^ 1]
    return int(inverted > 0 and not plain), int(plain > 0 and not inverted)


def _pick(costs: Sequence[float], heat: float, draw: Callable[[], float]) -> int:
    least = min(costs)
    weights = [math.exp((least - cost) / heat) for cost in costs]
    at = draw() * sum(weights)
    for k, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return k
    return costs.index(least)
