"""Times a mapped netlist by OpenSTA: Liberty, Verilog and constraints in, the worst path out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.errors import ToolFailed
from flow.tools.process import Command, chosen, find, run

_INSTALL = "apt-get install opensta, or set STA to the path of its program sta"
_NUMBER = r"-?\d+\.\d+"
_PIN = re.compile(rf"^\s*(?:{_NUMBER}\s+)+({_NUMBER})\s+([\^v])\s+(\S+)/(\S+) \((\S+)\)$")
_PORT = re.compile(rf"^\s*(?:{_NUMBER}\s+)+({_NUMBER})\s+([\^v])\s+(\S+) \((?:in|out)\)$")
_NET = re.compile(r"^\s*\d+\s+(\S+) \(net\)$")
_SETUP = re.compile(rf"^\s*({_NUMBER})\s+{_NUMBER}\s+library setup time$", re.MULTILINE)
_SLACK = re.compile(rf"^\s*({_NUMBER})\s+slack \((?:MET|VIOLATED)\)$", re.MULTILINE)
_ERROR = re.compile(r"^(Error: .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Point:
    """An output pin of a cell on the path: when it is stable, in the unit of the library."""

    instance: str
    pin: str
    cell: str
    net: str
    edge: str
    time: float


@dataclass(frozen=True, slots=True)
class Worst:
    """The path of least slack at a period; times are in the unit of the library.

    `setup` is the set-up time at its end, 0 where it ends at an output.
    """

    start: str
    end: str
    points: tuple[Point, ...]
    arrival: float
    setup: float
    slack: float


def available() -> bool:
    """Whether OpenSTA is here, without starting it."""
    return find(_program()) is not None


def version() -> str:
    """The name and number of the OpenSTA that runs; ToolNotFound where there is none."""
    command = Command((_program(), "-version"), timeout_s=60, name="OpenSTA", install=_INSTALL)
    found = re.search(r"\d+(?:\.\d+)+", run(command).log)
    return f"OpenSTA {found[0]}" if found else "OpenSTA"


def worst_path(
    folder: Path,
    liberty: str,
    netlist: str,
    top: str,
    *,
    period: float,
    clock: str | None,
    inputs: Sequence[str],
    slew: float = 0.0,
    timeout_s: float = 600.0,
) -> Worst | None:
    """The slowest path of a netlist, None where no path takes time.

    Files are relative to `folder`; `inputs` are patterns of the data ports, which arrive at the
    clock edge with that slew. Without `clock` an ideal clock stands outside. ToolFailed where
    OpenSTA refuses a file.
    """
    name = clock or "outside"
    ports = f"[get_ports {{{' '.join(inputs)}}}]"
    script = [
        f"read_liberty {liberty}",
        f"read_verilog {netlist}",
        f"link_design {top}",
        f"create_clock -name {name} -period {period:.10g}"
        + (f" [get_ports {clock}]" if clock else ""),
        *([f"set_input_delay 0 -clock {name} {ports}"] if inputs else []),
        *([f"set_input_transition {slew:.10g} {ports}"] if inputs else []),
        f"set_output_delay 0 -clock {name} [all_outputs]",
        "report_checks -path_delay max -format full -fields {slew net} -digits 6",
    ]
    (folder / "sta.tcl").write_text("\n".join(script) + "\n", encoding="utf-8")
    argv = (_program(), "-no_splash", "-exit", "sta.tcl")
    log = run(Command(argv, cwd=folder, timeout_s=timeout_s, name="OpenSTA", install=_INSTALL)).log
    if fault := _ERROR.search(log):
        raise ToolFailed(f"OpenSTA failed: {fault[1]}", log=log[-2000:])
    return read_path(log)


def read_path(log: str) -> Worst | None:
    """The path in a report of OpenSTA; ToolFailed where it is none, None without paths."""
    if "No paths found." in log:
        return None
    slack = _SLACK.search(log)
    arrival = re.search(rf"^\s*({_NUMBER})\s+data arrival time$", log, re.MULTILINE)
    ends = re.findall(r"^(?:Startpoint|Endpoint): (\S+)", log, re.MULTILINE)
    if slack is None or arrival is None or len(ends) != 2:
        raise ToolFailed("OpenSTA reported no path that can be read", log=log[-2000:])
    setup = _SETUP.search(log)
    points: list[Point] = []
    last: tuple[str, str, str, str, float] | None = None
    for line in log[: arrival.start()].splitlines():
        if found := _PIN.match(line):
            time, edge, instance, pin, cell = found.groups()
            last = instance, pin, cell, "rise" if edge == "^" else "fall", float(time)
        elif (found := _NET.match(line)) and last is not None:
            instance, pin, cell, edge, at = last
            points.append(Point(instance, pin, cell, found[1], edge, at))
            last = None
        elif _PORT.match(line):
            last = None
    return Worst(
        ends[0],
        ends[1],
        tuple(points),
        float(arrival[1]),
        -float(setup[1]) if setup else 0.0,
        float(slack[1]),
    )


def _program() -> str:
    return chosen("STA", "sta")
