"""What the paper on hardwired language models says about its own machine, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Figure:
    """A published figure and where it stands."""

    value: float
    where: str


@dataclass(frozen=True, slots=True)
class Economics:
    """What one version of the paper says on costs; `used` where a plan follows it."""

    version: str
    used: bool
    engineering: str
    cost: str
    carbon: str
    note: str


@dataclass(frozen=True, slots=True)
class Published:
    """The paper: its version that is followed, its figures by name, its versions' economics."""

    title: str
    version: str
    figures: Mapping[str, Figure]
    economics: tuple[Economics, ...]


@cache
def published() -> Published:
    """The paper's figures for gpt-oss-120B."""
    text = files("flow.tech").joinpath("data", "lpu_published.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    return Published(
        facts["title"],
        facts["version"],
        {
            name: Figure(float(entry["value"]), entry["where"])
            for name, entry in facts["figures"].items()
        },
        tuple(Economics(**entry) for entry in facts["economics"]),
    )
