"""What can power a printed circuit: batteries and a harvester, with the power each delivers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True, slots=True)
class PowerSource:
    """One source of power; `limit_mw` is what it delivers at most, in mW."""

    name: str
    title: str
    kind: Literal["battery", "harvester"]
    limit_mw: float
    source: str
    voltage: float | None = None
    capacity_mah: float | None = None


def sources() -> tuple[PowerSource, ...]:
    """All known sources, the weakest first."""
    text = files("flow.tech").joinpath("data", "sources_of_power.toml").read_text("utf-8")
    found = [PowerSource(name, **entry) for name, entry in tomllib.loads(text)["sources"].items()]
    return tuple(sorted(found, key=lambda source: (source.limit_mw, source.name)))


def drivable_by(power_mw: float) -> tuple[PowerSource, ...]:
    """The sources that can drive so much, the smallest first; empty where none can."""
    return tuple(source for source in sources() if power_mw <= source.limit_mw)
