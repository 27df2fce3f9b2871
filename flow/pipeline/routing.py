"""The maximum frequency of a circuit in an FPGA, by place and route where there is one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from flow.backends.emission import Emission
from flow.backends.harness import HARNESS, harness
from flow.errors import ToolFailed, ToolTimedOut
from flow.pipeline.lut_synthesis import LutSynthesis, cells_of
from flow.tech.part import Device, Part, Place
from flow.tools import nextpnr
from flow.tools.yosys import yosys

SECONDS = 600.0
"""The time that one place and route may take."""
FULL = 0.8
"""The share of a device's look-up tables that a netlist may have: at 0.81 of a 45F, with long carry
chains, nextpnr gave up after half an hour."""
LARGE = 40_000
"""Look-up tables from which router2 routes: of 43 640 with long carry chains, router1 had 116 000
arcs left after an hour."""


@dataclass(frozen=True, slots=True)
class Route:
    """The highest clock frequency, or None and why; `limit` names the path that bounds it.

    It is an estimate of the placed design where that is not `routed`.
    """

    fmax_mhz: float | None
    how: str
    limit: str = ""
    routed: bool = True


def route(
    emission: Emission, luts: LutSynthesis, part: Part, seed: int = 1, timeout_s: float = SECONDS
) -> Route:
    """Place and route the netlist between the registers of a harness."""
    if part.place is None:
        return Route(None, "not measured: no open place and route knows this family here")
    program = part.place.program
    if not nextpnr.installed(program):
        hint = nextpnr.install_hint(program)
        return Route(None, f"not checked: {program} is not installed; {hint}")
    try:
        with tempfile.TemporaryDirectory(prefix="flow-route-") as scratch:
            return _route(emission, luts, part, seed, Path(scratch), timeout_s)
    except ToolFailed as error:
        return Route(None, f"not measured: {error.message}")


def _route(
    emission: Emission, luts: LutSynthesis, part: Part, seed: int, place: Path, timeout_s: float
) -> Route:
    assert part.place is not None
    (place / "top.v").write_text(luts.netlist, encoding="utf-8")
    (place / "harness.v").write_text(harness(emission), encoding="utf-8")
    script = [
        # The netlist is a black box to the synthesis of the harness, and goes in as it is.
        "read_verilog -lib top.v",
        "read_verilog harness.v",
        f"{part.synthesis} -top {HARNESS}",
        "read_verilog -overwrite top.v",
        f"hierarchy -top {HARNESS}",
        "flatten",
        "opt_clean",
        "delete t:$scopeinfo",
        "write_json whole.json",
    ]
    yosys(script, cwd=place, timeout_s=timeout_s)
    whole = place / "whole.json"
    size = part.lut_count(cells_of(whole.read_text(encoding="utf-8"), HARNESS))
    device, routed = _placed(whole, size, part.place, seed, timeout_s)
    how = (
        f"{part.place.program} in {device.name}, seed {seed}, between the registers of a harness "
        "with few pins"
    )
    if not routed.routed:
        how += f"; placed, not routed: routing had not ended after {timeout_s:g} s"
    return Route(routed.fmax_mhz, how, _limit(routed.path), routed.routed)


def _placed(
    netlist: Path, size: int, tool: Place, seed: int, timeout_s: float
) -> tuple[Device, nextpnr.Routed]:
    """The netlist in the smallest device in which it finds a place.

    A device is tried where it is at most FULL; long carry chains may want more room.
    """
    largest = tool.devices[-1]
    failed = ToolFailed(f"{size} look-up tables do not fit {largest.name} ({largest.luts})")
    router = ("--router", "router2") if size >= LARGE else ()
    for device in tool.devices:
        if size <= FULL * device.luts:
            try:
                return device, nextpnr.place_and_route(
                    tool.program,
                    netlist,
                    (*device.options, *tool.arguments, *router),
                    seed=seed,
                    timeout_s=timeout_s,
                )
            except ToolTimedOut:
                raise
            except ToolFailed as error:
                failed = error
    raise failed


def _limit(path: tuple[str, ...]) -> str:
    """Where the longest path lies, in a few words."""
    inside = [cell for cell in path if cell.startswith("dut.")]
    if not path:
        return ""
    where = "in the circuit" if inside else "in the harness: the circuit itself is faster"
    return f"{len(path)} cells, {where}"
