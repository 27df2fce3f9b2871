"""Checks of flash cells: their decisions in SPICE, their programming file, their netlist."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flow.backends.flash_spice import edge_ns, flash_deck, in_turn
from flow.backends.flash_verilog import read_flash_verilog
from flow.errors import ToolError
from flow.ir.aig import Aig
from flow.ir.netlist import netlist_aig
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.mapping.flash.netlist import FLASH
from flow.mapping.flash.programming import read_back
from flow.mapping.flash.voltages import Voltages, points
from flow.progress import Progress, silent
from flow.tech.flash_cell import flash_cell
from flow.tech.technology import Technology
from flow.tools import ngspice
from flow.verify.mutants import mutate_netlist, unrefused
from flow.verify.prove import prove_graphs
from flow.verify.verdict import Status, Verdict

CHECK = "flash cells decide in SPICE as their gates"
_MUTANTS = 8
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


def check_program(text: str, cells: Sequence[FlashFlipFlop]) -> Verdict:
    """The programming file read back: every cell is there and decides as the design's gate."""
    begin = time.monotonic()
    wrong = read_back(text, cells)
    status: Status = "failed" if wrong else "proved"
    detail = wrong or f"{len(cells)} cells, from pulses to every minimal true, maximal false point"
    return Verdict("programming file read back", status, detail, time.monotonic() - begin)


def prove_cells(
    graph: Aig,
    text: str,
    technology: Technology,
    held: Sequence[str],
    timeout_s: float = 60.0,
    seed: int = 1,
) -> Verdict:
    """Whether the Verilog of a netlist with flash cells takes what the flip-flops of a graph take.

    Both have the same flip-flops (`held`, in the order of the netlist), so equal next values and
    outputs are equal machines. CheckFailed where the same proof refuses no mutant of the netlist.
    """
    begin = time.monotonic()
    check = "netlist with flash cells = design"
    netlist = read_flash_verilog(text, technology)
    outcome = prove_graphs(graph, netlist_aig(netlist, technology, held), timeout_s=timeout_s)
    detail = outcome.method
    if outcome.status == "proved":
        # Inputs of a cell may depend on each other, so that another gate does the same there.
        status, change = "disproved", "no mutant"
        mutants = mutate_netlist(netlist, technology, seed)
        for mutant, what in sorted(mutants, key=lambda m: FLASH not in m[1])[:_MUTANTS]:
            other = netlist_aig(mutant, technology, held)
            status, change = prove_graphs(graph, other, timeout_s=timeout_s).status, what
            if status == "disproved":
                break
        if (late := unrefused(status, check, change, begin)) is not None:
            return late
        detail += f"; {change} was refused"
    return Verdict(check, outcome.status, detail, time.monotonic() - begin)
