"""A programmable array of binary-neuron processing elements, for binary and ternary networks.

Of a float network, inputs have 8 bits; its weights and activations are one bit where the model
says so, and a layer whose activations are not bits is refused.
"""

from flow.pipeline.stages.emit_tulip_stage import EmitTulip
from flow.pipeline.stages.import_stage import Import
from flow.pipeline.stages.report_tulip_stage import WriteTulipReport
from flow.pipeline.stages.schedule_stage import ScheduleArray
from flow.pipeline.stages.simulate_tulip_stage import SimulateTulip
from flow.pipeline.tulip import TulipRecipe

TULIP = TulipRecipe(
    name="tulip",
    summary="An array of threshold-logic processing elements for binary networks, programmed.",
    stages=(Import(), ScheduleArray(), EmitTulip(), SimulateTulip(), WriteTulipReport()),
    most=(100_000_000, "the array"),
    defaults={"input_bits": 8, "weight_bits": 8, "activation_bits": 8},
)
