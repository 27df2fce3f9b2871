"""Classifiers printed on plastic: bespoke, fully parallel, combinational; area is everything.

A sample takes 200 ms, the clock period of the printed classifiers of Armeniakos et al.,
"Cross-Layer Approximation for Printed Machine Learning Circuits", DATE 2022; inputs have 4
bits and weights 8 bits there, and nothing is rounded between the layers.
"""

from flow.pipeline.cells import Cells
from flow.pipeline.circuit_stages import STAGES
from flow.pipeline.state import CircuitRecipe

PRINTED = CircuitRecipe(
    name="printed",
    summary="Bespoke combinational classifiers in printed electronics, smallest area.",
    stages=STAGES,
    fabric=Cells(),
    tech="egfet",
    passes=("heaps", "shared-trees", "adders", "compressed"),
    interval=200.0,
    quick_passes=("shared-trees", "trees", "heaps"),
    high_passes=("searched",),
    defaults={"input_bits": 4, "weight_bits": 8, "activation_bits": 0},
    printed_power=True,
)
