"""Silicon: bespoke, fully parallel circuits in standard cells, combinational or pipelined.

A sample takes 25 ns where nothing else is asked for: the bunch crossings of the LHC, at whose
rate the trigger circuits of particle detectors answer.
"""

from flow.pipeline.cells import Cells
from flow.pipeline.circuit_stages import STAGES
from flow.pipeline.state import CircuitRecipe
from flow.pipeline.timers import best_timer

ASIC = CircuitRecipe(
    name="asic",
    summary="Standard cells of silicon, smallest area; pipelined on request.",
    stages=STAGES,
    fabric=Cells(timer=best_timer, tools=("sta",)),
    tech="sky130",
    passes=("heaps", "shared-trees", "adders", "compressed"),
    interval=25e-6,
    quick_passes=("shared-trees", "trees", "heaps"),
    high_passes=("searched",),
    stores=("constants", "registers", "banks"),
    defaults={"input_bits": 8, "weight_bits": 8, "activation_bits": 8},
)
