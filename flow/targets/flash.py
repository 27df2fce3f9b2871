"""Threshold functions as single cells: from networks, and from any BLIF or Verilog."""

from flow.pipeline.flash import FlashRecipe
from flow.pipeline.stages.flash_cells_stage import FlashCells
from flow.pipeline.stages.map_threshold_stage import MapThreshold
from flow.pipeline.stages.prove_threshold_stage import ProveThreshold
from flow.pipeline.stages.read_design_stage import ReadDesign
from flow.pipeline.stages.report_flash_stage import WriteFlashReport

FLASH = FlashRecipe(
    name="flash",
    summary="Flash threshold cells, from networks, BLIF, Verilog or threshold gates.",
    stages=(ReadDesign(), MapThreshold(), ProveThreshold(), FlashCells(), WriteFlashReport()),
    tech="sky130",
    passes="heaps",
    defaults={"input_bits": 8, "weight_bits": 8, "activation_bits": 8},
)
