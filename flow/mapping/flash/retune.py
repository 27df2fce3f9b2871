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
    technology = flash_cell()
    gate, before = cell.voltages.gate, robustness(cell.voltages, SAMPLES).right
    share = 1 - missing_ps / cell.delay_ps - technology.fixed_share
    best = 0
    if share > 0:
        wanted = cell.voltages.speed_ua * (1 - technology.fixed_share) / share
        for more in (1.0, 1.02, 1.05, 1.1):  # Whole pulses miss the current by a little.
            try:
                found = max_margin(gate, technology.vt_min_mv, wanted * more)
            except CheckFailed:
                break
            gained = cell.delay_ps - delay_ps(cell, found)
            robust = robustness(found, SAMPLES).right >= KEPT_YIELD * before
            best = max(best, gained if robust else 0)
            if robust and gained >= missing_ps:
                return Retuned(cell, replace(cell, voltages=found, delay_ps=cell.delay_ps - gained))
    raise CheckFailed(
        f"the cell {cell.name} cannot be made {missing_ps} ps faster than {cell.delay_ps} ps",
        hint=_hint(cell, best),
    )


def _hint(cell: Programmed, best: int) -> str:
    technology = flash_cell()
    try:
        fastest = max_margin(cell.voltages.gate, technology.vt_min_mv)
        best = max(best, cell.delay_ps - delay_ps(cell, fastest))
    except CheckFailed:
        pass
    return f"{best} ps is what its lowest voltages give; slow the clock for the rest"
