"""The printed perceptrons whose faults are studied: trained and built once, kept in the cache."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cases import Options
from common import HERE
from printed_sets import SETS

from flow.cli.main import run
from flow.pipeline.faulting import Subject, open_subject
from flow.train.baseline import fit_perceptron
from flow.train.export import FIT, TEST, build_files

NAMES = (
    "vertebral_2c", "seeds", "mammographic", "balance_scale", "breast_cancer", "vertebral_3c",
    "redwine", "whitewine", "cardio",
)  # fmt: skip
"""Data sets of the published fault study or of its family, small circuits first."""
HIDDEN = 3


@dataclass(frozen=True)
class Circuit:
    """A built perceptron; faults are measured on test samples, cells chosen on the others."""

    name: str
    folder: Path
    test: Path
    fit: Path

    def subject(self) -> Subject:
        """The netlist with the test samples."""
        return _subject(self.folder, self.test)

    def chooser(self) -> Subject:
        """The netlist with the samples of the training."""
        return _subject(self.folder, self.fit)


@cache
def _subject(folder: Path, data: Path) -> Subject:
    return open_subject(folder, data)


def circuits(options: Options) -> Iterator[Circuit]:
    """The circuits that the options ask for; one that is not in the cache is built first."""
    names = [name for name in NAMES if options.only in name][: 1 if options.quick else None]
    for name in names:
        if (one := _circuit(name, options)) is not None:
            yield one


@cache
def _circuit(name: str, options: Options) -> Circuit | None:
    one = SETS[name]
    place = HERE / "cache" / f"trust-{name}-{one.key}"
    model, folder = place / "model", place / "build"
    if not folder.is_dir():
        if options.report:
            return None
        data = one.load()
        perceptron = fit_perceptron(data, data.x_fit, data.y_fit, one.hidden or HIDDEN, 8)
        model.mkdir(parents=True, exist_ok=True)
        for file, content in build_files(perceptron, data).items():
            (model / file).write_bytes(content)
        words = ["build", "--config", str(model / "flow.toml"), "-o", str(folder)]
        words += ["--effort", "fast", "--simulator", "none", "--prove-limit", "300", "--json"]
        with contextlib.redirect_stdout(io.StringIO()):
            code = run(words)
        if code:
            return None
    return Circuit(name, folder, model / TEST, model / FIT)
