"""Who times a mapped netlist: OpenSTA where it is installed, else ABC; each names itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flow.analysis.timing import Hop, Timing, timing_of
from flow.backends.blif import mapped_blif, single_outputs
from flow.backends.netlist_text import netlist_verilog
from flow.errors import ToolFailed
from flow.ir.netlist import CLOCK, Netlist
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text, time_unit
from flow.tools import abc, sta

Timer = Callable[[Netlist, Technology, float], Timing]
"""Netlist, its cells and the clock period in ns become the longest path."""

UNITS = {"ns": 1.0, "us": 1e3}
"""What a unit of time of a written Liberty file is, in ns."""
SECONDS_A_CELL = 5e-3
"""What OpenSTA may take on a large netlist."""
_DELAY = re.compile(r"Delay\s*=\s*([0-9.]+)\s*ps")
_STEP = re.compile(r"^Path\s*\d+ --\s*\d+ :\s*\d+\s+\d+\s+(\S+).*Df =\s*(-?[0-9.]+)", re.MULTILINE)


def own_timer(netlist: Netlist, technology: Technology, period_ns: float) -> Timing:
    """Our own analysis, `flow sta`: it needs no tool and takes printed cells as they are."""
    return timing_of(netlist, technology)


def best_timer(netlist: Netlist, technology: Technology, period_ns: float) -> Timing:
    """OpenSTA where it is installed, else ABC's timer, else our own analysis."""
    if sta.available():
        return opensta_timer(netlist, technology, period_ns)
    if abc.available():
        return abc_timer(netlist, technology, period_ns)
    return own_timer(netlist, technology, period_ns)


def opensta_timer(netlist: Netlist, technology: Technology, period_ns: float) -> Timing:
    """The path of least slack by OpenSTA, with the set-up time at its end; wires count nothing."""
    # Only what is used: OpenSTA 2.0.17 dies of expressions in other cells that it cannot read.
    used = {name: technology.cell(name) for name in netlist.histogram()}
    technology = replace(technology, cells=used)
    unit = UNITS[time_unit(technology)]
    clocked = bool(netlist.flipflops(technology))
    ports = [bus for bus in netlist.inputs if not (clocked and bus.name == CLOCK)]
    with tempfile.TemporaryDirectory(prefix="flow-sta-") as scratch:
        place = Path(scratch)
        (place / "cells.lib").write_text(liberty_text(technology), encoding="utf-8")
        (place / "netlist.v").write_text(netlist_verilog(netlist, technology), encoding="utf-8")
        worst = sta.worst_path(
            place,
            "cells.lib",
            "netlist.v",
            netlist.name,
            period=period_ns / unit,
            clock=CLOCK if clocked else None,
            inputs=[bus.name if bus.width == 1 else f"{bus.name}[*]" for bus in ports],
            timeout_s=max(600.0, SECONDS_A_CELL * len(netlist.instances)),
        )
    method = sta.version()
    if worst is None:
        return Timing(0.0, "", "", (), method)
    hops = [Hop(p.instance, p.cell, p.pin, p.net, p.time * unit, p.edge) for p in worst.points]
    delay = worst.arrival * unit
    if worst.setup > 0:
        delay += worst.setup * unit
        cells = {instance.name: instance for instance in netlist.instances}
        end = cells[worst.end]
        hops.append(Hop(end.name, end.cell, "set-up", hops[-1].net if hops else "", delay, ""))
    elif hops:
        delay = hops[-1].arrival_ns
    return Timing(delay, worst.start, worst.end, tuple(hops), method)


def abc_timer(netlist: Netlist, technology: Technology, period_ns: float) -> Timing:
    """The longest path between flip-flops, inputs and outputs by ABC's `stime`, without set-up
    times and the clock-to-output times of flip-flops."""
    with tempfile.TemporaryDirectory(prefix="flow-stime-") as scratch:
        place = Path(scratch)
        cells = single_outputs(technology)
        text = liberty_text(cells, combinational_only=True, helper_buffer=True)
        (place / "cells.lib").write_text(text, encoding="utf-8")
        (place / "netlist.blif").write_text(mapped_blif(netlist, technology), encoding="utf-8")
        script = ["read_lib -w cells.lib", "read_blif netlist.blif", "topo", "stime -p"]
        log = abc.abc(script, cwd=place, timeout_s=600).log
    return read_stime(log, technology, f"{abc.version()}, stime")


def read_stime(log: str, technology: Technology, method: str) -> Timing:
    """The delay in what `stime` prints; ToolFailed where it is not there."""
    found = _DELAY.search(log)
    if found is None:
        raise ToolFailed("ABC's stime printed no delay", log=log[-2000:])
    # ABC takes one unit of the library for a nanosecond.
    return Timing(float(found[1]) / 1e3 * UNITS[time_unit(technology)], "", "", (), method)
