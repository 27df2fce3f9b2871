"""Stage `read`: a circuit file, or a model through its network, becomes the design to be mapped."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.aiger import write_aiger
from flow.errors import UsageError
from flow.frontend.circuits.read import is_circuit, read_circuit
from flow.ir.circuit import Circuit
from flow.ir.design import Design
from flow.ir.evaluate import evaluate
from flow.ir.text import print_circuit
from flow.ir.threshold import ThresholdNetlist
from flow.ir.threshold_text import print_threshold
from flow.passes.base import PassManager
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.comparing import require_equal
from flow.pipeline.flash import FlashRecipe, design_of
from flow.pipeline.folder import write_file
from flow.pipeline.neuron_netlist import neurons_of
from flow.pipeline.stages.import_stage import Import
from flow.pipeline.state import State, have

GRAPH, FIRST, GATES = "design.aig", "initial.json", "design.th"


@dataclass(frozen=True)
class ReadDesign:
    """Read BLIF, Verilog, threshold gates or a model, and cut its flip-flops."""

    name = "read"

    def run(self, state: State, out: Path, own: Path) -> State:
        """design.aig with initial.json, or design.th; of a model network.json, circuit.flow too."""
        if not is_circuit(state.config.model):
            return self._model(state, out, own)
        technology = state.recipe.choose(state.config)
        state.progress("reading the circuit")
        found = read_circuit(have(state.config.model), state.config.liberty)
        state = replace(state, technology=technology)
        if isinstance(found, ThresholdNetlist):
            write_file(own, GATES, print_threshold(found))
            return replace(state, neurons=found)
        return _with_design(state, found, own)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reading is quick: it runs again."""
        return self.run(state, out, own)

    def _model(self, state: State, out: Path, own: Path) -> State:
        state = Import().run(state, out, own)
        if not state.config.stages and state.config.passes is None:
            neurons, note = neurons_of(state)
            state = replace(state, notes=(*state.notes, note))
            if neurons is not None:
                write_file(own, GATES, print_threshold(neurons))
                return replace(state, neurons=neurons)
        lowered = LowerLayers().run(have(state.network))
        circuit = _passed(state, lowered)
        require_equal("the circuit", evaluate(circuit, state.inputs), state.expected)
        write_file(own, "circuit.flow", print_circuit(circuit))
        return _with_design(replace(state, circuit=circuit), design_of(circuit), own)


def _passed(state: State, lowered: Circuit) -> Circuit:
    assert isinstance(state.recipe, FlashRecipe)
    passes = parse_pipeline(state.config.passes or state.recipe.passes)
    if state.config.stages:
        passes = (*passes, Pipeline(stages=state.config.stages))
    return PassManager(passes).run(lowered)


def _with_design(state: State, design: Design, own: Path) -> State:
    design.check()
    if not design.graph.outputs:
        raise UsageError("the circuit has no outputs", where=have(state.config.model).name)
    write_file(own, GRAPH, write_aiger(design.graph))
    write_file(own, FIRST, json.dumps(dict(design.initial), indent=1, sort_keys=True) + "\n")
    return replace(state, design=design)
