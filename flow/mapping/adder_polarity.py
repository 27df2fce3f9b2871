"""Which form each adder of a graph takes, so that cells and inverters together are smallest.

Simulated annealing over single adders (Kirkpatrick, Gelatt, Vecchi 1983) by a heat bath: an adder
takes one of its forms with the probability that its cost has, at a temperature that falls to zero.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

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
    rows = {
        count: tuple(sorted(found, key=lambda form: (form.area, form.polarity)))
        for count, found in forms.items()
    }
    costs = {count: _Costs(found, inverter) for count, found in rows.items()}
    chosen = [rows[len(pins) - 2][0] for pins in nets]
    for pins, form in zip(nets, chosen, strict=True):
        for (use, bit), flip in zip(pins, form.polarity, strict=True):
            use[bit ^ flip] += 1
    draw = random.Random(seed).random
    for sweep in range(sweeps):
        heat = _HOT * (_COLD / _HOT) ** (sweep / max(1, sweeps - 3)) if sweep < sweeps - 2 else 0.0
        baths = {count: _Bath(found, heat) for count, found in costs.items()}
        for k, pins in enumerate(nets):
            state = 0
            for (use, bit), flip in zip(pins, chosen[k].polarity, strict=True):
                use[bit ^ flip] -= 1
                plain, inverted = use[bit], use[bit ^ 1]
                state *= 3
                if inverted and not plain:
                    state += _PLAIN
                elif plain and not inverted:
                    state += _INVERTED
            form = baths[len(pins) - 2].pick(state, draw)
            chosen[k] = form
            for (use, bit), flip in zip(pins, form.polarity, strict=True):
                use[bit ^ flip] += 1
    return chosen


_PLAIN, _INVERTED = 1, 2
"""What costs an inverter at a pin: to take the net as it is, or inverted; 0 where neither does."""


class _Costs:
    """What each form costs in a state: a digit for each pin to base 3, the first one highest."""

    def __init__(self, forms: Sequence[Form], inverter: float) -> None:
        self.forms = tuple(forms)
        self.inverter = inverter
        self._known: dict[int, list[float]] = {}

    def of(self, state: int) -> list[float]:
        """The cost of each form, in areas of an inverter."""
        found = self._known.get(state)
        if found is None:
            found = [form.area / self.inverter + _inverters(form, state) for form in self.forms]
            self._known[state] = found
        return found


class _Bath:
    """Draws a form for a state at a temperature."""

    def __init__(self, costs: _Costs, heat: float) -> None:
        self.costs = costs
        self.heat = heat
        self._known: dict[int, tuple[tuple[Form, ...], list[float]]] = {}

    def pick(self, state: int, draw: Callable[[], float]) -> Form:
        """A form by chance, or the first of the cheapest without heat."""
        found = self._known.get(state)
        if found is None:
            found = self._known[state] = self._weighed(state)
        forms, sums = found
        return forms[min(bisect(sums, draw() * sums[-1]), len(sums) - 1)]

    def _weighed(self, state: int) -> tuple[tuple[Form, ...], list[float]]:
        """The forms, and the sums of their weights up to each."""
        costs, forms = self.costs.of(state), self.costs.forms
        least = min(costs)
        if not self.heat:
            return (forms[costs.index(least)],), [1.0]
        weights = [math.exp((least - cost) / self.heat) for cost in costs]
        return forms, list(accumulate(weights))


def _inverters(form: Form, state: int) -> int:
    """How many pins of a form cost an inverter in a state."""
    count = 0
    for flip in reversed(form.polarity):
        state, digit = divmod(state, 3)
        count += digit == (_INVERTED if flip else _PLAIN)
    return count
