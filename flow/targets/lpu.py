"""A language model as a chip: matrices of hardwired neurons around one vector engine.

Networks of the other frontends are hardwired neurons with plain logic between them.
"""

from flow.pipeline.lpu import LpuRecipe
from flow.pipeline.neuron_chip import NeuronRecipe
from flow.pipeline.stages.import_stage import Import
from flow.pipeline.stages.lower_stage import Lower
from flow.pipeline.stages.lpu_stages import (
    AssembleChip,
    EmitChip,
    ImportLanguage,
    MeasureChip,
    SimulateChip,
    WriteChipReport,
)
from flow.pipeline.stages.neuron_stages import (
    EmitNeurons,
    Hardwire,
    ProveNeurons,
    WriteNeuronReport,
)
from flow.pipeline.stages.simulate_stage import Simulate

NEURONS = NeuronRecipe(
    name="lpu",
    summary="Networks of other frontends as hardwired neurons.",
    stages=(
        Import(), Lower(), Hardwire(), EmitNeurons(), Simulate(), ProveNeurons(),
        WriteNeuronReport(),
    ),
    defaults={"input_bits": 8, "weight_bits": 4, "activation_bits": 8},
)  # fmt: skip

LPU = LpuRecipe(
    name="lpu",
    summary="A language model hardwired into metal: arrays, vector engine, caches, sequencer.",
    stages=(
        ImportLanguage(), AssembleChip(), EmitChip(), MeasureChip(), SimulateChip(),
        WriteChipReport(),
    ),
    networks=NEURONS,
)  # fmt: skip
