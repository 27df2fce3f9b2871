"""The choice among pipelines of passes, and the versions of the tools that a build names."""

import random
from dataclasses import dataclass, field, replace

from designs_mapped import EGFET, network

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import FullAdder, Input, Linear
from flow.ir.text import print_circuit
from flow.passes.base import run_passes
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.cells import Cells
from flow.pipeline.choosing import choose_passes
from flow.pipeline.config import BuildConfig
from flow.pipeline.points import Point
from flow.pipeline.provenance import tool_versions
from flow.pipeline.state import Trial
from flow.targets.fpga import FPGA
from flow.targets.printed import PRINTED
from flow.tech.parts import load_part
from flow.tools import icarus


@dataclass(frozen=True)
class Counted(Cells):
    """Cells of which a full adder is the only one; notes how often it is asked."""

    asked: list = field(default_factory=list)

    def points(self, circuit, technology, config):
        self.asked.append(circuit)
        return (Point("count", float(sum(isinstance(n, FullAdder) for n in circuit.walk()))),)


def large():
    chance, intern = random.Random(1), Builder()
    x = tuple(intern(Input("x", i, 0, 255)) for i in range(8))
    rows = [Linear(x, tuple(chance.randint(-99, 99) for _ in x), 1) for _ in range(8)]
    return Circuit("large", (Port("x", x),), (Port("y", tuple(map(intern, rows))),))


def choose(circuit, **choices):
    recipe = replace(PRINTED, fabric=Counted(), high_passes=())
    choice = choose_passes(circuit, BuildConfig(**choices), recipe, EGFET)
    return choice, len(recipe.fabric.asked)


def full_adders(circuit, text):
    after = run_passes(circuit, parse_pipeline(text))
    return after, float(sum(isinstance(n, FullAdder) for n in after.walk()))


def test_on_a_small_circuit_every_pipeline_is_tried_and_the_best_is_handed_on():
    choice, asked = choose(network())
    found = {text: full_adders(network(), text) for text in PRINTED.passes}
    assert choice.trials == tuple(
        Trial(text, (Point("count", size),)) for text, (_, size) in found.items()
    )
    least = min(found, key=lambda text: found[text][1])
    assert (choice.passes, asked) == (least, 4)
    assert [step.index for step in choice.steps] == list(range(1, len(choice.steps) + 1))
    assert tuple(step.applied for step in choice.steps) == parse_pipeline(least)
    assert print_circuit(choice.steps[-1].after) == print_circuit(found[least][0])


def test_on_a_large_circuit_only_high_effort_tries():
    circuit = large()
    choice, asked = choose(circuit)
    assert (choice.passes, choice.trials, asked) == ("heaps", (), 0)
    alone = run_passes(circuit, parse_pipeline("heaps"))
    assert print_circuit(choice.steps[-1].after) == print_circuit(alone)
    tried, asked = choose(circuit, effort="high")
    assert [trial.passes for trial in tried.trials] == list(PRINTED.passes)
    assert asked == 4
    assert len(choose(circuit, objective="delay")[0].trials) == 3


def test_passes_of_the_user_are_not_tried():
    choice, asked = choose(network(), passes="")
    assert (choice.passes, choice.steps, choice.trials, asked) == ("", (), (), 0)


def test_tools_are_asked_for_their_versions_once_in_an_environment(monkeypatch):
    asked = []

    def version():
        asked.append(None)
        return f"Icarus {len(asked)}"

    monkeypatch.setattr(icarus, "available", lambda: True)
    monkeypatch.setattr(icarus, "version", version)
    found = []
    for name in ("one", "one", "two"):
        monkeypatch.setenv("IVERILOG", name)
        found.append(tool_versions(("icarus",)))
    assert [versions["icarus"] for versions in found] == ["Icarus 1", "Icarus 1", "Icarus 2"]
    assert {**found[0], "icarus": ""} == {**found[2], "icarus": ""}


def test_a_latency_that_the_usual_passes_cannot_keep_takes_those_for_the_delay():
    chance, intern = random.Random(2), Builder()
    x = tuple(intern(Input("x", i, 0, 1)) for i in range(60))
    rows = [Linear(x, tuple(chance.randint(-9, 9) for _ in x), 1) for _ in range(12)]
    circuit = Circuit("bits", (Port("x", x),), (Port("y", tuple(map(intern, rows))),))
    kind = Pipeline(family="xilinx")

    def period(text):
        return kind.estimate(run_passes(circuit, parse_pipeline(text)))(2)

    usual, quick = period("chains"), period("packed")
    assert quick < 0.8 * usual
    recipe = replace(FPGA, fabric=replace(FPGA.fabric, largest=0))

    def chosen(ns):
        config = BuildConfig(latency="2", period=ns)
        return choose_passes(circuit, config, recipe, load_part("xilinx")).passes

    assert [chosen(ns) for ns in (1.01 * usual, 1.01 * quick, 0.5 * quick)] == [
        "chains", "packed", "chains",
    ]  # fmt: skip
