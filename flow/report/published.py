"""Printed classifiers that others have published, with the source of every figure."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Published:
    """A published design: area in cm2, power in mW at `voltage`.

    `accuracy` is None where none is published, and a lower bound with `at_least`. `how` tells a
    figure of the paper from one that was measured again on the authors' own Verilog.
    `comparisons` is the size of an exact tree.
    """

    set: str
    paper: str
    kind: str
    area_cm2: float
    how: str
    accuracy: float | None = None
    at_least: bool = False
    power_mw: float | None = None
    voltage: float = 1.0
    note: str = ""
    comparisons: int | None = None
    title: str = ""
    citation: str = ""

    @property
    def perceptron(self) -> bool:
        """Whether it is an approximate perceptron, not a tree, a vector machine or exact."""
        return self.kind == "approximate MLP"

    @property
    def tree(self) -> bool:
        """Whether it is an approximate decision tree."""
        return self.kind == "approximate tree"


@cache
def published() -> tuple[Published, ...]:
    """All published designs, in the order of the file."""
    text = files("flow.report").joinpath("data", "published_printed.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    return tuple(
        Published(**entry, **facts["papers"][entry["paper"]]) for entry in facts["designs"]
    )


def published_for(name: str) -> tuple[Published, ...]:
    """Those of one data set, the smallest first."""
    found = (design for design in published() if design.set == name)
    return tuple(sorted(found, key=lambda design: (design.area_cm2, design.paper)))
