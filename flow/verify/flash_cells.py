"""Flash cells in SPICE: whether the analog decision is that of the gate at every point."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flow.backends.flash_spice import edge_ns, flash_deck, in_turn
from flow.errors import ToolError
from flow.mapping.flash.voltages import Voltages, points
from flow.progress import Progress, silent
from flow.tech.flash_cell import flash_cell
from flow.tools import ngspice
from flow.verify.verdict import Verdict

CHECK = "flash cells decide in SPICE as their gates"
_CLEAR = 0.1
"""An answer is one where it is within this share of the supply."""


def check_cells(
    cells: Sequence[Voltages], timeout_s: float = 120.0, progress: Progress = silent
) -> Verdict:
    """Each different cell in ngspice over its minimal true and maximal false points.

    Not checked where there is no ngspice.
    """
    begin = time.monotonic()
    different = sorted(
        set(cells), key=lambda v: (v.gate.weights, v.gate.threshold, v.left, v.right)
    )
    if not ngspice.available():
        return Verdict(CHECK, "not checked", "ngspice is not installed", 0.0)
    total, slowest = 0, 0.0
    for k, voltages in enumerate(different, 1):
        progress(f"flash cell {k} of {len(different)} in ngspice")
        try:
            wrong, delay_ps = simulate_cell(voltages, timeout_s)
        except ToolError as error:
            return Verdict(CHECK, "not checked", error.message, time.monotonic() - begin)
        if wrong is not None:
            text = f"{voltages.gate}: {wrong}"
            return Verdict(CHECK, "failed", text, time.monotonic() - begin)
        total, slowest = total + len(points(voltages.gate)), max(slowest, delay_ps)
    detail = (
        f"{len(different)} cells, {total} minimal true and maximal false points, "
        f"slowest decision {slowest:.0f} ps"
    )
    return Verdict(CHECK, "passed", detail, time.monotonic() - begin)


def simulate_cell(voltages: Voltages, timeout_s: float = 120.0) -> tuple[str | None, float]:
    """The first point at which the cell errs (None where there is none), and its slowest
    decision, ps."""
    rows = in_turn(points(voltages.gate))
    found = ngspice.measure(flash_deck(voltages, rows), timeout_s)
    volts = flash_cell().volts
    slowest = 0.0
    for k, row in enumerate(rows):
        answer, at = found.get(f"q{k}"), found.get(f"t{k}")
        bits = "".join(map(str, row.bits))
        if answer is None or abs(answer - row.answer * volts) > _CLEAR * volts:
            level = "nothing" if answer is None else f"{answer:.2f} V"
            return f"at {bits} the cell gives {level}, the gate {row.answer}", slowest
        if at is None:
            return f"at {bits} the amplifier does not decide", slowest
        slowest = max(slowest, at * 1e12 - edge_ns(k) * 1e3)
    return None, slowest
