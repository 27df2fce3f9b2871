"""Projects for compilers of high-level synthesis, written by hls4ml from our own layers.

Inputs, weights and activations of a float network have 8 bits, as for the other targets on silicon.
"""

from flow.pipeline.hls import HlsRecipe
from flow.pipeline.stages.emit_hls_stage import EmitHls
from flow.pipeline.stages.import_stage import Import
from flow.pipeline.stages.report_hls_stage import WriteHlsReport
from flow.pipeline.stages.simulate_hls_stage import SimulateHls

HLS = HlsRecipe(
    name="hls",
    summary="Projects for Vitis, Vivado, Catapult, oneAPI and Intel HLS, through hls4ml.",
    stages=(Import(), EmitHls(), SimulateHls(), WriteHlsReport()),
    most=(100_000_000, "a project for HLS"),
    defaults={"input_bits": 8, "weight_bits": 8, "activation_bits": 8},
)
