"""Stage `optimise`: exact passes, each of them compared and, where feasible, proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flow.analysis.latency import latency
from flow.backends.emission import Emission
from flow.backends.verilog import SUPPORTS
from flow.errors import UsageError
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.text import parse_circuit, print_circuit
from flow.passes.base import Pass, PassManager, Step, check_exact, pass_text, uncollected
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline, print_pipeline
from flow.pipeline.choosing import choose_passes, read_trials, trials_text
from flow.pipeline.comparing import require_equal
from flow.pipeline.config import latency_cycles
from flow.pipeline.folder import write_file
from flow.pipeline.folding import FOLDED, fold_state, is_folded
from flow.pipeline.period import pipeline_for
from flow.pipeline.points import point_text
from flow.pipeline.reading import read_text
from flow.pipeline.state import PassStep, State, have
from flow.tech.part import Part

TRIALS = "trials.json"


@dataclass(frozen=True)
class Optimise:
    """Run the passes of the target, in order, each checked on vectors."""

    name = "optimise"

    @uncollected()
    def run(self, state: State, out: Path, own: Path) -> State:
        """NN-pass.flow after each pass, passes.txt, trials.json, and the circuit to be emitted."""
        config, lowered = state.config, have(state.lowered)
        if is_folded(config) and (folded := fold_state(state, own)) is not None:
            return folded
        unit = state.circuit_recipe.fabric.unit
        choice = choose_passes(lowered, config, state.circuit_recipe, state.target, state.progress)
        passes = tuple(step.applied for step in choice.steps)
        lines = [
            f"tried {trial.passes}, {point_text(point, unit)}\n"
            for trial in choice.trials
            for point in trial.points
        ]
        steps: list[PassStep] = []
        written: list[str] = []

        def record(step: Step) -> None:
            before, after = (sum(1 for _ in c.walk()) for c in (step.before, step.after))
            number = len(steps) + 1
            lines.append(f"{number:02d} {step.name}: {before} -> {after} nodes\n")
            steps.append(PassStep(step.name, step.applied.exact, step.before, step.after))
            written.append(print_circuit(step.after))
            write_file(own, f"{number:02d}-{step.applied.name}.flow", written[-1])
            state.progress(f"comparing: {step.applied.name}", number, len(passes))

        observers = (record, check_exact(seed=state.config.seed))
        for step in choice.steps:
            for observe in observers:
                observe(step)
        circuit = choice.steps[-1].after if choice.steps else lowered
        _require_operations(circuit, choice.passes)
        if (last := _pipelining(state, circuit)) is not None:
            passes = (*passes, last)
            circuit = PassManager((last,), observers).run(circuit)
        require_equal("the optimised circuit", evaluate(circuit, state.inputs), state.expected)
        write_file(own, "passes.txt", f"{print_pipeline(passes)}\n{''.join(lines)}")
        write_file(own, "circuit.flow", written[-1] if written else print_circuit(circuit))
        write_file(own, TRIALS, trials_text(choice.passes, choice.trials))
        return replace(
            state, circuit=circuit, steps=tuple(steps), passes=choice.passes, trials=choice.trials
        )

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The circuits of the earlier build, the last one compared anew."""
        if (earlier / FOLDED).is_file():
            return self.run(state, out, own)
        for path in sorted(earlier.iterdir()):
            write_file(own, path.name, read_text(path))
        before, steps = have(state.lowered), []
        passes = parse_pipeline(read_text(earlier / "passes.txt").partition("\n")[0])
        for i, step in enumerate(passes, 1):
            path = earlier / f"{i:02d}-{step.name}.flow"
            after = parse_circuit(read_text(path), str(path))
            steps.append(PassStep(pass_text(step), step.exact, before, after))
            before = after
        require_equal("the optimised circuit", evaluate(before, state.inputs), state.expected)
        text, trials = read_trials(read_text(earlier / TRIALS))
        return replace(state, circuit=before, steps=tuple(steps), passes=text, trials=trials)


def _pipelining(state: State, circuit: Circuit) -> Pass | None:
    """The pass that the options ask for behind the others."""
    config, technology = state.config, state.target
    most = latency_cycles(config)
    family = technology.name if isinstance(technology, Part) else None
    if config.period is None:
        stages = config.stages or most
        return Pipeline(stages=stages, family=family) if stages else None
    fabric = state.circuit_recipe.fabric

    def delay(piped: Circuit, emission: Emission) -> float:
        state.progress(f"timing of {latency(piped)} stages")
        return fabric.delay(piped, emission, technology, config)

    return pipeline_for(
        circuit, delay, Pipeline(family=family), technology.name, config.period, most,
        config.handshake,
    )  # fmt: skip


def _require_operations(circuit: Circuit, text: str) -> None:
    left = sorted({node.mnemonic for node in circuit.walk() if type(node) not in SUPPORTS})
    if left:
        raise UsageError(
            f"the passes {text!r} leave operations that Verilog has no word for: {', '.join(left)}",
            hint="end with adders, plain, bespoke or compressed, or with expand-linear",
        )
