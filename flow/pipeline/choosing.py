"""Among several pipelines of passes, the one whose circuit is best by the objective.

No count of adders ranks small circuits as their mapped size does, so what is mapped decides: the
area of cells or the number of look-up tables, and the delay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace

from flow.backends.bitblast import bitblast
from flow.ir.circuit import Circuit
from flow.ir.nodes import Linear
from flow.passes.base import Pass, PassManager, Step
from flow.passes.linear.csd import digit_count
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.config import BuildConfig, latency_cycles
from flow.pipeline.points import Point, cost
from flow.pipeline.state import CircuitRecipe, Trial
from flow.progress import Progress, counted, silent
from flow.tech.part import Part
from flow.tech.technology import Technology

GATES = 9
"""Gates of a full adder, which takes one bit away."""
SHARED = 3
"""Sharing sums makes them smaller by less than this factor: below 2 was seen."""
TRIED = 1_000
"""Gates beyond which, at normal effort, the first pipeline for the area is taken without a trial.

On smaller circuits the best was seen to be smaller by up to 60 %, on those of 1 400 to 22 000
gates by at most 1.1 %, and a trial takes longer than all else up to the Verilog.
"""


def candidates(config: BuildConfig, recipe: CircuitRecipe) -> tuple[str, ...]:
    """The pipelines to choose among: the user's, or those of the target for the objective."""
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


@dataclass(frozen=True)
class Choice:
    """A pipeline of passes: its text, its steps on the circuit, and what was tried for it."""

    passes: str
    steps: tuple[Step, ...]
    trials: tuple[Trial, ...] = ()


def choose_passes(
    circuit: Circuit,
    config: BuildConfig,
    recipe: CircuitRecipe,
    technology: Technology | Part,
    progress: Progress = silent,
) -> Choice:
    """The pipeline that the objective calls best, the first of equals.

    On a large circuit the first is taken without a trial, unless it cannot keep a latency. The
    choice is the same whatever the last stage of the build is.
    """
    runner = _Runner(circuit, progress)
    texts = _in_time(candidates(config, recipe), runner, config, recipe, technology)
    first = runner.run(texts[0])
    largest = recipe.fabric.largest
    if config.objective == "area" and config.effort == "normal":
        largest = min(largest, TRIED)
    if len(texts) == 1 or _large(circuit, first, largest):
        return Choice(texts[0], first)
    trials: list[Trial] = []
    found: list[tuple[Step, ...]] = []
    for text in counted(texts, "pipelines tried", progress):
        found.append(runner.run(text))
        points = recipe.fabric.points(found[-1][-1].after, technology, config)
        trials.append(Trial(text, points))
    costs = [min(cost(p, config.objective) for p in trial.points) for trial in trials]
    best = costs.index(min(costs))
    return Choice(texts[best], found[best], tuple(trials))


def _in_time(
    texts: tuple[str, ...],
    runner: _Runner,
    config: BuildConfig,
    recipe: CircuitRecipe,
    technology: Technology | Part,
) -> tuple[str, ...]:
    """The pipelines; if the first cannot keep clock and latency by the estimate of an FPGA family,
    the first of those for the delay that can."""
    most = latency_cycles(config)
    if config.passes or config.period is None or most is None or not isinstance(technology, Part):
        return texts
    kind = Pipeline(family=technology.name)
    for text in dict.fromkeys((texts[0], *recipe.quick_passes)):
        if kind.estimate(runner.run(text)[-1].after)(most) <= config.period:
            return texts if text == texts[0] else (text,)
    return texts


@dataclass(slots=True)
class _Runner:
    """Runs pipelines on one circuit; what several of them begin with is run once."""

    circuit: Circuit
    progress: Progress
    known: dict[tuple[Pass, ...], Step] = field(default_factory=dict)

    def run(self, text: str) -> tuple[Step, ...]:
        """The steps of a pipeline."""
        passes = parse_pipeline(text)
        steps: list[Step] = []
        for count in range(1, len(passes) + 1):
            if passes[:count] not in self.known:
                break
            steps.append(self.known[passes[:count]])

        def keep(step: Step) -> None:
            steps.append(replace(step, index=len(steps) + 1))
            self.known[passes[: len(steps)]] = steps[-1]
            self.progress(f"passes: {step.applied.name}", len(steps), len(passes))

        rest = PassManager(passes[len(steps) :], (keep,))
        rest.run(steps[-1].after if steps else self.circuit)
        return tuple(steps)


def _large(circuit: Circuit, steps: Sequence[Step], largest: int) -> bool:
    """Whether the circuit after some passes has more gates, by its digits where they tell."""
    return least_gates(circuit) > largest or bitblast(steps[-1].after).size > largest


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
