"""The thirteen data sets of printed classifiers: how each is read, trained and searched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common import ROOT

from flow.train.dataset import Dataset, prepare
from flow.train.table import read_table

DATASETS = ROOT.parent / "shared" / "datasets"


@dataclass(frozen=True)
class Set:
    """One data set. `hidden` is the topology of the published exact perceptron, None where there
    is none; `clock_ms` the clock period of the publications; `layers` the largest network that
    the search may use."""

    name: str
    hidden: int | None
    layers: tuple[int, ...]
    source: str
    drop: tuple[str, ...] = ()
    missing: str = "refuse"
    clock_ms: float = 200.0
    clip: float = 0.0

    @property
    def path(self) -> Path:
        """Where the table lies; it is not part of the project."""
        return DATASETS / f"{self.name}.csv"

    def load(self, clip: float | None = None) -> Dataset:
        """The split and scaled samples."""
        table = read_table(self.path, self.drop, self.missing)  # type: ignore[arg-type]
        return prepare(table, clip=self.clip if clip is None else clip)

    def spec(self, population: int, generations: int, seed: int) -> str:
        """The specification of its search."""
        lines = [
            f'data = "{self.path.name}"',
            f'name = "{self.name}"',
            f'source = "{self.source}"',
            f"hidden = {list(self.layers)}",
            f"population = {population}",
            f"generations = {generations}",
            f"seed = {seed}",
        ]
        lines += [f"drop = {list(self.drop)}"] if self.drop else []
        lines += [f'missing = "{self.missing}"'] if self.missing != "refuse" else []
        lines += [f"clip = {self.clip}"] if self.clip else []
        return "\n".join(lines) + "\n"


MISSING = tuple(f"f{i}" for i in range(11, 16))
"""The columns of the raw Arrhythmia table that hold missing values."""
SETS = {
    s.name: s
    for s in (
        Set("balance_scale", 3, (12, 10), "UCI 12"),
        Set("seeds", 3, (10, 8), "UCI 236"),
        Set("vertebral_3c", 3, (10, 8), "UCI 212"),
        Set("vertebral_2c", 3, (10, 8), "UCI 212"),
        Set("mammographic", 3, (10, 8), "UCI 161", clip=0.01),
        Set("breast_cancer", 3, (10, 8), "UCI 15", drop=("sample_code_number",)),
        Set("dermatology", None, (14, 10), "UCI 33", missing="drop"),
        Set("redwine", 2, (14, 12), "UCI 186"),
        Set("cardio", 3, (16, 12), "UCI 193"),
        Set("whitewine", 4, (14, 12), "UCI 186"),
        Set("arrhythmia_printed", None, (14, 12), "UCI 5", clock_ms=320.0),
        Set("arrhythmia", 5, (14, 12), "UCI 5", drop=MISSING, clock_ms=320.0),
        Set("pendigits", 5, (48, 40), "UCI 81", clock_ms=250.0),
    )
}
"""By name, the quick ones first."""
