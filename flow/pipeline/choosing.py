"""Among several pipelines of passes, the one whose circuit maps onto the least area.

No count of adders ranks small printed circuits as their mapped area does, so the area decides.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.backends.bitblast import bitblast
from flow.ir.circuit import Circuit
from flow.passes.base import run_passes
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.synthesis import synthesise
from flow.tech.technology import Technology

LARGEST = 30_000
"""Gates of the first candidate's graph beyond which it is taken without a trial."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A pipeline that was tried, and the cell area (um2) that its circuit maps to."""

    passes: str
    area: float


def choose_passes(
    circuit: Circuit, candidates: Sequence[str], technology: Technology
) -> tuple[str, tuple[Trial, ...]]:
    """The pipeline text of least mapped area, the first of equals, and what was tried."""
    if len(candidates) == 1:
        return candidates[0], ()
    trials: list[Trial] = []
    for text in candidates:
        result = run_passes(circuit, parse_pipeline(text))
        if not trials and bitblast(result).size > LARGEST:
            return text, ()
        with tempfile.TemporaryDirectory(prefix="flow-choice-") as folder:
            found = synthesise(result, technology, Path(folder), effort="fast")
        trials.append(Trial(text, min(area for _, area in found.areas)))
    return min(trials, key=lambda trial: trial.area).passes, tuple(trials)
