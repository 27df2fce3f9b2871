"""After fabrication: cells on late paths get more current, and still decide as their gates.

The part of a cell's delay that its currents decide is taken to fall as the current of the winning
side at its slowest point rises: an assumption, as is its share of the whole delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flow.errors import CheckFailed, UsageError
from flow.mapping.flash.programming import Programmed
from flow.mapping.flash.voltages import Voltages, max_margin, robustness
from flow.tech.flash_cell import flash_cell

SAMPLES = 1000
KEPT_YIELD = 0.99
"""Of the cells that scatter and are right before, so many must be right after."""


@dataclass(frozen=True, slots=True)
class Retuned:
    """A cell before and after, with both delays in ps."""

    before: Programmed
    after: Programmed

    @property
    def gained_ps(self) -> int:
        """By how much it is faster."""
        return self.before.delay_ps - self.after.delay_ps


def delay_ps(cell: Programmed, voltages: Voltages) -> int:
    """The delay of a cell with other voltages than it has now."""
    fixed = flash_cell().fixed_share
    ratio = cell.voltages.speed_ua / voltages.speed_ua
    return math.ceil(cell.delay_ps * (fixed + (1 - fixed) * ratio) - 1e-9)


def retune(cells: Sequence[Programmed], slack_ps: Mapping[str, int]) -> tuple[Retuned, ...]:
    """Faster voltages for each cell of negative slack, so that it gains at least what is missing.

    UsageError where a cell is not known or none is late; CheckFailed with the first cell that
    cannot be made fast enough within its voltages and its margin.
    """
    known = {cell.name: cell for cell in cells}
    strange = [name for name in slack_ps if name not in known]
    if strange:
        raise UsageError(
            f"there is no flash cell {strange[0]!r}",
            hint="the programming file names the cells",
        )
    late = [name for name in sorted(slack_ps) if slack_ps[name] < 0]
    if not late:
        raise UsageError("no cell of the report is late", hint="late ones have a negative slack")
    return tuple(_faster(known[name], -slack_ps[name]) for name in late)


def _faster(cell: Programmed, missing_ps: int) -> Retuned:
    """The cell with no lower voltages than it takes, so that a reserve is left for later."""
    technology = flash_cell()
    gate, before = cell.voltages.gate, robustness(cell.voltages, SAMPLES).right
    highest, most = technology.vt_min_mv + technology.reserve_mv, 0
    for floor in range(highest, technology.vt_min_mv - 1, -technology.step_mv):
        for wanted in _speeds(cell, missing_ps):
            try:
                found = max_margin(gate, floor, wanted)
            except CheckFailed:
                continue
            gained = cell.delay_ps - delay_ps(cell, found)
            if robustness(found, SAMPLES).right < KEPT_YIELD * before:
                continue
            most = max(most, gained)
            if gained >= missing_ps:
                return Retuned(cell, replace(cell, voltages=found, delay_ps=cell.delay_ps - gained))
    raise CheckFailed(
        f"the cell {cell.name} cannot be made {missing_ps} ps faster than {cell.delay_ps} ps",
        hint=f"{most} ps is what its voltages give; slow the clock for the rest",
    )


def _speeds(cell: Programmed, missing_ps: int) -> tuple[float, ...]:
    """Currents of the winning side to ask for: any, then what is needed, then a little more.

    Whole pulses may miss a current by a little.
    """
    fixed = flash_cell().fixed_share
    share = 1 - missing_ps / cell.delay_ps - fixed
    if share <= 0:
        return (0.0,)
    needed = cell.voltages.speed_ua * (1 - fixed) / share
    return (0.0, needed, 1.03 * needed)
