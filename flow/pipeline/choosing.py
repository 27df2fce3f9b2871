"""Among several pipelines of passes, the one whose circuit is best by the objective.

No count of adders ranks small circuits as their mapped size does, so what is mapped decides: the
area of cells or the number of look-up tables, and the delay.
"""

from __future__ import annotations

import json
from dataclasses import astuple

from flow.backends.bitblast import bitblast
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear
from flow.passes.base import run_passes
from flow.passes.linear.csd import digit_count
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.config import BuildConfig
from flow.pipeline.points import Point, cost
from flow.pipeline.state import Recipe, Trial
from flow.progress import Progress, counted, silent
from flow.tech.part import Part
from flow.tech.technology import Technology

GATES = 9
"""Gates of a full adder, which takes one bit away."""
SHARED = 3
"""Sharing sums makes them smaller by less than this factor: below 2 was seen."""


def candidates(config: BuildConfig, recipe: Recipe) -> tuple[str, ...]:
    """The pipelines to choose among: the user's, or those of the target for the objective.

    With little effort the first for the area is taken without a trial.
    """
    if config.passes is not None:
        return (config.passes,)
    if config.objective != "area":
        return recipe.quick_passes
    match config.effort:
        case "fast":
            return recipe.passes[:1]
        case "normal":
            return recipe.passes
        case "high":
            return (*recipe.passes, *recipe.high_passes)


def choose_passes(
    circuit: Circuit,
    config: BuildConfig,
    recipe: Recipe,
    technology: Technology | Part,
    progress: Progress = silent,
) -> tuple[str, tuple[Trial, ...]]:
    """The pipeline text that the objective calls best, the first of equals; what was tried."""
    texts = candidates(config, recipe)
    if len(texts) == 1 or least_gates(circuit) > recipe.fabric.largest:
        return texts[0], ()
    trials: list[Trial] = []
    for text in counted(texts, "pipelines tried", progress):
        result = run_passes(circuit, parse_pipeline(text))
        if not trials and bitblast(result).size > recipe.fabric.largest:
            return text, ()
        points = recipe.fabric.points(result, technology, config)
        trials.append(Trial(text, points))
    best = min(trials, key=lambda t: min(cost(p, config.objective) for p in t.points))
    return best.passes, tuple(trials)


def least_gates(circuit: Circuit) -> int:
    """Fewer gates than the sums of a circuit take whatever is shared, from its digits alone."""
    bits = sum(
        digit_count(c) * x.range.width
        for node in circuit.walk()
        if isinstance(node, Linear)
        for x, c in zip(node.terms, node.coefficients, strict=True)
    )
    return GATES * bits // SHARED


def trials_text(chosen: str, trials: tuple[Trial, ...]) -> str:
    """The choice as JSON, for `read_trials`."""
    rows = [[trial.passes, [astuple(point) for point in trial.points]] for trial in trials]
    return json.dumps({"chosen": chosen, "trials": rows}, indent=1) + "\n"


def read_trials(text: str) -> tuple[str, tuple[Trial, ...]]:
    """The pipeline text that was chosen, and what was tried."""
    data = json.loads(text)
    trials = (
        Trial(passes, tuple(Point(*point) for point in points)) for passes, points in data["trials"]
    )
    return data["chosen"], tuple(trials)
