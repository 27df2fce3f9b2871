"""Where a graph's gates are seen at its outputs, for many inputs at once and without any fault.

Critical path tracing: from the outputs back, an input of a gate is critical where the gate is and
the other input does not hold it (Abramovici, Menon, Miller, "Critical Path Tracing: An Alternative
to Fault Simulation", DAC 1983). It takes two turns over the graph. Branches that meet again are not
followed together, so it says too much there: of what it says of a small perceptron half is true,
and it misses a thirtieth. That is enough to choose inputs by.
"""

from __future__ import annotations

import numpy as np

from flow.ir.aig import Aig, Words

_ALL = ~np.uint64(0)


def seen_stuck(graph: Aig, words: Words) -> Words:
    """A row for each gate stuck at 0, then one for each stuck at 1: the inputs that show it.

    `words` has a row for each input of the graph, 64 samples a word; every bit of it counts.
    """
    values = graph.simulate_all(words)
    critical = np.zeros_like(values)
    for literal in graph.literals:
        critical[literal >> 1] = _ALL
    first = graph.first_gate
    invert = (np.uint64(0), _ALL)
    for k in range(graph.size - 1, -1, -1):
        a, b = graph.left[k], graph.right[k]
        own = critical[first + k]
        critical[a >> 1] |= own & (values[b >> 1] ^ invert[b & 1])
        critical[b >> 1] |= own & (values[a >> 1] ^ invert[a & 1])
    on, here = values[first:], critical[first:]
    return np.concatenate([on & here, ~on & here])
