"""The thirteen data sets of printed classifiers: how each is read, trained and searched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from common import ROOT

from flow.search.spec import Spec, read_spec
from flow.train.dataset import Dataset, prepare
from flow.train.table import read_table

DATASETS = ROOT.parent / "shared" / "datasets"
SPECS = ROOT / "examples" / "printed"


@dataclass(frozen=True)
class Set:
    """One data set. `hidden` is the topology of the published exact perceptron, None where there
    is none; `clock_ms` the clock period of the publications; `seeds` how many searches."""

    name: str
    hidden: int | None
    clock_ms: float = 200.0
    seeds: int = 1

    @property
    def path(self) -> Path:
        """Where the table lies; it is not part of the project."""
        return DATASETS / f"{self.name}.csv"

    @property
    def spec_file(self) -> Path:
        """The specification of its search, an example of the project."""
        return SPECS / f"{self.name}.toml"

    @property
    def crossed_file(self) -> Path:
        """The specification of cross-validated trees and perceptrons, without a search."""
        return SPECS / f"{self.name}_crossed.toml"

    @property
    def spec(self) -> Spec:
        """That specification, read."""
        return read_spec(self.spec_file)

    @property
    def key(self) -> str:
        """A digest of all that the samples of the baseline depend on."""
        spec = self.spec
        facts = (self.hidden, spec.drop, spec.missing, spec.clip, spec.input_bits, spec.validation)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]

    def load(self, bits: int | None = None) -> Dataset:
        """The split and scaled samples, as the search has them, or with so many bits."""
        spec = self.spec
        table = read_table(self.path, spec.drop, spec.missing)
        levels = bits or spec.input_bits
        return prepare(table, levels, validation=spec.validation, clip=spec.clip)


SETS = {
    s.name: s
    for s in (
        Set("balance_scale", 3, seeds=2),
        Set("seeds", 3, seeds=3),
        Set("vertebral_3c", 3, seeds=3),
        Set("vertebral_2c", 3, seeds=3),
        Set("mammographic", 3, seeds=2),
        Set("breast_cancer", 3, seeds=3),
        Set("dermatology", None),
        Set("redwine", 2),
        Set("cardio", 3),
        Set("whitewine", 4),
        Set("arrhythmia_printed", None, clock_ms=320.0),
        Set("arrhythmia", 5, clock_ms=320.0),
        Set("pendigits", 5, clock_ms=250.0),
    )
}
"""By name, the quick ones first."""
