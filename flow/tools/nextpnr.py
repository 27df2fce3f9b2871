"""Places and routes a netlist by nextpnr: the YoWASP wheels, or the programs themselves."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path

from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.tools.process import Command, chosen, find, run

_CHILD = "import sys, {module} as tool; sys.exit(tool.run_{name}(sys.argv[1:]))"
FAMILIES = ("nextpnr-ecp5", "nextpnr-ice40")
_ESTIMATE = re.compile(r"^Info: Max frequency for clock\s+'([^']*)': ([\d.]+) MHz", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Routed:
    """What place and route found: the highest clock frequency, and the path that bounds it.

    Where routing had not ended in time, `routed` is False, and the frequency is what the program
    estimated once all cells had their places.
    """

    fmax_mhz: float
    path: tuple[str, ...]
    seconds: float
    routed: bool = True


def installed(program: str) -> bool:
    """Whether that nextpnr is here, without starting it."""
    return _named(program) is not None or find_spec(_module(program)) is not None


def available() -> bool:
    """Whether any nextpnr is here."""
    return any(installed(program) for program in FAMILIES)


def version() -> str:
    """The versions of those that are here."""
    return ", ".join(f"{program} {_version(program)}" for program in FAMILIES if installed(program))


def install_hint(program: str) -> str:
    """How to get a nextpnr."""
    return f"pip install yowasp-{program}"


def place_and_route(
    program: str,
    netlist: Path,
    options: tuple[str, ...],
    *,
    clock: str = "clk",
    seed: int = 1,
    mhz: float = 0.0,
    timeout_s: float = 900.0,
) -> Routed:
    """Place and route a JSON netlist, in its folder, and read the clock's highest frequency.

    ToolNotFound without the program; ToolFailed, with the error that it told, where it ends badly,
    for instance because the design does not fit; ToolTimedOut where not even a place is found.
    """
    if not installed(program):
        raise ToolNotFound(f"{program} is not installed", hint=install_hint(program))
    arguments = ["--json", netlist.name, "--report", "route.json", "--seed", str(seed), *options]
    if mhz:
        arguments += ["--freq", f"{mhz:g}"]
    command = Command(
        (*_argv(program), *arguments),
        cwd=netlist.parent,
        timeout_s=timeout_s,
        name=program,
        install=install_hint(program),
        whole_log=True,
    )
    try:
        done = run(command)
    except ToolTimedOut as error:
        clocks = {net: {"achieved": float(mhz)} for net, mhz in _ESTIMATE.findall(error.log)}
        if not clocks:
            raise
        return Routed(_fmax(clocks, clock), (), timeout_s, routed=False)
    except ToolFailed as error:
        told = [line for line in error.log.splitlines() if line.startswith("ERROR: ")]
        why = f": {told[-1].removeprefix('ERROR: ')}" if told else ""
        raise ToolFailed(f"{error.message}{why}", log=error.log) from error
    try:
        report = json.loads((netlist.parent / "route.json").read_text(encoding="utf-8"))
        fmax = _fmax(report["fmax"], clock)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolFailed(f"{program} left no report: {error}", log=done.log[-2000:]) from error
    return Routed(fmax, _path(report), done.seconds)


def _fmax(clocks: dict[str, dict[str, float]], name: str) -> float:
    """The frequency that the clock reaches: buffers change its name, but keep it within."""
    own = [entry["achieved"] for net, entry in clocks.items() if name in net]
    return float(min(own or [entry["achieved"] for entry in clocks.values()]))


def _path(report: dict[str, list[dict[str, object]]]) -> tuple[str, ...]:
    """The names of the cells on the critical path between flip-flops."""
    for path in report.get("critical_paths", []):
        if str(path.get("from", "")).startswith("posedge") and str(path.get("to", "")).startswith(
            "posedge"
        ):
            steps = path.get("path")
            assert isinstance(steps, list)
            names = [str(step["to"]["cell"]) for step in steps if "cell" in step.get("to", {})]
            return tuple(dict.fromkeys(names))
    return ()


def _version(program: str) -> str:
    named = _named(program)
    if named is None:
        return package_version(f"yowasp-{program}")
    log = run(Command((named, "--version"), timeout_s=300, name=program)).log
    number = re.search(r"Version ([^)\s]+)", log)
    return number[1] if number else "of unknown version"


def _module(program: str) -> str:
    return "yowasp_" + program.replace("-", "_")


def _named(program: str) -> str | None:
    return find(chosen(program.upper().replace("-", "_"), program))


def _argv(program: str) -> tuple[str, ...]:
    named = _named(program)
    if named is not None:
        return (named,)
    child = _CHILD.format(module=_module(program), name=program.replace("-", "_"))
    return sys.executable, "-I", "-c", child
