"""A language model as a chip: matrices of hardwired neurons around one vector engine."""

from flow.pipeline.lpu import LpuRecipe
from flow.pipeline.stages.lpu_stages import (
    AssembleChip,
    EmitChip,
    ImportLanguage,
    MeasureChip,
    SimulateChip,
    WriteChipReport,
)

LPU = LpuRecipe(
    name="lpu",
    summary="A language model hardwired into metal: arrays, vector engine, caches, sequencer.",
    stages=(
        ImportLanguage(), AssembleChip(), EmitChip(), MeasureChip(), SimulateChip(),
        WriteChipReport(),
    ),
)  # fmt: skip
