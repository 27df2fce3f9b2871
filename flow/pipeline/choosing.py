"""Among several pipelines of passes, the one whose circuit is mapped onto the least.

No count of adders ranks small circuits as their mapped size does, so that size decides: the area
of cells, or the number of look-up tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.backends.bitblast import bitblast
from flow.ir.circuit import Circuit
from flow.passes.base import run_passes
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.state import Fabric
from flow.progress import Progress, counted, silent
from flow.tech.part import Part
from flow.tech.technology import Technology


@dataclass(frozen=True, slots=True)
class Trial:
    """A pipeline that was tried, and the size of its circuit in the unit of the fabric."""

    passes: str
    size: float


def choose_passes(
    circuit: Circuit,
    candidates: Sequence[str],
    fabric: Fabric,
    technology: Technology | Part,
    progress: Progress = silent,
) -> tuple[str, tuple[Trial, ...]]:
    """The pipeline text of least mapped size, the first of equals, and what was tried."""
    if len(candidates) == 1:
        return candidates[0], ()
    trials: list[Trial] = []
    for text in counted(candidates, "pipelines tried", progress):
        result = run_passes(circuit, parse_pipeline(text))
        if not trials and bitblast(result).size > fabric.largest:
            return text, ()
        trials.append(Trial(text, fabric.size(result, technology)))
    return min(trials, key=lambda trial: trial.size).passes, tuple(trials)
