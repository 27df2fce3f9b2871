"""The positive threshold functions that the published figures of the cell are a mean over."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

from flow.ir.threshold import ThresholdGate

MOST_INPUTS = 5
"""Every threshold function of so many inputs has weights of at most as many (Muroga, 1971)."""


@cache
def positive_gates(inputs: int) -> tuple[ThresholdGate, ...]:
    """Every positive threshold function that needs each of so many inputs, one of each class.

    There are 1, 2, 5, 17 and 92 for one to five inputs; no more than MOST_INPUTS are looked for.
    Weights are the least, the largest first.
    """
    found: dict[int, ThresholdGate] = {}
    rows = combinations_with_replacement(range(1, MOST_INPUTS + 1), inputs)
    for weights in sorted(rows, key=lambda w: (sum(w), w)):
        for threshold in range(1, sum(weights) + 1):
            gate = ThresholdGate(tuple(reversed(weights)), threshold)
            table = gate.table()
            if table not in found and all(_matters(table, i, inputs) for i in range(inputs)):
                found[table] = gate
    return tuple(found.values())


def _matters(table: int, place: int, inputs: int) -> bool:
    low = sum(1 << m for m in range(1 << inputs) if not m >> place & 1)
    return (table & low) != (table >> (1 << place)) & low
