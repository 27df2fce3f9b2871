"""Stage `optimise`: exact passes, each of them compared and, where feasible, proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.ir.evaluate import evaluate
from flow.ir.text import parse_circuit, print_circuit
from flow.passes.base import Pass, PassManager, Step, check_exact, pass_text
from flow.passes.pipeline_text import parse_pipeline, print_pipeline
from flow.pipeline.comparing import require_equal
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import write_file
from flow.pipeline.reading import read_text
from flow.pipeline.state import PassStep, Recipe, State, have


@dataclass(frozen=True)
class Optimise:
    """Run the passes of the target, in order, each checked on vectors."""

    name = "optimise"

    def run(self, state: State, out: Path, own: Path) -> State:
        """NN-pass.flow after each pass, passes.txt, and the circuit to be emitted."""
        passes = passes_of(state.config, state.recipe)
        lines: list[str] = []
        steps: list[PassStep] = []

        def record(step: Step) -> None:
            before, after = (sum(1 for _ in c.walk()) for c in (step.before, step.after))
            lines.append(f"{step.index:02d} {step.name}: {before} -> {after} nodes\n")
            steps.append(PassStep(step.name, step.applied.exact, step.before, step.after))
            name = f"{step.index:02d}-{step.applied.name}.flow"
            write_file(own, name, print_circuit(step.after))

        observers = (record, check_exact(seed=state.config.seed))
        circuit = PassManager(passes, observers).run(have(state.lowered))
        require_equal("the optimised circuit", evaluate(circuit, state.inputs), state.expected)
        write_file(own, "passes.txt", f"{print_pipeline(passes)}\n{''.join(lines)}")
        write_file(own, "circuit.flow", print_circuit(circuit))
        return replace(state, circuit=circuit, steps=tuple(steps))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The circuits of the earlier build, the last one compared anew."""
        for path in sorted(earlier.iterdir()):
            write_file(own, path.name, read_text(path))
        before, steps = have(state.lowered), []
        for i, step in enumerate(passes_of(state.config, state.recipe), 1):
            path = earlier / f"{i:02d}-{step.name}.flow"
            after = parse_circuit(read_text(path), str(path))
            steps.append(PassStep(pass_text(step), step.exact, before, after))
            before = after
        require_equal("the optimised circuit", evaluate(before, state.inputs), state.expected)
        return replace(state, circuit=before, steps=tuple(steps))


def passes_of(config: BuildConfig, recipe: Recipe) -> tuple[Pass, ...]:
    """The target's passes or the user's, then the pipelining that the options ask for."""
    text = config.passes if config.passes is not None else recipe.passes
    if config.stages:
        text = f"{text},pipeline{{stages={config.stages}}}"
    elif config.period is not None:
        text = f"{text},pipeline{{period={config.period:g}}}"
    return parse_pipeline(text)
