"""FPGAs: look-up tables and carry chains, one sample a clock, no DSP block.

Adders stay words, because each is a carry chain; the passes are chosen by look-up tables.
"""

from flow.pipeline.circuit_stages import STAGES
from flow.pipeline.luts import Luts
from flow.pipeline.state import CircuitRecipe

FPGA = CircuitRecipe(
    name="fpga",
    summary="Look-up tables and carry chains of Xilinx 7 series, ECP5 or iCE40.",
    stages=STAGES,
    fabric=Luts(),
    tech="xilinx",
    passes=("chains", "adders"),
    interval=5e-6,
    high_passes=("searched-chains", "plain"),
    quick_passes=("shallow-chains", "packed", "adders"),
    defaults={"input_bits": 8, "weight_bits": 8, "activation_bits": 8},
)
