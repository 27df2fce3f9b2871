"""Runs a SPICE deck in ngspice, in batch, and reads what its .meas lines found."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from flow.errors import ToolFailed
from flow.tools.process import Command, chosen, find, run, tail

_INSTALL = "install the package ngspice, or set NGSPICE to the path of its program"
_MEASURED = re.compile(r"^\s*(\w+)\s*=\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\b", re.MULTILINE | re.I)
_WANTED = re.compile(r"^\.meas \w+ (\w+)", re.MULTILINE)
_FAILED = re.compile(
    r"^.*(?:Error|Timestep too small|singular matrix|simulation\(s\) aborted).*$", re.MULTILINE
)


def available() -> bool:
    """Whether ngspice is here, without starting it."""
    return find(_program()) is not None


def version() -> str:
    """The name and number of the simulator; ToolNotFound where there is none."""
    log = run(
        Command((_program(), "--version"), timeout_s=60, name="ngspice", install=_INSTALL)
    ).log
    found = re.search(r"ngspice-([0-9.]+)", log)
    return f"ngspice {found[1]}" if found else "ngspice"


def measure(deck: str, timeout_s: float = 300.0) -> dict[str, float]:
    """What each .meas line of a deck found, by its name in small letters.

    ToolFailed where ngspice complains or ends badly, ToolNotFound without it. A measurement that
    found nothing is not among the names.
    """
    with tempfile.TemporaryDirectory(prefix="flow-ngspice-") as folder:
        (Path(folder) / "deck.cir").write_text(deck, encoding="utf-8")
        completed = run(
            Command(
                # Without a start-up file of the user or of the site: equal decks, equal results.
                (_program(), "-n", "-b", "deck.cir"),
                cwd=Path(folder),
                timeout_s=timeout_s,
                name="ngspice",
                install=_INSTALL,
                private=f"{folder}/",
            ),
            check=False,  # A .meas that found nothing makes its status 1.
        )
    wanted = {name.lower() for name in _WANTED.findall(deck)}
    found = {
        name.lower(): float(value)
        for name, value in _MEASURED.findall(completed.log)
        if name.lower() in wanted
    }
    fault = _FAILED.search(_without_measurements(completed.log))
    if fault or not found:
        raise ToolFailed(
            f"ngspice failed: {fault[0].strip() if fault else 'it measured nothing'}",
            log=tail(completed.log),
            hint="its last lines say why",
        )
    return found


def _without_measurements(log: str) -> str:
    """The log less what it says of a .meas that found nothing."""
    lines = [line for line in log.splitlines() if "measure" not in line.lower()]
    return "\n".join(line for line in lines if "out of interval" not in line)


def _program() -> str:
    return chosen("NGSPICE", "ngspice")
