"""The longest path of a combinational netlist whose cells scatter: Monte Carlo over `flow sta`.

Each cell has one factor on all its delays, drawn from a normal distribution of mean 1 (never below
LEAST). Slews and loads stay nominal, so that without spread every draw is `timing_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.analysis.power import net_loads
from flow.analysis.timing import METHOD, causes
from flow.ir.netlist import Netlist
from flow.tech.technology import Technology

LEAST = 0.05
"""No cell is faster than this share of its nominal delay."""

Delays = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DelaySpread:
    """The longest delay (ns) without spread, and of each of some copies (draws,), unsorted."""

    nominal_ns: float
    drawn_ns: Delays
    sigma: float
    method: str = METHOD

    def met(self, period_ns: float) -> float:
        """The share of copies that are as fast as a period asks."""
        return float(np.mean(self.drawn_ns <= period_ns))

    def period(self, share: float) -> float:
        """The least period (ns) that such a share of the copies meets."""
        return float(np.quantile(self.drawn_ns, share, method="higher"))


def delay_spread(
    netlist: Netlist, technology: Technology, sigma: float, draws: int = 1000, seed: int = 0
) -> DelaySpread:
    """The longest delays of copies whose cells' delays scatter by `sigma` (1 sigma, a share).

    Row 0 of what is carried is the nominal circuit: its latest arc gives the slew, as in
    `timing_of`. Registers count nothing.
    """
    random = np.random.default_rng(seed)
    load = net_loads(netlist, technology)
    tables = [t for c in technology.cells.values() for a in c.arcs for t in (a.rise, a.fall) if t]
    first = min((t.slews[0] for t in tables), default=0.0)
    still = np.zeros(draws + 1)
    at: dict[tuple[str, str], tuple[Delays, float]] = {
        (bit, edge): (still, first) for bit in netlist.input_bits for edge in ("rise", "fall")
    }
    for instance in netlist.instances:
        cell, nets = technology.cell(instance.cell), dict(instance.pins)
        factor = np.ones(draws + 1)
        factor[1:] = np.maximum(1 + sigma * random.standard_normal(draws), LEAST)
        for arc in cell.arcs:
            net, source = nets.get(arc.output), nets.get(arc.related)
            if net is None or source is None:
                continue
            edges: dict[str, Any] = {
                "rise": (arc.rise, arc.rise_transition), "fall": (arc.fall, arc.fall_transition)
            }  # fmt: skip
            for edge, (table, transition) in edges.items():
                for before in causes(arc, edge, False):
                    if table is None or (source, before) not in at:
                        continue
                    start, slew = at[source, before]
                    time = start + factor * table.at(slew, load.get(net, 0.0))
                    left = transition.at(slew, load.get(net, 0.0)) if transition else slew
                    old = at.get((net, edge))
                    if old is not None:
                        left = left if time[0] > old[0][0] else old[1]
                        time = np.maximum(time, old[0])
                    at[net, edge] = time, left
    longest = still
    for net in netlist.drivers:
        for edge in ("rise", "fall"):
            longest = np.maximum(longest, at.get((net, edge), (still, first))[0])
    return DelaySpread(float(longest[0]), longest[1:], sigma)
